"""Several labels an image: of each class by itself, whether it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.layers.sigmoid_loss import SigmoidCrossEntropy
from pellucid.ops.arrays import Array
from pellucid.ops.numpy_ops import sigmoid
from pellucid.tasks.classify import Guess

SURE = 0.5
"""Probability from which a label is given."""


@dataclass(frozen=True)
class LabelScore:
    """How well a label is found: images that have it, precision and recall at SURE, average precision."""

    label: str
    images: int
    precision: float
    recall: float
    average_precision: float


@dataclass(frozen=True)
class Labels(Checked):
    """Sigmoid cross-entropy, what is measured of labels, and what the outputs say.

    class_names: name of label 0, 1, ... positive_weights: see SigmoidCrossEntropy. Outputs are logits (N, K), targets
    (N, K) of 0 and 1.
    """

    class_names: tuple[str, ...]
    positive_weights: Sequence[float] | None = None

    primary = "f1"
    larger_is_better = True

    def __post_init__(self) -> None:
        if not self.class_names:
            raise PellucidError("labels: expected at least one label, got none")
        if self.positive_weights is not None and len(self.positive_weights) != len(self.class_names):
            raise PellucidError(
                f"positive_weights: expected {len(self.class_names)}, one a label, got {len(self.positive_weights)}"
            )

    def count(self, outputs: Array, targets: Array) -> Array:
        """Number of images: (1,) float64."""
        return np.array([float(len(targets))])

    def loss(self, outputs: Array, targets: Array, total: Array | None = None) -> tuple[float, Array]:
        """(loss, gradient for the logits): the sum over these images divided by `total`, by default their number."""
        criterion = SigmoidCrossEntropy(self.positive_weights)
        return criterion(outputs, targets, None if total is None else float(total[0]))

    def metrics(self, training: bool = False) -> LabelMetrics:
        """An empty collection; in training without the scores that average precision needs."""
        return LabelMetrics(self.class_names, scored=not training)

    def probabilities(self, outputs: Array) -> Array:
        """How likely each label is, by itself: (N, K) float64."""
        return sigmoid(ops.host(outputs).astype(np.float64))

    def decode(self, outputs: Array, top: int = 3) -> list[list[Guess]]:
        """For each image the labels that are likelier than not, all of them, and at least the `top` likeliest."""
        found = []
        for row in self.probabilities(outputs):
            order = np.argsort(-row, kind="stable")
            most = max(top, int((row >= SURE).sum()))
            found.append([Guess(int(k), self.class_names[k], float(row[k])) for k in order[:most]])
        return found


class LabelMetrics:
    """Hits, misses and false alarms of each label; in evaluation also every score."""

    def __init__(self, class_names: tuple[str, ...], *, scored: bool) -> None:
        K = len(class_names)
        self.class_names, self.scored = class_names, scored
        self.counts = {name: np.zeros(K, np.int64) for name in ("hits", "misses", "alarms")}
        self.whole = np.zeros(2, np.int64)  # images whose labels are all right, images
        self.scores: list[Array] = []
        self.truths: list[Array] = []

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in logits (N, K) and truth (N, K)."""
        z, truth = ops.host(outputs), ops.host(targets).astype(bool)
        given = z >= 0
        self.counts["hits"] += (given & truth).sum(0)
        self.counts["misses"] += (~given & truth).sum(0)
        self.counts["alarms"] += (given & ~truth).sum(0)
        self.whole += (int((given == truth).all(1).sum()), len(z))
        if self.scored:
            self.scores.append(z.astype(np.float32))
            self.truths.append(truth)

    def merge(self, state: Mapping[str, Array]) -> None:
        """Add another one's."""
        for name in self.counts:
            self.counts[name] += state[name]
        self.whole += state["whole"]
        if self.scored:
            self.scores.append(state["scores"])
            self.truths.append(state["truths"].astype(bool))

    def state(self) -> dict[str, Array]:
        """A copy of all that was collected."""
        K = len(self.class_names)
        return {
            **{name: counts.copy() for name, counts in self.counts.items()},
            "whole": self.whole.copy(),
            "scores": np.concatenate([np.empty((0, K), np.float32), *self.scores]),
            "truths": np.concatenate([np.empty((0, K), np.uint8), *self.truths]).astype(np.uint8),
        }

    def result(self) -> dict[str, float]:
        """F1 of all labels together, the part of images that are wholly right, and the mean average precision."""
        hits, misses, alarms = (int(self.counts[name].sum()) for name in ("hits", "misses", "alarms"))
        right, images = self.whole.tolist()
        measures = {
            "f1": 2 * hits / (2 * hits + misses + alarms) if hits + misses + alarms else float("nan"),
            "all_right": right / images if images else float("nan"),
        }
        if self.scored:
            values = [score.average_precision for score in self.per_class() if score.images]
            measures["map"] = float(np.mean(values)) if values else float("nan")
        return measures

    def per_class(self) -> list[LabelScore]:
        """Of each label."""
        state = self.state()
        scores = []
        for k, name in enumerate(self.class_names):
            hits, misses, alarms = (int(self.counts[part][k]) for part in ("hits", "misses", "alarms"))
            precision = hits / (hits + alarms) if hits + alarms else float("nan")
            recall = hits / (hits + misses) if hits + misses else float("nan")
            found = average_precision(state["scores"][:, k], state["truths"][:, k].astype(bool))
            scores.append(LabelScore(name, hits + misses, precision, recall, found))
        return scores


def average_precision(scores: Array, truth: Array) -> float:
    """The sum over ranks of the gain of recall times the precision there; equal scores are one rank; else NaN."""
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(truth[order])[ends]
    precision, recall = hits / (ends + 1), hits / truth.sum()
    return float((np.diff(recall, prepend=0.0) * precision).sum())
