"""Sums and pools of images of bytes: the definition's whole numbers, in compiled code."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, small, words
from pellucid.ops.numba_ops.pooling import window
from pellucid.ops.numba_ops.steps.step import Call, Step, parts_for
from pellucid.ops.numba_ops.words import WORD

CHUNK = 1 << 12  # numbers of a sum at a time
COST = 4  # multiply-adds of a product that take as long as one number


class Add(NamedTuple):
    """Addresses, and numbers."""

    first: int
    second: int
    output: int
    numbers: int
    by: int
    other: int
    start: int
    shift: int
    zero: int
    low: int
    high: int
    parts: int


@parted(stages=1)
def add(arguments: int, stage: int, part: int) -> None:
    """Some of the numbers."""
    work = read(Add, arguments, 0)
    begin, end = share((work.numbers + CHUNK - 1) // CHUNK, part, work.parts)
    begin, count = begin * CHUNK, min(work.numbers, end * CHUNK) - begin * CHUNK
    x, y, out = small(work.first + begin), small(work.second + begin), small(work.output + begin)
    by, other, start, shift = np.int32(work.by), np.int32(work.other), np.int32(work.start), np.int32(work.shift)
    zero, low, high = np.int32(work.zero), np.int32(work.low), np.int32(work.high)
    for i in range(count):
        total = np.int32(np.int32(x[i]) * by + np.int32(y[i]) * other + start)
        out[i] = min(max(np.int32((total >> shift) + zero), low), high)


def addition(
    count: int, zeros: Sequence[int], multipliers: Sequence[int], shift: int, zero: int, low: int, high: int
) -> Step:
    """The sum of two values of `count` bytes; see the definition."""
    start = (1 << (shift - 1)) - sum(z * by for z, by in zip(zeros, multipliers, strict=True))
    parts = min(parts_for(COST * count), -(-count // CHUNK))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        by, other = multipliers
        work = Add(inputs[0], inputs[1], output, count, by, other, start, shift, zero, low, high, parts)
        return [Call(add, parts, (work,))]

    return Step("integer sum", calls)


class Pool(NamedTuple):
    """Addresses, and sizes."""

    images: int  # (N, H, W, C)
    output: int  # (N, P, Q, C)
    scratch: int  # for C sums, of each part
    number: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    kernel_rows: int
    kernel_columns: int
    down: int
    right: int
    top: int
    left: int
    average: int
    parts: int


@inner
def _largest(work: Pool, n: int, rows: tuple[int, int], columns: tuple[int, int], output: int) -> None:
    best = small(output)
    for c in range(work.channels):
        best[c] = 0
    for i in range(*rows):
        for j in range(*columns):
            pixel = small(work.images + ((n * work.height + i) * work.width + j) * work.channels)
            for c in range(work.channels):
                best[c] = max(best[c], pixel[c])


@inner
def _mean(work: Pool, n: int, rows: tuple[int, int], columns: tuple[int, int], output: int, scratch: int) -> None:
    total, mean = words(scratch), small(output)
    for c in range(work.channels):
        total[c] = 0
    for i in range(*rows):
        for j in range(*columns):
            pixel = small(work.images + ((n * work.height + i) * work.width + j) * work.channels)
            for c in range(work.channels):
                total[c] += np.int32(pixel[c])
    # Whole numbers of 53 bits, and a quotient that is no nearer to the next than 1 / count: exact, and vectors do it.
    count = np.float64((rows[1] - rows[0]) * (columns[1] - columns[0]))
    for c in range(work.channels):
        mean[c] = np.int32((np.float64(total[c]) * 2 + count) / (2 * count))


@parted(stages=1)
def pool(arguments: int, stage: int, part: int) -> None:
    """Some lines of the output."""
    work = read(Pool, arguments, 0)
    first, last = share(work.number * work.rows, part, work.parts)
    for line in range(first, last):
        n, p = line // work.rows, line % work.rows
        u0, u1, i = window(p, work.height, work.kernel_rows, work.down, work.top)
        for q in range(work.columns):
            v0, v1, j = window(q, work.width, work.kernel_columns, work.right, work.left)
            rows, columns = (i + u0, i + u1), (j + v0, j + v1)
            output = work.output + (line * work.columns + q) * work.channels
            if work.average:
                _mean(work, n, rows, columns, output, work.scratch + part * work.channels * WORD)
            else:
                _largest(work, n, rows, columns, output)


def pooled(shape: tuple[int, ...], kernel: Pair, geometry: Geometry, ceil: bool, average: bool) -> Step:
    """Largest number, or mean, of the windows of images `shape` (N, C, H, W) uint8, which have no holes."""
    N, C, H, W = shape
    P, Q = geometry.output_size((H, W), kernel, ceil)
    parts = min(parts_for(COST * N * P * Q * C * kernel[0] * kernel[1]), max(1, N * P))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        sizes = (N, H, W, C, P, Q, *kernel, *geometry.stride, *geometry.before)
        return [Call(pool, parts, (Pool(inputs[0], output, scratch, *sizes, int(average), parts),))]

    return Step("integer pool", calls, parts * C * WORD if average else 0)
