"""Random numbers by counting: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011).

The i-th number is a function of a key and i, so every thread works out its own, and a number belongs to its place
however the work is divided. A `Generator` keeps its key in device memory and moves it on after each use, so that a
recorded step draws new numbers each time it is replayed.
"""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops import randomness
from pellucid.ops.arrays import Shape
from pellucid.ops.cuda_ops.arrays import DeviceArray, array, empty, empty_images
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel
from pellucid.ops.cuda_ops.pooling import rows

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
LOW = 0xFFFFFFFF


class Generator:
    """A source of random numbers on the device: key and number of uses, in device memory.

    key: a further one, on the host, that goes into what is drawn next.
    """

    key = 0

    def __init__(self, seed: int) -> None:
        self.state = array(np.array([seed & (1 << 64) - 1, 0], np.uint64))

    def advance(self) -> None:
        """Make the next use draw other numbers."""
        launch(_advance.of("uint64"), 1, 1, self.state)


def dropout_keep(rng: Any, shape: Shape, rate: float, first: int = 0, total: int | None = None) -> DeviceArray:
    """Which elements stay, each with probability 1 - rate: booleans of that shape, samples along axis 0.

    rng: a NumPy generator, whose numbers are drawn on the host, as the definition draws them, or a Generator here.
    first, total: the samples are first, first + 1, ... of `total`; a number belongs to its sample, not to the process
    that draws it.
    """
    if not isinstance(rng, Generator):
        return array(randomness.dropout_keep(rng, shape, rate, first, total))
    keep = empty_images(shape, np.bool_) if len(shape) == 4 else empty(shape, np.bool_)
    if keep.size:
        flat = (rows(keep) if len(shape) == 4 else keep).reshape(-1)
        start = first * (keep.size // shape[0])
        launch(_keep.of("uint8"), blocks(-(-keep.size // 4) + 1), THREADS, flat, rng.key, rng.state, start, rate)
    rng.advance()
    return keep


@helper
def philox(counter: Any, use: Any, key: Any) -> Any:
    """Four random numbers of 32 bits, for a counter of 128 bits given as two of 64."""
    low = np.uint64(LOW)
    half = np.uint64(32)
    c0, c1, c2, c3 = counter & low, counter >> half, use & low, use >> half
    k0, k1 = key & low, key >> half
    for _ in range(ROUNDS):
        first, second = np.uint64(MULTIPLIERS[0]) * c0, np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (second >> half) ^ c1 ^ k0, second & low, (first >> half) ^ c3 ^ k1, first & low
        k0, k1 = (k0 + np.uint64(KEY_STEPS[0])) & low, (k1 + np.uint64(KEY_STEPS[1])) & low
    return c0, c1, c2, c3


@kernel("B1 u U1 n d", ("uint8",))
def _keep(keep: Any, key: Any, state: Any, start: int, rate: float) -> None:
    """Number i of the batch is number i % 4 of counter i // 4."""
    least = np.uint64(rate * 4294967296.0)
    whole_key, use = key ^ state[0], state[1]
    first = start // 4
    for quad in range(cuda.grid(1), (start + keep.size - 1) // 4 - first + 1, cuda.gridsize(1)):
        numbers = philox(np.uint64(first + quad), use, whole_key)
        for lane in range(4):
            i = (first + quad) * 4 + lane - start
            if 0 <= i < keep.size:
                keep[i] = np.uint8(1 if numbers[lane] >= least else 0)


@kernel("U1", ("uint64",))
def _advance(state: Any) -> None:
    state[1] += np.uint64(1)
