"""Shapes as numbers, other types, whole numbers for floats and back."""

from __future__ import annotations

import math

import numpy as np

from pellucid.exchange.onnx_file import TYPES
from pellucid.exchange.onnx_readers.weights import Reader
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.layers import Scale, Shift
from pellucid.layers.quantize import FakeQuantize


def _cast(at: At) -> None:
    x, to = at.unknown(), at.get("to")
    if to not in {1, 10, 11, 16}:
        raise RefusedError("to a type that isn't floats")
    at.give(Unknown(x.name, x.shape))


def _shape(at: At) -> None:
    whole = at.whole(at.unknown())
    start, end = at.get("start", 0), at.get("end", len(whole))
    at.give(Known(np.asarray(whole[slice(start, end)], np.int64)))


def _size(at: At) -> None:
    at.give(Known(np.asarray(math.prod(at.whole(at.unknown())), np.int64)))


def _scalar(at: At, place: int) -> float:
    """A scale or a zero point of the whole tensor."""
    array = at.needed(place).array
    if array.size != 1:
        raise RefusedError("one scale a channel of what the network works out, expected one for all")
    return float(array.reshape(()))


def _quantize(at: At) -> None:
    x, zero = at.unknown(), at.known(2)
    given = TYPES.get(at.get("output_dtype", 2))
    dtype = zero.array.dtype if zero is not None else given
    if dtype is None or dtype.name not in {"int8", "uint8", "int16", "uint16"}:
        raise RefusedError(f"to type {dtype}")
    limits = np.iinfo(dtype)
    offset = 0 if zero is None else int(_scalar(at, 2))
    layer = FakeQuantize(_scalar(at, 1), offset, int(limits.min), int(limits.max))
    made = at.emit(layer, x)
    at.give(Unknown(made.name, made.shape, integers=True))


def _dequantize(at: At) -> None:
    """Of what was quantised on the same scale, nothing; of a network's bytes, their normalisation."""
    x, zero = at.unknown(), at.known(2)
    scale, offset = _scalar(at, 1), 0 if zero is None else int(_scalar(at, 2))
    layer = at.layer_of(x)
    if isinstance(layer, FakeQuantize):
        if (layer.scale, layer.zero) != (scale, offset):
            raise RefusedError("on another scale than it was quantised on")
        at.give(Unknown(x.name, x.shape))
        return
    seen = Unknown(x.name, x.shape)
    if offset:
        seen = at.emit(Shift((), trained=False), seen, weights={"bias": np.asarray(-offset, np.float32)})
    at.give(at.emit(Scale((), trained=False), seen, weights={"weight": np.asarray(scale, np.float32)}))


READERS: dict[str, Reader] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
    "Cast": _cast,
    "Shape": _shape,
    "Size": _size,
}
