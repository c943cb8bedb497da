"""The loss of several yes-or-no questions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class SigmoidCrossEntropy(Checked):
    """Cross-entropy of sigmoid(logit) with 0 or 1, of each class by itself, summed over the classes.

    positive_weights: what a 1 of each class counts beside a 0 of it; where few images have a class, more than 1.
    """

    positive_weights: Sequence[float] | None = None

    def __call__(self, logits: Array, truth: Array, normalizer: float | None = None) -> tuple[float, Array]:
        """(loss, gradient) for logits (N, K) and truth (N, K) of 0 and 1; divided by N unless a normalizer is given.

        log(1 + exp(-|z|)) overflows for no logit z. Raises PellucidError for another shape.
        """
        z, t = ops.host(logits), ops.host(truth)
        if z.shape != t.shape or z.ndim != 2:
            raise PellucidError(
                f"sigmoid cross-entropy: expected truth of the logits' shape {z.shape}, got {t.shape}"
            )
        wide, t = z.astype(np.float64), t.astype(np.float64)
        weights = np.ones(z.shape[1]) if self.positive_weights is None else np.asarray(self.positive_weights)
        if len(weights) != z.shape[1]:
            raise PellucidError(f"positive_weights: expected {z.shape[1]}, one a class, got {len(weights)}")
        total = len(z) if normalizer is None else normalizer
        scale = (1 + t * (weights - 1)) / (total or 1.0)
        soft = np.log1p(np.exp(-np.abs(wide)))
        each = np.maximum(wide, 0) - wide * t + soft
        p = np.exp(np.minimum(wide, 0) - soft)  # the sigmoid
        return float((scale * each).sum()), ops.array((scale * (p - t)).astype(z.dtype))
