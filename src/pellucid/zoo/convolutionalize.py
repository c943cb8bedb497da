"""From a classifier of one image size to a fully convolutional network that takes any larger one.

An affine layer that sees a whole map of C x H x W values is a convolution with filters of that size, whose output
has one place: a 32x10x10 map into 100 units is 100 filters of 32x10x10. Its weights, a row of C H W numbers a
unit, are those filters as they lie. On a larger image the filter has more than one place to stand, and each is the
classifier run on the patch that it sees: exactly so where nothing pads, up to the padding at a patch's border else.

Source: Long, Shelhamer, Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation", section 3.1.
"""

from __future__ import annotations

import copy

from pellucid.errors import PellucidError
from pellucid.layers import AvgPool2d, Conv2d, Flatten, GlobalAvgPool2d, Layer, Linear, Sequential
from pellucid.layers.containers import Branches
from pellucid.network import Network
from pellucid.ops.arrays import Pair, Shape


def convolutionalize(network: Network) -> Network:
    """A new network with the same weights, under the same names, that gives logits (classes, P, Q) instead of
    (classes,): P = Q = 1 for images of the classifier's own size, more for larger ones.

    Raises PellucidError, naming the layer, where a layer on the way cannot be turned into a convolution.
    """
    layer = convolutional(network.layer, network.input_shape)
    twin = Network(layer, network.input_shape, dtype=network.dtype, fuse=network.fused)
    given = network.state()
    twin.load_state({name: given[name].reshape(p.shape) for name, p in twin.parameters.items()})
    return twin


def convolutional(layer: Layer, input_shape: Shape) -> Layer:
    """Layers that compute for images what `layer`, built or not, computes for images (C, H, W).

    Affine layers come back as convolutions to be built; names inside a Sequential stay. Nothing given is changed.
    """
    if len(input_shape) != 3:
        raise PellucidError(f"convolutionalize: expected a network of images (C, H, W), got input {input_shape}")
    twin, _ = _turned(layer, input_shape, None)
    return twin


def _turned(layer: Layer, shape: Shape, flattened: Pair | None) -> tuple[Layer, Pair | None]:
    """The layer's twin. flattened: height and width of the map that a feature vector was, None where it is a map.

    `shape` is what the layer itself sees. Returns what the vector behind it was likewise.
    """
    if isinstance(layer, Sequential):
        return _turned_sequence(layer, shape, flattened)
    if isinstance(layer, Branches):
        return _turned_branches(layer, shape, flattened)
    if isinstance(layer, Linear):
        if flattened is None:
            raise layer.error("Flatten or GlobalAvgPool2d before it", f"shape {shape}")
        return Conv2d(layer.features, flattened, bias=layer.bias_wanted, initial=layer.initial), (1, 1)
    if isinstance(layer, GlobalAvgPool2d):
        _, H, W = layer.image_shape(shape)
        return AvgPool2d((H, W), stride=1), (1, 1)
    return copy.deepcopy(layer), flattened


def _turned_sequence(sequence: Sequential, shape: Shape, flattened: Pair | None) -> tuple[Layer, Pair | None]:
    layers, names = [], []
    for name, layer in sequence.children().items():
        if isinstance(layer, Flatten):
            if flattened is None and len(shape) == 3:
                flattened = (shape[1], shape[2])
        else:
            twin, flattened = _turned(layer, shape, flattened)
            layers.append(twin)
            names.append(name)
        shape = layer.output_shape(shape)
    return Sequential(*layers, names=tuple(names)), flattened


def _turned_branches(branches: Branches, shape: Shape, flattened: Pair | None) -> tuple[Layer, Pair | None]:
    turned = [_turned(branch, shape, flattened) for branch in branches.branches]
    after = {state for _, state in turned}
    if len(after) > 1:
        raise branches.error("branches that all turn into convolutions of one map", f"maps {after}")
    twin = copy.copy(branches)
    twin.branches = [layer for layer, _ in turned]
    return twin, after.pop()
