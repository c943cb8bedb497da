"""Layers without weights as integer steps."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from pellucid import ops
from pellucid.layers import AvgPool2d, Clip, Layer, MaxPool2d
from pellucid.layers.resize import RepeatEdges
from pellucid.layers.sliding import Sliding
from pellucid.ops.arrays import Pair
from pellucid.ops.geometry import Sides
from pellucid.plan.integer_steps import (
    Images,
    IntegerAdd,
    IntegerConcat,
    IntegerCropLike,
    IntegerMultiply,
    IntegerPool2d,
    IntegerRepeatEdges,
    IntegerStep,
    IntegerTable,
)
from pellucid.plan.scale import Scale
from pellucid.precision.fixed_point import common_fixed_point, fixed_point
from pellucid.precision.integer_graph import Part

BYTES = np.arange(256)


class At(NamedTuple):
    """What every step starts with: see IntegerStep."""

    name: str
    inputs: tuple[str, ...]
    input_shape: Images
    output_shape: Images


def pool_step(pool: Layer, at: At) -> IntegerPool2d:
    """A pool over windows, or over the whole map."""
    if isinstance(pool, MaxPool2d | AvgPool2d):
        average = isinstance(pool, AvgPool2d)
        padding, same = window_padding(pool, at)
        return IntegerPool2d(*at, average, pool.kernel, pool.stride, padding, pool.ceil, pool.dilation, same)
    size = at.input_shape[1:]
    return IntegerPool2d(*at, average=True, kernel=size, stride=size)


def table_step(activation: Layer, at: At, scale: Scale, output: Scale) -> IntegerTable:
    """What the activation makes of each of the 256 inputs."""
    with ops.use_backend("numpy"):  # the same table whatever computes
        return IntegerTable(*at, output.quantize(activation.forward(scale.real(BYTES))))


def add_step(part: Part, at: At, scales: Sequence[Scale], output: Scale | None) -> tuple[IntegerAdd, Scale]:
    """A sum on the scale that it is to give; None for logits, which have the finest that 32 bits allow."""
    largest = max(scale.step for scale in scales) if output is None else output.step
    multipliers, shift = common_fixed_point([scale.step / largest for scale in scales])
    zeros = tuple(scale.zero for scale in scales)
    if output is None:
        return IntegerAdd(*at, zeros, multipliers, shift, logits=True), Scale(largest / 2**shift, 0)
    low, high = bounds(part.clip, output)
    return IntegerAdd(*at, zeros, multipliers, shift, output.zero, low, high), output


def multiply_step(part: Part, at: At, scales: Sequence[Scale], output: Scale) -> IntegerMultiply:
    """A product of two inputs."""
    multiplier, shift = fixed_point(np.array([scales[0].step * scales[1].step / output.step]))
    zeros = (scales[0].zero, scales[1].zero)
    return IntegerMultiply(*at, zeros, int(multiplier[0]), int(shift[0]), output.zero, *bounds(part.clip, output))


def concat_step(at: At, scales: Sequence[Scale], output: Scale) -> IntegerConcat:
    """Inputs on one scale; a table that changes nothing where an input has it."""
    return IntegerConcat(*at, np.stack([output.quantize(scale.real(BYTES)) for scale in scales]))


def moved_step(layer: Layer, at: At, like: str, logits: bool) -> IntegerStep:
    """Edges repeated, or a map cropped; like: name of the value that is to be covered."""
    if isinstance(layer, RepeatEdges):
        grows = layer.grows
        return IntegerRepeatEdges(
            *at, like, layer.before, grows.kernel, grows.geometry.stride, grows.geometry.before, logits
        )
    return IntegerCropLike(*at, like, logits)


def window_padding(layer: Sliding, at: At) -> tuple[Pair | Sides, str]:
    """(padding, "same" or "same-lower" if it follows from the image's size): of a window on the usual image."""
    geometry = layer.geometry_for((at.input_shape[1], at.input_shape[2]))
    padding = geometry.before if geometry.symmetric else geometry.padding
    return padding, layer.same if layer.sized else ""


def bounds(clip: Layer | None, output: Scale) -> tuple[int, int]:
    """Lowest and highest byte of an output that is clipped so, or not at all."""
    if clip is None:
        return 0, 255
    low, high = output.quantize(np.array(limits(clip)))
    return int(low), int(high)


def limits(clip: Layer) -> tuple[float, float]:
    """Between which numbers the layer clips."""
    return (clip.low, clip.high) if isinstance(clip, Clip) else (0.0, inf)
