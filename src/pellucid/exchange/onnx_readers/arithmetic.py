"""Sums, products and extremes of values, and of values with constants."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pellucid.exchange.onnx_readers.activations import bounded, number
from pellucid.exchange.onnx_readers.broadcast import aligned, joined, learns
from pellucid.exchange.onnx_readers.gates import as_gelu, as_hard, as_response_norm, gated
from pellucid.exchange.onnx_readers.weights import Reader, floats, vector
from pellucid.exchange.onnx_reading import At, Known, Unknown
from pellucid.layers import (
    Add,
    Conv2d,
    ConvTranspose2d,
    Divide,
    Expand,
    Linear,
    Maximum,
    Minimum,
    Multiply,
    Power,
    Scale,
    Shift,
    Subtract,
)
from pellucid.layers.joins import Join
from pellucid.ops.arrays import Array

AFFINE = (Conv2d, ConvTranspose2d, Linear)


def _add(at: At) -> None:
    values = [at.value(place) for place in range(len(at.node.inputs))]
    known = [place for place, value in enumerate(values) if isinstance(value, Known)]
    if len(values) == 2 and len(known) == 1:
        offset, x = at.needed(known[0]), at.unknown(1 - known[0])
        if not _absorbed(at, x, offset):
            _shifted(at, x, offset, 1.0)
        return
    joined(Add, pixelwise=True)(at)


def _absorbed(at: At, x: Unknown, offset: Known) -> bool:
    """Whether an addition is the bias of the layer before it, which has none."""
    layer = at.layer_of(x)
    if _into_norm(at, x, offset, "bias"):
        return True
    if not isinstance(layer, AFFINE) or layer.bias_wanted or not at.reading.only_reader(x):
        return False
    channels = x.shape[0]
    array = aligned(at, offset, len(x.shape))
    if array.shape not in {x.shape[:1] if len(x.shape) == 1 else (), (channels, *(1 for _ in x.shape[1:]))}:
        return False
    arguments, options = layer.made_with
    layer.bias_wanted, layer.made_with = True, (arguments, options | {"bias": True})
    at.weigh(f"{x.name}.bias", vector(offset, channels))
    at.give(x)
    return True


def _into_norm(at: At, x: Unknown, numbers: Known, name: str) -> bool:
    """Whether numbers become gamma or beta of the norm before them, which has none of its own so far."""
    if x.name not in at.reading.bare:
        return False
    array = aligned(at, numbers, len(x.shape))
    if array.shape != (x.shape[0], *(1 for _ in x.shape[1:])) or not at.reading.only_reader(x):
        return False
    if name == "bias":
        at.reading.bare.discard(x.name)
    at.weigh(f"{x.name}.{name}", vector(Known(array.reshape(-1), numbers.source, numbers.learnt), x.shape[0]))
    at.give(x)
    return True


def _number_layer(at: At, layer: type[Scale] | type[Shift], x: Unknown, values: Known, array: Array) -> Unknown:
    """x with numbers of the file's own; right behind the network's input they normalise it, and don't learn."""
    array = floats(array)
    shape = np.broadcast_shapes(x.shape, array.shape)
    seen = x if shape == x.shape else at.emit(Expand(*shape), x)
    before = at.layer_of(x)
    first = before is None or (isinstance(before, Scale | Shift) and not before.trained)
    key = "weight" if layer is Scale else "bias"
    made = layer(array.shape, trained=learns(at, values) and not first)
    return at.emit(
        made, seen, weights={key: Known(array, values.source if array is values.array else "", values.learnt)}
    )


def _shifted(at: At, x: Unknown, offset: Known, sign: float) -> None:
    array = floats(aligned(at, offset, len(x.shape)))
    at.give(_number_layer(at, Shift, x, offset, array if sign > 0 else -array))


def _sub(at: At) -> None:
    first, second = at.value(0), at.value(1)
    if isinstance(second, Known):
        _shifted(at, at.unknown(0), at.needed(1), -1.0)
    elif isinstance(first, Known):
        _shifted(at, number(at, Scale, at.unknown(1), -1.0), at.needed(0), 1.0)
    else:
        joined(Subtract)(at)


def _mul(at: At) -> None:
    values = [at.value(place) for place in range(2)]
    known = [place for place, value in enumerate(values) if isinstance(value, Known)]
    if len(known) == 1:
        x = at.unknown(1 - known[0])
        factor = at.needed(known[0])
        if _into_norm(at, x, factor, "weight"):
            return
        if factor.array.size == 1:
            made = as_gelu(at, x, factor) or as_hard(at, x, float(factor.array.reshape(())))
            if made is not None:
                at.give(made)
                return
        at.give(_number_layer(at, Scale, x, factor, aligned(at, factor, len(x.shape))))
        return
    for place in (0, 1):
        gate, x = at.unknown(place), at.unknown(1 - place)
        made = gated(at, gate, x)
        if made is not None:
            at.give(made)
            return
    joined(Multiply, pixelwise=True)(at)


def _div(at: At) -> None:
    if isinstance(at.value(1), Known):
        x, divisor = at.unknown(0), at.needed(1)
        one = float(divisor.array.reshape(())) if divisor.array.size == 1 else 0.0
        if one and (made := as_hard(at, x, 1 / one)) is not None:
            at.give(made)
            return
        array = floats(aligned(at, divisor, len(x.shape)))
        with np.errstate(divide="ignore"):
            at.give(_number_layer(at, Scale, x, divisor, (1 / array.astype(np.float64)).astype(array.dtype)))
        return
    first = at.value(0)
    if isinstance(first, Known) and first.array.size == 1:
        inverse = at.emit(Power(-1), at.unknown(1))
        at.give(_number_layer(at, Scale, inverse, first, aligned(at, first, len(inverse.shape))))
        return
    if isinstance(first, Unknown) and (made := as_response_norm(at, first, at.unknown(1))) is not None:
        at.give(made)
        return
    joined(Divide)(at)


def _extreme(layer: Callable[[], Join], largest: bool) -> Reader:
    """Max or Min; with one number it is a bound."""

    def read(at: At) -> None:
        values = [at.value(place) for place in range(len(at.node.inputs))]
        bounds = [value.array for value in values if isinstance(value, Known) and value.array.size == 1]
        if len(values) == 2 and len(bounds) == 1:
            x = at.unknown(next(i for i, value in enumerate(values) if isinstance(value, Unknown)))
            bound = float(bounds[0].reshape(()))
            bounded(at, x, bound if largest else -math.inf, math.inf if largest else bound)
            return
        joined(layer)(at)

    return read


READERS: dict[str, Reader] = {
    "Add": _add,
    "Div": _div,
    "Max": _extreme(Maximum, largest=True),
    "Min": _extreme(Minimum, largest=False),
    "Mul": _mul,
    "Neg": lambda at: at.give(number(at, Scale, at.unknown(), -1.0)),
    "Sub": _sub,
    "Sum": _add,
}
