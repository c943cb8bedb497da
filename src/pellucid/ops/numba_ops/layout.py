"""From arrays of any strides to the few contiguous forms that kernels are compiled for, and back.

Each kernel takes flat or channels-last arrays, so that it is compiled once a float type. An array that already
has the form is viewed, any other is copied into it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.numbers import computed_in, seen

CHANNELS_LAST = (0, 2, 3, 1)
CHANNELS_FIRST = (0, 3, 1, 2)


def contiguous(x: Array) -> Array:
    """The array itself where it is C-contiguous, else a copy that is."""
    if x.flags.c_contiguous:
        return x
    copy = empty(x.shape, x.dtype)
    copy[...] = x
    return copy


def rows(x: Array) -> Array:
    """Images (N, C, H, W) as (N, H, W, C), C-contiguous."""
    return contiguous(x.transpose(CHANNELS_LAST))


def images(x: Array) -> Array:
    """Back from (N, H, W, C) to (N, C, H, W), a view."""
    return x.transpose(CHANNELS_FIRST)


def places(x: Array) -> Array:
    """Features (N, C) or images (N, C, H, W) as one row a place: (N or N*H*W, C), C-contiguous."""
    return contiguous(x) if x.ndim == 2 else rows(x).reshape(-1, x.shape[1])


def from_places(y: Array, shape: Shape) -> Array:
    """Back from one row a place to the shape (N, C) or (N, C, H, W), a view."""
    return y if len(shape) == 2 else images(y.reshape(shape[0], *shape[2:], shape[1]))


def memory_order(x: Array) -> tuple[int, ...]:
    """Axes from the longest stride to the shortest; channels last for images, where that is how they lie."""
    if x.flags.c_contiguous:
        return tuple(range(x.ndim))
    if x.ndim == 4 and x.transpose(CHANNELS_LAST).flags.c_contiguous:
        return CHANNELS_LAST
    return tuple(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis])))


def elementwise(kernel: Callable[..., Any], arrays: tuple[Array, ...], scalars: tuple[Any, ...] = ()) -> Array:
    """Run kernel(*flat arrays, y, *scalars); y has the shape, type and memory order of the first array.

    Arrays of 16 bits are for kernels that read by `number` and write by `rounded`.
    """
    first = arrays[0]
    order = memory_order(first)
    ordered = [contiguous(x.transpose(order)) for x in arrays]
    y = empty(ordered[0].shape, first.dtype)
    kernel(*(seen(x.reshape(-1)) for x in ordered), seen(y.reshape(-1)), *scalars)
    back = [0] * len(order)
    for place, axis in enumerate(order):
        back[axis] = place
    return y.transpose(back)


def real(value: float, dtype: np.dtype[Any]) -> Any:
    """A number of the type that arrays are computed in: a Python float would turn float32 arithmetic into float64."""
    kind: Any = computed_in(dtype).type
    return kind(value)
