"""Where branches of a network meet: sums, products and concatenations, and their adjoints.

Images (N, C, H, W) come out stored channels last, whatever they come in as.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import empty, empty_images


def add(x: Array, y: Array) -> Array:
    """x + y. y has the shape of x; or beside images (N, C, H, W) it is (N, C, 1, 1), the same for all pixels."""
    return _joined(np.add, x, y)


def multiply(x: Array, y: Array) -> Array:
    """x * y. y has the shape of x; or beside images (N, C, H, W) it is (N, C, 1, 1), the same for all pixels."""
    return _joined(np.multiply, x, y)


def unbroadcast(dy: Array, shape: Shape) -> Array:
    """Adjoint of repeating an array of that shape along its axes of length 1: the sum of dy along them.

    Where nothing was repeated it is dy itself.
    """
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and dy.shape[axis] != 1)
    total: Array = dy.sum(axis=repeated, keepdims=True, dtype=dy.dtype) if repeated else dy
    return total


def concat(*arrays: Array) -> Array:
    """Images (N, C1, H, W), (N, C2, H, W) ... as (N, C1 + C2 + ..., H, W), features (N, F1) ... as (N, F1 + ...)."""
    first = arrays[0]
    whole = room((first.shape[0], sum(x.shape[1] for x in arrays), *first.shape[2:]), first.dtype)
    start = 0
    for x in arrays:
        whole[:, start : start + x.shape[1]] = x
        start += x.shape[1]
    return whole


def split(dy: Array, channels: tuple[int, ...]) -> list[Array]:
    """Adjoint of concat: dy (N, C1 + C2 + ..., ...) as copies (N, C1, ...), (N, C2, ...) of the channels given."""
    parts, start = [], 0
    for count in channels:
        part = room((dy.shape[0], count, *dy.shape[2:]), dy.dtype)
        part[...] = dy[:, start : start + count]
        parts.append(part)
        start += count
    return parts


def room(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """An array to be filled; images are stored channels last."""
    if len(shape) == 4:
        return empty_images((shape[0], shape[1], shape[2], shape[3]), dtype)
    return empty(shape, dtype)


def _joined(op: Callable[..., Array], x: Array, y: Array) -> Array:
    result = room(x.shape, x.dtype)
    op(x, y, out=result)
    return result
