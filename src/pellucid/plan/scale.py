"""The scale of an activation tensor: which real number each of the 256 values stands for."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from pellucid.errors import InputError
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_float


@dataclass(frozen=True)
class Scale:
    """real = step * (q - zero) for q in 0 .. 255."""

    step: float
    zero: int

    @classmethod
    def of_range(cls, low: float, high: float) -> Scale:
        """The scale that reaches from low to high and holds 0 exactly: what pads an image must cost nothing.

        Raises InputError for a range that has no end.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / 255
        if step == 0:
            return cls(1.0, 0)
        if not isfinite(step):
            raise InputError(f"range of values: expected finite numbers, got {low:g} to {high:g}")
        return cls(step, round(-low / step))

    def quantize(self, x: Array) -> Array:
        """The nearest value of each element, clipped: uint8, in the same memory order.

        Raises InputError for what are no numbers, NaN among them.
        """
        x = np.asarray(x)
        if not (is_float(x.dtype) or x.dtype.kind in "iub"):
            raise InputError(f"values to be rounded to bytes: expected numbers, got {x.dtype}")
        level = np.rint(x.astype(np.float64) / self.step) + self.zero
        if np.isnan(level).any():
            raise InputError("values to be rounded to bytes: expected numbers, got NaN")
        q: Array = np.clip(level, 0, 255).astype(np.uint8)
        return q

    def real(self, q: Array) -> Array:
        """Back to real numbers: float64."""
        return (q.astype(np.float64) - self.zero) * self.step


PIXELS = Scale(1 / 255, 0)
"""An image's bytes as numbers from 0 to 1."""
