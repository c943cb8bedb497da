"""GoogLeNet, or Inception v1: filters of several sizes look at the same map side by side."""

from pellucid.arguments import checked
from pellucid.graph import Concat, Sequential
from pellucid.layers import Dropout, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU
from pellucid.zoo.normalized import normalized

MODULES = (
    # of each stage: 1x1; 3x3 and its squeeze; 5x5 and its squeeze; behind the pool (table 1)
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)


@checked
def googlenet(classes: int = 1000, *, width: float = 1.0, dropout: float = 0.2) -> Sequential:
    """Three convolutions, nine modules of four branches, one affine layer: 6,624,904 parameters on 3x224x224.

    Szegedy et al. 2015, "Going Deeper with Convolutions", table 1, as the weights that go around have it: with batch
    normalisation, 3x3 filters where the paper has 5x5, and no classifiers on the way. Images of any size from 15x15
    on. width: factor of all channels.
    """

    def convolved(channels: int, kernel: int, stride: int = 1) -> list[Layer]:
        return [*normalized(max(1, round(channels * width)), kernel, stride, epsilon=1e-3), ReLU()]

    def module(point: int, small: tuple[int, int], large: tuple[int, int], pooled: int) -> Layer:
        return Concat(
            Sequential(*convolved(point, 1)),
            Sequential(*convolved(small[0], 1), *convolved(small[1], 3)),
            Sequential(*convolved(large[0], 1), *convolved(large[1], 3)),
            Sequential(MaxPool2d(3, stride=1, padding=1), *convolved(pooled, 1)),
            names=("point", "small", "large", "pooled"),
        )

    layers = [*convolved(64, 7, 2), MaxPool2d(3, stride=2, ceil=True), *convolved(64, 1), *convolved(192, 3)]
    for kernel, modules in zip((3, 3, 2), MODULES, strict=True):
        layers += [MaxPool2d(kernel, stride=2, ceil=True), *(module(*channels) for channels in modules)]
    return Sequential(*layers, GlobalAvgPool2d(), Dropout(dropout), Linear(classes, initial="xavier"))
