"""One step of each optimizer in one pass over the flat vectors."""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.layout import contiguous, real

CHUNK = 1024  # numbers whose squares one thread adds up: few, as sums on narrow vectors lose digits with their length


def squared_norm(g: Array) -> float:
    """Sum of squares, added up in float64."""
    partial = empty((-(-g.size // CHUNK),), np.float64)
    _squares(contiguous(g), partial)
    return float(partial.sum())


def sgd_update(w: Array, g: Array, rate: float, weight_decay: float = 0.0) -> None:
    """w -= rate * (g + weight_decay * w)."""
    _sgd(w, g, real(rate, w.dtype), real(weight_decay, w.dtype))


def momentum_update(
    w: Array, g: Array, v: Array, rate: float, momentum: float, nesterov: bool = False, weight_decay: float = 0.0
) -> None:
    """v = momentum * v + g;  w -= rate * v, or with Nesterov's look-ahead  w -= rate * (g + momentum * v).

    Polyak 1964; Sutskever et al. 2013, in the form that keeps only the looked-ahead weights.
    """
    kind = w.dtype
    _momentum(w, g, v, real(rate, kind), real(momentum, kind), nesterov, real(weight_decay, kind))


def adagrad_update(w: Array, g: Array, s: Array, rate: float, epsilon: float, weight_decay: float = 0.0) -> None:
    """s += g^2;  w -= rate * g / (sqrt(s) + epsilon)  (Duchi, Hazan, Singer 2011)."""
    _scaled(w, g, s, *_reals(w, rate, 1.0, 1.0, epsilon, weight_decay))


def rmsprop_update(
    w: Array, g: Array, s: Array, rate: float, decay: float, epsilon: float, weight_decay: float = 0.0
) -> None:
    """s = decay * s + (1 - decay) * g^2;  w -= rate * g / (sqrt(s) + epsilon)  (Tieleman, Hinton 2012)."""
    _scaled(w, g, s, *_reals(w, rate, decay, 1 - decay, epsilon, weight_decay))


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
    shrink, decay = (1 - rate * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    scale, spread = rate / (1 - beta1**step), 1 / (1 - beta2**step)
    _adam(w, g, m, v, *_reals(w, scale, spread, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, shrink, decay))


def average_update(average: Array, w: Array, decay: float) -> None:
    """Exponential moving average of the weights: average = decay * average + (1 - decay) * w."""
    _average(average, w, real(1 - decay, w.dtype))


def _reals(w: Array, *values: float) -> tuple[Any, ...]:
    return tuple(real(value, w.dtype) for value in values)


@jit(parallel=True)
def _squares(g: Any, partial: Any) -> None:
    for chunk in prange(partial.size):
        total = 0.0
        for i in range(chunk * CHUNK, min(g.size, (chunk + 1) * CHUNK)):
            total += np.float64(g[i]) * np.float64(g[i])
        partial[chunk] = total


@jit(parallel=True)
def _sgd(w: Any, g: Any, rate: Any, weight_decay: Any) -> None:
    for i in prange(w.size):
        w[i] -= rate * (g[i] + weight_decay * w[i])


@jit(parallel=True)
def _momentum(w: Any, g: Any, v: Any, rate: Any, momentum: Any, nesterov: bool, weight_decay: Any) -> None:
    for i in prange(w.size):
        slope = g[i] + weight_decay * w[i]
        v[i] = momentum * v[i] + slope
        w[i] -= rate * (slope + momentum * v[i] if nesterov else v[i])


@jit(parallel=True)
def _scaled(w: Any, g: Any, s: Any, rate: Any, decay: Any, gain: Any, epsilon: Any, weight_decay: Any) -> None:
    for i in prange(w.size):
        slope = g[i] + weight_decay * w[i]
        s[i] = decay * s[i] + gain * slope * slope
        w[i] -= rate * slope / (np.sqrt(s[i]) + epsilon)


@jit(parallel=True)
def _adam(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    scale: Any,
    spread: Any,
    beta1: Any,
    gain1: Any,
    beta2: Any,
    gain2: Any,
    epsilon: Any,
    shrink: Any,
    weight_decay: Any,
) -> None:
    for i in prange(w.size):
        slope = g[i] + weight_decay * w[i]
        m[i] = beta1 * m[i] + gain1 * slope
        v[i] = beta2 * v[i] + gain2 * slope * slope
        w[i] = w[i] * shrink - scale * m[i] / (np.sqrt(v[i] * spread) + epsilon)


@jit(parallel=True)
def _average(average: Any, w: Any, gain: Any) -> None:
    for i in prange(w.size):
        average[i] += gain * (w[i] - average[i])
