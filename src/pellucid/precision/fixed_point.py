"""Real factors as whole numbers: multiplier * 2^-shift, so that a machine without floats can scale."""

from collections.abc import Sequence

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

BITS = 31  # of a multiplier: an int32 total times it stays within 62
LARGEST_SHIFT = 62
COMMON_BITS = 22  # of multipliers with a common shift, less those that the number of inputs needs
LARGEST_COMMON_SHIFT = 30


def fixed_point(factor: Array) -> tuple[Array, Array]:
    """(multiplier, shift), both int32, of factors from 0 to below 2^30: factor = multiplier / 2^shift.

    The multiplier has 31 bits, so the relative error is below 2^-31 (Jacob et al. 2018, section 2.2); factors
    below 2^-31 have fewer bits, and they make nothing of an int32 total.
    """
    real = np.asarray(factor, np.float64)
    if not np.all(np.isfinite(real)) or (real < 0).any() or (real >= 2.0 ** (BITS - 1)).any():
        raise PellucidError(f"scale of an integer layer: expected 0 to below 2^{BITS - 1}, got {real.max()}")
    fraction, exponent = np.frexp(real)
    multiplier = np.rint(np.ldexp(fraction, BITS)).astype(np.int64)
    full = multiplier == 1 << BITS  # a fraction just below 1 was rounded up to it
    multiplier, exponent = np.where(full, multiplier >> 1, multiplier), exponent + full
    shift = BITS - exponent.astype(np.int64)
    excess = np.clip(shift - LARGEST_SHIFT, 0, BITS)
    multiplier, shift = np.where(excess, multiplier >> excess, multiplier), np.minimum(shift, LARGEST_SHIFT)
    return multiplier.astype(np.int32), shift.astype(np.int32)


def common_fixed_point(factors: Sequence[float]) -> tuple[tuple[int, ...], int]:
    """(multipliers, shift) of factors from 0 to below 2^19 that share a shift: factor = multiplier / 2^shift.

    The multipliers are such that the sum of so many activations times them, and what rounds it, fit 32 bits.
    """
    bits = COMMON_BITS - len(factors).bit_length()
    largest = max(factors)
    if not min(factors) >= 0 or not largest < 2.0 ** (bits - 1):
        raise PellucidError(f"scale of an integer layer: expected 0 to below 2^{bits - 1}, got {largest}")
    shift = min(LARGEST_COMMON_SHIFT, bits - int(np.frexp(largest)[1]))
    return tuple(round(factor * 2**shift) for factor in factors), shift
