"""Layers that lay out a sample anew, take a part of it, or put something around it. No number changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.constants import summed_to
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.host import HostLayer, back, wide
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.geometry import Geometry

PadMode = Literal["constant", "edge", "reflect", "wrap"]


class _Moving(Layer):
    """A layer that moves numbers, wherever they lie: in `apply`, and back in its `adjoint`."""

    keeps = ("kept",)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """The output for a batch, and what the adjoint needs."""
        raise NotImplementedError

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """From the output's gradient to the input's."""
        raise NotImplementedError

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """What `apply` says."""
        self.check(x)
        y, kept = self.apply(x)
        if context.keep:
            self.kept = kept
        return y

    def backward(self, dy: Array) -> Array:
        """What `adjoint` says."""
        return self.adjoint(dy, self.kept)


class Reshape(_Moving):
    """The same numbers in another shape, in the order of the axes: (C, H, W) as any `shape` of as many places.

    Raises PellucidError for samples of more or fewer places.

    >>> pl.nn.Reshape(6, 2).output_shape((3, 2, 2))
    (6, 2)
    """

    sees_all = True

    def __init__(self, *shape: int) -> None:
        self.shape = tuple(shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """As asked for."""
        if math.prod(input_shape) != math.prod(self.shape):
            raise self.error(f"{math.prod(self.shape)} numbers a sample", f"shape {input_shape}")
        return self.shape

    def apply(self, x: Array) -> tuple[Array, Any]:
        """One sample after the other."""
        return x.reshape(x.shape[0], *self.shape), x.shape

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Back into the old shape."""
        return dy.reshape(kept)

    def describe(self) -> str:
        """The shape."""
        return "x".join(map(str, self.shape))


class Transpose(_Moving):
    """The axes of a sample in another order: Transpose(1, 0, 2) of (C, H, W) is (H, C, W).

    Raises PellucidError unless each axis stands there once.

    >>> pl.nn.Transpose(1, 2, 0).output_shape((3, 32, 48))
    (32, 48, 3)
    """

    sees_all = True

    def __init__(self, *axes: int) -> None:
        self.axes = tuple(axes)
        if sorted(self.axes) != list(range(len(self.axes))):
            raise self.error("each axis of a sample once", self.axes)

    def output_shape(self, input_shape: Shape) -> Shape:
        """In that order."""
        if len(input_shape) != len(self.axes):
            raise self.error(f"samples of {len(self.axes)} axes", f"shape {input_shape}")
        return tuple(input_shape[axis] for axis in self.axes)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """A view."""
        return x.transpose(0, *(axis + 1 for axis in self.axes)), None

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """The order back."""
        return dy.transpose(0, *(self.axes.index(axis) + 1 for axis in range(len(self.axes))))

    def describe(self) -> str:
        """The order."""
        return ", ".join(map(str, self.axes))


class Expand(HostLayer):
    """A sample repeated along its axes of length 1, and along new ones before it, to fill `shape`.

    Raises PellucidError for samples that can't be broadcast to it.

    >>> pl.nn.Expand(3, 2).forward(np.array([[[1.0], [2.0], [3.0]]])).tolist()
    [[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]]
    """

    by_parts = False  # it gives one shape

    def __init__(self, *shape: int) -> None:
        self.shape = tuple(shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """As asked for."""
        lead = len(self.shape) - len(input_shape)
        if lead < 0 or any(a not in {1, b} for a, b in zip(input_shape, self.shape[lead:], strict=True)):
            raise self.error(f"a sample that can be broadcast to {self.shape}", f"shape {input_shape}")
        return self.shape

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Copies of what there is one of."""
        N, inner = x.shape[0], (1,) * (len(self.shape) + 1 - x.ndim) + x.shape[1:]
        return np.broadcast_to(x.reshape(N, *inner), (N, *self.shape)).copy(), x.shape

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """The copies' gradients added up."""
        return np.stack([summed_to(sample[None], kept[1:]) for sample in dy]) if len(dy) else np.zeros(kept, dy.dtype)

    def describe(self) -> str:
        """The shape."""
        return "x".join(map(str, self.shape))


class Pad(_Moving):
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
        y = _room((x.shape[0], *self.output_shape(x.shape[1:])), x.dtype)
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


class Slice(_Moving):
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
        dx = _room(kept, dy.dtype)
        dx[...] = 0
        dx[:, *self._parts(kept[1:])] = dy
        return dx

    def describe(self) -> str:
        """The part."""
        return ", ".join(
            f"{a}:{'' if b is None else b}" + (f":{c}" if c != 1 else "")
            for a, b, c in zip(self.starts, self.stops, self.steps, strict=True)
        )  # fmt: skip


class DepthToSpace(_Moving):
    """Channels (C b^2, H, W) as blocks of b x b pixels of (C, H b, W b): sub-pixel convolution's last step.

    Shi et al. 2016. columns_first: whether the channel c b^2 + i b + j is pixel (i, j) of channel c (as PyTorch's
    PixelShuffle has it); otherwise (i b + j) C + c is.
    Raises PellucidError unless the channels are a multiple of b^2.

    >>> pl.nn.DepthToSpace(2).output_shape((12, 16, 16))
    (3, 32, 32)
    """

    def __init__(self, block: int, *, columns_first: bool = True) -> None:
        self.block, self.columns_first = block, columns_first
        if block < 1:
            raise self.error("a block of at least 1", block)

    @property
    def window(self) -> Window:
        """A place becomes a block: as of a transposed convolution."""
        return Window((self.block, self.block), Geometry((self.block, self.block)), transposed=True)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H b, W b)."""
        C, H, W = self.image_shape(input_shape)
        b = self.block
        if C % (b * b):
            raise self.error(f"channels in a multiple of {b * b}", C)
        return C // (b * b), H * b, W * b

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each group of channels becomes a block."""
        return depth_to_space(x, self.block, self.columns_first), None

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Each block becomes a group of channels."""
        return space_to_depth(dy, self.block, self.columns_first)

    def describe(self) -> str:
        """The block."""
        return f"{self.block}" + ("" if self.columns_first else ", blocks first")


class SpaceToDepth(_Moving):
    """Blocks of b x b pixels of (C, H, W) as channels (C b^2, H / b, W / b): the reverse of DepthToSpace.

    Raises PellucidError unless height and width are multiples of b.

    >>> pl.nn.SpaceToDepth(2).output_shape((3, 32, 32))
    (12, 16, 16)
    """

    def __init__(self, block: int, *, columns_first: bool = True) -> None:
        self.block, self.columns_first = block, columns_first
        if block < 1:
            raise self.error("a block of at least 1", block)

    @property
    def window(self) -> Window:
        """The block."""
        return Window((self.block, self.block), Geometry((self.block, self.block)))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C b^2, H / b, W / b)."""
        C, H, W = self.image_shape(input_shape)
        b = self.block
        if H % b or W % b:
            raise self.error(f"height and width in multiples of {b}", f"{H}x{W}")
        return C * b * b, H // b, W // b

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each block becomes a group of channels."""
        return space_to_depth(x, self.block, self.columns_first), None

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Each group of channels becomes a block."""
        return depth_to_space(dy, self.block, self.columns_first)

    def describe(self) -> str:
        """The block."""
        return f"{self.block}" + ("" if self.columns_first else ", blocks first")


def _room(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """An array for a batch of samples; images are stored channels last."""
    room: Array = ops.empty_images(shape, dtype) if len(shape) == 4 else ops.empty(shape, dtype)
    return room


def depth_to_space(x: Array, b: int, columns_first: bool) -> Array:
    """(N, C b^2, H, W) to (N, C, H b, W b); see `DepthToSpace`."""
    N, K, H, W = x.shape
    C = K // (b * b)
    y = _room((N, C, H * b, W * b), x.dtype)
    parts = x.reshape(N, C, b, b, H, W) if columns_first else x.reshape(N, b, b, C, H, W)
    order = (0, 1, 4, 2, 5, 3) if columns_first else (0, 3, 4, 1, 5, 2)
    y.reshape(N, C, H, b, W, b)[...] = parts.transpose(order)  # a view: axes are split
    return y


def space_to_depth(x: Array, b: int, columns_first: bool) -> Array:
    """(N, C, H, W) to (N, C b^2, H / b, W / b); see `DepthToSpace`."""
    N, C, H, W = x.shape
    y = _room((N, C * b * b, H // b, W // b), x.dtype)
    parts = y.reshape(N, C, b, b, H // b, W // b) if columns_first else y.reshape(N, b, b, C, H // b, W // b)
    order = (0, 1, 3, 5, 2, 4) if columns_first else (0, 3, 5, 1, 2, 4)
    parts[...] = x.reshape(N, C, H // b, b, W // b, b).transpose(order)
    return y
