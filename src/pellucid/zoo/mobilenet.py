"""MobileNetV2: thin maps between blocks, wide ones inside, where a convolution of each channel by itself is cheap.

x ---- 1x1, wider ---- ReLU6 ---- 3x3, depthwise ---- ReLU6 ---- 1x1, thin ---- + ----
   |                                                                            |
   +----------------------------------------------------------------------------+
"""

from collections.abc import Callable, Iterable

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Residual, Sequential
from pellucid.layers import Dropout, GlobalAvgPool2d, Layer, Linear, ReLU6
from pellucid.zoo.normalized import normalized

STAGES = (
    # widening inside, channels, blocks, stride of the first (table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@checked
def mobilenet_v2(classes: int = 1000, *, width: float = 1.0, dropout: float = 0.2) -> Sequential:
    """A 3x3 convolution, seventeen blocks, a 1x1 convolution, one affine layer: 3.5 M parameters on 3x224x224.

    Sandler, Howard, Zhu, Zhmoginov, Chen 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2.
    Images of any size. width: factor of all channels, which are rounded to multiples of 8; the 1,280 of the last
    convolution never become fewer (section 5).
    """
    channels = divisible(32 * width)
    layers: list[Layer] = [*normalized(channels, 3, 2), ReLU6()]
    for widening, wanted, blocks, stride in STAGES:
        for step in (stride, *(1,) * (blocks - 1)):
            layers.append(inverted_residual(channels, divisible(wanted * width), widening, 3, step))
            channels = divisible(wanted * width)
    layers += [*normalized(divisible(1280 * max(1.0, width)), 1), ReLU6(), GlobalAvgPool2d(), Dropout(dropout)]
    return Sequential(*layers, Linear(classes, initial="xavier"))


def inverted_residual(
    channels: int,
    wanted: int,
    widening: int,
    kernel: int,
    stride: int,
    convolution: Callable[..., Iterable[Layer]] = normalized,
) -> Layer:
    """A block from `channels` to `wanted` channels; it adds to what passes it by where it keeps the shape.

    convolution: what makes the layers of one, from channels, kernel, stride and groups.
    """
    inside = widening * channels
    layers: list[Layer] = [] if widening == 1 else [*convolution(inside, 1), ReLU6()]
    layers += [*convolution(inside, kernel, stride, groups=inside), ReLU6(), *convolution(wanted, 1)]
    body = Sequential(*layers)
    return Residual(body) if stride == 1 and wanted == channels else body


def divisible(channels: float) -> int:
    """The multiple of 8 nearest to so many channels; at least 8, and no less than nine tenths of them."""
    if not channels > 0:
        raise PellucidError(f"width of a network: expected channels above 0, got {channels:g}")
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8
