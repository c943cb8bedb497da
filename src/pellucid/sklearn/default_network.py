"""The networks that an estimator trains where it is given none."""

from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU

HIDDEN = 100
"""Features of the hidden layer for tables, as many as scikit-learn's MLPClassifier has."""


def default_network(outputs: int, height: int, width: int) -> Sequential:
    """For a table (1x1 images) one hidden layer; for images up to three 3x3 convolutions with pools before it."""
    layers: list[Layer] = []
    channels = 16
    while min(height, width) >= 4 and channels <= 64:
        layers += [Conv2d(channels, 3, padding=1), ReLU(), MaxPool2d(2)]
        height, width, channels = height // 2, width // 2, 2 * channels
    return Sequential(*layers, Flatten(), Linear(HIDDEN), ReLU(), Linear(outputs, initial="xavier"))
