"""Networks of the benchmark MLPerf Tiny, for microcontrollers.

Banbury et al. 2021, "MLPerf Tiny Benchmark": ResNet-8 for images of 32x32, MobileNetV1 a quarter as wide for 96x96.
Padding goes after the image where it can't be halved, as in the benchmark's models.
"""

from collections.abc import Sequence

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Residual, Sequential
from pellucid.layers import Conv2d, GlobalAvgPool2d, Layer, Linear, ReLU
from pellucid.zoo.mobilenet import divisible
from pellucid.zoo.normalized import normalized

SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Channels at full width, and the stride, of MobileNetV1's blocks (Howard et al. 2017, table 1)."""


@checked
def resnet8(classes: int = 10, *, widths: Sequence[int] = (16, 32, 64)) -> Sequential:
    """A 3x3 convolution, a residual block of two for each width, one affine layer: 78 thousand parameters on 3x32x32.

    Each block but the first halves the map; a 1x1 convolution, not normalised, takes its input past it.
    """
    if not widths:
        raise PellucidError("resnet8: expected at least one width, got none")
    layers: list[Layer] = [*normalized(widths[0], 3, padding="same"), ReLU()]
    for i, width in enumerate(widths):
        stride = 2 if i else 1
        body = Sequential(
            *normalized(width, 3, stride, padding="same"), ReLU(), *normalized(width, 3, padding="same")
        )
        layers += [Residual(body, Conv2d(width, 1, stride=stride) if i else None), ReLU()]
    return Sequential(*layers, GlobalAvgPool2d(), Linear(classes))


@checked
def mobilenet_v1(classes: int = 1000, *, width: float = 1.0) -> Sequential:
    """A 3x3 convolution and thirteen separable ones: 3x3 of each channel by itself, then 1x1. Images of any size.

    Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications". width:
    factor of all channels; a quarter has 0.2 M parameters and 7.5 M multiply-adds on 3x96x96.
    """
    layers: list[Layer] = [*normalized(divisible(32 * width), 3, 2, padding="same"), ReLU()]
    channels = divisible(32 * width)
    for wanted, stride in SEPARABLE:
        layers += [*normalized(channels, 3, stride, padding="same", groups=channels), ReLU()]
        channels = divisible(wanted * width)
        layers += [*normalized(channels, 1), ReLU()]
    return Sequential(*layers, GlobalAvgPool2d(), Linear(classes))
