"""Layers that put a frame around a sample, or take a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pellucid.layers.adjoint import AdjointLayer, room
from pellucid.layers.host import back, wide
from pellucid.ops.arrays import Array, Shape

PadMode = Literal["constant", "edge", "reflect", "wrap"]


class Pad(AdjointLayer):
    """A frame around each sample.

    before, after: places added along each axis of a sample, the last ones of it where there are fewer numbers than
    axes. mode: what stands in them: "constant" `value`, "edge" the nearest place, "reflect" the sample mirrored at
    its outermost places, "wrap" its other end.

    Samples of any shape; the output is larger by the frame.
    Raises PellucidError for a mirrored frame that is larger than the sample.

    >>> pl.nn.Pad((1, 2), (1, 2)).output_shape((3, 32, 32))
    (3, 34, 36)
    >>> pl.nn.Pad((2,), (1,), mode="reflect").forward(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]]
    """

    by_parts = False  # the frame is the whole image's

    def __init__(
        self, before: Sequence[int], after: Sequence[int], *, mode: PadMode = "constant", value: float = 0.0
    ) -> None:
        self.before, self.after, self.mode, self.value = tuple(before), tuple(after), mode, float(value)
        if len(self.before) != len(self.after) or min((*self.before, *self.after), default=0) < 0:
            raise self.error("as many numbers before as after, of 0 or more", f"{self.before} and {self.after}")
        if mode not in {"constant", "edge", "reflect", "wrap"}:
            raise self.error("mode constant, edge, reflect or wrap", repr(mode))
        self.on_host = mode != "constant"

    def _widths(self, axes: int) -> list[tuple[int, int]]:
        lead = axes - len(self.before)
        return [(0, 0)] * lead + list(zip(self.before, self.after, strict=True))

    def output_shape(self, input_shape: Shape) -> Shape:
        """With the frame."""
        if len(self.before) > len(input_shape):
            raise self.error(f"samples of at least {len(self.before)} axes", f"shape {input_shape}")
        widths = self._widths(len(input_shape))
        if self.mode in {"reflect", "wrap"} and any(
            max(pair) > size - (self.mode == "reflect") for size, pair in zip(input_shape, widths, strict=True)
        ):
            raise self.error(f"a sample no smaller than its frame of {widths}", f"shape {input_shape}")
        return tuple(size + sum(pair) for size, pair in zip(input_shape, widths, strict=True))

    def apply(self, x: Array) -> tuple[Array, Any]:
        """The sample in its frame."""
        if self.on_host:
            return back(np.pad(wide(x), [(0, 0), *self._widths(x.ndim - 1)], mode=self.mode), x.dtype), x.shape
        y = room((x.shape[0], *self.output_shape(x.shape[1:])), x.dtype)
        y[...] = self.value
        y[self._inner(x.shape)] = x
        return y, x.shape

    def _inner(self, shape: Shape) -> tuple[slice, ...]:
        """Where a batch of that shape lies in its frame."""
        befores = (0, *(before for before, _ in self._widths(len(shape) - 1)))
        return tuple(slice(before, before + size) for before, size in zip(befores, shape, strict=True))

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Each place of the frame gives its gradient to the place that it repeats."""
        if not self.on_host:
            return dy[self._inner(kept)]
        dx = wide(dy)
        for axis, (before, after) in enumerate(self._widths(len(kept) - 1), 1):
            size, length = kept[axis], dx.shape[axis]
            inner = dx.take(range(before, before + size), axis)
            if before + after:
                source = np.pad(np.arange(size), (before, after), mode=self.mode)
                rows = np.moveaxis(inner, axis, 0)
                for place in (*range(before), *range(before + size, length)):
                    rows[source[place]] += dx.take(place, axis)
            dx = inner
        return back(dx, dy.dtype)

    def describe(self) -> str:
        """The frame."""
        return f"{self.before} and {self.after}, {self.mode}"


class Slice(AdjointLayer):
    """A part of each sample: along each axis from `starts` to below `stops`, every `steps`-th place.

    As Python's slices, -1 counting from the end; a stop of None goes to the end (with a negative step, to the start).

    Samples of any shape, with a start and a stop for each axis. Raises PellucidError for an empty part.

    >>> pl.nn.Slice((0, 2, 0), (3, -2, None), (1, 1, 2)).output_shape((3, 32, 32))
    (3, 28, 16)
    """

    by_parts = False  # counted from the image's ends

    def __init__(
        self, starts: Sequence[int], stops: Sequence[int | None], steps: Sequence[int] | None = None
    ) -> None:
        self.starts, self.stops = tuple(starts), tuple(stops)
        self.steps = (1,) * len(self.starts) if steps is None else tuple(steps)
        if not len(self.starts) == len(self.stops) == len(self.steps) or 0 in self.steps:
            raise self.error("a start, a stop and a step that isn't 0 for each axis", (starts, stops, steps))

    def _parts(self, shape: Shape) -> tuple[slice, ...]:
        if len(shape) != len(self.starts):
            raise self.error(f"samples of {len(self.starts)} axes", f"shape {shape}")
        return tuple(slice(*part) for part in zip(self.starts, self.stops, self.steps, strict=True))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Of the part."""
        parts = self._parts(input_shape)
        shape = tuple(
            len(range(*part.indices(size))) for part, size in zip(parts, input_shape, strict=True)
        )  # fmt: skip
        if 0 in shape:
            raise self.error("a part that isn't empty", f"{parts} of {input_shape}")
        return shape

    def apply(self, x: Array) -> tuple[Array, Any]:
        """A view."""
        return x[:, *self._parts(x.shape[1:])], x.shape

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """What was left out counts nothing."""
        dx = room(kept, dy.dtype)
        dx[...] = 0
        dx[:, *self._parts(kept[1:])] = dy
        return dx

    def describe(self) -> str:
        """The part."""
        return ", ".join(
            f"{a}:{'' if b is None else b}" + (f":{c}" if c != 1 else "")
            for a, b, c in zip(self.starts, self.stops, self.steps, strict=True)
        )  # fmt: skip
