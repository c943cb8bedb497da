"""Sums and affine maps per channel: what batch normalisation is made of. x and y are (N, C, H, W); a, b, c (C,)."""

import math

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


def channel_moments(x: Array) -> tuple[Array, Array]:
    """Mean of each channel over images and pixels, and the sum of squared deviations from it: (C,) each."""
    mean = channel_sum(x) / x.dtype.type(max(x.size // x.shape[1], 1))
    centred = x - mean[:, None, None]
    return mean, channel_dot(centred, centred)


def channel_affine(
    x: Array, a: Array, b: Array, added: Array | None = None, low: float = -math.inf, high: float = math.inf
) -> Array:
    """Affine map a x + b with one a and one b a channel, then `added` (N, C, H, W) on it, then clipped."""
    y: Array = x * a[:, None, None] + b[:, None, None]
    if added is not None:
        y = y + added
    return np.clip(y, low, high)


def channel_products(
    dy: Array,
    x: Array,
    middle: Array,
    a: Array | None = None,
    b: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[Array, Array]:
    """Sums of dy and of dy (x - middle) over images and pixels, per channel: (C,) each.

    Given a and b, only of the dy that pass: where a x + b lies between the bounds.
    """
    dz = _passing(dy, x, a, b, low, high)
    return channel_sum(dz), channel_dot(dz, x - middle[:, None, None])


def channel_combination(
    x: Array,
    a: Array,
    y: Array,
    b: Array,
    c: Array,
    slope: Array | None = None,
    offset: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> Array:
    """Combination a x + b y + c with one a, b and c a channel.

    Given slope and offset, of the x that pass: where slope y + offset lies between the bounds; the others count as 0.
    """
    dz = _passing(x, y, slope, offset, low, high)
    z: Array = dz * a[:, None, None] + y * b[:, None, None] + c[:, None, None]
    return z


def _passing(dy: Array, x: Array, a: Array | None, b: Array | None, low: float, high: float) -> Array:
    """Gradient dy behind the clipping of a x + b: 0 at the bounds and outside."""
    if a is None or b is None:
        return dy
    z = x * a[:, None, None] + b[:, None, None]
    return np.where((z <= low) | (z >= high), dy.dtype.type(0), dy)
