"""DenseNet: every layer sees what all layers before it found."""

from pellucid.arguments import checked
from pellucid.graph import Concat, Sequential
from pellucid.layers import AvgPool2d, BatchNorm2d, Conv2d, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU
from pellucid.zoo.normalized import normalized

BLOCKS = (6, 12, 24, 16)


@checked
def densenet121(classes: int = 1000, *, growth: int = 32) -> Sequential:
    """A 7x7 convolution, four blocks of 6, 12, 24 and 16 dense layers, an affine layer: 7,978,856 parameters.

    Huang, Liu, van der Maaten, Weinberger 2017, "Densely Connected Convolutional Networks", table 1 (BC, with
    transitions that halve channels and map). Images of any size. growth: channels that each layer adds.
    """
    channels = 2 * growth
    layers: list[Layer] = [*normalized(channels, 7, 2), ReLU(), MaxPool2d(3, stride=2, padding=1)]
    for block, count in enumerate(BLOCKS):
        if block:
            channels //= 2
            layers += [BatchNorm2d(), ReLU(), Conv2d(channels, 1, bias=False), AvgPool2d(2)]
        layers += [_dense(growth) for _ in range(count)]
        channels += count * growth
    return Sequential(*layers, BatchNorm2d(), ReLU(), GlobalAvgPool2d(), Linear(classes, initial="xavier"))


def _dense(growth: int) -> Layer:
    """What comes in, and behind it `growth` new channels: a 1x1 convolution before the 3x3 one keeps that cheap."""
    new = (BatchNorm2d(), ReLU(), *normalized(4 * growth, 1), ReLU(), Conv2d(growth, 3, padding=1, bias=False))
    return Concat(Sequential(), Sequential(*new), names=("old", "new"))
