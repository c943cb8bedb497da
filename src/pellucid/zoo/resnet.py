"""Residual networks: depth that trains, because every block adds to what passes it by.

He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", table 1 and section 3.3 (shortcuts of
option B). Images of any size. width: channels of the first stage; each later stage has twice as many.
"""

from collections.abc import Callable, Sequence

from pellucid.arguments import checked
from pellucid.graph import Residual, Sequential
from pellucid.layers import GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU
from pellucid.zoo.normalized import normalized

Body = Callable[[int, int], Sequential]
"""What a block does beside its shortcut, for its channels and stride."""


@checked
def resnet18(classes: int = 1000, *, width: int = 64) -> Sequential:
    """A 7x7 convolution, eight blocks of two 3x3 convolutions, one affine layer: 11.7 M parameters on 3x224x224."""
    return _resnet(classes, _basic, (2, 2, 2, 2), width)


@checked
def resnet34(classes: int = 1000, *, width: int = 64) -> Sequential:
    """As resnet18, with sixteen blocks: 21.8 M parameters on 3x224x224."""
    return _resnet(classes, _basic, (3, 4, 6, 3), width)


@checked
def resnet50(classes: int = 1000, *, width: int = 64) -> Sequential:
    """Sixteen blocks of a 3x3 convolution between two of 1x1, four times as wide outside: 25.6 M parameters.

    Where a block shrinks the map its 3x3 convolution does so, as is usual today; in the paper its first one does.
    """
    return _resnet(classes, _bottleneck, (3, 4, 6, 3), width)


def _resnet(classes: int, body: Body, blocks: Sequence[int], width: int) -> Sequential:
    layers: list[Layer] = [*normalized(width, 7, 2), ReLU(), MaxPool2d(3, stride=2, padding=1)]
    for stage, count in enumerate(blocks):
        layers += [_block(body, width * 2**stage, 2 if stage else 1, first=True), ReLU()]
        for _ in range(count - 1):
            layers += [_block(body, width * 2**stage, 1, first=False), ReLU()]
    return Sequential(*layers, GlobalAvgPool2d(), Linear(classes))


def _block(body: Body, width: int, stride: int, *, first: bool) -> Residual:
    """The body and a shortcut beside it, which is a 1x1 convolution where the number of channels changes."""
    channels = 4 * width if body is _bottleneck else width
    changes = first and (stride > 1 or channels > width)
    return Residual(body(width, stride), Sequential(*normalized(channels, 1, stride)) if changes else None)


def _basic(width: int, stride: int) -> Sequential:
    return Sequential(*normalized(width, 3, stride), ReLU(), *normalized(width, 3))


def _bottleneck(width: int, stride: int) -> Sequential:
    return Sequential(
        *normalized(width, 1), ReLU(), *normalized(width, 3, stride), ReLU(), *normalized(4 * width, 1)
    )  # fmt: skip
