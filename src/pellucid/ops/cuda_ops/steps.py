"""What follows a backward pass, without the host: norm, clipping, loss scale, the optimizer's rule, averages.

A recorded step reads what changes from step to step from two small arrays, which `decide` moves on:

    counters  int64    batch of the epoch, first row of the epoch's order, step of the training, records written,
                       updates made, steps since the loss scale changed, steps left out, whether training has halted
    settings  float64  rate, factor of the gradient, whether to leave the step out, update number, average's decay,
                       loss scale

A step whose loss or gradient is not finite changes nothing, nor does any step after it; the host finds out when it
reads the records.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, kernel, narrow, real, wide
from pellucid.ops.cuda_ops.sums import block_sum, square_parts

BATCH, FIRST, STEP, RECORDS, UPDATES, GOOD, LEFT_OUT, HALTED = range(8)
COUNTERS = 8
RATE, FACTOR, SKIP, NUMBER, DECAY, SCALE = range(6)
SETTINGS = 6


def decide(
    gradient: DeviceArray,
    loss: DeviceArray,
    rates: DeviceArray,
    counters: DeviceArray,
    settings: DeviceArray,
    records: DeviceArray,
    rng_state: DeviceArray,
    *,
    images: int,
    clip: float,
    decay: float,
    scaled: bool,
    growth: tuple[int, float, float],
) -> None:
    """From the step's gradient and loss to what the update is to do, and on to the next step's counters.

    rates: (steps of the epoch,). records: (room, 2), loss and norm of each step. rng_state: the step generator's.
    images: of the batch. clip: largest norm; 0 for no limit. decay: of the moving average. scaled: whether the
    gradient carries the loss scale. growth: steps until the scale is doubled, its smallest and largest value.
    """
    arrays = square_parts(gradient), loss.reshape(1), rates, counters, settings, records, rng_state
    numbers = images, clip, decay, int(scaled), *growth
    launch(_decide.of("float64"), 1, THREADS, *arrays, *numbers)


def update(
    rule: str,
    constants: tuple[float, ...],
    w: DeviceArray,
    g: DeviceArray,
    copy: DeviceArray,
    slots: list[DeviceArray],
    settings: DeviceArray,
    rate: float,
    weight_decay: float,
) -> None:
    """Move w (in float32 where g has 16 bits) and its slots by the rule; `copy` gets w in g's type.

    rate: factor of the settings' rate. The rules' formulas stand in numpy_ops/update.py.
    """
    if w.size:
        kernel_of_rule = RULES[rule].of(g.dtype.name)
        launch(kernel_of_rule, blocks(w.size), THREADS, w, g, copy, *slots, settings, rate, weight_decay, *constants)


def average(mean: DeviceArray, w: DeviceArray, settings: DeviceArray) -> None:
    """Take w into a moving average of its type, unless the step is left out."""
    if w.size:
        launch(_average.of(w.dtype.name), blocks(w.size), THREADS, mean, w, settings)


def scale_gradient(gradient: DeviceArray, settings: DeviceArray, out: DeviceArray) -> None:
    """`out` = gradient (float32) times the loss scale, in 16 bits; both C-contiguous."""
    launch(_scaled.of(out.dtype.name), blocks(out.size), THREADS, gradient.reshape(-1), settings, out.reshape(-1))


def count_right(
    logits: DeviceArray, labels: DeviceArray, ignored: int, counts: DeviceArray, settings: DeviceArray
) -> None:
    """Add to counts (2,) int64 the images that count, and those whose first largest logit is their label's."""
    z = contiguous(logits)
    launch(_count_right.of(z.dtype.name), 1, THREADS, z, labels, ignored, counts, settings)


@kernel("D1 D1 D1 L1 D1 D2 U1 n d d n n d d", ("float64",))
def _decide(
    partial: Any, loss: Any, rates: Any, counters: Any, settings: Any, records: Any, rng_state: Any,
    images: int, clip: float, decay: float, scaled: int, growth: int, smallest: float, largest: float,
) -> None:  # fmt: skip
    own = np.float64(0)
    for i in range(cuda.threadIdx.x, partial.size, cuda.blockDim.x):
        own += partial[i]
    squares = block_sum(own)
    if cuda.threadIdx.x == 0:
        scale = settings[SCALE] if scaled else np.float64(1)
        norm, value = math.sqrt(squares) / scale, loss[0]
        record = counters[RECORDS]
        if record < records.shape[0]:
            records[record, 0], records[record, 1] = value, norm
        counters[RECORDS] = record + 1
        rate, step, before = rates[counters[BATCH]], counters[STEP], counters[HALTED]
        sound, fine = math.isfinite(value), math.isfinite(norm)
        skip = 1
        if before == 0:
            if sound and scaled and not fine and scale > smallest:
                settings[SCALE] = scale / 2.0
                counters[GOOD] = 0
                counters[LEFT_OUT] += 1
            elif not (sound and fine):
                counters[HALTED] = 1
            else:
                skip = 0
                counters[UPDATES] += 1
                if scaled:
                    counters[GOOD] += 1
                    if counters[GOOD] == growth:
                        settings[SCALE] = min(2.0 * scale, largest)
                        counters[GOOD] = 0
        factor = 1.0 / scale
        if clip > 0.0 and norm > clip:
            factor *= clip / norm
        settings[RATE], settings[FACTOR], settings[SKIP] = rate, factor, np.float64(skip)
        settings[NUMBER] = np.float64(counters[UPDATES])
        settings[DECAY] = min(decay, (1.0 + step) / (10.0 + step))
        counters[BATCH] += 1
        counters[FIRST] += images
        counters[STEP] = step + 1
        rng_state[1] += np.uint64(1)


@kernel("R1 T1 T1 D1 d d")
def _sgd(w: Any, g: Any, copy: Any, settings: Any, rate: float, weight_decay: float) -> None:
    step, factor, decay = real(settings[RATE] * rate), real(settings[FACTOR]), real(weight_decay)
    if settings[SKIP] == 0:
        for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
            weight = w[i]
            weight -= step * (wide(g[i]) * factor + decay * weight)
            w[i] = weight
            copy[i] = narrow(weight)


@kernel("R1 T1 T1 R1 D1 d d d d")
def _momentum(
    w: Any, g: Any, copy: Any, v: Any, settings: Any, rate: float, weight_decay: float, momentum: float,
    nesterov: float,
) -> None:  # fmt: skip
    step, factor, decay = real(settings[RATE] * rate), real(settings[FACTOR]), real(weight_decay)
    kept = real(momentum)
    if settings[SKIP] == 0:
        for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
            weight = w[i]
            slope = wide(g[i]) * factor + decay * weight
            velocity = kept * v[i] + slope
            v[i] = velocity
            weight -= step * (slope + kept * velocity if nesterov > 0 else velocity)
            w[i] = weight
            copy[i] = narrow(weight)


@kernel("R1 T1 T1 R1 D1 d d d d d")
def _rms(
    w: Any, g: Any, copy: Any, s: Any, settings: Any, rate: float, weight_decay: float, kept: float, taken: float,
    epsilon: float,
) -> None:  # fmt: skip
    step, factor, decay = real(settings[RATE] * rate), real(settings[FACTOR]), real(weight_decay)
    old, new, small = real(kept), real(taken), real(epsilon)
    if settings[SKIP] == 0:
        for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
            weight = w[i]
            slope = wide(g[i]) * factor + decay * weight
            squares = old * s[i] + new * slope * slope
            s[i] = squares
            weight -= step * slope / (real(math.sqrt(squares)) + small)
            w[i] = weight
            copy[i] = narrow(weight)


@kernel("R1 T1 T1 R1 R1 D1 d d d d d d")
def _adam(
    w: Any, g: Any, copy: Any, m: Any, v: Any, settings: Any, rate: float, weight_decay: float, beta1: float,
    beta2: float, epsilon: float, decoupled: float,
) -> None:  # fmt: skip
    if settings[SKIP] == 0:
        speed, number = settings[RATE] * rate, settings[NUMBER]
        step = real(speed / (1.0 - math.pow(beta1, number)))
        square_scale = real(1.0 - math.pow(beta2, number))
        shrink = real(1.0 - speed * weight_decay) if decoupled > 0 else real(1)
        joins = real(0) if decoupled > 0 else real(weight_decay)
        factor, small = real(settings[FACTOR]), real(epsilon)
        kept1, taken1, kept2, taken2 = real(beta1), real(1.0 - beta1), real(beta2), real(1.0 - beta2)
        for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
            weight = w[i] * shrink
            slope = wide(g[i]) * factor + joins * weight
            mean = kept1 * m[i] + taken1 * slope
            squares = kept2 * v[i] + taken2 * slope * slope
            m[i], v[i] = mean, squares
            weight -= step * mean / (real(math.sqrt(squares / square_scale)) + small)
            w[i] = weight
            copy[i] = narrow(weight)


RULES = {"sgd": _sgd, "momentum": _momentum, "rms": _rms, "adam": _adam}


@kernel("T1 T1 D1", ("float32", "float64"))
def _average(mean: Any, w: Any, settings: Any) -> None:
    taken = real(1.0 - settings[DECAY])
    if settings[SKIP] == 0:
        for i in range(cuda.grid(1), w.size, cuda.gridsize(1)):
            mean[i] += taken * (w[i] - mean[i])


@kernel("F1 D1 T1", ("float16", "bfloat16"))
def _scaled(gradient: Any, settings: Any, out: Any) -> None:
    factor = real(settings[SCALE])
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        out[i] = narrow(gradient[i] * factor)


@kernel("T2 L1 n L1 D1")
def _count_right(z: Any, labels: Any, ignored: int, counts: Any, settings: Any) -> None:
    """Rows are shared out among the threads; where they are fewer, several threads take every so manyth class."""
    images, right = np.float64(0), np.float64(0)
    best_of = cuda.shared.array(THREADS, np.float64)
    place_of = cuda.shared.array(THREADS, np.int64)
    thread, count = cuda.threadIdx.x, cuda.blockDim.x
    sharing = max(1, count // max(z.shape[0], 1))
    rows = count // sharing
    for start in range(0, z.shape[0], rows):
        row, part = start + thread // sharing, thread % sharing
        here = thread < rows * sharing and row < z.shape[0]
        best = part
        if here and part < z.shape[1]:
            for k in range(part + sharing, z.shape[1], sharing):
                if wide(z[row, k]) > wide(z[row, best]):
                    best = k
            best_of[thread], place_of[thread] = wide(z[row, best]), best
        cuda.syncthreads()
        if here and part == 0 and labels[row] != ignored:
            for other in range(thread + 1, thread + min(sharing, z.shape[1])):
                nearer = place_of[other] < place_of[thread] and best_of[other] == best_of[thread]
                if best_of[other] > best_of[thread] or nearer:
                    best_of[thread], place_of[thread] = best_of[other], place_of[other]
            images += 1.0
            right += 1.0 if place_of[thread] == labels[row] else 0.0
        cuda.syncthreads()
    all_images = block_sum(images)
    cuda.syncthreads()
    all_right = block_sum(right)
    if cuda.threadIdx.x == 0 and settings[SKIP] == 0:
        counts[0] += np.int64(all_images)
        counts[1] += np.int64(all_right)
