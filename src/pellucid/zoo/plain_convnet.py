"""Plain networks of any depth and width: the family that experiments on depth draw from."""

from collections.abc import Sequence

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU


@checked
def plain_convnet(
    classes: int, *, widths: Sequence[int] = (16, 32, 64), kernels: Sequence[int] = (3, 3)
) -> Sequential:
    """Stages of convolutions that keep the image's size, a 2x2 pool after each, and one affine layer.

    widths: channels of each stage. kernels: sides of the filters of one stage, one a convolution, all odd; so the
    network has len(widths) x len(kernels) convolutions.
    """
    odd = all(kernel > 0 and kernel % 2 for kernel in kernels)
    if not widths or min(widths) < 1 or not kernels or not odd:
        came = f"widths {list(widths)}, kernels {list(kernels)}"
        raise PellucidError(f"plain-convnet: expected widths of at least 1 and odd kernels, some of each, got {came}")
    layers: list[Layer] = []
    for width in widths:
        for kernel in kernels:
            layers += [Conv2d(width, kernel, padding=kernel // 2), ReLU()]
        layers.append(MaxPool2d(2))
    return Sequential(*layers, Flatten(), Linear(classes))
