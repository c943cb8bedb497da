"""A small network for photographs of any size: where to start."""

from collections.abc import Sequence

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU
from pellucid.zoo.normalized import normalized


@checked
def convnet(classes: int, *, widths: Sequence[int] = (32, 64, 64, 64)) -> Sequential:
    """Blocks of a 3x3 convolution, normalised, and a 2x2 pool; then the mean of each channel, and one affine layer.

    93,732 parameters for 4 classes on 3 channels. Images of any size from 16x16 on (2^n for n widths). widths:
    channels of each block.
    """
    if not widths or min(widths) < 1:
        raise PellucidError(f"convnet: expected widths of at least 1, one a block, got {list(widths)}")
    layers: list[Layer] = []
    for width in widths:
        layers += [*normalized(width), ReLU(), MaxPool2d(2)]
    return Sequential(*layers, GlobalAvgPool2d(), Linear(classes, initial="xavier"))
