"""Pools: the largest number or the mean of a window, a register of channels at a time."""

from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import parted, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.steps.finish import load, store
from pellucid.ops.numba_ops.steps.step import Call, Step, parts_for

COST = 8  # multiply-adds of a product that take as long as looking at a number: this waits for memory


class _Work(NamedTuple):
    """Addresses, and sizes."""

    images: int  # (N, H, W, C)
    output: int  # (N, P, Q, C)
    factors: int  # (P, Q), with which sums become means; 0 for the largest number instead
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
    parts: int


@vector_code
def _largest(
    code: Code,
    x: Integer,
    line: Integer,
    pixel: Integer,
    lines: Integer,
    pixels: Integer,
    out: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    def write(c: Integer, some: Integer | None) -> None:
        best = code.variable(code.number(-float("inf")))
        with code.loop(lines) as u, code.loop(pixels) as v:
            value = load(code, x + line * u + pixel * v + c, some)
            best.set(value.at_least(best.get()))
        store(code, out + c, best.get(), some)

    with code.loop(vectors) as number:
        write(number * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@vector_code
def _mean(
    code: Code,
    x: Integer,
    line: Integer,
    pixel: Integer,
    lines: Integer,
    pixels: Integer,
    factor: Integer,
    out: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    scale = code.broadcast(factor)

    def write(c: Integer, some: Integer | None) -> None:
        total = code.variable(code.number(0.0))
        with code.loop(lines) as u, code.loop(pixels) as v:
            total.set(total.get() + load(code, x + line * u + pixel * v + c, some))
        store(code, out + c, total.get() * scale, some)

    with code.loop(vectors) as number:
        write(number * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@parted(stages=1)
def pool(arguments: int, stage: int, part: int) -> None:
    """Some lines of the output."""
    work = read(_Work, arguments, 0)
    first, last = share(work.number * work.rows, part, work.parts)
    pixel = work.channels * FLOAT
    line, vectors, rest = work.width * pixel, work.channels // LANES, work.channels % LANES
    for number in range(first, last):
        n, p = divmod(number, work.rows)
        i = p * work.down - work.top
        i, lines = max(i, 0), min(i + work.kernel_rows, work.height) - max(i, 0)
        for q in range(work.columns):
            j = q * work.right - work.left
            j, pixels = max(j, 0), min(j + work.kernel_columns, work.width) - max(j, 0)
            x = work.images + ((n * work.height + i) * work.width + j) * pixel
            out = work.output + (number * work.columns + q) * pixel
            if work.factors:
                factor = work.factors + (p * work.columns + q) * FLOAT
                _mean(x, line, pixel, lines, pixels, factor, out, vectors, rest)
            else:
                _largest(x, line, pixel, lines, pixels, out, vectors, rest)


def _step(shape: tuple[int, ...], size: Pair, kernel: Pair, geometry: Geometry, factors: Array | None) -> Step:
    N, C, H, W = shape
    parts = min(parts_for(COST * N * C * size[0] * size[1] * kernel[0] * kernel[1]), N * size[0])
    table = 0 if factors is None else address(factors)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        work = _Work(inputs[0], output, table, N, H, W, C, *size, *kernel, *geometry.stride, *geometry.before, parts)
        return [Call(pool, parts, (work,))]

    return Step("max-pool" if factors is None else "mean-pool", calls, 0, [] if factors is None else [factors])


def max_pool(shape: tuple[int, ...], kernel: Pair, geometry: Geometry, size: Pair) -> Step:
    """The largest number of each window of images `shape` (N, C, H, W), for an output of `size` places."""
    return _step(shape, size, kernel, geometry, None)


def mean_pool(shape: tuple[int, ...], kernel: Pair, geometry: Geometry, size: Pair, padded: bool) -> Step:
    """The mean over the pixels of the image under each window; `padded`: over those of its padding too."""
    covered = [
        _covered(length, places, taps, stride, before, after, padded)
        for length, places, taps, stride, before, after in zip(
            shape[2:], size, kernel, geometry.stride, geometry.before, geometry.after, strict=True
        )
    ]
    return _step(shape, size, kernel, geometry, (1 / np.outer(*covered)).astype(np.float32))


def _covered(length: int, places: int, taps: int, stride: int, before: int, after: int, padded: bool) -> Array:
    """How many pixels each window covers on one axis."""
    starts = np.arange(places) * stride - before
    low, high = (-before, length + after) if padded else (0, length)
    return np.minimum(starts + taps, high) - np.maximum(starts, low)
