"""Random choices on the host."""

from __future__ import annotations

import numpy as np

from pellucid.ops.arrays import Array, Shape


def dropout_keep(
    rng: np.random.Generator, shape: Shape, rate: float, first: int = 0, total: int | None = None
) -> Array:
    """Which elements stay, each with probability 1 - rate: booleans of that shape, samples along axis 0.

    first, total: the samples are first, first + 1, ... of `total`, where several processes share a batch; numbers are
    drawn for all of them, so that they belong to the sample, not to the process.
    """
    draws = rng.random((shape[0] if total is None else total, *shape[1:]), dtype=np.float32)
    keep: Array = draws[first : first + shape[0]] >= rate
    return keep
