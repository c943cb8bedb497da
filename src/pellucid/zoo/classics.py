"""Three networks that taught the field, in the form in which their costs are quoted today."""

from pellucid.arguments import checked
from pellucid.graph import Sequential
from pellucid.layers import AvgPool2d, Conv2d, Dropout, Flatten, Layer, Linear, MaxPool2d, ReLU, Tanh


@checked
def lenet5(classes: int = 10) -> Sequential:
    """Two 5x5 convolutions, each followed by averaging, and three affine layers: 61,706 parameters on 1x28x28.

    LeCun, Bottou, Bengio, Haffner 1998, section II, with images of 32x32: padding gives smaller ones that border.
    As usual since, every map of the second convolution sees all of the first, and averages have no weights.
    """
    return Sequential(
        Conv2d(6, 5, padding=2, initial="xavier"), Tanh(), AvgPool2d(2),
        Conv2d(16, 5, initial="xavier"), Tanh(), AvgPool2d(2), Flatten(),
        Linear(120, initial="xavier"), Tanh(), Linear(84, initial="xavier"), Tanh(),
        Linear(classes, initial="xavier"),
    )  # fmt: skip


@checked
def alexnet(classes: int = 1000, *, width: float = 1.0, dropout: float = 0.5) -> Sequential:
    """Five convolutions and three affine layers, without normalisation: 61.1 M parameters on 3x224x224.

    Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks". width: factor of all channels.
    """
    layers: list[Layer] = [Conv2d(_scaled(64, width), 11, stride=4, padding=2), ReLU(), MaxPool2d(3, stride=2)]
    layers += [Conv2d(_scaled(192, width), 5, padding=2), ReLU(), MaxPool2d(3, stride=2)]
    for channels in (384, 256, 256):
        layers += [Conv2d(_scaled(channels, width), 3, padding=1), ReLU()]
    layers += [MaxPool2d(3, stride=2), Flatten()]
    for _ in range(2):
        layers += [Dropout(dropout), Linear(_scaled(4096, width)), ReLU()]
    return Sequential(*layers, Linear(classes))


@checked
def vgg16(classes: int = 1000, *, width: float = 1.0, dropout: float = 0.5) -> Sequential:
    """Thirteen 3x3 convolutions in five stages and three affine layers: 138.4 M parameters on 3x224x224.

    Simonyan, Zisserman 2015, table 1, column D: the network that made the case for stacks of 3x3 filters.
    width: factor of all channels.
    """
    layers: list[Layer] = []
    for channels, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            layers += [Conv2d(_scaled(channels, width), 3, padding=1), ReLU()]
        layers.append(MaxPool2d(2))
    layers.append(Flatten())
    for _ in range(2):
        layers += [Linear(_scaled(4096, width)), ReLU(), Dropout(dropout)]
    return Sequential(*layers, Linear(classes))


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))
