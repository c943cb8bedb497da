"""The scale of an activation tensor: which real number each of the 256 values stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class Scale:
    """real = step * (q - zero) for q in 0 .. 255."""

    step: float
    zero: int

    @classmethod
    def of_range(cls, low: float, high: float) -> Scale:
        """The scale that reaches from low to high and holds 0 exactly: what pads an image must cost nothing."""
        low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            return cls(1.0, 0)
        step = (high - low) / 255
        return cls(step, round(-low / step))

    def quantize(self, x: Array) -> Array:
        """The nearest value of each element, clipped: uint8, in the same memory order."""
        level = np.rint(x.astype(np.float64) / self.step) + self.zero
        q: Array = np.clip(level, 0, 255).astype(np.uint8)
        return q

    def real(self, q: Array) -> Array:
        """Back to real numbers: float64."""
        return (q.astype(np.float64) - self.zero) * self.step


PIXELS = Scale(1 / 255, 0)
"""An image's bytes as numbers from 0 to 1."""
