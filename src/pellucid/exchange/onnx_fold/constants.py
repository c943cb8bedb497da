"""Constants, shapes as numbers, and what picks from them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_fold.call import MOST_NUMBERS, Call, Folded, checked_axis, room_for, wide
from pellucid.ops.arrays import Array


def _constant(call: Call) -> Array:
    for name, kind in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
                       ("value_ints", np.int64)):  # fmt: skip
        if call.get(name) is not None:
            return np.asarray(call.get(name), kind)
    value = call.get("value")
    if not isinstance(value, np.ndarray):
        raise PellucidError("a constant that isn't numbers")
    return value


def _constant_of_shape(call: Call) -> Array:
    value = call.get("value", np.zeros(1, np.float32))
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise PellucidError("expected one number as its value")
    shape = tuple(int(side) for side in call[0].reshape(-1))
    if any(side < 0 for side in shape) or math.prod(shape) > MOST_NUMBERS:
        room_for(shape)
    return np.broadcast_to(value.reshape(()), shape)  # which takes no room


def _range(call: Call) -> Array:
    start, limit, delta = (call[i].reshape(()) for i in range(3))
    if not delta:
        raise PellucidError("a step of 0")
    count = max(math.ceil((float(limit) - float(start)) / float(delta)), 0)
    room_for((count,))
    steps = wide(start) + np.arange(count).astype(wide(start).dtype) * wide(delta)
    return np.asarray(steps).astype(call[0].dtype)


def _shape(call: Call) -> Array:
    rank = call[0].ndim
    start, end = call.get("start", 0), call.get("end", rank)
    return np.asarray(call[0].shape[slice(start, end)], np.int64)


def _dropout(call: Call) -> list[Array]:
    """In training with a seed, what the standard's own implementation draws."""
    x, training = call[0], call.maybe(2)
    ratio = 0.5 if (given := call.maybe(1)) is None else float(given.reshape(-1)[0])
    if training is None or not bool(training.reshape(-1)[0]) or not ratio:
        return [x, np.ones(x.shape, bool)]
    seed = call.get("seed")
    if seed is None or not 0 <= ratio < 1:
        raise PellucidError("in training without a seed, or of all: it is left to chance what comes out")
    kept = np.random.RandomState(seed % (1 << 32)).random_sample(x.shape) >= ratio
    return [(wide(x) * kept / (1 - ratio)).astype(x.dtype), kept]


def _gather(call: Call) -> Array:
    axis = checked_axis(call.get("axis", 0), call[0].ndim)
    size, places = call[0].shape[axis], call[1]
    if places.size and not (-size <= places.min() and places.max() < size):
        raise PellucidError(f"places beyond the {size} that there are")
    room_for((*call[0].shape[:axis], *places.shape, *call[0].shape[axis + 1 :]))
    return call[0].take(places, axis)


def _expand(call: Call) -> Array:
    shape = np.broadcast_shapes(call[0].shape, room_for([int(side) for side in call[1].reshape(-1)]))
    return np.broadcast_to(call[0], room_for(shape))


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Dropout": _dropout,
    "Expand": _expand,
    "Gather": _gather,
    "Identity": lambda c: c[0],
    "Range": _range,
    "Shape": _shape,
    "Size": lambda c: np.asarray(c[0].size, np.int64),
}
