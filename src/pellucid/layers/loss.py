"""Losses: a number to make small, and its gradient for the network's output."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.layers.softmax import log_softmax
from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Checked):
    """Cross-entropy of softmax(logits) with integer labels; per pixel too.

    label_smoothing: share of the target spread evenly over all classes. class_weights: what a place of each
    class counts. ignore_label: places with this label count nothing. See ops.softmax_cross_entropy.

    >>> loss, gradient = pl.nn.SoftmaxCrossEntropy()(np.zeros((1, 4)), np.array([2]))
    >>> round(float(loss), 4), gradient.tolist()
    (1.3863, [[0.25, 0.25, -0.75, 0.25]])
    """

    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    ignore_label: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise PellucidError(f"label_smoothing: expected 0 to below 1, got {self.label_smoothing}")

    def __call__(self, logits: Array, labels: Array, normalizer: float | None = None) -> tuple[float, Array]:
        """(loss, gradient) for logits (N, K[, H, W]) and labels (N[, H, W]).

        Raises PellucidError for labels outside 0..K-1, or of another shape than the logits'. Labels that lie on a
        device already aren't looked at: a wrong one makes the loss NaN.
        """
        K = logits.shape[1]
        if labels.shape != (logits.shape[0], *logits.shape[2:]):
            raise PellucidError(f"labels: expected one a place of logits {logits.shape}, got shape {labels.shape}")
        if isinstance(labels, np.ndarray):  # on a device, reading them would wait for it
            self._check(labels, K)
        if normalizer is None and self.class_weights is None and self.ignore_label is None:
            normalizer = float(labels.size)
        weights = self._weights(K, logits.dtype)
        weights = None if weights is None else ops.array(weights)
        return ops.softmax_cross_entropy(logits, labels, self.label_smoothing, weights, self.ignore_label, normalizer)

    def _check(self, labels: Array, classes: int) -> None:
        wrong = (labels < 0) | (labels >= classes)
        if self.ignore_label is not None:
            wrong &= labels != self.ignore_label
        if wrong.any():
            raise PellucidError(f"label {labels[wrong][0]}: expected 0 to {classes - 1}")

    def count(self, labels: Array, classes: int) -> float:
        """What the labels' places count together: the default normalizer."""
        labels = ops.host(labels)
        counted = labels if self.ignore_label is None else labels[labels != self.ignore_label]
        weights = self._weights(classes, np.float64)
        return float(counted.size) if weights is None else float(weights[counted].sum())

    def each(self, labels: Array, classes: int) -> Array:
        """What each of the labels' places counts, in their shape: float64."""
        labels = ops.host(labels)
        counted = np.ones(labels.shape, bool) if self.ignore_label is None else labels != self.ignore_label
        weights = self._weights(classes, np.float64)
        found: Array = counted * (1.0 if weights is None else weights[np.where(counted, labels, 0)])
        return found

    def _weights(self, classes: int, dtype: np.typing.DTypeLike) -> Array | None:
        if self.class_weights is None:
            return None
        if len(self.class_weights) != classes:
            raise PellucidError(f"class_weights: expected {classes}, one a class, got {len(self.class_weights)}")
        return np.asarray(self.class_weights, dtype)


@dataclass(frozen=True)
class FocalCrossEntropy(SoftmaxCrossEntropy):
    """Cross-entropy in which images that are known well count little: (1 - p)^gamma times each one's.

    p: probability of the label (Lin et al. 2017, "Focal Loss", for softmax); with label smoothing, of each class that
    has a share of the target. gamma: 0 is cross-entropy, 2 usual.
    """

    gamma: float = 2.0

    def __call__(self, logits: Array, labels: Array, normalizer: float | None = None) -> tuple[float, Array]:
        """(loss, gradient) for logits (N, K) and labels (N,); see SoftmaxCrossEntropy."""
        z, labels = ops.host(logits), ops.host(labels)
        if z.ndim != 2 or labels.shape != z.shape[:1]:
            raise PellucidError(f"focal loss: expected logits (N, K) and labels (N,), got {z.shape}, {labels.shape}")
        K = z.shape[1]
        self._check(labels, K)
        counted = np.ones(labels.shape, bool) if self.ignore_label is None else labels != self.ignore_label
        target = np.where(counted, labels, 0)
        weights = self._weights(K, np.float64)
        total = self.count(labels, K) if normalizer is None else normalizer
        scale = (np.ones(K) if weights is None else weights)[target] * counted / (total or 1.0)
        share = (1 - self.label_smoothing) * np.eye(K)[target] + self.label_smoothing / K
        share *= scale[:, None]
        log_p = log_softmax(z.astype(np.float64), 1)
        p = np.exp(log_p)
        rest = 1 - p
        loss = float(-(share * rest**self.gamma * log_p).sum())
        # d loss / d p, times p; then the softmax's derivative, p_k (1 - p_k) for its own logit, -p_j p_k for others.
        slope = share * (self.gamma * p * np.maximum(rest, 1e-300) ** (self.gamma - 1) * log_p - rest**self.gamma)
        gradient = slope - slope.sum(1, keepdims=True) * p
        return loss, ops.array(gradient.astype(z.dtype))


@dataclass(frozen=True)
class MeanSquaredError:
    """Mean of (y - target)^2 over all elements.

    >>> loss, gradient = pl.nn.MeanSquaredError()(np.array([[1.0, 3.0]]), np.zeros((1, 2)))
    >>> float(loss), gradient.tolist()
    (5.0, [[1.0, 3.0]])
    """

    def __call__(self, y: Array, target: Array, normalizer: float | None = None) -> tuple[float, Array]:
        """(loss, gradient) for y and target of one shape."""
        if y.shape != target.shape:
            raise PellucidError(f"target: expected the output's shape {y.shape}, got {target.shape}")
        return ops.mean_squared_error(y, target, normalizer)
