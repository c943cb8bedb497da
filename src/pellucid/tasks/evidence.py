"""One number for how much a network takes an image to be of a class, or to hold one: a weighted sum of its outputs.

    classification   the class's logit; of several labels, the label's
    segmentation     the mean logit of the class over the pixels that it is the likeliest class of
    detection        the mean logit of the class over the places that say it at least half as surely as the surest

The weights are the sum's gradient for the outputs, which is what `analysis.explanation` takes back to the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.numpy_ops import sigmoid
from pellucid.task import Task
from pellucid.tasks.classify import Classify
from pellucid.tasks.detect import Detect
from pellucid.tasks.labels import Labels
from pellucid.tasks.segment import Segment


@dataclass(frozen=True, eq=False)
class Evidence:
    """For class `label`: the weight of each output in the score, of the outputs' shape, and where those pixels or
    places are, (h, w) bool; None for a class of the whole image.
    """

    label: int
    weights: Array
    where: Array | None = None

    def score(self, outputs: Array) -> float:
        """The weighted sum of one image's outputs."""
        return float((outputs.astype(np.float64) * self.weights).sum())


def evidence(task: Task, outputs: Array, label: int | None = None, part: Pair | None = None) -> Evidence:
    """The score of a class for the outputs of one image, (K,) or (channels, h, w).

    label: by default the class of the image that is likeliest, that most pixels are of, or that is found most surely.
    part: (height, width) in pixels of the upper left part of the image that counts; by default all of it.

    Raises PellucidError for a task without classes, and where no pixel is of the class.
    """
    if isinstance(task, Classify | Labels):
        return _of_image(outputs, label)
    if isinstance(task, Segment):
        return _of_pixels(task, outputs, label, part)
    if isinstance(task, Detect):
        return _of_places(task, outputs, label, part)
    raise PellucidError("expected a network that tells classes, got one for numbers")


def _of_image(outputs: Array, label: int | None) -> Evidence:
    label = int(outputs.argmax()) if label is None else label
    weights = np.zeros(outputs.shape)
    weights[label] = 1
    return Evidence(label, weights)


def _of_pixels(task: Segment, outputs: Array, label: int | None, part: Pair | None) -> Evidence:
    classes = outputs.argmax(axis=0)
    h, w = classes.shape if part is None else part
    counts = np.bincount(classes[:h, :w].ravel(), minlength=len(outputs))
    label = int(counts.argmax()) if label is None else label
    if not counts[label]:
        there = ", ".join(task.class_names[k] for k in np.flatnonzero(counts))
        raise PellucidError(f"no pixel is taken for {task.class_names[label]}, there are {there}")
    where = np.zeros(classes.shape, bool)
    where[:h, :w] = classes[:h, :w] == label
    return _mean(outputs, label, where)


def _of_places(task: Detect, outputs: Array, label: int | None, part: Pair | None) -> Evidence:
    K, power = len(task.class_names), task.quality_power
    known = outputs.astype(np.float64)
    scores = sigmoid(known[:K]) ** (1 - power) * sigmoid(known[K + 4]) ** power
    if part is not None:
        h, w = (-(-side // task.stride) for side in part)
        scores[:, h:], scores[:, :, w:] = 0, 0
    label = int(scores.max(axis=(1, 2)).argmax()) if label is None else label
    return _mean(outputs, label, scores[label] >= scores[label].max() / 2)


def _mean(outputs: Array, label: int, where: Array) -> Evidence:
    """The mean of a class's map over some places."""
    weights = np.zeros(outputs.shape)
    weights[label] = where / where.sum()
    return Evidence(label, weights, where)
