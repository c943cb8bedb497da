"""A one-stage detector without anchors: one map of places, each of which says what is there and where its box is.

    image - patches, stride 4 - shallow ------------ + - top - 1x1 - K classes, dx, dy, tw, th, quality
                                   |                 |
                                   + - pool - deep - grown x2

Objects of a few dozen pixels need places close to each other, and each must see a whole object and what is around it.
So the image is brought to a quarter of its sides at once, by filters of 8x8 pixels that overlap by half; all further
convolutions are cheap there, and those after one more pool see twice as far at a quarter of the price.

Sources: Tian et al. 2020, "FCOS" (no anchors, one sigmoid a class, a box a place, a quality that scores are lowered
by); Lin et al. 2017, "Feature Pyramid Networks" (a deeper map grown and added); Lin et al. 2017, "Focal Loss",
section 4.1 (the prior of the classes' bias).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Residual, Sequential, Sum
from pellucid.layers import BatchNorm2d, Conv2d, ConvTranspose2d, Layer, MaxPool2d, ReLU
from pellucid.ops.arrays import Array, Shape

BOX = 5  # outputs of a place beside the classes: dx, dy, tw, th, quality


class PriorConv2d(Conv2d):
    """A 1x1 convolution to `classes` scores and five more, whose scores start at the logit of a small probability.

    Nearly all places are background; with scores of about 0 their loss would drown the rest at first.
    """

    def __init__(self, classes: int, prior: float) -> None:
        super().__init__(classes + BOX, 1, initial="xavier")
        self.classes, self.prior = classes, prior

    def build(self, input_shape: Shape) -> Shape:
        """As any convolution, but for the bias."""
        shape = super().build(input_shape)
        if self.bias is not None:
            self.bias.initializer = self._start
        return shape

    def _start(self, rng: np.random.Generator, shape: Shape) -> Array:
        bias = np.zeros(shape)
        bias[: self.classes] = math.log(self.prior / (1 - self.prior))
        return bias


@checked
def detector_small(
    classes: int,
    *,
    stem: Sequence[int] = (32,),
    shallow: Sequence[int] = (32, 32),
    deep: Sequence[int] = (64, 64, 48),
    top: Sequence[int] = (48, 48),
    prior: float = 0.01,
) -> Sequential:
    """For images whose sides are multiples of 8: outputs (classes + 5, H / 4, W / 4).

    stem: channels of the filters that look at the image. shallow, deep, top: channels of the 3x3 convolutions at
    stride 4, at stride 8, and at stride 4 again where both maps have met, each followed by batch normalisation and
    ReLU; one that keeps the number of channels adds to what passes it by. prior: probability that a class is
    somewhere, to begin with.
    """
    widths = (*stem, *shallow, *deep, *top)
    if not stem or not shallow or not deep or min(widths) < 1 or not 0 < prior < 1:
        raise PellucidError(
            "detector-small: expected channels of at least 1, some shallow, some deep, and a prior between 0 and 1; "
            f"got stem {list(stem)}, shallow {list(shallow)}, deep {list(deep)}, top {list(top)}, prior {prior:g}"
        )
    width = shallow[-1]
    grown = Sequential(
        MaxPool2d(2), *_stage(width, deep), ConvTranspose2d(width, 2, stride=2, bias=False), BatchNorm2d()
    )
    return Sequential(
        Sequential(*_stem(stem)),
        Sequential(*_stage(stem[-1], shallow)),
        Sum(Sequential(), grown, names=("shallow", "deep")),
        ReLU(),
        Sequential(*_stage(width, top)),
        PriorConv2d(classes, prior),
        names=("stem", "shallow", "levels", "relu", "top", "places"),
    )


def _stem(widths: Sequence[int]) -> list[Layer]:
    layers: list[Layer] = []
    for width in widths:
        stride = 4 if len(widths) == 1 else 2
        layers += [Conv2d(width, 2 * stride, stride=stride, padding=stride // 2, bias=False), BatchNorm2d(), ReLU()]
    return layers


def _stage(channels: int, widths: Sequence[int]) -> list[Layer]:
    layers: list[Layer] = []
    for width in widths:
        convolution = [Conv2d(width, 3, padding=1, bias=False), BatchNorm2d(), ReLU()]
        layers += [Residual(Sequential(*convolution))] if width == channels else convolution
        channels = width
    return layers
