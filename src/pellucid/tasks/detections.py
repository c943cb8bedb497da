"""From a detector's outputs to the boxes that it finds: scores, boxes, and of several for one object the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.numpy_ops import sigmoid
from pellucid.tasks.box_code import BoxCode
from pellucid.tasks.box_overlap import areas, pairwise_shared


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found on one image, best first: boxes (D, 4), labels (D,) int64, scores (D,)."""

    boxes: Array
    labels: Array
    scores: Array

    def __len__(self) -> int:
        """How many there are."""
        return len(self.labels)

    def above(self, score: float) -> Detections:
        """Those of at least that score."""
        count = int((self.scores >= score).sum())
        return Detections(self.boxes[:count], self.labels[:count], self.scores[:count])


_MARGIN = 1e-3  # of a logit: more than rounding, so that the exact comparison of scores decides


@dataclass(frozen=True)
class DecodeSettings:
    """See tasks.detect.Detect."""

    code: BoxCode
    quality_power: float
    least_score: float
    candidates: int
    most: int
    nms_iou: float


def decode(outputs: Array, settings: DecodeSettings, size: Pair) -> Detections:
    """What outputs (K + 5, h, w) of one image of size (H, W) say; boxes are cut at its edges."""
    K, columns = outputs.shape[0] - 5, outputs.shape[2]
    y = outputs.transpose(1, 2, 0).reshape(-1, K + 5)
    place, label = np.divmod(np.flatnonzero(y[:, :K] >= _least_logit(settings)), K)  # few of all
    said, power = y[place], settings.quality_power
    logit = said[np.arange(len(label)), label]
    score = sigmoid(logit) ** (1 - power) * sigmoid(said[:, -1]) ** power
    able = np.flatnonzero(score >= settings.least_score)
    if len(able) > settings.candidates:
        able = able[np.argpartition(-score[able], settings.candidates)[: settings.candidates]]
    order = able[np.argsort(-score[able], kind="stable")]
    place, label, score = place[order], label[order], score[order]
    boxes = settings.code.boxes(said[order, K : K + 4], place // columns, place % columns)
    H, W = size
    boxes = boxes.clip(0, np.array([W, H, W, H], boxes.dtype))
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # the others lay wholly outside the image
    boxes, label, score = boxes[inside], label[inside], score[inside]
    kept = suppress(boxes, label, settings.nms_iou)[: settings.most]
    return Detections(boxes[kept], label[kept].astype(np.int64), score[kept])


def _least_logit(settings: DecodeSettings) -> float:
    """What a class's logit must be at least for the best of qualities, 1, to make a detection of it."""
    if settings.quality_power == 1:
        return -np.inf
    p = settings.least_score ** (1 / (1 - settings.quality_power))
    return float(np.log(p) - np.log1p(-min(p, 1 - 1e-12))) - _MARGIN


def suppress(boxes: Array, labels: Array, most: float) -> Array:
    """Indices of the boxes that stay, of boxes in the order of their scores: class-aware non-maximum suppression.

    A box stays unless it has an IoU above `most` with a better one of its class that stays. That is a fixed point,
    reached from "all stay" after at most as many rounds as there are links in the longest chain of boxes that
    suppress each other, each round over all boxes at once.
    """
    shared, own = pairwise_shared(boxes, boxes), areas(boxes)
    over = shared * (1 + most) > most * (own[:, None] + own)  # IoU > most, without a division
    over &= labels[:, None] == labels
    over &= ~np.tri(len(boxes), dtype=bool)  # only a better one, that comes before, strikes out
    stays: Array = np.ones(len(boxes), bool)
    while True:
        after: Array = np.logical_not(np.any(over[stays], axis=0))
        if np.array_equal(after, stays):
            return np.flatnonzero(stays)
        stays = after
