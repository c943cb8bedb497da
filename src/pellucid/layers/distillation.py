"""The loss of a network that learns from another one's answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.layers.softmax import log_softmax
from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class Distillation(Checked):
    """How far softmax(logits / T) is from a teacher's, softmax(teacher / T): T^2 times their divergence.

    The divergence is Kullback and Leibler's. temperature: T; above 1, it also counts which of the unlikely classes
    the teacher finds less unlikely. The factor T^2 keeps gradients about as large whatever T is (Hinton, Vinyals,
    Dean 2015, "Distilling the Knowledge in a Neural Network", section 2). Computed in float64.

    >>> loss, gradient = pl.nn.Distillation(1.0)(np.zeros((1, 2)), np.log([[0.75, 0.25]]))
    >>> round(loss, 4), gradient.tolist()
    (0.1308, [[-0.25, 0.25]])
    """

    temperature: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise PellucidError(f"temperature = {self.temperature}: expected a number above 0")

    def __call__(
        self, logits: Array, teacher: Array, normalizer: float | None = None, each: Array | None = None
    ) -> tuple[float, Array]:
        """(loss, gradient) for logits and the teacher's (N, K); divided by N unless a normalizer is given.

        each: what each image counts, (N,); by default 1.

        Raises PellucidError for other shapes.
        """
        z, t = ops.host(logits), ops.host(teacher)
        if z.ndim != 2 or z.shape != t.shape:
            raise PellucidError(
                f"distillation: expected the teacher's logits of shape (N, K) {z.shape}, got {t.shape}"
            )
        total = len(z) if normalizer is None else normalizer
        T = self.temperature
        log_p, log_q = (log_softmax(values.astype(np.float64) / T, 1) for values in (z, t))
        p, q = np.exp(log_p), np.exp(log_q)
        scale = (np.ones(len(z)) if each is None else each)[:, None] / (total or 1.0)
        loss = T * T * float((scale * q * (log_q - log_p)).sum())
        return loss, ops.array((T * scale * (p - q)).astype(z.dtype))
