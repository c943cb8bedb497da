"""Layers that make one number of many: means, sums, maxima and lengths along axes of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pellucid.layers.host import HostLayer
from pellucid.ops.arrays import Array, Shape

Kind = Literal["mean", "sum", "max", "min", "l2"]


def length(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """The root of the sum of squares, which overflow no sooner than the length does."""
    largest = np.abs(x).max(axis=axis, keepdims=True, initial=0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, x.dtype.type(1))
    y: Array = np.sqrt(np.square(x / scale).sum(axis=axis, keepdims=True)) * scale
    return y if keepdims else np.squeeze(y, axis)


_FUNCTIONS: dict[str, Any] = {"mean": np.mean, "sum": np.sum, "max": np.max, "min": np.min, "l2": length}


class Reduce(HostLayer):
    """The mean, sum, maximum or minimum along axes of a sample: 0 is the channels, 1 and 2 rows and columns.

    what: "mean", "sum", "max", "min", or "l2", the root of the sum of squares, whose gradient is 0 where it is 0.
    keepdims: whether these axes stay, of length 1. Of equal largest ones, each gets its share of the gradient.

    Samples of any shape that has these axes. Raises PellucidError for others.

    >>> pl.nn.Reduce("max", (1, 2)).output_shape((64, 7, 9))
    (64,)
    >>> pl.nn.Reduce("mean", (0,), keepdims=True).output_shape((64, 7, 9))
    (1, 7, 9)
    """

    sees_all = True

    def __init__(self, what: Kind, axes: Sequence[int], *, keepdims: bool = False) -> None:
        self.what, self.axes, self.keepdims = what, tuple(axes), keepdims
        if what not in _FUNCTIONS or len(set(self.axes)) < len(self.axes) or min(self.axes, default=0) < 0:
            raise self.error("mean, sum, max, min or l2, along axes of a sample", f"{what!r}, {self.axes}")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Without the axes, or with 1 there."""
        if max(self.axes, default=0) >= max(1, len(input_shape)):
            raise self.error(f"samples with axes {self.axes}", f"shape {input_shape}")
        shape = [1 if axis in self.axes else size for axis, size in enumerate(input_shape)]
        return tuple(size for axis, size in enumerate(shape) if self.keepdims or axis not in self.axes)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Along the axes."""
        axes = tuple(axis + 1 for axis in self.axes)
        y: Array = _FUNCTIONS[self.what](x, axis=axes, keepdims=True).astype(x.dtype, copy=False)
        kept = x.shape if self.what in {"mean", "sum"} else (x, y)
        return y if self.keepdims else np.squeeze(y, axes), kept

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Shared equally, given to each, given to the largest, or along x."""
        axes = tuple(axis + 1 for axis in self.axes)
        whole = dy if self.keepdims else np.expand_dims(dy, axes)
        if self.what in {"max", "min"}:
            x, y = kept
            best = x == y
            dx: Array = whole * best / best.sum(axis=axes, keepdims=True)
            return dx.astype(dy.dtype, copy=False)
        if self.what == "l2":
            x, y = kept
            along: Array = whole * (x / np.where(y == 0, y.dtype.type(1), y))
            return along
        shared = whole if self.what == "sum" else whole / np.prod([kept[axis] for axis in axes], dtype=int)
        return np.broadcast_to(shared, kept).astype(dy.dtype)

    def pattern(self) -> Array | None:
        """Which element was the largest."""
        if self.what not in {"max", "min"}:
            return None
        x, y = self.kept
        return np.asarray(x == y)

    def describe(self) -> str:
        """What, and along which axes."""
        return f"{self.what}, axes {', '.join(map(str, self.axes))}" + (", kept" if self.keepdims else "")


class GlobalMaxPool2d(Reduce):
    """Largest value of each channel over the whole image, of whatever size: from (C, H, W) to (C,), or (C, 1, 1).

    Raises PellucidError for what is no image.

    >>> pl.nn.GlobalMaxPool2d().output_shape((64, 7, 9))
    (64,)
    """

    def __init__(self, *, flatten: bool = True) -> None:
        super().__init__("max", (1, 2), keepdims=not flatten)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,), or (C, 1, 1)."""
        C = self.image_shape(input_shape)[0]
        return (C, 1, 1) if self.keepdims else (C,)

    def describe(self) -> str:
        """The name says it."""
        return ""
