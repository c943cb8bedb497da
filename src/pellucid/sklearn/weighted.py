"""Losses in which each sample counts its own weight, as scikit-learn's `sample_weight` wants them.

Targets are (N, 1 + M) floats: the sample's weight, then its class or its M numbers. The loss is divided by the sum of
the weights, so that a sample of weight 2 is the same as two samples.
"""

from collections.abc import Mapping

import numpy as np

from pellucid import ops
from pellucid.layers.softmax import log_softmax
from pellucid.ops.arrays import Array


class Nothing:
    """Measures nothing: the loss says all that an estimator compares."""

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in nothing."""

    def merge(self, state: Mapping[str, Array]) -> None:
        """Take in nothing."""

    def state(self) -> dict[str, Array]:
        """Nothing was collected."""
        return {}

    def result(self) -> dict[str, float]:
        """No measure."""
        return {}


class Weighted:
    """What both losses share. See the module."""

    primary = "loss"
    larger_is_better = False

    def count(self, outputs: Array, targets: Array) -> Array:
        """Sum of the weights: (1,) float64."""
        return np.array([targets[:, 0].sum()])

    def loss(self, outputs: Array, targets: Array, total: Array | None = None) -> tuple[float, Array]:
        """(loss, gradient for the outputs), both divided by `total`, by default count(outputs, targets)."""
        divisor = float((self.count(outputs, targets) if total is None else total)[0]) or 1.0
        each, gradient = self.rows(ops.host(outputs).astype(np.float64), targets[:, 1:])
        shares = targets[:, 0] / divisor
        return float(each @ shares), ops.array((gradient * shares[:, None]).astype(outputs.dtype))

    def rows(self, outputs: Array, wanted: Array) -> tuple[Array, Array]:
        """(loss of each sample (N,), its gradient for the sample's outputs (N, M)), in float64."""
        raise NotImplementedError

    def metrics(self, training: bool = False) -> Nothing:
        """An empty collection."""
        return Nothing()


class WeightedCrossEntropy(Weighted):
    """Minus log softmax(logits) at the sample's class."""

    def rows(self, outputs: Array, wanted: Array) -> tuple[Array, Array]:
        """Softmax minus the one-hot target is the gradient."""
        places, labels = np.arange(len(outputs)), wanted[:, 0].astype(np.intp)
        log_p = log_softmax(outputs, 1)
        gradient = np.exp(log_p)
        gradient[places, labels] -= 1
        return -log_p[places, labels], gradient


class WeightedSquaredError(Weighted):
    """Squared distance of the outputs from the targets, the mean over the M numbers of a sample."""

    def rows(self, outputs: Array, wanted: Array) -> tuple[Array, Array]:
        """Twice the difference, over M, is the gradient."""
        difference = outputs - wanted
        return (difference**2).mean(1), difference * (2 / difference.shape[1])
