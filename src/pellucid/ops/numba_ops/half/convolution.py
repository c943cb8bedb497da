"""Convolutions and their gradients from 16 bits to 16 bits: numbers are widened when a register loads them, rounded when it is stored.

Only images of few channels, a small part of what such a layer reads and writes, are widened as a whole. Other ops get
their 16-bit arrays through `ops.half`, widened in parts; so does what returns None here.
"""

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.numba_ops import winograd
from pellucid.ops.numba_ops.convolution import few_channels
from pellucid.ops.numba_ops.half.conversion import narrow, widen

POOL: Pair = (2, 2)


def conv2d(x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN) -> Array | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    return _convolution(x, w, b, geometry, relu=False)


def conv2d_relu(x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN) -> Array | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    return _convolution(x, w, b, geometry, relu=True)


def conv2d_relu_max_pool2d(
    x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN
) -> tuple[Array, Array] | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    if not winograd.suits_half(x, w, geometry):
        return None
    return winograd.pooled_convolution(x, widen(w), _wide(b), geometry.padding)


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> Array | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    if not winograd.suits_half(x, w, geometry):
        return None
    sums = np.empty(dw.shape, np.float32)
    bias = None if db is None else np.empty(db.shape, np.float32)
    gradient = winograd.Gradient(dy, (dy.shape[2], dy.shape[3]))
    dx = winograd.backward(gradient, x, widen(w), sums, bias, geometry.padding, input_gradient)
    narrow(sums, dw.dtype, out=dw)
    if db is not None and bias is not None:
        narrow(bias, db.dtype, out=db)
    return dx


def _convolution(x: Array, w: Array, b: Array | None, geometry: Geometry, relu: bool) -> Array | None:
    if winograd.suits_half(x, w, geometry):
        return winograd.convolution(x, widen(w), _wide(b), geometry.padding, relu)
    if few_channels.fits(x, w, geometry) and few_channels.wide_enough(x, geometry.padding):
        return few_channels.convolution(widen(x), widen(w), _wide(b), geometry.padding, relu, x.dtype)
    return None


def _wide(b: Array | None) -> Array | None:
    return None if b is None else widen(b)
