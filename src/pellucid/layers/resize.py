"""What a map needs around a transposed convolution, so that it grows back to just its image's height and width."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid import ops
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.joins import Join
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Pair, Shape


class RepeatEdges(Join):
    """A map (C, h, w) with its outermost rows and columns repeated, `before` it and as many after as it needs.

    Inputs: the map, and the image (or map) that what is grown from it is to cover; of that one only the size matters.
    window: of the transposed convolution that grows it. Beyond the outermost centres of the map its edge goes on, so
    that a constant map stays constant to the rim.
    """

    shape_only = (1,)
    keeps = ("after",)

    def __init__(self, before: Pair, grows: Window) -> None:
        self.before, self.grows = before, grows

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """(C, before + h + after, before + w + after)."""
        C, h, w = self.image_shape(input_shapes[0])
        _, H, W = self.image_shape(input_shapes[1])
        after = self._after((h, w), (H, W))
        return C, self.before[0] + h + after[0], self.before[1] + w + after[1]

    def _after(self, mapped: Pair, image: Pair) -> Pair:
        return rows_after(self.grows, self.before, mapped, image)

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """The map in its frame."""
        x, image = xs
        after = self._after((x.shape[2], x.shape[3]), (image.shape[2], image.shape[3]))
        if context.keep:
            self.after = after
        return with_edges(x, self.before, after)

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """An edge's gradient goes to the place that it repeats."""
        return [_edges_folded(dy, self.before, self.after), None]

    def describe(self) -> str:
        """Rows and columns before the map."""
        return "before " + "x".join(map(str, self.before))


class CropLike(Join):
    """A map cut to the height and width of a second one, at its upper left corner."""

    shape_only = (1,)
    keeps = ("size",)

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """(C, H, W)."""
        C, h, w = self.image_shape(input_shapes[0])
        _, H, W = self.image_shape(input_shapes[1])
        if h < H or w < W:
            raise self.error(f"a map of at least {H}x{W}", f"{h}x{w}")
        return C, H, W

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """A view of the upper left part."""
        x, like = xs
        if context.keep:
            self.size = (x.shape[2], x.shape[3])
        return x[:, :, : like.shape[2], : like.shape[3]]

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """What was cropped counts nothing."""
        if dy.shape[2:] == self.size:
            return [dy, None]
        dx = ops.empty_images((dy.shape[0], dy.shape[1], *self.size), dy.dtype)
        dx[...] = 0
        dx[:, :, : dy.shape[2], : dy.shape[3]] = dy
        return [dx, None]


def rows_after(grows: Window, before: Pair, mapped: Pair, image: Pair) -> Pair:
    """Rows and columns that go on after a map's last, until what grows of it reaches the image's last pixel.

    The crop takes as much off the end as off the start, so that a centre lies on or beyond that pixel.
    """
    cropped, stride = grows.geometry.before, grows.geometry.stride
    needed = [
        -((grows.kernel[i] - 2 * cropped[i] - image[i]) // stride[i]) + 1 - before[i] - mapped[i] for i in (0, 1)
    ]
    return max(0, needed[0]), max(0, needed[1])


def with_edges(x: Array, before: Pair, after: Pair) -> Array:
    """The map (N, C, h, w) with its outermost rows and columns repeated."""
    if not any((*before, *after)):
        return x
    N, C, h, w = x.shape
    y = ops.empty_images((N, C, before[0] + h + after[0], before[1] + w + after[1]), x.dtype)
    inner = y[:, :, before[0] : before[0] + h]
    inner[..., before[1] : before[1] + w] = x
    inner[..., : before[1]] = x[..., :1]
    inner[..., before[1] + w :] = x[..., -1:]
    y[:, :, : before[0]] = inner[:, :, :1]
    y[:, :, before[0] + h :] = inner[:, :, -1:]
    return y


def _edges_folded(dy: Array, before: Pair, after: Pair) -> Array:
    """Adjoint of `with_edges`."""
    if not any((*before, *after)):
        return dy
    h, w = dy.shape[2] - before[0] - after[0], dy.shape[3] - before[1] - after[1]
    rows = _inner(dy, slice(before[0], before[0] + h), slice(None))
    for i in (*range(before[0]), *range(before[0] + h, dy.shape[2])):
        edge = slice(0, 1) if i < before[0] else slice(h - 1, h)
        rows[:, :, edge] = ops.add(rows[:, :, edge], dy[:, :, i : i + 1])
    dx = _inner(rows, slice(None), slice(before[1], before[1] + w))
    for i in (*range(before[1]), *range(before[1] + w, dy.shape[3])):
        edge = slice(0, 1) if i < before[1] else slice(w - 1, w)
        dx[..., edge] = ops.add(dx[..., edge], rows[..., i : i + 1])
    return dx


def _inner(x: Array, rows: slice, columns: slice) -> Array:
    """A copy of a part of the map."""
    part = x[:, :, rows, columns]
    y = ops.empty_images(part.shape, x.dtype)
    y[...] = part
    return y
