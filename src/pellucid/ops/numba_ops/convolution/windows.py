"""Where the windows of a convolution lie in memory, and copying them side by side.

The window of output place (p, q) is made of pixels (step * p + i, step * q + j) of the image, one for each tap of
the kernel, zero outside the image. For a convolution the step is the stride; for its input gradient it is 1 and the
image is the output gradient. Taps that are neighbours in memory form a run, and a run is copied at once.
"""

from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, vector_code


class Source(NamedTuple):
    """Images (N, H, W, C) and the output places (N, P, Q) that look at them in steps of (down, right) pixels."""

    N: int
    H: int
    W: int
    C: int
    P: int
    Q: int
    down: int
    right: int


def source(x: Array, size: Pair, step: Pair) -> Source:
    """The geometry of images (N, H, W, C) seen from an output of size (P, Q)."""
    N, H, W, C = x.shape
    return Source(N, H, W, C, *size, *step)


def runs(offsets: list[Array], joined: bool) -> Array:
    """Runs of taps: (runs, 3) with row offset, column offset and number of taps.

    `offsets` are the sorted offsets of the taps on each axis; `joined` tells whether the channels of neighbouring
    pixels are neighbours in memory, which they are unless only some of the channels are looked at.
    """
    rows, columns = offsets
    found = []
    for i in rows:
        start = 0
        for end in range(1, len(columns) + 1):
            if end == len(columns) or columns[end] != columns[end - 1] + 1 or not joined:
                found.append((i, columns[start], end - start))
                start = end
    return np.array(found, np.int64).reshape(-1, 3)


@vector_code
def _copy(code, origin, to, vectors, rest, some):  # type: ignore[no-untyped-def]
    """Copy vectors * LANES + rest numbers; `some` is 1 if rest is not 0. Zeros may follow, up to a register's end."""
    with code.loop(vectors) as i:
        code.store(to + i * VECTOR, code.load(origin + i * VECTOR))
    with code.loop(some):
        code.store(to + vectors * VECTOR, code.load_first(origin + vectors * VECTOR, rest))


@vector_code
def _clear(code, to, vectors):  # type: ignore[no-untyped-def]
    """Write zeros, vectors * LANES of them."""
    with code.loop(vectors) as i:
        code.store(to + i * VECTOR, code.number(0.0))


@jit(cache=False)
def copy_window(x: int, source: Source, runs: Any, place: int, first: int, channels: int, to: int) -> None:
    """Write the window of one output place, channels first to first + channels; x and `to` are addresses.

    Whole registers are written, so there must be room for LANES numbers behind the window.
    """
    n, rest = divmod(place, source.P * source.Q)
    p, q = divmod(rest, source.Q)
    for run in range(runs.shape[0]):
        i, j, taps = p * source.down + runs[run, 0], q * source.right + runs[run, 1], runs[run, 2]
        inside = 0 <= i < source.H
        left = min(taps, max(0, -j)) if inside else taps
        right = max(left, min(taps, source.W - j))
        if left > 0:
            _clear(to, -(-left * channels // LANES))
        count = (right - left) * channels
        origin = ((n * source.H + i) * source.W + j + left) * source.C + first
        _copy(x + origin * FLOAT, to + left * channels * FLOAT, count // LANES, count % LANES, count % LANES > 0)
        if right < taps:
            _clear(to + right * channels * FLOAT, -(-(taps - right) * channels // LANES))
        to += taps * channels * FLOAT
