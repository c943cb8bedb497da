"""The few values that a weight of 8, 4 or 2 bits can have, and how such weights are packed into bytes.

A weight is step * level with one step a filter. At 8 bits the levels are the whole numbers -127 .. 127. At 4 and
2 bits a level more or less counts, so all 2^bits are used: the odd numbers from -(2^bits - 1) to 2^bits - 1,
symmetric about 0 without 0 itself (a mid-rise quantiser).
"""

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

WIDTHS = (8, 4, 2)
"""Bits that a weight may have."""

# The best distance between levels of a uniform quantiser, for a normal distribution of deviation 1
# (Max 1960, "Quantizing for minimum distortion", table II).
_BEST_SPACING = {4: 0.3352, 2: 0.9957}
_SHARES = np.linspace(0.3, 1.0, 36)  # of the largest weight: the ranges that `fitted_steps` tries


def checked_bits(bits: int) -> int:
    """The number itself. Raises PellucidError where no weight can have that many bits."""
    if bits not in WIDTHS:
        raise PellucidError(f"bits of a weight: expected one of {', '.join(map(str, WIDTHS))}, got {bits}")
    return bits


def largest_level(bits: int) -> int:
    """127, 15 or 3."""
    return 127 if bits == 8 else (1 << bits) - 1


def nearest_levels(w: Array, step: Array, bits: int) -> Array:
    """The level nearest to each weight, w (K, ...), step (K,): int8."""
    real = w / np.expand_dims(step, tuple(range(1, w.ndim)))
    top = largest_level(bits)
    level = np.rint(real) if bits == 8 else 2 * np.floor(real / 2) + 1
    nearest: Array = np.clip(level, -top, top).astype(np.int8)
    return nearest


def plain_steps(w: Array, bits: int) -> Array:
    """One step a filter of w (K, ...), quickly: (K,) in w's type.

    8 bits reach the largest weight. Fewer bits are spaced as is best for normally distributed weights, but never
    reach beyond the largest. A filter of zeros has next to no step, because it may have no level 0.
    """
    flat = w.reshape(w.shape[0], -1)
    reach = np.abs(flat).max(axis=1) / w.dtype.type(largest_level(bits))
    if bits != 8:
        rms = np.sqrt(np.mean(flat * flat, axis=1))
        reach = np.minimum(reach, rms * w.dtype.type(_BEST_SPACING[bits] / 2))
    steps: Array = np.maximum(reach, np.finfo(np.float32).tiny).astype(w.dtype)
    return steps


def fitted_steps(w: Array, bits: int) -> Array:
    """One step a filter of w (K, ...), with the smallest squared error of a range of candidates: (K,)."""
    widest = plain_steps(w, 8) * 127 / largest_level(bits)
    if bits == 8:
        return widest
    axes = tuple(range(1, w.ndim))
    errors = []
    for share in _SHARES:
        step = widest * share
        rounded = nearest_levels(w, step, bits) * np.expand_dims(step, axes)
        errors.append(np.square(rounded - w).sum(axis=axes))
    best: Array = widest * _SHARES[np.argmin(errors, axis=0)]
    return best.astype(w.dtype)


def pack(levels: Array, bits: int) -> Array:
    """Levels (flat, int8) as bytes: one each at 8 bits, else 8 / bits to a byte, the first in the lowest bits.

    A level l of fewer bits is stored as (l + 2^bits - 1) / 2. The last byte is filled up with zeros.
    """
    flat = levels.reshape(-1)
    if bits == 8:
        plain: Array = flat.astype(np.int8).view(np.uint8)
        return plain
    each = 8 // bits
    codes = np.zeros(-(-flat.size // each) * each, np.uint8)
    codes[: flat.size] = (flat.astype(np.int16) + largest_level(bits)) // 2
    shifted = codes.reshape(-1, each) << (bits * np.arange(each)).astype(np.uint8)
    packed: Array = np.bitwise_or.reduce(shifted, axis=1)
    return packed


def unpack(packed: Array, bits: int, count: int) -> Array:
    """The first `count` levels that `pack` put into bytes: int8."""
    if bits == 8:
        plain: Array = packed.view(np.int8)[:count].copy()
        return plain
    shifts = (bits * np.arange(8 // bits)).astype(np.uint8)
    codes = (packed[:, None] >> shifts) & np.uint8((1 << bits) - 1)
    levels = 2 * codes.reshape(-1)[:count].astype(np.int16) - largest_level(bits)
    unpacked: Array = levels.astype(np.int8)
    return unpacked
