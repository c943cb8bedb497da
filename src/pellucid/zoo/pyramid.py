"""Detector and segmenter on a pretrained classifier: its maps, put together from the coarsest to the finest.

    stage1 - stage2 - stage3 ---- lateral ---------- + ---- top - places          (detector: fine at stride 8)
                         |                           | grown x2
                       stage4 ---- lateral ---- + ---+
                         |                      | grown x2
                       stage5 ---- lateral -----+

Coarse maps know what is there, fine ones where; every map on the way down gets what the deeper ones know. The
detector adds, as feature pyramids do; the segmenter, as a U-Net does, puts the channels side by side and convolves,
up to stride 2, and its scores grow to the image's size by interpolation.

Sources: Lin et al. 2017, "Feature Pyramid Networks for Object Detection", section 3; Ronneberger, Fischer, Brox 2015,
"U-Net", figure 1. All objects share the finest map, as the boxes' code holds any size (see tasks.box_code), instead
of each size having a map of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Residual, Sequential, Sum, Upsampled
from pellucid.graph.containers import ConcatBranches
from pellucid.layers import Conv2d, Dropout, Layer, ReLU
from pellucid.zoo.backbone import stages
from pellucid.zoo.detector import PriorConv2d
from pellucid.zoo.normalized import normalized

MOST_TOP = 1000
_STRIDES = (2, 4, 8, 16, 32)


@checked
def detector_pyramid(
    classes: int,
    *,
    backbone: str = "efficientnet-lite0",
    backbone_width: float = 1.0,
    stride: int = 8,
    width: int = 96,
    top: int = 2,
    prior: float = 0.01,
    momentum: float = 0.1,
) -> Sequential:
    """For images whose sides are multiples of 32: outputs (classes + 5, H / stride, W / stride).

    backbone: a classifier, see `zoo.backbone`. backbone_width: factor of its channels; there are pretrained weights
    for 1. stride: pixels from place to place, 4, 8 or 16. width: channels of the
    maps that are added, and of the `top` 3x3 convolutions behind them. prior: probability that a class is somewhere,
    to begin with. momentum: of the norms' running statistics; 0.1 suits trainings of few steps.
    """
    if stride not in _STRIDES[1:-1] or width < 1 or not 0 <= top <= MOST_TOP or not 0 < prior < 1:
        raise PellucidError(
            f"detector-pyramid: expected a stride of 4, 8 or 16, width of at least 1, top of 0 to {MOST_TOP}, and a "
            f"prior between 0 and 1; got stride {stride}, width {width}, top {top}, prior {prior:g}"
        )
    found = stages(backbone, backbone_width, momentum)
    fine = _STRIDES.index(stride)
    names = [f"stage{i}" for i in range(1, fine + 2)]
    head: list[Layer] = [Sequential(*_convolution(width))]
    head += [Residual(Sequential(*_convolution(width))) for _ in range(top - 1)]
    return Sequential(
        *found[: fine + 1],
        _added(found[fine + 1 :], fine + 2, width, momentum),
        Sequential(*head[:top]),
        PriorConv2d(classes, prior),
        names=(*names, "pyramid", "top", "places"),
    )


def _added(deeper: Sequence[Sequential], number: int, width: int, momentum: float) -> Layer:
    """What a map gives with all that is deeper, at its own stride. number: of the first deeper stage."""
    lateral = Sequential(*normalized(width, 1, momentum=momentum))
    if not deeper:
        return lateral
    below = Sequential(
        deeper[0], _added(deeper[1:], number + 1, width, momentum), names=(f"stage{number}", "pyramid")
    )
    return Sum(lateral, Upsampled(below, width, frozen=True), names=("lateral", "deep"))


def _convolution(width: int) -> list[Layer]:
    return [*normalized(width), ReLU()]


@checked
def unet_pyramid(
    classes: int,
    *,
    backbone: str = "efficientnet-lite0",
    backbone_width: float = 1.0,
    widths: Sequence[int] = (24, 48, 64, 96),
    dropout: float = 0.1,
    momentum: float = 0.1,
) -> Upsampled:
    """A score a class for every pixel, (classes, H, W), of images of at least 32 pixels a side.

    backbone, backbone_width: as for `detector_pyramid`. widths: channels of the maps put together at strides 2, 4, 8
    and 16. dropout: of what the scores are made from. momentum: of the norms' running statistics.
    """
    if len(widths) != len(_STRIDES) - 1 or min(widths) < 1:
        raise PellucidError(f"unet-pyramid: expected {len(_STRIDES) - 1} widths of at least 1, got {list(widths)}")
    found = stages(backbone, backbone_width, momentum)
    body = Sequential(
        found[0],
        _joined(found[1:], 2, widths),
        Dropout(dropout),
        Conv2d(classes, 1, initial="xavier"),
        names=("stage1", "pyramid", "dropout", "score"),
    )
    return Upsampled(body, classes, frozen=True)


def _joined(deeper: Sequence[Sequential], number: int, widths: Sequence[int]) -> Layer:
    """A map beside what is deeper, grown to its size, and a convolution over both. number: of the next stage."""
    if len(widths) > 1:
        below: Layer = Sequential(
            deeper[0], _joined(deeper[1:], number + 1, widths[1:]), names=(f"stage{number}", "pyramid")
        )
        channels = widths[1]
    else:
        channels = widths[0]
        below = Sequential(
            deeper[0], Sequential(*normalized(channels, 1), ReLU()), names=(f"stage{number}", "lateral")
        )
    both = ConcatBranches(Sequential(), Upsampled(below, channels, frozen=True), names=("shallow", "deep"))
    return Sequential(both, Sequential(*_convolution(widths[0])), names=("levels", "mix"))
