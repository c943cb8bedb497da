"""From a trained network to integers: the stages, their scales, and the arithmetic that joins them."""

from __future__ import annotations

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.layers import AvgPool2d, Conv2d, Layer, Linear, MaxPool2d
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan.integer_network import IntegerNetwork
from pellucid.plan.integer_steps import IntegerConv2d, IntegerPool2d, IntegerStep, IntegerTable
from pellucid.plan.scale import Scale
from pellucid.plan.weight_levels import checked_bits, fitted_steps, nearest_levels
from pellucid.precision.calibration import calibrate
from pellucid.precision.fixed_point import fixed_point
from pellucid.precision.folding import channel_factors
from pellucid.precision.stages import Stage, stages

LARGEST_TOTAL = (1 << 31) - 1
LARGEST_BIAS = 1 << 29


def quantize(network: Network, images: Array, bits: int = 8) -> IntegerNetwork:
    """The integer network of a trained one: weights of `bits` bits, activations of 8.

    images: calibration images (N, *input_shape), a few hundred that the network was trained on. Where the network
    was trained with rounding (see `quantization_aware`), the weights' bits and the ranges are those of training.
    Raises PellucidError, naming the layer, where a layer has no integer form.
    """
    checked_bits(bits)
    found, scales = stages(network), calibrate(network, images)
    scale, steps = scales[""], []
    for stage in found:
        step, scale = _converted(stage, scale, scales, bits, final=stage is found[-1])
        steps.append(step)
    widths = [stage.rounded.bits if stage.rounded else bits for stage in found if stage.affine]
    return IntegerNetwork(steps, network.input_shape, network.output_shape, scales[""], scale.step, min(widths))


def _converted(
    stage: Stage, scale: Scale, scales: dict[str, Scale], bits: int, final: bool
) -> tuple[IntegerStep, Scale]:
    """The stage as an integer step, and the scale of what it gives."""
    if stage.affine is None and stage.pool is not None:
        return _pool(stage.pool, stage), scale
    name = stage.last.name
    output = stage.rounding.scale if stage.rounding is not None else scales[name]
    if stage.affine is not None:
        return _affine(stage, stage.affine, scale, output, bits, final)
    assert stage.activation is not None
    shapes = (stage.input_shape, stage.output_shape)
    return IntegerTable(name, *shapes, _table(stage.activation, scale, output)), output


def _pool(pool: Layer, stage: Stage) -> IntegerPool2d:
    shapes = (stage.input_shape, stage.output_shape)
    if isinstance(pool, MaxPool2d | AvgPool2d):
        average = isinstance(pool, AvgPool2d)
        if pool.dilation != (1, 1) or (isinstance(pool, AvgPool2d) and pool.count_padding):
            raise pool.error("a pool without dilation that doesn't count its padding", pool.describe())
        return IntegerPool2d(pool.name, *shapes, average, pool.kernel, pool.stride, pool.padding, pool.ceil)
    size = stage.input_shape[1:]
    return IntegerPool2d(pool.name, *shapes, average=True, kernel=size, stride=size)


def _table(activation: Layer, scale: Scale, output: Scale) -> Array:
    """What the activation makes of each of the 256 inputs."""
    with ops.use_backend("numpy"):  # the same table whatever computes
        return output.quantize(activation.forward(scale.real(np.arange(256))))


def _affine(
    stage: Stage, layer: Conv2d | Linear, scale: Scale, output: Scale, bits: int, final: bool
) -> tuple[IntegerConv2d, Scale]:
    """Weights to levels; bias and zero to one number a filter, all scales to one factor a filter."""
    bits = bits if stage.rounded is None else stage.rounded.bits
    factor, offset = channel_factors(layer, stage.norm)
    levels, steps = _levels(stage, layer, bits, factor)
    levels, steps = _with_room(levels, steps, np.abs(offset) / scale.step, bits)
    sums = levels.sum(axis=(1, 2, 3), dtype=np.int64)
    bias = np.rint(offset / (scale.step * steps)).astype(np.int64) - scale.zero * sums
    _check_totals(layer, levels, bias)
    if final:
        output = Scale(scale.step * float(steps.max()), 0)
    levels.flags.writeable = False  # kernels may keep their own copy of it
    multiplier, shift = fixed_point(scale.step * steps / output.step)
    geometry = (
        {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
        if isinstance(layer, Conv2d)
        else {}
    )
    step = IntegerConv2d(
        layer.name,
        stage.input_shape,
        stage.output_shape,
        levels,
        bits,
        bias.astype(np.int32),
        multiplier,
        shift,
        zeros=(scale.zero, output.zero),
        low=output.zero if stage.activation is not None else 0,
        pool=stage.pool.kernel[0] if isinstance(stage.pool, MaxPool2d) else 1,
        logits=final,
        **geometry,
    )
    return step, output


def _levels(stage: Stage, layer: Conv2d | Linear, bits: int, factor: Array) -> tuple[Array, Array]:
    """(filters (K, C/groups, R, S) int8, step of each (K,) float64), batch normalisation's factor in them.

    A Linear is a filter as large as the image that was flattened before it.
    """
    if stage.rounded is not None:
        levels, steps = stage.rounded.levels()
    else:
        weight = layer.built_weight.value.astype(np.float64)
        steps = fitted_steps(weight, bits)
        levels = nearest_levels(weight, steps, bits)
    if isinstance(layer, Linear):
        levels = levels.reshape(len(levels), *stage.input_shape)
    sign = np.where(factor < 0, -1, 1).astype(np.int8)
    return levels * sign[:, None, None, None], steps.astype(np.float64) * np.abs(factor)


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
