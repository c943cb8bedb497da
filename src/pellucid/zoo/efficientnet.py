"""EfficientNet-Lite: the blocks of MobileNetV2 in numbers that a search found, for processors without much else."""

from collections.abc import Callable, Iterable
from functools import partial

from pellucid.arguments import checked
from pellucid.graph import Sequential
from pellucid.layers import BatchNorm2d, Conv2d, Dropout, GlobalAvgPool2d, Layer, Linear, ReLU6
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
SHRINKING = (0, 4, 6, 8, 14)  # numbers of the layers, convolution or block, that halve the map


@checked
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
    layers = _blocks(width, convolution)
    layers += [*convolution(1280, 1), ReLU6(), GlobalAvgPool2d(), Dropout(dropout)]
    return Sequential(*layers, Linear(classes, initial="xavier"))


def efficientnet_lite0_stages(width: float = 1.0, momentum: float = 0.01) -> list[Sequential]:
    """The first convolution and the sixteen blocks, cut before each block that shrinks the map: maps of strides 2, 4,
    8, 16 and 32, of 16, 24, 40, 112 and 320 channels times `width`. Layers have the names that they have in the whole
    network.

    Padded by numbers that are those of "same" on images whose sides are multiples of 32; so images of any size can be
    cut into tiles.
    """

    def convolution(channels: int, kernel: int, stride: int = 1, *, groups: int = 1) -> tuple[Layer, ...]:
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        layer = Conv2d(
            channels, kernel, stride=stride, padding=(before, after, before, after), groups=groups, bias=False
        )
        return layer, BatchNorm2d(momentum=momentum, epsilon=1e-3)

    found: list[dict[str, Layer]] = []
    for number, layer in enumerate(_blocks(width, convolution)):
        if number in SHRINKING:
            found.append({})
        found[-1][str(number)] = layer
    return [Sequential(*stage.values(), names=tuple(stage)) for stage in found]


def _blocks(width: float, convolution: Callable[..., Iterable[Layer]]) -> list[Layer]:
    """The first convolution and all blocks. convolution: what makes the layers of one, see `inverted_residual`."""
    channels = 32
    layers: list[Layer] = [*convolution(channels, 3, 2), ReLU6()]
    for widening, given, blocks, kernel, stride in STAGES:
        wanted = divisible(given * width)
        for step in (stride, *(1,) * (blocks - 1)):
            layers.append(inverted_residual(channels, wanted, widening, kernel, step, convolution))
            channels = wanted
    return layers
