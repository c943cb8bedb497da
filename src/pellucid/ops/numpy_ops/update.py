"""One step of each optimizer over flat vectors: w and its state change in place, g does not.

Weight decay is part of the update: `weight_decay * w` joins the gradient (L2 regularisation), except in
AdamW, where it shrinks the weights directly (Loshchilov, Hutter 2019).
"""

import numpy as np

from pellucid.ops.arrays import Array


def squared_norm(g: Array) -> float:
    """Sum of squares, added up in float64."""
    return float(np.dot(g, g)) if g.dtype == np.float64 else float(np.sum(np.square(g), dtype=np.float64))


def sgd_update(w: Array, g: Array, rate: float, weight_decay: float = 0.0) -> None:
    """w -= rate * (g + weight_decay * w)."""
    w -= w.dtype.type(rate) * (g + w.dtype.type(weight_decay) * w)


def momentum_update(
    w: Array, g: Array, v: Array, rate: float, momentum: float, nesterov: bool = False, weight_decay: float = 0.0
) -> None:
    """v = momentum * v + g;  w -= rate * v, or with Nesterov's look-ahead  w -= rate * (g + momentum * v).

    Polyak 1964; Sutskever et al. 2013, in the form that keeps only the looked-ahead weights.
    """
    real = w.dtype.type
    slope = g + real(weight_decay) * w
    v *= real(momentum)
    v += slope
    w -= real(rate) * (slope + real(momentum) * v if nesterov else v)


def adagrad_update(w: Array, g: Array, s: Array, rate: float, epsilon: float, weight_decay: float = 0.0) -> None:
    """s += g^2;  w -= rate * g / (sqrt(s) + epsilon)  (Duchi, Hazan, Singer 2011)."""
    real = w.dtype.type
    slope = g + real(weight_decay) * w
    s += slope * slope
    w -= real(rate) * slope / (np.sqrt(s) + real(epsilon))


def rmsprop_update(
    w: Array, g: Array, s: Array, rate: float, decay: float, epsilon: float, weight_decay: float = 0.0
) -> None:
    """s = decay * s + (1 - decay) * g^2;  w -= rate * g / (sqrt(s) + epsilon)  (Tieleman, Hinton 2012)."""
    real = w.dtype.type
    slope = g + real(weight_decay) * w
    s *= real(decay)
    s += real(1 - decay) * slope * slope
    w -= real(rate) * slope / (np.sqrt(s) + real(epsilon))


def adam_update(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    step: int,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """One step of Adam (Kingma, Ba 2015, algorithm 1), or with `decoupled` of AdamW; `step` counts from 1."""
    real = w.dtype.type
    slope = g
    if weight_decay and decoupled:
        w *= real(1 - rate * weight_decay)
    elif weight_decay:
        slope = g + real(weight_decay) * w
    m *= real(beta1)
    m += real(1 - beta1) * slope
    v *= real(beta2)
    v += real(1 - beta2) * slope * slope
    scale = real(rate / (1 - beta1**step))
    w -= scale * m / (np.sqrt(v / real(1 - beta2**step)) + real(epsilon))


def average_update(average: Array, w: Array, decay: float) -> None:
    """Exponential moving average of the weights: average = decay * average + (1 - decay) * w."""
    average += w.dtype.type(1 - decay) * (w - average)
