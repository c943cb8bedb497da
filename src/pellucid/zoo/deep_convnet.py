"""DeepConvNet: the network from which everything here starts."""

from pellucid.arguments import checked
from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Dropout, Flatten, Layer, Linear, MaxPool2d, ReLU


@checked
def deep_convnet(classes: int = 10, *, dropout: float = 0.5, last_dropout: bool = True) -> Sequential:
    """Six 3x3 convolutions in three pairs, a 2x2 pool after each, two affine layers: 123,552 parameters on 1x28x28.

    The fourth convolution pads by 2, so that the last pool sees even sides. dropout: rate after each affine layer;
    last_dropout: whether the last one, which drops logits, is there too.
    """
    layers: list[Layer] = []
    for channels, paddings in ((16, (1, 1)), (32, (1, 2)), (64, (1, 1))):
        for padding in paddings:
            layers += [Conv2d(channels, 3, padding=padding), ReLU()]
        layers.append(MaxPool2d(2))
    layers += [Flatten(), Linear(50), ReLU(), Dropout(dropout), Linear(classes)]
    if last_dropout:
        layers.append(Dropout(dropout))
    return Sequential(*layers)
