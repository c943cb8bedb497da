"""A network rewritten for quantisation-aware training: it rounds where the integer network will."""

from __future__ import annotations

import copy

from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Layer, Linear
from pellucid.network import Network, name_layers
from pellucid.plan.weight_levels import checked_bits
from pellucid.precision.rounding import RoundedWeights, Rounding
from pellucid.precision.stages import stages


def quantization_aware(network: Network, bits: int = 8) -> Network:
    """A network that rounds its weights to `bits` bits and its activations to 8, with the same weights so far.

    Its parameters keep their names; after each layer whose output the integer network stores, such as "1", stands
    a Rounding "1-rounded", whose range follows the batches of training. Train it, then `quantize` it.
    """
    layer = with_rounding(network.layer, network.input_shape, bits)
    aware = Network(layer, network.input_shape, dtype=network.dtype, fuse=network.fused)
    fresh = {name: value for name, value in aware.state().items() if name not in network.parameters}
    aware.load_state({**fresh, **network.state()})
    return aware


def with_rounding(layer: Layer, input_shape: tuple[int, ...], bits: int) -> Layer:
    """The layers of a network, rewritten; the given ones stay as they are."""
    checked_bits(bits)
    plain = Network(copy.deepcopy(layer), input_shape, fuse=False)
    stored = {stage.last.name for stage in stages(plain)[:-1] if stage.pool is None or stage.affine is not None}
    twin = copy.deepcopy(layer)
    name_layers(twin)
    return _rewritten(twin, stored, bits)


def without_rounding(network: Network) -> Network:
    """The network as it was before `quantization_aware`, with the weights of now; itself if it does not round."""
    if not any(isinstance(layer, RoundedWeights | Rounding) for layer in network.layers()):
        return network
    layer = _restored(copy.deepcopy(network.layer))
    plain = Network(layer, network.input_shape, dtype=network.dtype, fuse=network.fused)
    plain.load_state({name: value for name, value in network.state().items() if name in plain.parameters})
    return plain


def _restored(layer: Layer) -> Layer:
    if isinstance(layer, RoundedWeights):
        return layer.inner
    if not isinstance(layer, Sequential):
        return layer
    kept = {name: child for name, child in layer.children().items() if not isinstance(child, Rounding)}
    return Sequential(*map(_restored, kept.values()), names=tuple(kept))


def _rewritten(layer: Layer, stored: set[str], bits: int) -> Layer:
    if isinstance(layer, Conv2d | Linear):
        return RoundedWeights(layer, bits)
    if not isinstance(layer, Sequential):
        return layer
    layers: list[Layer] = []
    names: list[str] = []
    for name, child in layer.children().items():
        layers.append(_rewritten(child, stored, bits))
        names.append(name)
        if child.name in stored:
            layers.append(Rounding())
            names.append(f"{name}-rounded")
    return Sequential(*layers, names=tuple(names))
