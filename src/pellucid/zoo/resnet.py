"""ResNet-18: depth that trains, because every block adds to what passes it by."""

from pellucid.graph import Residual, Sequential
from pellucid.layers import BatchNorm2d, Conv2d, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU


def resnet18(classes: int = 1000) -> Sequential:
    """A 7x7 convolution, eight blocks of two 3x3 convolutions, one affine layer: 11.7 M parameters on 3x224x224.

    He, Zhang, Ren, Sun 2016, table 1 and section 3.3 (shortcuts of option B). Any image size.
    """
    layers: list[Layer] = [*_convolution(64, 7, stride=2), ReLU(), MaxPool2d(3, stride=2, padding=1)]
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [_block(channels, stride, widens=stride > 1), ReLU(), _block(channels, 1, widens=False), ReLU()]
    return Sequential(*layers, GlobalAvgPool2d(), Linear(classes))


def _block(channels: int, stride: int, *, widens: bool) -> Residual:
    """Two convolutions beside a shortcut, which is a 1x1 convolution where the block widens and shrinks the map."""
    body = Sequential(*_convolution(channels, 3, stride), ReLU(), *_convolution(channels, 3))
    return Residual(body, Sequential(*_convolution(channels, 1, stride)) if widens else None)


def _convolution(channels: int, kernel: int, stride: int = 1) -> tuple[Conv2d, BatchNorm2d]:
    return Conv2d(channels, kernel, stride=stride, padding=kernel // 2, bias=False), BatchNorm2d()
