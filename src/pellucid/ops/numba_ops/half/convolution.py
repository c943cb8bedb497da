"""Convolutions and their gradients from 16 bits to 16 bits.

Winograd's algorithm widens numbers when a register loads them, and rounds when it is stored. Other convolutions of
bfloat16, and 3x3 ones of few places, are products of pairs of it, where the processor has them, as their gradients
are; their sums are float32 in memory, and rounded as a whole.
Images of few channels, a small part of what such a layer reads and writes, are widened as a whole. Other ops get
their 16-bit arrays through `ops.half`, widened in parts; so does what returns None here.
"""

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.numba_ops import winograd
from pellucid.ops.numba_ops.convolution import few_channels, few_channels_gradient
from pellucid.ops.numba_ops.elementwise.activation import relu_backward
from pellucid.ops.numba_ops.elementwise.channels import channel_sum
from pellucid.ops.numba_ops.half import products
from pellucid.ops.numba_ops.half.conversion import narrow, widen
from pellucid.ops.numba_ops.half.weight_gradient import weight_gradient
from pellucid.ops.numba_ops.steps.product import FASTER, in_pairs
from pellucid.ops.numba_ops.steps.step import Finish
from pellucid.ops.numba_ops.steps.winograd import suits

POOL: Pair = (2, 2)

FASTER_ALONE = max(FASTER, 1.9)
"""As `FASTER`, of a convolution alone: for both gradients Winograd's algorithm transforms dy once."""


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
    gradient = winograd.Gradient(dy, (dy.shape[2], dy.shape[3]))
    return _backward(gradient, x, w, dw, db, geometry, input_gradient)


def conv2d_relu_backward(
    dy: Array,
    y: Array,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> Array | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    gradient = winograd.Gradient(dy, (dy.shape[2], dy.shape[3]), y)
    return _backward(gradient, x, w, dw, db, geometry, input_gradient)


def conv2d_relu_max_pool2d_backward(
    dy: Array,
    y: Array,
    winner: Array,
    convolved: Pair,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> Array | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    gradient = winograd.Gradient(dy, convolved, y, winner)
    return _backward(gradient, x, w, dw, db, geometry, input_gradient)


def _backward(
    gradient: winograd.Gradient,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry,
    input_gradient: bool,
) -> Array | None:
    """Sums in float32, rounded once."""
    pooled = gradient.winner is not None
    few = few_channels.fits(x, w, geometry) and not input_gradient and not pooled
    if not few and not (winograd.suits_half(x, w, geometry) if pooled else by_winograd(x, w, geometry)):
        return _backward_in_pairs(gradient, x, w, dw, db, geometry, input_gradient)
    sums = np.empty(dw.shape, np.float32)
    bias = None if db is None else np.empty(db.shape, np.float32)
    if few:
        few_channels_gradient.weight_gradient(gradient.dy, gradient.y, widen(x), geometry.padding, sums, bias)
        dx = np.empty(0, x.dtype)
    else:
        dx = winograd.backward(gradient, x, widen(w), sums, bias, geometry.padding, input_gradient)
    narrow(sums, dw.dtype, out=dw)
    if db is not None and bias is not None:
        narrow(bias, db.dtype, out=db)
    return dx


def _backward_in_pairs(
    gradient: winograd.Gradient,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry,
    input_gradient: bool,
) -> Array | None:
    if not _in_pairs(x, geometry) or geometry.dilation != (1, 1) or gradient.winner is not None:
        return None
    dy = gradient.dy if gradient.y is None else relu_backward(gradient.dy, gradient.y)
    weight_gradient(dy, x, geometry, dw)
    if db is not None:
        narrow(channel_sum(dy), db.dtype, out=db)
    if not input_gradient:
        return np.empty(0, x.dtype)
    return products.input_gradient(dy, w, (x.shape[2], x.shape[3]), geometry)


def _convolution(x: Array, w: Array, b: Array | None, geometry: Geometry, relu: bool) -> Array | None:
    if by_winograd(x, w, geometry, FASTER_ALONE):
        return winograd.convolution(x, widen(w), _wide(b), geometry.padding, relu)
    if few_channels.fits(x, w, geometry) and few_channels.wide_enough(x, geometry.padding):
        return few_channels.convolution(widen(x), widen(w), _wide(b), geometry.padding, relu, x.dtype)
    if _in_pairs(x, geometry):
        return products.convolution(x, w, b, geometry, relu)
    return None


def _in_pairs(x: Array, geometry: Geometry) -> bool:
    return in_pairs(x.dtype.name) and geometry.groups == 1 and x.size > 0


def by_winograd(x: Array, w: Array, geometry: Geometry, faster: float = FASTER) -> bool:
    """Whether Winograd's algorithm does it, and faster than products of pairs would, if there are such."""
    if not winograd.suits_half(x, w, geometry):
        return False
    pairs = in_pairs(x.dtype.name)
    return not pairs or suits(x.shape, w.shape, geometry, Finish(), faster, transformed=False)


def _wide(b: Array | None) -> Array | None:
    return None if b is None else widen(b)
