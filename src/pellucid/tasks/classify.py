"""Classification: which of several classes an image is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.data.colours import Mixed
from pellucid.errors import PellucidError
from pellucid.layers import FocalCrossEntropy, SoftmaxCrossEntropy
from pellucid.ops.arrays import Array

TOP = 5
"""With more classes than this, it is also measured how often the label is among so many best guesses."""


@dataclass(frozen=True)
class Guess:
    """One class that an image may be of, and its probability."""

    label: int
    name: str
    probability: float


@dataclass(frozen=True)
class Classify(Checked):
    """Softmax cross-entropy, what is measured of a classifier, and what its outputs say.

    class_names: name of class 0, 1, ... label_smoothing, class_weights, ignore_label: see SoftmaxCrossEntropy;
    images with the ignored label count nowhere. class_weights "balanced" becomes numbers once the training images
    are counted. measures: what else is measured, see MEASURES. focal: gamma of the focal loss, 0 for cross-entropy;
    see FocalCrossEntropy. Outputs are logits (N, K), targets integer labels (N,), or those of mixed images.
    """

    class_names: tuple[str, ...]
    label_smoothing: float = 0.0
    class_weights: Sequence[float] | Literal["balanced"] | None = None
    ignore_label: int | None = None
    measures: Sequence[str] = ()
    focal: float = 0.0

    primary = "accuracy"
    larger_is_better = True

    def __post_init__(self) -> None:
        if len(self.class_names) < 2:
            raise PellucidError(f"classification: expected at least 2 classes, got {len(self.class_names)}")
        for name in self.measures:
            if name not in MEASURES:
                raise PellucidError(f"measure {name!r}: expected one of {', '.join(MEASURES)}")
        given = self.class_weights
        if isinstance(given, str) and given != "balanced":
            raise PellucidError(f'class_weights = {given!r}: expected "balanced", or a number a class')
        if given is not None and not isinstance(given, str) and len(given) != len(self.class_names):
            raise PellucidError(f"class_weights: expected {len(self.class_names)}, one a class, got {len(given)}")

    @property
    def criterion(self) -> SoftmaxCrossEntropy:
        """The loss and its settings."""
        if isinstance(self.class_weights, str):
            raise PellucidError('class_weights = "balanced": expected the training images to be counted first')
        settings = self.label_smoothing, self.class_weights, self.ignore_label
        return FocalCrossEntropy(*settings, gamma=self.focal) if self.focal else SoftmaxCrossEntropy(*settings)

    @property
    def records(self) -> bool:
        """Whether a backend can do its steps by itself."""
        return not self.focal

    def count(self, outputs: Array, targets: Array | Mixed) -> Array:
        """Number of images, or the sum of their class weights: (1,) float64."""
        K, count = outputs.shape[1], self.criterion.count
        if isinstance(targets, Mixed):
            return np.array(
                [targets.share * count(targets.first, K) + (1 - targets.share) * count(targets.second, K)]
            )
        return np.array([count(targets, K)])

    def each(self, outputs: Array, targets: Array | Mixed) -> Array:
        """What each image counts: (N,) float64."""
        K, each = outputs.shape[1], self.criterion.each
        if isinstance(targets, Mixed):
            return targets.share * each(targets.first, K) + (1 - targets.share) * each(targets.second, K)
        return each(targets, K)

    def loss(self, outputs: Array, targets: Array | Mixed, total: Array | None = None) -> tuple[float, Array]:
        """(loss, gradient for the logits): the sum over these images divided by `total`, by default their count."""
        criterion, divisor = self.criterion, None if total is None else float(total[0])
        if not isinstance(targets, Mixed):
            return criterion(outputs, targets, divisor)
        divisor = float(self.count(outputs, targets)[0]) if divisor is None else divisor
        (loss, gradient), (other, slope) = (
            criterion(outputs, part, divisor) for part in (targets.first, targets.second)
        )
        share, rest = targets.share, 1 - targets.share
        gradient *= gradient.dtype.type(share)
        slope *= slope.dtype.type(rest)
        return share * float(loss) + rest * float(other), ops.add(gradient, slope)

    def count_into(self, outputs: Array, targets: Array, counts: Array, settings: Array) -> None:
        """What the training's metrics count of a batch, added where a backend does whole steps (ops.recorder)."""
        ignored = np.iinfo(np.int64).min if self.ignore_label is None else self.ignore_label
        ops.recorder().count_right(outputs, targets, int(ignored), counts, settings)

    def metrics(self, training: bool = False) -> Accuracy:
        """An empty collection; in training only the accuracy."""
        return (
            Accuracy(self.ignore_label)
            if training
            else Confusion(len(self.class_names), self.ignore_label, self.measures)
        )

    def decode(self, outputs: Array, top: int = 3) -> list[list[Guess]]:
        """For each image the `top` likeliest classes, likeliest first."""
        probabilities = ops.host(ops.softmax(ops.array(outputs)))
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        return [
            [Guess(int(k), self.class_names[k], float(row[k])) for k in best]
            for row, best in zip(probabilities, order, strict=True)
        ]


class Accuracy:
    """The fraction of images whose likeliest class is their label."""

    def __init__(self, ignore_label: int | None = None) -> None:
        self.ignore_label = ignore_label
        self.counts = {"images": np.zeros((), np.int64), "right": np.zeros((), np.int64)}

    def update(self, outputs: Array, targets: Array | Mixed) -> None:
        """Take in logits (N, K) and labels (N,); of mixed images that of the larger share."""
        outputs, labels = ops.host(outputs), ops.host(targets.first if isinstance(targets, Mixed) else targets)
        if self.ignore_label is not None:
            counted = labels != self.ignore_label
            outputs, labels = outputs[counted], labels[counted]
        self._add(outputs, labels, outputs.argmax(1))

    def _add(self, outputs: Array, targets: Array, guesses: Array) -> None:
        """Count images that all count."""
        self.counts["images"] += len(targets)
        self.counts["right"] += (guesses == targets).sum()

    def merge(self, state: Mapping[str, Array]) -> None:
        """Add another one's counts."""
        for name in self.counts:
            self.counts[name] += state[name]

    def state(self) -> dict[str, Array]:
        """A copy of all counts."""
        return {name: counts.copy() for name, counts in self.counts.items()}

    def result(self) -> dict[str, float]:
        """Accuracy from 0 to 1; not a number where no image counts."""
        return {"accuracy": self._share("right")}

    def _share(self, name: str) -> float:
        images = int(self.counts["images"])
        return int(self.counts[name]) / images if images else float("nan")


class Confusion(Accuracy):
    """Which class was taken for which; with it the accuracy, and how often the label is among the best guesses."""

    def __init__(self, classes: int, ignore_label: int | None = None, measures: Sequence[str] = ()) -> None:
        super().__init__(ignore_label)
        self.measures = measures
        self.counts |= {"top": np.zeros((), np.int64), "confusion": np.zeros((classes, classes), np.int64)}

    @property
    def matrix(self) -> Array:
        """(K, K): number of images of the row's class that were taken for the column's."""
        return self.counts["confusion"]

    def _add(self, outputs: Array, targets: Array, guesses: Array) -> None:
        super()._add(outputs, targets, guesses)
        K = len(self.matrix)
        self.counts["top"] += (_rank(outputs, targets) < TOP).sum()
        self.counts["confusion"] += np.bincount(targets.astype(np.int64) * K + guesses, minlength=K * K).reshape(K, K)

    def result(self) -> dict[str, float]:
        """Accuracy, and top-5 accuracy where there are more than five classes, from 0 to 1."""
        top = {f"top{TOP}": self._share("top")} if len(self.matrix) > TOP else {}
        return super().result() | top | {name: MEASURES[name](self.matrix) for name in self.measures}


def _mean_ratio(part: Array, whole: Array) -> float:
    """Mean of part / whole over classes; 0 where whole is 0."""
    return float(np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0).mean())


def _precision(matrix: Array) -> float:
    return _mean_ratio(np.diag(matrix), matrix.sum(0))


def _recall(matrix: Array) -> float:
    return _mean_ratio(np.diag(matrix), matrix.sum(1))


def _f1(matrix: Array) -> float:
    return _mean_ratio(2 * np.diag(matrix), matrix.sum(0) + matrix.sum(1))


MEASURES: dict[str, Callable[[Array], float]] = {
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}
"""Further measures of a confusion matrix, each the mean over the classes; a class that never comes up counts as 0."""


def _rank(outputs: Array, targets: Array) -> Array:
    """How many classes are ahead of each image's label; of equal logits the lower class is ahead, as for argmax.

    Where the label's logit is NaN, all are ahead.
    """
    own = np.take_along_axis(outputs, targets[:, None], 1)
    lower = np.arange(outputs.shape[1]) < targets[:, None]
    rank: Array = (~(outputs <= own) | ((outputs == own) & lower)).sum(1)
    return rank
