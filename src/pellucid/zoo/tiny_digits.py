"""A network made small on purpose: for digits, on a microcontroller."""

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import BatchNorm2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU

CHANNELS = (8, 16, 16, 32, 16)


@checked
def tiny_digits(classes: int = 10, *, channels: tuple[int, ...] = CHANNELS) -> Sequential:
    """Five 3x3 convolutions, each normalised, and one affine layer: 14,370 parameters on 1x28x28.

    Pooling comes early, after the first and the third convolution, because what lies in memory at once is what
    costs RAM; the last two use no padding, so that the affine layer, which has the most weights to an input, sees
    3x3 places only. No bias: batch normalisation has one. channels: of the five convolutions.
    """
    if len(channels) != len(CHANNELS):
        raise PellucidError(f"tiny-digits: expected {len(CHANNELS)} numbers of channels, got {list(channels)}")
    layers: list[Layer] = []
    for i, (count, padding) in enumerate(zip(channels, (1, 1, 1, 0, 0), strict=True)):
        layers += [Conv2d(count, 3, padding=padding, bias=False), BatchNorm2d(), ReLU()]
        if i in {0, 2}:
            layers.append(MaxPool2d(2))
    return Sequential(*layers, Flatten(), Linear(classes))
