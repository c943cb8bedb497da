"""Growing a shrunken map back to the size of the image that it came from, pixel upon pixel."""

from __future__ import annotations

import math

from pellucid.graph.grid import Axis, grid
from pellucid.graph.unroll import Container, Unrolling, unroll
from pellucid.layers.base import Layer
from pellucid.layers.convolution import ConvTranspose2d
from pellucid.layers.resize import CropLike, RepeatEdges


class Upsampled(Container):
    """The body's output grown back to its input's height and width, odd ones too: (channels, H, W).

    A transposed convolution that starts as bilinear interpolation, one filter a channel (Long, Shelhamer, Darrell
    2015, section 3.3); frozen=True keeps it so. Where each place of the body's output lies on the input follows
    from the windows of its layers, and fixes the filter's size and the crop: nothing drifts by half a pixel.

    >>> pl.Network(pl.nn.Upsampled(pl.nn.Conv2d(2, 2, stride=2), 2), (3, 9, 13)).output_shape
    (2, 9, 13)
    """

    def __init__(self, body: Layer, channels: int, *, frozen: bool = False) -> None:
        self.body = body
        axes = grid(unroll(body))
        for axis in axes:
            if axis.step.denominator != 1 or axis.start.denominator > 2 or not math.isfinite(axis.reach):
                raise self.error("a body that sees a window, at whole or half pixels", _phrase(axis))
        (rows, columns), steps = map(_plan, axes), (int(axes[0].step), int(axes[1].step))
        self.up = ConvTranspose2d(
            channels,
            (rows[0], columns[0]),
            stride=steps,
            padding=(rows[2], columns[2]),
            groups=channels,
            bias=False,
            initial="bilinear",
            frozen=frozen,
        )
        self.edges, self.crop, self.steps = RepeatEdges((rows[1], columns[1]), self.up.window), CropLike(), steps

    def unroll(self, into: Unrolling, source: str) -> str:
        """Body, edges, interpolation, crop."""
        mapped = into.add("body", self.body, source)
        grown = into.add("up", self.up, into.add("edges", self.edges, mapped, source))
        return into.add("crop", self.crop, grown, source)

    def describe(self) -> str:
        """By how much it grows."""
        return "x".join(map(str, self.steps))


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
