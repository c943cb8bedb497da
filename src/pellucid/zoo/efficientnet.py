"""EfficientNet-Lite: the blocks of MobileNetV2 in numbers that a search found, for processors without much else."""

from functools import partial

from pellucid.graph import Sequential
from pellucid.layers import Dropout, GlobalAvgPool2d, Layer, Linear, ReLU6
from pellucid.zoo.mobilenet import divisible, inverted_residual
from pellucid.zoo.normalized import normalized

STAGES = (
    # widening inside, channels, blocks, kernel, stride of the first (table 1)
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)


def efficientnet_lite0(
    classes: int = 1000, *, width: float = 1.0, dropout: float = 0.2, momentum: float = 0.01
) -> Sequential:
    """A 3x3 convolution, sixteen blocks, a 1x1 convolution, one affine layer: 4,652,008 parameters on 3x224x224.

    Tan, Le 2019, "EfficientNet", table 1 (B0), in its Lite form of 2020: with ReLU6 for SiLU, without attention to
    channels. Images of any size, padded by "same" as the published weights want it. width: factor of the channels of
    all blocks, rounded to multiples of 8; the first and last convolution stay. momentum: weight of the newest batch
    in the norms' running statistics; more, such as 0.1, where a training has few steps. No block is dropped.
    """
    convolution = partial(normalized, padding="same", momentum=momentum, epsilon=1e-3)
    channels = 32
    layers: list[Layer] = [*convolution(channels, 3, 2), ReLU6()]
    for widening, given, blocks, kernel, stride in STAGES:
        wanted = divisible(given * width)
        for step in (stride, *(1,) * (blocks - 1)):
            layers.append(inverted_residual(channels, wanted, widening, kernel, step, convolution))
            channels = wanted
    layers += [*convolution(1280, 1), ReLU6(), GlobalAvgPool2d(), Dropout(dropout)]
    return Sequential(*layers, Linear(classes, initial="xavier"))
