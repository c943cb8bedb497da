"""Sums and affine maps per channel: what batch normalisation is made of. x and y are (N, C, H, W); a, b, c (C,)."""

import numpy as np

from pellucid.ops.arrays import Array


def channel_sum(x: Array) -> Array:
    """Sum of each channel over images and pixels: (C,)."""
    total: Array = x.sum(axis=(0, 2, 3), dtype=x.dtype)
    return total


def channel_dot(x: Array, y: Array) -> Array:
    """Sum of x * y over images and pixels, per channel: (C,)."""
    total: Array = np.einsum("nchw,nchw->c", x, y)
    return total


def add_bias(y: Array, b: Array) -> None:
    """Add b (K,) to each channel of y (N, K, P, Q), in place."""
    y += b[:, None, None]


def channel_affine(x: Array, a: Array, b: Array) -> Array:
    """Affine map a x + b with one a and one b a channel."""
    y: Array = x * a[:, None, None] + b[:, None, None]
    return y


def channel_combination(x: Array, a: Array, y: Array, b: Array, c: Array) -> Array:
    """Combination a x + b y + c with one a, b and c a channel."""
    z: Array = x * a[:, None, None] + y * b[:, None, None] + c[:, None, None]
    return z
