"""Rounding to the 256 values of an 8-bit scale, as training sees it: real numbers in and out."""

import numpy as np

from pellucid.ops.arrays import Array


def round_to_scale(x: Array, step: float, zero: int) -> tuple[Array, Array]:
    """The nearest of step * (q - zero), q = 0 .. 255, to each x, halves to even; and where nothing was clipped.

    The second is boolean; the gradient passes there as if nothing had been rounded.
    """
    real = x.dtype.type
    level = np.rint(x * real(1 / step)) + real(zero)
    inside: Array = (level >= 0) & (level <= 255)
    y: Array = (np.clip(level, 0, 255) - real(zero)) * real(step)
    return y, inside
