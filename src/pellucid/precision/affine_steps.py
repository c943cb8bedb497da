"""Layers with weights as integer steps: weights to levels, all scales to one factor a filter."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.graph.fold import Affine, channel_factors, filters, norm_factors
from pellucid.layers import BatchNorm2d, ConvTranspose2d, Layer, Linear, MaxPool2d
from pellucid.layers.sliding import Sliding
from pellucid.ops.arrays import Array
from pellucid.ops.memory import frozen
from pellucid.plan.integer_affine import LARGEST_TOTAL, IntegerAffine, IntegerConv2d, IntegerConvTranspose2d
from pellucid.plan.scale import Scale
from pellucid.plan.weight_levels import fitted_steps, nearest_levels
from pellucid.precision.fixed_point import fixed_point
from pellucid.precision.integer_graph import Part
from pellucid.precision.steps import At, bounds, window_padding

LARGEST_BIAS = 1 << 29
NORM_BITS = 8  # a norm has one weight a channel, which any number of bits but 2 or 4 keeps exactly


def affine_step(part: Part, at: At, scale: Scale, output: Scale | None, bits: int) -> tuple[IntegerAffine, Scale]:
    """The step of a part with weights, and the scale of what it gives.

    scale: of what it sees. output: that it is to give; None for logits, whose scale follows from the weights'.
    """
    layer = part.layer
    if isinstance(layer, BatchNorm2d):
        (factor, offset), bits = norm_factors(layer), NORM_BITS
        levels, steps = _levels(np.ones((len(factor), 1, 1, 1)), bits)
    else:
        assert isinstance(layer, Affine)
        factor, offset = channel_factors(layer, part.norm)
        bits = bits if part.rounded is None else part.rounded.bits
        own = _levels(filters(layer).astype(np.float64), bits) if part.rounded is None else part.rounded.levels()
        levels, steps = own[0], own[1].astype(np.float64)
    if isinstance(layer, Linear):  # a filter as large as the image that was flattened before it
        levels = levels.reshape(len(levels), *at.input_shape)
    levels = levels * np.where(factor < 0, -1, 1).astype(np.int8)[:, None, None, None]
    levels, steps = _with_room(levels, steps * np.abs(factor), np.abs(offset) / scale.step, bits)
    bias = np.rint(offset / (scale.step * steps)).astype(np.int64)
    if not isinstance(layer, ConvTranspose2d):
        bias -= scale.zero * levels.sum(axis=(1, 2, 3), dtype=np.int64)
    _check_totals(layer, levels, bias)
    given = Scale(scale.step * float(steps.max()), 0) if output is None else output
    levels = frozen(levels)
    multiplier, shift = fixed_point(scale.step * steps / given.step)
    low, high = bounds(part.clip, given)
    kind = IntegerConvTranspose2d if isinstance(layer, ConvTranspose2d) else IntegerConv2d
    step = kind(
        *at,
        levels,
        bits,
        bias.astype(np.int32),
        multiplier,
        shift,
        zeros=(scale.zero, given.zero),
        low=low,
        high=high,
        pool=part.pool.kernel[0] if isinstance(part.pool, MaxPool2d) else 1,
        logits=output is None,
        **_geometry(layer, at),
    )
    return step, given


def _geometry(layer: Layer, at: At) -> dict[str, Any]:
    """Settings of the window, by the names of the step's."""
    if isinstance(layer, Linear):
        return {}
    if isinstance(layer, BatchNorm2d):
        return {"groups": at.input_shape[0]}
    assert isinstance(layer, Sliding)
    padding, same = window_padding(layer, at)
    grown = {"output_padding": layer.output_padding} if isinstance(layer, ConvTranspose2d) else {}
    settings = {"stride": layer.stride, "dilation": layer.dilation, "groups": layer.groups}
    return {**settings, "padding": padding, "same": same, **grown}


def _levels(weight: Array, bits: int) -> tuple[Array, Array]:
    """(levels int8, step of each filter) of weights (K, ...)."""
    steps = fitted_steps(weight, bits)
    return nearest_levels(weight, steps, bits), steps


def _with_room(levels: Array, steps: Array, offset: Array, bits: int) -> tuple[Array, Array]:
    """Filters so small that their bias would need more than 31 bits, with a larger step: they count as nothing."""
    least = np.maximum(offset / LARGEST_BIAS, np.finfo(np.float32).tiny)
    small = steps < least
    return np.where(small[:, None, None, None], np.int8(bits != 8), levels), np.maximum(steps, least)


def _check_totals(layer: Layer, levels: Array, bias: Array) -> None:
    sums = np.abs(levels.astype(np.int64)).sum(axis=(1, 2, 3))
    largest = int((255 * sums + np.abs(bias)).max())
    if largest > LARGEST_TOTAL:
        raise PellucidError(f"layer {layer.name} ({layer.kind}): sums of up to {largest} do not fit 32 bits")
