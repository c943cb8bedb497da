"""The loss of a detector, and its gradient, written out.

Of each place the network says K class scores, four numbers for the box and one for how good that box is:

    classes   focal loss of each score, one sigmoid a class (Lin et al. 2017, section 3.2)
              -alpha (1 - p)^gamma log p  where the class is there,  -(1 - alpha) p^gamma log(1 - p)  where not
    box       1 - GIoU (or another of its family) with the box that the place answers for; positive places only
    quality   cross-entropy of its sigmoid with the IoU of those two boxes; positive places only

all divided by the number of positive places. The IoU that the quality is compared with isn't held constant, as it is
in papers: its derivative -logit(quality) flows on into the box. So the whole loss is a function with a gradient that
a numerical derivative can be compared with; with the weights in use it only makes good boxes count a little more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numpy_ops import sigmoid
from pellucid.tasks.box_assignment import Assignment
from pellucid.tasks.box_code import BoxCode
from pellucid.tasks.box_overlap import MEASURES, Overlap


@dataclass(frozen=True)
class LossSettings:
    """What the parts of the loss are, and how much each counts; see this module and tasks.detect.Detect."""

    code: BoxCode
    alpha: float
    gamma: float
    box_loss: str
    box_weight: float
    quality_weight: float


def log_sigmoid(x: Array) -> Array:
    """log(1 / (1 + exp(-x))), without overflow."""
    found: Array = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))
    return found


def focal(x: Array, alpha: float, gamma: float) -> tuple[Array, Array]:
    """Loss and derivative for logits x of what is there: -alpha (1 - p)^gamma log p, p = sigmoid(x).

    What is not there has the same with -x, 1 - alpha, and the derivative's sign turned.
    """
    log_p = log_sigmoid(x)
    p = np.exp(log_p)
    rest = 1 - p
    weight = alpha * (np.square(rest) if gamma == 2 else rest**gamma)
    return -weight * log_p, weight * (gamma * p * log_p - rest)


def detection_loss(
    outputs: Array, labels: Array, boxes: Array, assignment: Assignment, settings: LossSettings, total: float
) -> tuple[float, Array]:
    """(loss, gradient for the outputs) of outputs (n, K + 5, h, w), both divided by `total`.

    labels, boxes: of the batch's boxes, (M,) and (M, 4), which the assignment's `box` points into.
    """
    y = np.ascontiguousarray(outputs.transpose(0, 2, 3, 1))
    K = y.shape[3] - 5
    gradient = np.empty_like(y)
    positive = (assignment.image, assignment.row, assignment.column)
    class_loss = _class_loss(y, gradient, labels, assignment, settings, K)
    gradient[..., K:] = 0
    box_loss, gradient[(*positive, slice(K, K + 5))] = _box_loss(y[positive][:, K:], boxes, assignment, settings)
    gradient /= y.dtype.type(total)
    return (class_loss + box_loss) / total, gradient.transpose(0, 3, 1, 2)


def _class_loss(
    y: Array, gradient: Array, labels: Array, assignment: Assignment, settings: LossSettings, K: int
) -> float:
    """Sum over places and classes; writes the gradient for the class scores."""
    positive = (assignment.image, assignment.row, assignment.column)
    absent, d_absent = focal(-y[..., :K], 1 - settings.alpha, settings.gamma)
    there = (*positive, labels[assignment.box])
    present, d_present = focal(y[there], settings.alpha, settings.gamma)
    absent[there] = present
    np.negative(d_absent, out=gradient[..., :K])
    gradient[there] = d_present
    if assignment.ignored.any():
        absent[assignment.ignored] = 0
        gradient[assignment.ignored, :K] = 0
    return float(absent.sum(dtype=np.float64))


def _box_loss(raw: Array, boxes: Array, assignment: Assignment, settings: LossSettings) -> tuple[float, Array]:
    """Sum over positive places, raw outputs (P, 5), and the gradient for those."""
    found, overlap = _overlap(raw, boxes, assignment, settings)
    measure, d_measure = MEASURES[settings.box_loss](overlap)
    q, iou = raw[:, 4], overlap.iou
    quality = iou * log_sigmoid(q) + (1 - iou) * log_sigmoid(-q)
    loss = settings.box_weight * (1 - measure).sum(dtype=np.float64)
    loss -= settings.quality_weight * quality.sum(dtype=np.float64)
    kind = raw.dtype.type
    d_boxes = -kind(settings.box_weight) * d_measure
    d_boxes -= (kind(settings.quality_weight) * q)[:, None] * overlap.d_iou  # log p - log(1 - p) is the logit
    d_q = kind(settings.quality_weight) * (sigmoid(q) - iou)
    return float(loss), np.concatenate([settings.code.gradient(d_boxes, found, raw[:, :4]), d_q[:, None]], axis=1)


def _overlap(raw: Array, boxes: Array, assignment: Assignment, settings: LossSettings) -> tuple[Array, Overlap]:
    found = settings.code.boxes(raw[:, :4], assignment.row, assignment.column)
    return found, Overlap(found, boxes[assignment.box].astype(raw.dtype))


def loss_pattern(outputs: Array, boxes: Array, assignment: Assignment, settings: LossSettings) -> Array:
    """Which edges of the boxes found bound the overlaps: the loss is smooth as long as this stays the same."""
    raw = outputs[assignment.image, -5:, assignment.row, assignment.column]
    return _overlap(raw, boxes, assignment, settings)[1].pattern()
