"""A file's tensors as the parameters of layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.layers import Layer
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_half

Reader = Callable[[At], None]


def floats(array: Array) -> Array:
    """Numbers as weights have them."""
    return array.astype(np.float32) if is_half(array.dtype) or array.dtype.kind != "f" else array


def biased(at: At, layer: Layer, x: Unknown, channels: int, weight: Known | Array) -> Unknown:
    """A layer with a weight and, where the file has one, a bias a channel."""
    bias, name = at.known(2), own_name(at)
    given = {"weight": converted(weight)} | ({} if bias is None else {"bias": vector(bias, channels)})
    return at.emit(layer, x, name=name, weights=given)


def converted(given: Known | Array) -> Known | Array:
    """As weights have numbers, of the same source."""
    if isinstance(given, Known):
        return Known(floats(given.array), given.source, given.learnt)
    return floats(given)


def vector(given: Known, channels: int) -> Known:
    """One number a channel, of as many, or of one for all."""
    array = given.array
    if array.size not in {1, channels} or max(array.shape, default=1) < array.size:
        raise RefusedError(f"a bias of shape {array.shape} for {channels} channels")
    array = floats(array).reshape(-1)
    return Known(array if array.size == channels else array.repeat(channels), given.source, given.learnt)


def own_name(at: At) -> str:
    """Of a tensor "conv1.weight" that no other layer has taken its name from, "conv1"; else nothing."""
    weight = at.value(1)
    source = weight.source if isinstance(weight, Known) else ""
    stem, _, last = source.rpartition(".")
    return stem if last == "weight" and stem and at.reading.take(stem) == stem else ""


def short(number: float) -> float:
    """A number of 32 bits as people write it."""
    return float(str(np.float32(number)))
