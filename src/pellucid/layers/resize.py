"""Growing a shrunken map back to the size of the image that it came from, pixel upon pixel."""

import math

import numpy as np

from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.convolution import ConvTranspose2d
from pellucid.layers.grid import Aligned, Axis, grid
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.geometry import Geometry, sides
from pellucid.ops.memory import empty_images


class Upsampled(Aligned):
    """The body's output grown back to its input's height and width, odd ones too: (channels, H, W).

    A transposed convolution that starts as bilinear interpolation, one filter a channel (Long, Shelhamer, Darrell
    2015, section 3.3); frozen=True keeps it so. Where each place of the body's output lies on the input follows
    from the windows of its layers, and fixes the filter's size and the crop: nothing drifts by half a pixel.
    Beyond the outermost centres of the map its edge goes on, so that a constant map stays constant to the rim.
    """

    def __init__(self, body: Layer, channels: int, *, frozen: bool = False) -> None:
        self.body = body
        self.axes = grid(body)
        for axis in self.axes:
            if axis.step.denominator != 1 or axis.start.denominator > 2 or not math.isfinite(axis.reach):
                raise self.error("a body that sees a window, at whole or half pixels", _phrase(axis))
        kernel, before, padding = zip(*map(_plan, self.axes), strict=True)
        self.before: Pair = before
        self.up = ConvTranspose2d(
            channels,
            kernel,
            stride=(int(self.axes[0].step), int(self.axes[1].step)),
            padding=padding,
            groups=channels,
            bias=False,
            initial="bilinear",
            frozen=frozen,
        )
        self.grid = (self._own(0), self._own(1))

    def _own(self, i: int) -> Axis:
        """Every pixel a place; it sees what the places of the map around it see."""
        axis = self.axes[i]
        return Axis(reach=axis.then(grid(self.up)[i]).reach, period=axis.period)

    def children(self) -> dict[str, Layer]:
        """The body, then the transposed convolution."""
        return {"body": self.body, "up": self.up}

    def children_inputs(self, input_shape: Shape) -> list[Shape]:
        """The image, and the map with its edges."""
        C, h, w = self.image_shape(self.body.output_shape(input_shape))
        after = self.edges_after((h, w), (input_shape[1], input_shape[2]))
        return [input_shape, (C, self.before[0] + h + after[0], self.before[1] + w + after[1])]

    def build(self, input_shape: Shape) -> Shape:
        """The body for the image, the transposed convolution for the map."""
        self.image_shape(input_shape)
        self.body.build(input_shape)
        self.up.build(self.children_inputs(input_shape)[1])
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels, H, W)."""
        self.image_shape(input_shape)
        self.up.output_shape(self.children_inputs(input_shape)[1])
        return (self.up.channels, input_shape[1], input_shape[2])

    def edges_after(self, mapped: Pair, image: Pair) -> Pair:
        """Rows and columns that go on after the map's last, until what grows reaches the image's last pixel.

        The crop takes as much off the end as off the start, so that a centre lies on or beyond that pixel.
        """
        up = self.up
        needed = [
            -((up.kernel[i] - 2 * up.geometry.before[i] - image[i]) // up.stride[i]) + 1 - self.before[i] - mapped[i]
            for i in (0, 1)
        ]
        return max(0, needed[0]), max(0, needed[1])

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Body, edges, interpolation, crop."""
        y = self.body.forward(x, context)
        if context.watch is not None:
            context.watch(self.body, y)
        size = (x.shape[2], x.shape[3])
        after = self.edges_after((y.shape[2], y.shape[3]), size)
        grown = self.up.forward(_with_edges(y, self.before, after), context)
        if context.watch is not None:
            context.watch(self.up, grown)
        if context.keep:
            self.after, self.grown_size = after, (grown.shape[2], grown.shape[3])
        return grown[:, :, : size[0], : size[1]]

    def backward(self, dy: Array) -> Array:
        """What was cropped counts nothing; an edge's gradient goes to the place that it repeats."""
        if dy.shape[2:] != self.grown_size:
            grown = empty_images((dy.shape[0], dy.shape[1], *self.grown_size), dy.dtype)
            grown[...] = 0
            grown[:, :, : dy.shape[2], : dy.shape[3]] = dy
            dy = grown
        return self.body.backward(_edges_folded(self.up.backward(dy), self.before, self.after))

    @property
    def window(self) -> Window:
        """What a pixel may see of the image: its reach, in whole pixels."""
        rows, columns = (math.ceil(axis.reach) for axis in self.grid)
        return Window((2 * rows + 1, 2 * columns + 1), Geometry(padding=sides((rows, columns))))

    def describe(self) -> str:
        """By how much it grows."""
        return "x".join(str(int(axis.step)) for axis in self.axes)


def _plan(axis: Axis) -> tuple[int, int, int]:
    """(taps, rows to repeat before the map, rows to crop off the start) along one axis.

    A triangle of half-width `step` interpolates. Its middle is on a tap, or between two, as the centres of the
    map are on a pixel, or between two.
    """
    step = int(axis.step)
    taps = 2 * step - (axis.start.denominator == 1)
    before = max(0, math.ceil(axis.start / step))
    crop = (taps - 1) / 2 - float(axis.start) + before * step
    return taps, before, int(crop)


def _phrase(axis: Axis) -> str:
    return f"step {axis.step}, start {axis.start}, reach {axis.reach}"


def _with_edges(x: Array, before: Pair, after: Pair) -> Array:
    """The map (N, C, h, w) with its outermost rows and columns repeated."""
    if not any((*before, *after)):
        return x
    N, C, h, w = x.shape
    y = empty_images((N, C, before[0] + h + after[0], before[1] + w + after[1]), x.dtype)
    inner = y[:, :, before[0] : before[0] + h]
    inner[..., before[1] : before[1] + w] = x
    inner[..., : before[1]] = x[..., :1]
    inner[..., before[1] + w :] = x[..., -1:]
    y[:, :, : before[0]] = inner[:, :, :1]
    y[:, :, before[0] + h :] = inner[:, :, -1:]
    return y


def _edges_folded(dy: Array, before: Pair, after: Pair) -> Array:
    """Adjoint of `_with_edges`."""
    if not any((*before, *after)):
        return dy
    h, w = dy.shape[2] - before[0] - after[0], dy.shape[3] - before[1] - after[1]
    rows = dy[:, :, before[0] : before[0] + h].copy(order="K")
    rows[:, :, 0] += dy[:, :, : before[0]].sum(axis=2)
    rows[:, :, -1] += dy[:, :, before[0] + h :].sum(axis=2)
    dx = np.array(rows[..., before[1] : before[1] + w], order="K")
    dx[..., 0] += rows[..., : before[1]].sum(axis=3)
    dx[..., -1] += rows[..., before[1] + w :].sum(axis=3)
    return dx
