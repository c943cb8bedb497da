"""From an operation to the backend's step: which kernel does it, if any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    AvgPool2d,
    Conv2d,
    GlobalAvgPool2d,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    LayerNorm2d,
    LeakyReLU,
    MaxPool2d,
    Mish,
    Resize,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE
from pellucid.ops.arrays import Shape
from pellucid.ops.geometry import PLAIN
from pellucid.plan.folded import Folded
from pellucid.plan.lines import depthwise
from pellucid.plan.operations import Operation

MOST_PLACES = 1 << 22
"""Numbers of a sample for which a table says where they go."""


def pools_too(step: Operation, seen: Sequence[Shape], number: int, form: str) -> bool:
    """Whether the backend's convolution of a batch of `number` such images can give its 2x2 max-pool at once.

    form: what the network's numbers are stored in.
    """
    layer = step.layer
    assert isinstance(layer, Conv2d)
    C, H, W = seen[0]
    geometry = layer.geometry_for((H, W))
    return bool(ops.steps().pools_too((number, C, H, W), layer.built_weight.shape, geometry, _finish(step), form))


def lines_suit(step: Operation, seen: Sequence[Shape], number: int, folded: Folded) -> bool:
    """Whether the backend does the convolutions of "lines" better at once than one after the other."""
    (C, H, W), parts = seen[0], _line_parts(step, seen, folded)
    return bool(ops.steps().lines_suit((number, C, H, W), *parts))


def prepare(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    """The backend's step for a batch of `number`; None where it has no kernel.

    seen: shapes of the inputs, given: of the output, of one sample each.
    """
    made = _MAKERS.get(step.kind, _layer)(step, seen, given, number, folded)
    if made is None or step.function is None:
        return made
    return ops.steps().followed(made, number * math.prod(given), _named(step.function))


def _finish(step: Operation) -> Any:
    return ops.steps().Finish(step.low, step.high, step.added)


def _convolution(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    layer = step.layer
    assert isinstance(layer, Conv2d)
    C, H, W = seen[0]
    weights, geometry = folded.weights(step.nodes[0]), layer.geometry_for((H, W))
    return ops.steps().convolution((number, C, H, W), weights, geometry, _finish(step), step.pooled)


def _transposed(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    return ops.steps().transposed_convolution((number, *seen[0]), folded.weights(step.nodes[0]), _finish(step))


def _lines(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    (C, H, W), parts = seen[0], _line_parts(step, seen, folded)
    return ops.steps().in_lines((number, C, H, W), *parts)


def _line_parts(step: Operation, seen: Sequence[Shape], folded: Folded) -> list[Any]:
    """What widens, the depthwise convolution, and what narrows; None for what isn't there."""
    found: list[Any] = [None, None, None]
    shape, middle = seen[0], next(i for i, part in enumerate(step.parts) if depthwise(part))
    for i, part in enumerate(step.parts):
        layer = part.layer
        assert isinstance(layer, Conv2d)
        geometry = layer.geometry_for((shape[1], shape[2]))
        function = None if part.function is None else _named(part.function)
        found[1 + i - middle] = ops.steps().Part(folded.weights(part.nodes[0]), geometry, _finish(part), function)
        shape = layer.output_shape(shape)
    return found


def _product(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    shape = seen[0] if len(seen[0]) == 3 else ()
    return ops.steps().affine(number, folded.weights(step.nodes[0], shape), _finish(step))


def _affine(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    pixels = number * math.prod(seen[0][1:])
    return ops.steps().channel_affine(pixels, *folded.factors(step.nodes[0]), _finish(step))


def _sum(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    return ops.steps().bounded_sum(number * math.prod(given), _finish(step), several=len(seen) > 1)


def _pool(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    layer, steps = step.layer, ops.steps()
    C, H, W = seen[0]
    if isinstance(layer, GlobalAvgPool2d):
        return steps.mean_pool((number, C, H, W), (H, W), PLAIN, (1, 1), False)
    assert isinstance(layer, MaxPool2d | AvgPool2d)
    geometry, size = layer.geometry_for((H, W)), (given[1], given[2])
    if isinstance(layer, MaxPool2d):
        return steps.max_pool((number, C, H, W), layer.kernel, geometry, size)
    return steps.mean_pool((number, C, H, W), layer.kernel, geometry, size, layer.count_padding)


def _concat(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    return ops.steps().concat(number * math.prod(given[1:]), tuple(shape[0] for shape in seen))


def _norm(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    layer, (C, H, W) = step.layer, seen[0]
    vectors = (parameter.value for parameter in layer.parameters().values())
    if isinstance(layer, GroupNorm):
        settings = layer.groups_of(C), layer.epsilon
        return ops.steps().group_norm(number, H * W, *vectors, *settings, _finish(step))
    assert isinstance(layer, LayerNorm2d)
    return ops.steps().layer_norm(number * H * W, *vectors, layer.epsilon, _finish(step))


def _gate(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    single = seen[0] != seen[1]
    made = ops.steps().multiply(number, math.prod(given[1:]), given[0], single=single)
    return ops.steps().turned(made) if seen[0] != given else made


def _resize(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    layer, (C, H, W) = step.layer, seen[0]
    assert isinstance(layer, Resize)
    return ops.steps().resample((number, C, H, W), *layer.sums((H, W)))


def _move(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    """By where each number of a sample goes; None for samples too large for such a table."""
    size, images = math.prod(seen[0]), (len(seen[0]) == 3, len(given) == 3)
    if max(size, math.prod(given)) > MOST_PLACES:
        return None
    places = np.arange(1.0, size + 1)
    C, *sides = seen[0]
    x = places.reshape(1, *sides, C).transpose(0, 3, 1, 2) if images[0] else places.reshape(1, *seen[0])
    for node in step.nodes:
        x = node.layer.forward(x, INFERENCE)
    stored = x.transpose(0, 2, 3, 1) if images[1] else x
    pixel = seen[0][0] * images[0], given[0] * images[1]
    return ops.steps().gather(number, size, stored.reshape(-1).astype(np.int64) - 1, pixel)


def _function(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    return ops.steps().function(number * math.prod(given), _named(step.layer))


def _named(layer: Layer) -> Any:
    """An activation as steps know it."""
    of = ops.steps().Function
    if isinstance(layer, ELU):
        return of("elu", layer.alpha, 1.0)
    if isinstance(layer, SELU):
        return of("elu", layer.alpha, layer.scale)
    if isinstance(layer, GELU):
        return of("gelu tanh" if layer.tanh else "gelu")
    if isinstance(layer, HardSigmoid):
        return of("hard sigmoid", layer.alpha, layer.beta)
    if isinstance(layer, LeakyReLU):
        return of("leaky relu", layer.slope)
    return of(_PLAIN[type(layer)])


_PLAIN: dict[type[Layer], str] = {
    HardSwish: "hard swish", Mish: "mish", Sigmoid: "sigmoid", SiLU: "silu", Softplus: "softplus", Tanh: "tanh",
}  # fmt: skip


def _layer(step: Operation, seen: Sequence[Shape], given: Shape, number: int, folded: Folded) -> Any:
    return None


_MAKERS = {
    "convolution": _convolution,
    "transposed": _transposed,
    "lines": _lines,
    "product": _product,
    "affine": _affine,
    "sum": _sum,
    "bounds": _sum,
    "pool": _pool,
    "move": _move,
    "concat": _concat,
    "function": _function,
    "gate": _gate,
    "norm": _norm,
    "resize": _resize,
}
