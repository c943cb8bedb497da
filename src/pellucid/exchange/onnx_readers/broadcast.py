"""Values of several shapes brought to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.onnx_readers.weights import Reader, floats
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown, Value
from pellucid.graph import INPUT
from pellucid.layers import Constant, Expand
from pellucid.layers.joins import Join
from pellucid.ops.arrays import Array, Shape


def shape_of(at: At, place: int) -> Shape:
    """The shape a sample of an input."""
    found = at.value(place)
    if isinstance(found, Unknown):
        return found.shape
    array = at.needed(place).array
    return array.shape


def aligned(at: At, known: Known, rank: int) -> Array:
    """Constants beside samples of so many axes: without the axis of the batch, which they must not have."""
    array = known.array
    while array.ndim > rank and array.shape[0] == 1:
        array = array[0]
    if array.ndim > rank:
        raise RefusedError(f"constants of shape {known.array.shape} that differ from image to image")
    return array


def expanded(at: At, value: Any, shape: Shape) -> Unknown:
    """A value of that shape a sample, repeated where it is smaller."""
    if isinstance(value, Known):
        array = floats(aligned(at, value, len(shape)))
        made = at.emit(Constant(array.shape, trained=learns(at, value)), at.input(), weights={"value": array})
    else:
        made = value
    if made.shape == shape:
        return made
    if len(made.shape) < len(shape) and not isinstance(value, Known):
        raise RefusedError(f"values of shapes {made.shape} and {shape}, aligned at their ends")
    return at.emit(Expand(*shape), made)


def learns(at: At, value: Known) -> bool:
    """Whether constants become a parameter that is trained."""
    return value.learnt and value.array.size > 1 and value.source not in at.reading.untrained


def _common(at: At) -> Shape:
    """The shape of one sample that all inputs are broadcast to."""
    shapes = []
    for place in range(len(at.node.inputs)):
        found = at.value(place)
        if isinstance(found, Unknown):
            shapes.append(found.shape)
    rank = max(map(len, shapes))
    if min(map(len, shapes)) < rank:
        raise RefusedError(f"values of shapes {' and '.join(map(str, shapes))} a sample, aligned at their ends")
    for place in range(len(at.node.inputs)):
        known = at.value(place)
        if isinstance(known, Known):
            shapes.append(aligned(at, at.needed(place), rank).shape)
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise RefusedError(f"values of shapes {' and '.join(map(str, shapes))} a sample") from None


def _unexpanded(at: At, value: Value | None, shape: Shape) -> Value | None:
    """What was repeated for every pixel, (C, 1, 1), where a value is that."""
    node = at.reading.nodes.get(value.name) if isinstance(value, Unknown) else None
    if node is None or not isinstance(node.layer, Expand) or len(shape) != 3:
        return value
    source = at.input() if node.inputs[0] == INPUT else Unknown(node.inputs[0], at.reading.shapes[node.inputs[0]])
    return source if source.shape == (shape[0], 1, 1) else value


def joined(layer: Callable[[], Join], pixelwise: bool = False) -> Reader:
    """An operator on any number of values. pixelwise: whether the layer takes (C, 1, 1) for every pixel."""

    def read(at: At) -> None:
        shape = _common(at)
        values = [at.value(place) for place in range(len(at.node.inputs))]
        small = {shape, (*shape[:1], 1, 1)[: len(shape)]} if pixelwise else {shape}
        if pixelwise:
            values = [_unexpanded(at, value, shape) for value in values]
        given = [
            value if isinstance(value, Unknown) and value.shape in small else expanded(at, value, shape)
            for value in values
        ]
        at.give(at.emit(layer(), *given) if len(given) > 1 else given[0])

    return read
