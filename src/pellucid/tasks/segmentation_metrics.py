"""What is measured of a segmentation.

With n_ij pixels of class i taken for class j, and t_i = sum over j of n_ij pixels of class i:

    pixel accuracy              sum_i n_ii / sum_i t_i
    mean accuracy               mean over i of  n_ii / t_i
    mean IoU                    mean over i of  n_ii / (t_i + sum_j n_ji - n_ii)
    frequency-weighted IoU      sum_i t_i IoU_i / sum_i t_i

A class that no pixel is of and none is taken for has no IoU, and takes no part in the mean; neither does a class
without pixels in the mean accuracy. Source: Long, Shelhamer, Darrell 2015, section 5, "Metrics".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class ClassScore:
    """One class: fraction of its pixels found (accuracy), IoU, how many pixels it has; nan where there is none."""

    name: str
    accuracy: float
    iou: float
    pixels: int


class SegmentationMetrics:
    """The confusion matrix (K, K) of pixels, true classes as rows, and the measures that follow from it.

    ignore_label: pixels so labelled count nowhere. every: only each so-many-th row and column is looked at.
    """

    def __init__(self, class_names: tuple[str, ...], ignore_label: int | None, every: int = 1) -> None:
        self.class_names, self.ignore_label, self.every = class_names, ignore_label, every
        K = len(class_names)
        self.confusion = np.zeros((K, K), np.int64)

    def update(self, logits: Array, labels: Array) -> None:
        """Take in logits (N, K, H, W) and labels (N, H, W)."""
        step = slice(None, None, self.every)
        logits, labels = ops.host(logits), ops.host(labels)
        guesses = logits[:, :, step, step].transpose(0, 2, 3, 1).argmax(axis=3)
        self.count(guesses, labels[:, step, step])

    def count(self, guesses: Array, labels: Array) -> None:
        """Take in masks: guessed classes and labels, of one shape."""
        K = len(self.class_names)
        if self.ignore_label is not None:
            counted = labels != self.ignore_label
            guesses, labels = guesses[counted], labels[counted]
        pairs = labels.astype(np.int64) * K + guesses
        self.confusion += np.bincount(pairs.ravel(), minlength=K * K).reshape(K, K)

    def merge(self, state: Mapping[str, Array]) -> None:
        """Add what another one has counted."""
        self.confusion += state["confusion"].astype(np.int64)

    def state(self) -> dict[str, Array]:
        """The confusion matrix."""
        return {"confusion": self.confusion.copy()}

    def result(self) -> dict[str, float]:
        """The four measures, as fractions; nan where nothing was counted."""
        right, present, union = self._sums()
        total = present.sum()
        iou = _ratio(right, union)
        return {
            "pixel_accuracy": float(right.sum() / total) if total else float("nan"),
            "mean_accuracy": _mean(_ratio(right, present)),
            "mean_iou": _mean(iou),
            "frequency_weighted_iou": float(np.nansum(present * iou) / total) if total else float("nan"),
        }

    def per_class(self) -> list[ClassScore]:
        """Each class's share of all this, in order."""
        right, present, union = self._sums()
        accuracy, iou = _ratio(right, present), _ratio(right, union)
        return [
            ClassScore(name, float(accuracy[i]), float(iou[i]), int(present[i]))
            for i, name in enumerate(self.class_names)
        ]

    def _sums(self) -> tuple[Array, Array, Array]:
        """n_ii, t_i, and t_i + sum_j n_ji - n_ii."""
        right, present = np.diag(self.confusion), self.confusion.sum(axis=1)
        return right, present, present + self.confusion.sum(axis=0) - right


def _ratio(part: Array, whole: Array) -> Array:
    ratio = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean(values: Array) -> float:
    """Mean of those that are numbers."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
