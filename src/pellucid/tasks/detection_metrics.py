"""Average precision by COCO's rules.

For each class and each IoU from 0.50 to 0.95 in steps of 0.05: on each image, detections from best to worst take the
free box that they overlap most, if by that IoU at least. Over all images, from best to worst, precision is the share
of detections so far that have taken one, recall the share of boxes taken. Precision is made to fall nowhere (from the
right, the largest so far) and averaged over the recalls 0, 0.01, ..., 1: the class's AP.

Boxes that are DIFFICULT or CROWD need not be found: a detection that finds none but such a one counts neither way. Of
a crowd, any number of detections may lie in it, and their IoU is the share of the detection that does.

Source: Lin et al. 2014 and the evaluation of its authors, whose treatment of ties and of the best 100 detections of
an image and class is followed; only areas of all sizes are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.data.boxes import CROWD, PLAIN, Boxes
from pellucid.ops.arrays import Array
from pellucid.tasks.box_overlap import pairwise_iou
from pellucid.tasks.detections import Detections

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # detections of a class on an image that count


@dataclass(frozen=True)
class ClassPrecision:
    """One class: mean AP over all IoUs, AP at IoU 0.5 and 0.75, and how many boxes it has; nan where it has none."""

    name: str
    ap: float
    ap50: float
    ap75: float
    boxes: int


class DetectionMetrics:
    """Collects, of every detection, its class and score and whether it is right at each IoU; and counts boxes.

    decode: from a batch's outputs and images' sizes to detections. every: only each so-manieth image is looked at.
    """

    def __init__(
        self, class_names: tuple[str, ...], decode: Callable[[Array, Array], list[Detections]], every: int = 1
    ) -> None:
        self.class_names, self.decode, self.every = class_names, decode, every
        self.boxes = np.zeros(len(class_names), np.int64)
        self._parts: list[tuple[Array, Array, Array, Array]] = []

    def update(self, outputs: Array, targets: Boxes) -> None:
        """Take in outputs (n, K + 5, h, w) and the boxes of their images."""
        if self.every > 1:
            outputs, targets = outputs[:: self.every], targets[:: self.every]
        for i, found in enumerate(self.decode(outputs, targets.sizes)):
            self.add(found, *targets.of(i))

    def add(self, found: Detections, boxes: Array, labels: Array, kinds: Array) -> None:
        """Take in what was found on one image, and what is there."""
        self.boxes += np.bincount(labels[kinds == PLAIN], minlength=len(self.class_names))
        for label in np.unique(found.labels):
            own = np.flatnonzero(found.labels == label)
            own = own[np.argsort(-found.scores[own], kind="stable")][:MOST]
            there = labels == label
            right, void = matched(found.boxes[own], boxes[there], kinds[there])
            self._parts.append((np.full(len(own), label), found.scores[own].astype(np.float64), right, void))

    def merge(self, state: Mapping[str, Array]) -> None:
        """Add what another one has collected."""
        self.boxes += state["boxes"]
        self._parts.append((state["labels"], state["scores"], state["right"], state["void"]))

    def state(self) -> dict[str, Array]:
        """labels (D,), scores (D,), right and void (D, IoUs) of the detections, boxes (K,)."""
        T = len(IOUS)
        empty = (np.empty(0, np.int64), np.empty(0), np.empty((0, T), bool), np.empty((0, T), bool))
        parts = [np.concatenate(part) for part in zip(empty, *self._parts, strict=True)]
        return dict(zip(("labels", "scores", "right", "void"), parts, strict=True)) | {"boxes": self.boxes.copy()}

    def precisions(self) -> Array:
        """AP of each class at each IoU: (K, IoUs); nan for a class without boxes."""
        state = self.state()
        found = np.full((len(self.class_names), len(IOUS)), np.nan)
        for k in np.flatnonzero(self.boxes):
            own = state["labels"] == k
            found[k] = average_precision(state["scores"][own], state["right"][own], state["void"][own], self.boxes[k])
        return found

    def result(self) -> dict[str, float]:
        """map: COCO's mAP@[.5:.95]; map50, map75: at one IoU. Means over the classes that have boxes."""
        ap = self.precisions()[self.boxes > 0]
        means = ap.mean(axis=0) if len(ap) else np.full(len(IOUS), np.nan)
        return {"map": float(means.mean()), "map50": float(means[0]), "map75": float(means[5])}

    def per_class(self) -> list[ClassPrecision]:
        """Each class by itself, in order."""
        return [
            ClassPrecision(name, float(ap.mean()), float(ap[0]), float(ap[5]), int(boxes))
            for name, ap, boxes in zip(self.class_names, self.precisions(), self.boxes, strict=True)
        ]


def matched(found: Array, boxes: Array, kinds: Array, ious: Sequence[float] | Array = IOUS) -> tuple[Array, Array]:
    """Whether each detection of one class on one image, (D, 4) from best to worst, is right, or void, at each IoU.

    Two arrays (D, len(ious)) of bool: it took a box (m, 4) that is PLAIN; it took another kind and counts neither
    way.
    """
    right, void = np.zeros((2, len(found), len(ious)), bool)
    order = np.argsort(kinds != PLAIN, kind="stable")  # what must be found goes before what may be
    crowd, optional = kinds[order] == CROWD, kinds[order] != PLAIN
    overlap = pairwise_iou(found.astype(np.float64), boxes[order].astype(np.float64), crowd)
    free = np.ones((len(ious), len(boxes)), bool)
    thresholds = np.minimum(np.asarray(ious), 1 - 1e-10)
    for d in range(len(found) if len(boxes) else 0):
        able = (free | crowd) & (overlap[d] >= thresholds[:, None])
        plain = able & ~optional
        able = np.where(plain.any(axis=1, keepdims=True), plain, able)  # another kind only where no plain one is left
        # of equal overlaps the last one, as COCO's loop has it
        best = len(boxes) - 1 - np.where(able, overlap[d], -1)[:, ::-1].argmax(axis=1)
        level = np.flatnonzero(able.any(axis=1))
        free[level, best[level]] = False
        right[d, level] = ~optional[best[level]]
        void[d, level] = optional[best[level]]
    return right, void


def average_precision(scores: Array, right: Array, void: Array, boxes: int) -> Array:
    """AP at each IoU of one class with so many boxes: (IoUs,), of scores (D,), right and void (D, IoUs)."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order], axis=0, dtype=np.float64)
    misses = np.cumsum(~(right | void)[order], axis=0, dtype=np.float64)
    recall = hits / boxes
    precision = hits / np.maximum(hits + misses, np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    found = np.zeros(right.shape[1])
    for level in range(right.shape[1]):
        place = np.searchsorted(recall[:, level], RECALLS, side="left")
        reached = place < len(scores)
        found[level] = precision[place[reached], level].sum() / len(RECALLS)
    return found
