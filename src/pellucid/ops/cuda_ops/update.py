"""One step of each optimizer over flat vectors, one thread a weight: w and its state change in place, g does not.

The formulas stand in numpy_ops/update.py. A learning rate may be a number or a device array of one (float64), which
a recorded step reads anew each time it is replayed; so may Adam's `step`.
"""

import math
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, array
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, Kernel, blocks, kernel, narrow, real, wide, wide_source

_none: DeviceArray | None = None


def setting(value: float | DeviceArray) -> tuple[float, DeviceArray]:
    """A setting as a number plus a number in device memory, one of which is 0."""
    global _none
    if isinstance(value, DeviceArray):
        return 0.0, value.reshape(1)
    if _none is None:
        _none = array(np.zeros(1))
    return value, _none


def _run(update: Kernel, w: DeviceArray, *arguments: Any) -> None:
    if w.size:
        launch(update.of(w.dtype.name), blocks(w.size), THREADS, w, *arguments)


def sgd_update(w: DeviceArray, g: DeviceArray, rate: float, weight_decay: float = 0.0) -> None:
    """w -= rate * (g + weight_decay * w)."""
    _run(_sgd, w, g, *setting(rate), weight_decay)


def momentum_update(
    w: DeviceArray,
    g: DeviceArray,
    v: DeviceArray,
    rate: float,
    momentum: float,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """v = momentum * v + g;  w -= rate * v, or with Nesterov's look-ahead  w -= rate * (g + momentum * v)."""
    _run(_momentum, w, g, v, *setting(rate), momentum, int(nesterov), weight_decay)


def adagrad_update(
    w: DeviceArray, g: DeviceArray, s: DeviceArray, rate: float, epsilon: float, weight_decay: float = 0.0
) -> None:
    """s += g^2;  w -= rate * g / (sqrt(s) + epsilon)."""
    _run(_squares, w, g, s, *setting(rate), 1.0, 1.0, epsilon, weight_decay)


def rmsprop_update(
    w: DeviceArray,
    g: DeviceArray,
    s: DeviceArray,
    rate: float,
    decay: float,
    epsilon: float,
    weight_decay: float = 0.0,
) -> None:
    """s = decay * s + (1 - decay) * g^2;  w -= rate * g / (sqrt(s) + epsilon)."""
    _run(_squares, w, g, s, *setting(rate), decay, 1 - decay, epsilon, weight_decay)


def adam_update(
    w: DeviceArray,
    g: DeviceArray,
    m: DeviceArray,
    v: DeviceArray,
    step: int,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """One step of Adam, or with `decoupled` of AdamW; `step` counts from 1."""
    settings = (*setting(step), *setting(rate))
    betas = (beta1, 1 - beta1, beta2, 1 - beta2)
    _run(_adam, w, g, m, v, *settings, beta1, beta2, *betas, epsilon, weight_decay, int(decoupled))


def average_update(average: DeviceArray, w: DeviceArray, decay: float) -> None:
    """Exponential moving average of the weights: average = decay * average + (1 - decay) * w."""
    if w.size:
        launch(_average.of(average.dtype.name, w.dtype.name), blocks(w.size), THREADS, average, w, *setting(decay))


@kernel("T1 T1 d D1 r")
def _sgd(w: Any, g: Any, rate: float, more_rate: Any, weight_decay: Any) -> None:
    step = real(rate + more_rate[0])
    for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
        weight = wide(w[i])
        w[i] = narrow(weight - step * (wide(g[i]) + weight_decay * weight))


@kernel("T1 T1 T1 d D1 r n r")
def _momentum(
    w: Any, g: Any, v: Any, rate: float, more_rate: Any, momentum: Any, nesterov: int, weight_decay: Any
) -> None:
    step = real(rate + more_rate[0])
    for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
        weight = wide(w[i])
        slope = wide(g[i]) + weight_decay * weight
        velocity = momentum * wide(v[i]) + slope
        v[i] = narrow(velocity)
        w[i] = narrow(weight - step * (slope + momentum * velocity if nesterov else velocity))


@kernel("T1 T1 T1 d D1 r r r r")
def _squares(
    w: Any, g: Any, s: Any, rate: float, more_rate: Any, kept: Any, taken: Any, epsilon: Any, weight_decay: Any
) -> None:
    step = real(rate + more_rate[0])
    for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
        weight = wide(w[i])
        slope = wide(g[i]) + weight_decay * weight
        squares = kept * wide(s[i]) + taken * slope * slope
        s[i] = narrow(squares)
        w[i] = narrow(weight - step * slope / (real(math.sqrt(squares)) + epsilon))


@kernel("T1 T1 T1 T1 d D1 d D1 d d r r r r r d n")
def _adam(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    step: float,
    more_steps: Any,
    rate: float,
    more_rate: Any,
    beta1: float,
    beta2: float,
    kept1: Any,
    taken1: Any,
    kept2: Any,
    taken2: Any,
    epsilon: Any,
    weight_decay: float,
    decoupled: int,
) -> None:
    steps, speed = step + more_steps[0], rate + more_rate[0]
    scale = real(speed / (1.0 - math.pow(beta1, steps)))
    square_scale = real(1.0 - math.pow(beta2, steps))
    shrink = real(1.0 - speed * weight_decay) if decoupled else real(1)
    joins = real(0) if decoupled else real(weight_decay)
    for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
        weight = wide(w[i]) * shrink
        slope = wide(g[i]) + joins * weight
        mean = kept1 * wide(m[i]) + taken1 * slope
        squares = kept2 * wide(v[i]) + taken2 * slope * slope
        m[i], v[i] = narrow(mean), narrow(squares)
        w[i] = narrow(weight - scale * mean / (real(math.sqrt(squares / square_scale)) + epsilon))


@kernel("T1 S1 d D1")
def _average(average: Any, w: Any, decay: float, more_decay: Any) -> None:
    taken = real(1.0 - (decay + more_decay[0]))
    for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
        value = wide(average[i])
        average[i] = narrow(value + taken * (real(wide_source(w[i])) - value))
