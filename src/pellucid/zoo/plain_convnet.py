"""Plain networks of any depth and width: the family that experiments on depth draw from."""

from collections.abc import Sequence

from pellucid.errors import PellucidError
from pellucid.layers import Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sequential


def plain_convnet(classes: int, *, width: int = 16, kernels: Sequence[int] = (3, 3), stages: int = 3) -> Sequential:
    """Stages of convolutions that keep the image's size, a 2x2 pool after each, and one affine layer.

    kernels: sides of the filters of one stage, one a convolution, all odd; so the network has
    stages x len(kernels) convolutions. width: channels of the first stage; each further one has twice as many.
    """
    if width < 1 or stages < 1 or not kernels or any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
        came = f"width {width}, stages {stages}, kernels {list(kernels)}"
        raise PellucidError(f"plain-convnet: expected width and stages of at least 1 and odd kernels, got {came}")
    layers: list[Layer] = []
    for stage in range(stages):
        for kernel in kernels:
            layers += [Conv2d(width * 2**stage, kernel, padding=kernel // 2), ReLU()]
        layers.append(MaxPool2d(2))
    return Sequential(*layers, Flatten(), Linear(classes))
