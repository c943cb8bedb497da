"""From a trained network to integers: its parts, their scales, and the steps that they become."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from pellucid.graph import INPUT
from pellucid.graph.fold import Affine
from pellucid.graph.rearranged import Rearranged, channel_order
from pellucid.layers import Add, BatchNorm2d, Multiply
from pellucid.layers.joins import Concat
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan.integer_network import IntegerNetwork, images_shape
from pellucid.plan.integer_steps import Images, IntegerAdd, IntegerFlatten, IntegerOrder, IntegerStep
from pellucid.plan.scale import Scale
from pellucid.plan.weight_levels import checked_bits
from pellucid.precision.affine_steps import affine_step
from pellucid.precision.calibration import calibrate
from pellucid.precision.integer_graph import ACTIVATIONS, MOVES, POOLS, Part, integer_graph, scale_of
from pellucid.precision.steps import (
    At,
    add_step,
    concat_step,
    moved_step,
    multiply_step,
    pool_step,
    table_step,
)


def quantize(network: Network, images: Array | Mapping[str, Scale], bits: int = 8) -> IntegerNetwork:
    """The integer network of a trained one: weights of `bits` bits, activations of 8.

    images: calibration images (N, *input_shape), a few hundred that the network was trained on; or what `calibrate`
    found of them, which is the same for all bits. Where the network was trained with rounding (see
    `quantization_aware`), the weights' bits and the ranges are those of training; where it rounds to bytes of a given
    scale (FakeQuantize), that scale is kept.
    Raises PellucidError, naming the layer, where a layer has no integer form.
    """
    return quantize_with_scales(network, images, bits)[0]


def quantize_with_scales(
    network: Network, images: Array | Mapping[str, Scale], bits: int = 8
) -> tuple[IntegerNetwork, dict[str, tuple[str, Scale]]]:
    """As `quantize`; and of each value of the network that some step gives, that step's name, and what its numbers
    mean."""
    checked_bits(bits)
    graph = integer_graph(network.nodes)
    ranges = images if isinstance(images, Mapping) else calibrate(network, images)
    wide = graph.after_logits
    made = _Steps(network, graph.input_scale or ranges[INPUT], bits)
    for part in graph.parts:
        scaled = graph.scaled_as(part)
        told = None if scaled.rounding is None else scale_of(scaled.rounding)
        made.add(part, None if part.value in wide else told or ranges[scaled.ranged])
    if not wide:
        made.end(graph.output)
    widths = [part.rounded.bits if part.rounded else bits for part in graph.parts if isinstance(part.layer, Affine)]
    given = {value: (made.names[value], made.scales[value]) for value in made.names if value != INPUT}
    integers = IntegerNetwork(
        made.steps, network.input_shape, network.output_shape, made.scales[INPUT], made.scales[graph.output].step,
        min(widths, default=bits), {made.names[value]: scale for value, scale in made.scales.items()},
    )  # fmt: skip
    return integers, given


class _Steps:
    """Steps in the making. By value: the step that gives it, its scale, and its shape as it is stored."""

    def __init__(self, network: Network, scale: Scale, bits: int) -> None:
        self.bits = bits
        self.declared = network.nodes.shapes(network.input_shape)
        self.steps: list[IntegerStep] = []
        self.names = {INPUT: INPUT}
        self.scales = {INPUT: scale}
        self.shapes: dict[str, Images] = {INPUT: images_shape(network.input_shape)}

    def add(self, part: Part, output: Scale | None) -> None:
        """The step of a part. output: its scale, where it has one of its own; None for logits."""
        if isinstance(part.layer, Rearranged):
            self._rearranged(part, part.layer)
            return
        inputs = tuple(self.names[name] for name in part.inputs)
        shapes = [self.shapes[name] for name in part.inputs]
        if isinstance(part.layer, Add | Multiply | Concat) and len(self.declared[part.value]) == 1:
            inputs = tuple(map(self._flat, inputs, shapes))
            shapes = [(prod(shape), 1, 1) for shape in shapes]
        shape = images_shape(self.declared[part.value])
        if isinstance(part.layer, ACTIVATIONS):  # of features that are stored as images so far
            shape = shapes[0]
        step, scale = self._made(part, At(part.name, inputs, shapes[0], shape), output)
        self.steps.append(step)
        self.names[part.value], self.scales[part.value], self.shapes[part.value] = step.name, scale, shape

    def _made(self, part: Part, at: At, output: Scale | None) -> tuple[IntegerStep, Scale]:
        """The step, and the scale of what it gives."""
        layer, scales = part.layer, [self.scales[name] for name in part.inputs]
        if isinstance(layer, Affine | BatchNorm2d):
            return affine_step(part, at, scales[0], output, self.bits)
        if isinstance(layer, Add):
            return add_step(part, at, scales, output)
        if isinstance(layer, MOVES):
            return moved_step(layer, at, self.names[part.sized_by], logits=output is None), scales[0]
        if isinstance(layer, POOLS):
            return pool_step(layer, at), scales[0]
        assert output is not None
        if isinstance(layer, Multiply):
            return multiply_step(part, at, scales, output), output
        if isinstance(layer, Concat):
            return concat_step(at, scales, output), output
        return table_step(layer, at, scales[0], output), output

    def _rearranged(self, part: Part, layer: Rearranged) -> None:
        """Channels in another order, where they are; of an image that becomes features, all its numbers are."""
        source = part.inputs[0]
        name, shape, places = self.names[source], self.shapes[source], layer.places(self.declared[source])
        order = channel_order(places, shape)
        if order is None and places.shape[1:] in {(), (1, 1)}:
            name, shape, order = self._flat(name, shape), (prod(shape), 1, 1), tuple(places.ravel().tolist())
        if order is None:
            last = layer.layers[-1]
            raise last.error("whole channels, in another order or some of them, in integers", last.describe())
        if order != tuple(range(shape[0])):
            self.steps.append(IntegerOrder(part.name, (name,), shape, (len(order), *shape[1:]), order))
            name, shape = part.name, (len(order), *shape[1:])
        self.names[part.value], self.scales[part.value], self.shapes[part.value] = name, self.scales[source], shape

    def _flat(self, name: str, shape: Images) -> str:
        """The name of a value as features of one pixel, of an image that features are stored as."""
        if shape[1:] == (1, 1):
            return name
        flat = f"{name}-flat"
        if all(step.name != flat for step in self.steps):
            self.steps.append(IntegerFlatten(flat, (name,), shape, (prod(shape), 1, 1)))
        return flat

    def end(self, value: str) -> None:
        """Bytes as logits, where the last layer gives none. value: what the network gives."""
        name, shape, scale = self.names[value], self.shapes[value], self.scales[value]
        if len(self.declared[value]) == 1:
            name, shape = self._flat(name, shape), (prod(shape), 1, 1)
        at = At(f"{name}-logits", (name,), shape, shape)
        self.steps.append(IntegerAdd(*at, (scale.zero,), (1,), 1, logits=True))
