"""The same numbers laid out anew, cut, joined or framed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pellucid.exchange.onnx_fold.layout import frame, parts_of, reshaped, slices
from pellucid.exchange.onnx_readers.broadcast import aligned, expanded, learns
from pellucid.exchange.onnx_readers.norms import grouped
from pellucid.exchange.onnx_readers.weights import Reader, floats
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.layers import (
    Constant,
    DepthToSpace,
    Expand,
    Flatten,
    Layer,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    Transpose,
)
from pellucid.layers.joins import Concat
from pellucid.ops.arrays import Shape


def _concat(at: At) -> None:
    rank = max(len(v.shape) for i in range(len(at.node.inputs)) if isinstance(v := at.value(i), Unknown))
    axis = at.sample_axis(at.get("axis", 1), rank + 1)
    values = []
    for place in range(len(at.node.inputs)):
        found = at.value(place)
        if isinstance(found, Known):
            array = floats(aligned(at, at.needed(place), rank))
            found = at.emit(Constant(array.shape, trained=learns(at, found)), at.input(), weights={"value": array})
        if not isinstance(found, Unknown) or len(found.shape) != rank:
            raise RefusedError("tensors of different numbers of axes")
        values.append(found)
    order = [axis, *(i for i in range(rank) if i != axis)]
    if axis:
        values = [at.emit(Transpose(*order), value) for value in values]
    whole = at.emit(Concat(), *values) if len(values) > 1 else values[0]
    at.give(at.emit(Transpose(*(order.index(i) for i in range(rank))), whole) if axis else whole)


def _to_shape(at: At, x: Unknown, shape: Shape) -> None:
    """x in another shape."""
    if shape == x.shape:
        at.give(x)
    elif len(shape) == 1:
        at.give(at.emit(Flatten(), x))
    else:
        at.give(at.emit(Reshape(*shape), x))


def _reshape(at: At) -> None:
    x = at.unknown()
    given = at.value(1)
    wanted = (
        at.get("shape") if at.opset < 5 else given.array.reshape(-1).tolist() if isinstance(given, Known) else None
    )
    if wanted is None:
        raise RefusedError("to a shape that the network works out")
    if x.rows:
        at.give(_with_images(at, x, wanted))
        return
    whole = reshaped(at.whole(x), wanted, keep_zeros=bool(at.get("allowzero", 0)))
    if len(x.shape) == 3 and whole == (at.batch * x.shape[0] * x.shape[1], x.shape[2]):
        at.give(replace(x, rows=x.shape[:2]))
        return
    if whole == (math.prod(at.whole(x)),):
        at.give(replace(x, flat=True))
        return
    shape = at.sample(whole)
    groups = grouped(at, x, shape)
    if groups is not None:
        at.give(groups)
        return
    _to_shape(at, x, shape)


def _with_images(at: At, x: Unknown, wanted: list[int]) -> Unknown:
    """Pixels of all images as images again. Raises RefusedError for another shape."""
    if tuple(wanted[1:]) != x.shape or wanted[0] not in {-1, at.batch}:
        raise RefusedError(f"the pixels of all images to {wanted}, which would mix images")
    return replace(x, rows=())


def _flatten(at: At) -> None:
    x, axis = at.unknown(), at.get("axis", 1)
    rank = len(x.shape) + 1
    whole = at.whole(x)
    axis = axis + rank if axis < 0 else axis
    shape = at.sample((math.prod(whole[:axis]), math.prod(whole[axis:])))
    at.give(at.emit(Flatten() if len(shape) == 1 else Reshape(*shape), x))


def _transpose(at: At) -> None:
    x = at.unknown()
    rank = len(x.shape) + 1
    order = at.get("perm", list(range(rank))[::-1])
    if sorted(order) != list(range(rank)):
        raise RefusedError(f"the order {order[:8]} of {rank} axes")
    if order[0] != 0:
        raise RefusedError("the axis of the batch moved")
    axes = tuple(axis - 1 for axis in order[1:])
    before = at.reading.nodes.get(x.name)
    if before is not None and isinstance(before.layer, Transpose):  # two changes of the order are one, or none
        axes = tuple(before.layer.axes[axis] for axis in axes)
        source = before.inputs[0]
        x = Unknown(source, at.input().shape if source == at.input().name else at.reading.shapes[source])
    at.give(x if axes == tuple(range(rank - 1)) else at.emit(Transpose(*axes), x))


def _squeeze(at: At) -> None:
    x = at.unknown()
    axes = at.call().whole(1, "axes")
    rank = len(x.shape) + 1
    gone = [i for i, side in enumerate(x.shape) if side == 1] if axes is None else [
        at.sample_axis(axis, rank) for axis in axes
    ]  # fmt: skip
    if any(x.shape[axis] != 1 for axis in gone):
        raise RefusedError(f"axes {axes} of {x.shape} a sample, which aren't 1")
    _to_shape(at, x, tuple(side for i, side in enumerate(x.shape) if i not in gone))


def _unsqueeze(at: At) -> None:
    x, axes = at.unknown(), at.call().whole(1, "axes") or []
    rank = len(x.shape) + 1 + len(axes)
    new = {at.sample_axis(axis, rank) for axis in axes}
    sides = iter(x.shape)
    _to_shape(at, x, tuple(1 if i in new else next(sides) for i in range(rank - 1)))


def _expand(at: At) -> None:
    given, numbers = at.value(1), at.value(0)
    if isinstance(numbers, Known):  # repeated for each sample
        sides = given.array.reshape(-1).tolist() if isinstance(given, Known) else []
        shape = at.sample(np.broadcast_shapes(numbers.array.shape, tuple(map(int, sides))))
        at.give(expanded(at, numbers, shape))
        return
    x = at.unknown()
    wanted = [int(side) for side in given.array.reshape(-1)] if isinstance(given, Known) else []
    whole = np.broadcast_shapes(at.whole(x), tuple(wanted)) if len(wanted) <= len(x.shape) + 1 else ()
    shape = at.sample(whole)
    at.give(x if shape == x.shape else at.emit(Expand(*shape), x))


def _slice(at: At) -> None:
    x = at.unknown()
    for place in range(1, len(at.node.inputs)):
        at.known(place)
    first, *parts = slices(at.call(), at.whole(x))
    if first.indices(at.batch) != (0, at.batch, 1):
        raise RefusedError("a part of the batch")
    if all(part.indices(side) == (0, side, 1) for part, side in zip(parts, x.shape, strict=True)):
        at.give(x)
        return
    at.give(at.emit(_cut(parts, x.shape), x))


def _cut(parts: list[slice], shape: Shape) -> Slice:
    """The layer that takes these parts."""
    starts = [part.indices(side)[0] for part, side in zip(parts, shape, strict=True)]
    return Slice(starts, [_stop(p, s) for p, s in zip(parts, shape, strict=True)], [p.step or 1 for p in parts])


def _stop(part: slice, side: int) -> int | None:
    stop = part.indices(side)[1]
    return None if stop < 0 or (stop == side and (part.step or 1) > 0) else stop


def _split(at: At) -> None:
    x = at.unknown()
    axis = at.sample_axis(at.get("axis", 0), len(x.shape) + 1)
    given, count = at.call().whole(1, "split"), at.get("num_outputs", len(at.node.outputs))
    start = 0
    for place, length in enumerate(parts_of(x.shape[axis], given, count)):
        if place < len(at.node.outputs) and at.node.outputs[place]:
            parts = [slice(None)] * len(x.shape)
            parts[axis] = slice(start, start + length)
            at.give(at.emit(_cut(parts, x.shape), x, name=at.node.outputs[place]), place)
        start += length


def _pad(at: At) -> None:
    x = at.unknown()
    for place in range(1, len(at.node.inputs)):
        at.known(place)
    before, after = frame(at.call(), len(x.shape) + 1)
    if before[0] or after[0]:
        raise RefusedError("images added to the batch")
    mode, given = at.get("mode", "constant"), at.known(2)
    value = at.get("value", 0.0) if given is None else float(given.array.reshape(-1)[0])
    if min(*before, *after) < 0:
        parts = [
            slice(max(0, -b), side - max(0, -a)) for b, a, side in zip(before[1:], after[1:], x.shape, strict=True)
        ]
        x = at.emit(_cut(parts, x.shape), x)
    frame_ = [[max(0, side) for side in sides[1:]] for sides in (before, after)]
    if not any(frame_[0]) and not any(frame_[1]):
        at.give(x)
        return
    at.give(at.emit(Pad(frame_[0], frame_[1], mode=mode, value=value), x))


def _blocks(layer: Callable[..., Layer]) -> Reader:
    def read(at: At) -> None:
        mode = at.get("mode", "DCR")
        at.give(at.emit(layer(at.get("blocksize", 1), columns_first=mode == "CRD"), at.unknown()))

    return read


READERS: dict[str, Reader] = {
    "Concat": _concat,
    "DepthToSpace": _blocks(DepthToSpace),
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _blocks(SpaceToDepth),
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
