"""Segmentation: which of several classes is each pixel of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.layers import SoftmaxCrossEntropy
from pellucid.ops.arrays import Array
from pellucid.tasks.segmentation_metrics import SegmentationMetrics

IGNORED = 255  # as in PASCAL VOC
_EVERY = 4  # in training, measures are taken on one pixel of 4 x 4


@dataclass(frozen=True)
class Segment(Checked):
    """Softmax cross-entropy per pixel, and what is measured of a segmentation.

    class_names: name of class 0, 1, ... ignore_label: pixels so labelled count nowhere. class_weights: what a pixel
    of each class counts in the loss; "balanced" becomes numbers once the training masks are counted (see
    recipes.settled). label_smoothing: see SoftmaxCrossEntropy. Logits are (N, K, H, W), labels
    (N, H, W) integers.
    """

    class_names: tuple[str, ...]
    ignore_label: int | None = IGNORED
    class_weights: Sequence[float] | Literal["balanced"] | None = None
    label_smoothing: float = 0.0

    primary = "mean_iou"
    larger_is_better = True

    def __post_init__(self) -> None:
        if not 2 <= len(self.class_names) <= IGNORED:
            raise PellucidError(f"segmentation: expected 2 to {IGNORED} classes, got {len(self.class_names)}")
        if isinstance(self.class_weights, str) and self.class_weights != "balanced":
            raise PellucidError(f'class_weights = {self.class_weights!r}: expected "balanced", or a number a class')

    @property
    def criterion(self) -> SoftmaxCrossEntropy:
        """The loss and its settings."""
        if isinstance(self.class_weights, str):
            raise PellucidError('class_weights = "balanced": expected the training masks to be counted first')
        return SoftmaxCrossEntropy(self.label_smoothing, self.class_weights, self.ignore_label)

    def count(self, outputs: Array, targets: Array) -> Array:
        """What the labelled pixels count together."""
        return np.array([self.criterion.count(targets, len(self.class_names))])

    def loss(self, outputs: Array, targets: Array, total: Array | None = None) -> tuple[float, Array]:
        """(loss, gradient for the logits), the sum over pixels divided by `total`, by default their count."""
        return self.criterion(outputs, targets, None if total is None else float(total[0]))

    def metrics(self, training: bool = False) -> SegmentationMetrics:
        """An empty confusion matrix; in training it is filled from every fourth row and column."""
        return SegmentationMetrics(self.class_names, self.ignore_label, _EVERY if training else 1)

    def decode(self, outputs: Array) -> Array:
        """The likeliest class of each pixel: (N, H, W) uint8."""
        classes: Array = ops.host(outputs).transpose(0, 2, 3, 1).argmax(axis=3).astype(np.uint8)
        return classes
