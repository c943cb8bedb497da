"""ShuffleNetV2: half of the channels pass each block by, and a shuffle lets the halves meet.

x --+-- first half ------------------------------------------------+-- side by side -- shuffled
    |                                                              |
    +-- second half -- 1x1 -- 3x3, depthwise -- 1x1 ---------------+
"""

from collections.abc import Sequence

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Concat, Sequential
from pellucid.layers import ChannelOrder, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU
from pellucid.zoo.normalized import normalized

BLOCKS = (4, 8, 4)
"""Of each stage, the first of which halves the image."""


@checked
def shufflenet_v2(
    classes: int = 1000, *, widths: Sequence[int] = (116, 232, 464), stem: int = 24, last: int = 1024
) -> Sequential:
    """A 3x3 convolution, a pool, sixteen blocks, a 1x1 convolution, one affine layer: 2.3 M parameters on 3x224x224.

    Ma, Zhang, Zheng, Sun 2018, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", table 5.
    Images of any size. stem: channels of the first convolution. widths: of the stages, rounded up to even numbers;
    48, 96 and 192 are the paper's 0.5x, 176, 352 and 704 its 1.5x. last: of the last convolution.
    """
    if len(widths) != len(BLOCKS) or min(widths) < 1:
        raise PellucidError(f"widths of a network: expected {len(BLOCKS)} numbers above 0, got {tuple(widths)}")
    layers: list[Layer] = [*normalized(stem, 3, 2), ReLU(), MaxPool2d(3, stride=2, padding=1)]
    channels = stem
    for width, blocks in zip(widths, BLOCKS, strict=True):
        half = (width + 1) // 2
        layers += [_halving(channels, half), *(_block(half) for _ in range(blocks - 1))]
        channels = 2 * half
    return Sequential(*layers, *normalized(last, 1), ReLU(), GlobalAvgPool2d(), Linear(classes, initial="xavier"))


def _halving(channels: int, half: int) -> Sequential:
    """The first block of a stage, whose both ways see all channels and every second pixel."""
    passed = Sequential(*normalized(channels, 3, 2, groups=channels), *normalized(half, 1), ReLU())
    return Sequential(Concat(passed, _way(half, 2), names=("1", "2")), _shuffle(half))


def _block(half: int) -> Sequential:
    """Any other block."""
    first, second = (ChannelOrder(*range(start, start + half)) for start in (0, half))
    return Sequential(Concat(first, _way(half, 1, second), names=("1", "2")), _shuffle(half))


def _way(half: int, stride: int, *before: Layer) -> Sequential:
    """1x1, 3x3 of each channel by itself, 1x1."""
    inside = normalized(half, 3, stride, groups=half)
    return Sequential(*before, *normalized(half, 1), ReLU(), *inside, *normalized(half, 1), ReLU())


def _shuffle(half: int) -> ChannelOrder:
    """Channels of both halves in turn."""
    return ChannelOrder(
        *(channel for pair in zip(range(half), range(half, 2 * half), strict=True) for channel in pair)
    )
