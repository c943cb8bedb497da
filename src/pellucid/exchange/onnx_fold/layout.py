"""The same numbers laid out anew, cut, joined or framed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_fold.call import Call, Folded, checked_axis, room_for
from pellucid.layers.depth_to_space import depth_to_space, space_to_depth
from pellucid.ops.arrays import Array, Shape


def reshaped(shape: Shape, wanted: Sequence[int], *, keep_zeros: bool = False) -> Shape:
    """The shape that Reshape makes of another: 0 copies a side, -1 is what is left."""
    sides = [
        shape[i] if side == 0 and not keep_zeros and i < len(shape) else int(side) for i, side in enumerate(wanted)
    ]
    total, known = math.prod(shape), math.prod(side for side in sides if side != -1)
    if sides.count(-1) == 1 and known:
        sides[sides.index(-1)] = total // known
    if any(side < 0 for side in sides) or math.prod(sides) != total:
        raise PellucidError(f"a shape of {total:,} numbers, got {[int(side) for side in wanted][:8]}")
    return tuple(sides)


def _reshape(call: Call) -> Array:
    wanted = call.whole(1, "shape") or []
    return call[0].reshape(reshaped(call[0].shape, wanted, keep_zeros=bool(call.get("allowzero", 0))))


def _flatten(call: Call) -> Array:
    rank, axis = call[0].ndim, call.get("axis", 1)
    axis = axis + rank if axis < 0 else axis
    shape = call[0].shape
    return call[0].reshape(math.prod(shape[:axis]), math.prod(shape[axis:]))


def _transpose(call: Call) -> Array:
    order = call.get("perm")
    return call[0].transpose(order) if order is not None else call[0].transpose()


def _squeeze(call: Call) -> Array:
    axes = call.whole(1, "axes")
    x = call[0]
    return x.squeeze() if axes is None else x.squeeze(tuple(checked_axis(axis, x.ndim) for axis in axes))


def _unsqueeze(call: Call) -> Array:
    axes = call.whole(1, "axes") or []
    return np.expand_dims(call[0], tuple(axes))


def _tile(call: Call) -> Array:
    counts = call.whole(1, "repeats") or []
    if len(counts) != call[0].ndim or min(counts, default=0) < 0:
        raise PellucidError(f"{len(counts)} counts for a tensor of {call[0].ndim} axes")
    room_for(tuple(side * count for side, count in zip(call[0].shape, counts, strict=True)))
    return np.tile(call[0], counts)


def _concat(call: Call) -> Array:
    parts = [call[i] for i in range(len(call.inputs))]
    room_for((sum(part.size for part in parts),))
    return np.concatenate(parts, call.get("axis", 0))


def parts_of(size: int, given: Sequence[int] | None, count: int) -> list[int]:
    """The lengths that Split makes of a side: those given, or `count` equal ones, the last perhaps smaller."""
    if given is None:
        part = -(-size // count)
        given = [*[part] * (count - 1), size - part * (count - 1)]
    if any(part < 0 for part in given) or sum(given) != size:
        raise PellucidError(f"parts {list(given)[:8]} of {size}")
    return list(given)


def _split(call: Call) -> list[Array]:
    x = call[0]
    axis = checked_axis(call.get("axis", 0), x.ndim)
    parts = parts_of(x.shape[axis], call.whole(1, "split"), call.get("num_outputs", call.outputs))
    return np.split(x, np.cumsum(parts)[:-1], axis)


def slices(call: Call, shape: Shape) -> list[slice]:
    """The part of a tensor of that shape that Slice takes."""
    starts, ends = call.whole(1, "starts") or [], call.whole(2, "ends") or []
    given, steps = call.whole(3, "axes"), call.whole(4, "steps")
    axes = list(range(len(starts))) if given is None else given
    steps = [1] * len(starts) if steps is None else steps
    parts = [slice(None)] * len(shape)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise PellucidError("starts, ends, axes and steps that don't fit each other")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis_, size = checked_axis(axis, len(shape)), shape[checked_axis(axis, len(shape))]
        # beyond the rim is at the rim; a negative step ends before the first place, which Python calls None
        start_ = start + size if start < 0 else start
        end_ = end + size if end < 0 else end
        if step > 0:
            parts[axis_] = slice(min(max(start_, 0), size), min(max(end_, 0), size), step)
        else:
            stop = min(max(end_, -1), size)
            parts[axis_] = slice(min(max(start_, 0), size - 1), None if stop < 0 else stop, step)
    return parts


def _slice(call: Call) -> Array:
    return call[0][tuple(slices(call, call[0].shape))]


def frame(call: Call, rank: int) -> tuple[list[int], list[int]]:
    """The places that Pad adds before and after each axis; below 0 it takes some away."""
    pads = call.whole(1, "pads") or []
    given = call.whole(3, "axes")
    axes = [checked_axis(axis, rank) for axis in (range(rank) if given is None else given)]
    if len(pads) != 2 * len(axes):
        raise PellucidError(f"{len(pads)} pads for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[len(axes) + i]
    return before, after


def _pad(call: Call) -> Array:
    x = call[0]
    before, after = frame(call, x.ndim)
    room_for([max(0, side + b + a) for side, b, a in zip(x.shape, before, after, strict=True)])
    cut = tuple(slice(max(0, -b), side - max(0, -a)) for side, b, a in zip(x.shape, before, after, strict=True))
    widths = [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)]
    mode, given = call.get("mode", "constant"), call.maybe(2)
    value = call.get("value", 0.0) if given is None else given.reshape(-1)[0]
    options: dict[str, Any] = {"constant_values": value} if mode == "constant" else {}
    if mode not in {"constant", "edge", "reflect", "wrap"}:
        raise PellucidError(f"mode {mode}")
    return np.pad(x[cut], widths, mode=mode, **options)


def _depth_to_space(call: Call) -> Array:
    return np.asarray(depth_to_space(call[0], call.get("blocksize", 1), call.get("mode", "DCR") == "CRD"))


def _space_to_depth(call: Call) -> Array:
    return np.asarray(space_to_depth(call[0], call.get("blocksize", 1), call.get("mode", "DCR") == "CRD"))


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
