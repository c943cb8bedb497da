"""1x1 convolutions: each pixel's channels times a matrix. The images are the left factor as they lie in memory.

A block of pixels is multiplied into memory that stays in the first-level cache; bias and ReLU are applied on the way
from there to the output.
"""

from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, thread_count
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.convolution.windows_product import packed
from pellucid.ops.numba_ops.layout import contiguous, images, rows
from pellucid.ops.numba_ops.winograd.product import BESIDE, PANEL, ROWS, multiply, multiply_beside

BLOCK = 4 * ROWS  # pixels
WIDE = BESIDE * PANEL  # filters at a time


class _Work(NamedTuple):
    """Addresses, and sizes."""

    pixels: int  # (number, C)
    panels: int  # (panels, C, PANEL)
    bias: int  # in whole panels
    output: int  # (number, K)
    scratch: int  # `parts` times `scratch_size` bytes: pixels and results of a block
    scratch_size: int
    relu: int
    number: int  # of pixels
    channels: int  # C
    filters: int  # K
    parts: int


def suits(x: Array, w: Array, geometry: Geometry) -> bool:
    """Whether this kernel does the convolution of x with w."""
    return bool(
        w.shape[2] == w.shape[3] == 1
        and geometry.stride == (1, 1)
        and geometry.padding == (0, 0, 0, 0)
        and geometry.groups == 1
        and x.dtype == w.dtype == np.float32
        and x.size > 0
    )


@vector_code
def _finish(
    code: Code,
    totals: Integer,
    bias: Integer,
    relu: Integer,
    out: Integer,
    pixel: Integer,
    count: Integer,
    rest: Integer,
) -> None:
    """`rest` filters of `count` pixels: totals (count, WIDE) plus bias, through ReLU if asked for."""
    shift, low = code.load(bias), code.either(relu, 0.0, -float("inf"))
    with code.loop(count) as i:
        value = (code.load(totals + i * (WIDE * FLOAT)) + shift).at_least(low)
        code.store_first(out + pixel * i, value, rest)


@vector_code
def _finish_whole(
    code: Code, totals: Integer, bias: Integer, relu: Integer, out: Integer, pixel: Integer, count: Integer
) -> None:
    """The same where all LANES are stored."""
    shift, low = code.load(bias), code.either(relu, 0.0, -float("inf"))
    with code.loop(count) as i:
        code.store(out + pixel * i, (code.load(totals + i * (WIDE * FLOAT)) + shift).at_least(low))


@vector_code
def _copy(code: Code, source: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.load(source + v * VECTOR))
    code.store_first(out + vectors * VECTOR, code.load_first(source + vectors * VECTOR, rest), rest)


@inner
def _multiply_block(work: _Work, pixels: int, first: int, count: int, totals: int) -> None:
    C, K = work.channels, work.filters
    for k in range(0, K, WIDE):
        factor = work.panels + k * C * FLOAT
        if BESIDE > 1 and k + PANEL < K:
            multiply_beside(pixels, C * FLOAT, factor, C * PANEL * FLOAT, totals, WIDE * FLOAT, count, C, 0)
        else:
            multiply(pixels, C * FLOAT, factor, totals, WIDE * FLOAT, count, C)
        for column in range(0, min(WIDE, K - k), LANES):
            place, bias = totals + column * FLOAT, work.bias + (k + column) * FLOAT
            out, rest = work.output + (first * K + k + column) * FLOAT, K - k - column
            if rest >= LANES:
                _finish_whole(place, bias, work.relu, out, K * FLOAT, count)
            else:
                _finish(place, bias, work.relu, out, K * FLOAT, count, rest)


@parted(stages=1)
def _convolve(arguments: int, stage: int, part: int) -> None:
    work = read(_Work, arguments, 0)
    begin, end = share(work.number, part, work.parts)
    totals = work.scratch + part * work.scratch_size
    copied, row = totals + BLOCK * WIDE * FLOAT, work.channels * FLOAT
    for first in range(begin, end, BLOCK):
        count = min(BLOCK, end - first)
        pixels = work.pixels + first * row
        if first + BLOCK > work.number:  # the product reads whole blocks of rows, and no memory lies behind the last
            numbers = count * work.channels
            _copy(pixels, copied, numbers // LANES, numbers % LANES)
            pixels = copied
        _multiply_block(work, pixels, first, count, totals)


def convolution(x: Array, w: Array, b: Array | None, relu: bool = False) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C, 1, 1), plus b (K,), through ReLU if asked for: (N, K, H, W)."""
    pixels = rows(x)
    (N, H, W, C), K = pixels.shape, w.shape[0]
    panels = packed(w.reshape(K, C).T)
    bias = np.zeros(len(panels) * PANEL, np.float32)
    if b is not None:
        bias[:K] = contiguous(b)
    y = empty((N, H, W, K), np.float32)
    count = N * H * W
    parts = max(min(thread_count(count * C * K), count // BLOCK), 1)
    size = BLOCK * (WIDE + C) + WIDE
    scratch = empty((parts, size), np.float32)
    work: Any = _Work(
        address(pixels), address(panels), address(bias), address(y), address(scratch), size * FLOAT,
        int(relu), count, C, K, parts,
    )  # fmt: skip
    _convolve(parts, work)
    return images(y)
