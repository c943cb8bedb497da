"""A convolution and the batch normalisation behind it: what most networks since 2015 are made of."""

from pellucid.layers import BatchNorm2d, Conv2d


def normalized(
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    padding: int | str | None = None,
    groups: int = 1,
    momentum: float = 0.1,
    epsilon: float = 1e-5,
) -> tuple[Conv2d, BatchNorm2d]:
    """Both layers. padding: half the kernel unless given. No bias: batch normalisation has one."""
    padding = kernel // 2 if padding is None else padding
    convolution = Conv2d(channels, kernel, stride=stride, padding=padding, groups=groups, bias=False)
    return convolution, BatchNorm2d(momentum=momentum, epsilon=epsilon)
