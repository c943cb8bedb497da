"""Dynamic loss scaling: float16 knows nothing smaller than 6e-8, and gradients often are."""

from __future__ import annotations

import sys

import numpy as np

from pellucid.ops.arrays import Array

START = 2.0**15
GROWTH_STEPS = 1000  # steps without overflow after which the scale is doubled
SMALLEST, LARGEST = 1.0, 2.0**24


class LossScale:
    """A power of two that the loss's gradient is multiplied by before the backward pass, and divided by after.

    Halved when a gradient overflows, and that step is left out; doubled after many steps without (Micikevicius et
    al. 2018, section 3.2; the dynamic form as in NVIDIA's "Training with mixed precision"). Powers of two change
    no digit of a number.
    """

    def __init__(self) -> None:
        self.value, self.good_steps, self.skipped = START, 0, 0

    def overflowed(self, finite: bool) -> bool:
        """Take in whether a step's gradients were finite; whether the step is to be left out.

        False where they were, or where the scale cannot be lowered any more: then it is not the scale's fault.
        """
        if finite:
            self.good_steps += 1
            if self.good_steps == GROWTH_STEPS:
                self.value, self.good_steps = min(2 * self.value, LARGEST), 0
            return False
        if self.value == SMALLEST:
            return False
        self.value, self.good_steps = self.value / 2, 0
        self.skipped += 1
        print(f"float16: a gradient overflowed; step left out, loss scale now {self.value:g}", file=sys.stderr)
        return True

    def state(self) -> Array:
        """Scale, steps since it changed, and steps left out."""
        return np.array([self.value, self.good_steps, self.skipped], np.float64)

    def load_state(self, state: Array) -> None:
        """Go on from there."""
        self.value, self.good_steps, self.skipped = float(state[0]), int(state[1]), int(state[2])
