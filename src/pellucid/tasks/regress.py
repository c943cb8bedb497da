"""Regression: one or several numbers about each sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.layers import MeanSquaredError
from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class Regress(Checked):
    """Mean squared error, and what is measured of a regression.

    class_names: what each of the M numbers is called. Outputs are (N, M), targets (N,) or (N, M), floats.
    """

    class_names: tuple[str, ...]

    primary = "r2"
    larger_is_better = True

    def count(self, outputs: Array, targets: Array) -> Array:
        """Samples times numbers of each: (1,) float64."""
        return np.array([float(outputs.size)])

    def loss(self, outputs: Array, targets: Array, total: Array | None = None) -> tuple[float, Array]:
        """(loss, gradient for the outputs): the sum of squares divided by `total`, by default their count."""
        wanted = ops.array(_rows(targets).astype(outputs.dtype))
        return MeanSquaredError()(outputs, wanted, None if total is None else float(total[0]) or 1.0)

    def metrics(self, training: bool = False) -> RegressionMetrics:
        """An empty collection."""
        return RegressionMetrics(len(self.class_names))

    def decode(self, outputs: Array) -> Array:
        """The numbers themselves: (N, M)."""
        return ops.host(outputs)


class RegressionMetrics:
    """Mean squared and absolute error, and the share of the targets' variance that is explained (R squared).

    R squared is 1 - sum of squared errors / sum of squared distances from the mean, of each number, and of those the
    mean; where a target doesn't vary, it is 1 without error, else 0.
    """

    def __init__(self, outputs: int) -> None:
        self.sums = np.zeros((5, outputs))  # samples, squared errors, absolute errors, mean, squares about the mean

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in outputs (N, M) and targets (N,) or (N, M)."""
        wanted = _rows(ops.host(targets)).astype(np.float64)
        if not len(wanted):
            return
        errors = ops.host(outputs).astype(np.float64) - wanted
        mean = wanted.mean(0)
        self._join(
            np.array([
                np.full(len(mean), float(len(wanted))), (errors**2).sum(0), np.abs(errors).sum(0), mean,
                ((wanted - mean) ** 2).sum(0),
            ])
        )  # fmt: skip

    def _join(self, other: Array) -> None:
        """Add sums; those about a mean by the means' distance (Chan, Golub, LeVeque 1983)."""
        own = self.sums
        count = own[0] + other[0]
        if not count.any():
            return
        apart = other[3] - own[3]
        squares = own[4] + other[4] + apart**2 * own[0] * other[0] / count
        mean = own[3] + apart * other[0] / count
        self.sums = np.array([count, own[1] + other[1], own[2] + other[2], mean, squares])

    def merge(self, state: Mapping[str, Array]) -> None:
        """Take in what another one has summed."""
        self._join(np.asarray(state["sums"], np.float64))

    def state(self) -> dict[str, Array]:
        """The sums."""
        return {"sums": self.sums.copy()}

    def result(self) -> dict[str, float]:
        """Mean squared error, mean absolute error and R squared; not a number where nothing was taken in."""
        count, squared, absolute, _, spread = self.sums
        if not count.any():
            return dict.fromkeys(("mse", "mae", "r2"), float("nan"))
        varies = spread > 0
        explained = np.where(varies, 1 - squared / np.where(varies, spread, 1), (squared == 0).astype(float))
        return {
            "mse": float((squared / count).mean()),
            "mae": float((absolute / count).mean()),
            "r2": float(explained.mean()),
        }


def _rows(targets: Array) -> Array:
    """Targets (N,) as (N, 1). Raises PellucidError for any other rank than 1 or 2."""
    if targets.ndim not in {1, 2}:
        raise PellucidError(f"regression: expected targets (N,) or (N, M), got {targets.shape}")
    return targets.reshape(len(targets), -1)
