"""Batch normalisation folded into the layer before it: at inference it is an affine map a channel."""

from __future__ import annotations

import copy

import numpy as np

from pellucid.graph import Branches, Sequential
from pellucid.layers import BatchNorm2d, Conv2d, Identity, Layer, Linear
from pellucid.network import Network
from pellucid.ops.arrays import Array


def channel_factors(layer: Conv2d | Linear, norm: BatchNorm2d | None) -> tuple[Array, Array]:
    """(factor, offset), each (K,) float64: the layer and its normalisation give factor * (w x) + offset."""
    channels = layer.built_weight.shape[0]
    bias = np.zeros(channels) if layer.bias is None else layer.bias.value.astype(np.float64)
    if norm is None:
        return np.ones(channels), bias
    gamma, beta, mean, variance = (parameter.value.astype(np.float64) for parameter in norm.parameters().values())
    factor = gamma / np.sqrt(variance + norm.epsilon)
    return factor, beta + factor * (bias - mean)


def fold_batch_norm(network: Network) -> Network:
    """The same function at inference without the batch normalisations that follow a convolution.

    Their factors go into the convolution's weights, the rest into its bias (Jacob et al. 2018, section 3.2); an
    Identity takes their place, so that every other layer keeps its name.
    """
    folded = Network(copy.deepcopy(network.layer), network.input_shape, dtype=network.dtype, fuse=False)
    folded.load_state(network.state())
    values = {name: value.astype(np.float64) for name, value in folded.state().items()}
    _fold(folded.layer, values)
    result = Network(folded.layer, network.input_shape, dtype=network.dtype, fuse=network.fused)
    result.load_state(values)
    return result


def _fold(layer: Layer, values: dict[str, Array]) -> None:
    """Replace in the tree; `values` are those of the tree afterwards."""
    if isinstance(layer, Sequential):
        for i, (first, second) in enumerate(zip(layer.layers[:-1], layer.layers[1:], strict=True)):
            if isinstance(first, Conv2d) and isinstance(second, BatchNorm2d):
                _fold_pair(first, second, values)
                layer.layers[i + 1] = Identity()
    children = (
        layer.layers if isinstance(layer, Sequential) else layer.branches if isinstance(layer, Branches) else []
    )
    for child in children:
        _fold(child, values)


def _fold_pair(conv: Conv2d, norm: BatchNorm2d, values: dict[str, Array]) -> None:
    factor, offset = channel_factors(conv, norm)
    values[f"{conv.name}.weight"] *= factor[:, None, None, None]
    values[f"{conv.name}.bias"] = offset
    conv.weight, conv.bias, conv.bias_wanted = None, None, True
    for name in norm.parameters():
        del values[f"{norm.name}.{name}"]
