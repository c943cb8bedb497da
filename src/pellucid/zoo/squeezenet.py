"""SqueezeNet: few parameters, because 3x3 filters are given few channels to look at."""

from pellucid.arguments import checked
from pellucid.graph import Concat, Sequential
from pellucid.layers import Conv2d, Dropout, GlobalAvgPool2d, Layer, MaxPool2d, ReLU


@checked
def squeezenet(classes: int = 1000, *, width: int = 16, dropout: float = 0.5) -> Sequential:
    """Eight fire modules between two convolutions, no affine layer: 1,235,496 parameters on 3x224x224.

    Iandola et al. 2016, "SqueezeNet", section 3, in its version 1.1, which pools earlier. Images of any size from
    17x17 on. width: channels to which the first modules squeeze; all others follow.
    """
    layers: list[Layer] = [Conv2d(4 * width, 3, stride=2), ReLU()]
    for squeezed in ((1, 1), (2, 2), (3, 3, 4, 4)):
        layers += [MaxPool2d(3, stride=2, ceil=True), *(_fire(factor * width) for factor in squeezed)]
    return Sequential(*layers, Dropout(dropout), Conv2d(classes, 1), ReLU(), GlobalAvgPool2d())


def _fire(squeezed: int) -> Sequential:
    """Squeezed by a 1x1 convolution, then expanded by 1x1 and 3x3 ones side by side to four times as many each."""
    point = Sequential(Conv2d(4 * squeezed, 1), ReLU())
    around = Sequential(Conv2d(4 * squeezed, 3, padding=1), ReLU())
    return Sequential(Conv2d(squeezed, 1), ReLU(), Concat(point, around, names=("1x1", "3x3")))
