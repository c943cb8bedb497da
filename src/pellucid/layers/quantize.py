"""Activations rounded to whole steps on a fixed scale, as networks have them that were made for integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.layers.host import HostLayer
from pellucid.ops.arrays import Array


class FakeQuantize(HostLayer):
    """y = (clip(round(x / scale) + zero, low, high) - zero) scale: what quantising and back makes of x.

    Jacob et al. 2018. scale: above 0. zero: the whole number that stands for 0. low, high: of the type, such as
    -128 and 127. Halves are rounded to even. The gradient passes where nothing was clipped, as if none was rounded.
    """

    def __init__(self, scale: float, zero: int = 0, low: int = -128, high: int = 127) -> None:
        self.scale, self.zero, self.low, self.high = float(scale), int(zero), int(low), int(high)
        if not 0 < self.scale < float("inf") or not self.low <= self.zero <= self.high:
            raise self.error("a scale above 0 and a zero from low to high", f"{scale}, {zero}, {low} to {high}")

    def apply(self, x: Array) -> tuple[Array, Any]:
        """The nearest step of the scale."""
        kind = x.dtype.type
        steps = np.rint(x / kind(self.scale)) + kind(self.zero)
        clipped = np.clip(steps, kind(self.low), kind(self.high))
        return (clipped - kind(self.zero)) * kind(self.scale), steps == clipped

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Through, where nothing was clipped."""
        dx: Array = dy * kept
        return dx

    def describe(self) -> str:
        """The scale."""
        return f"scale {self.scale:g}, zero {self.zero}, {self.low} to {self.high}"
