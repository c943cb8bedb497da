"""Convolutions and affine layers as products of bfloat16, two at once in each lane (vdpbf16ps), summed in float32.

Pixels are rounded to the nearest bfloat16 as a block of them is copied, weights once when the plan is made. Of each
sum over `depth` products the error is at most (2^-7 + 2^-16 + (depth + 2) 2^-23) times the sum of the products'
sizes: each factor is off by at most 2^-8 of itself, each addition by 2^-24 of a partial sum. Numbers below 2^-126
count as 0.
"""

import ml_dtypes
import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.bfloat16 import PAIR, PRODUCTS, pairs, with_products
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share
from pellucid.ops.numba_ops.compile.vectors import (
    BFLOAT16,
    FLOAT,
    FLOAT32,
    LANES,
    VECTOR,
    Code,
    Integer,
    Variable,
    vector_code,
)
from pellucid.ops.numba_ops.convolution.windows_product import packed
from pellucid.ops.numba_ops.steps.finish import finish
from pellucid.ops.numba_ops.steps.product import Form, Product, Run, rows_step, windows_step, write_sums
from pellucid.ops.numba_ops.steps.step import Finish, Step
from pellucid.ops.numba_ops.steps.weights import Weights
from pellucid.ops.numba_ops.winograd.product import FEW_ROWS, PANEL, ROWS

HALF = 2  # bytes of a number
FASTER = 1.4  # where the choice between these products and Winograd's algorithm lies, see `winograd.suits`: on Zen 4
# they are 1.9 times as fast as those of float32, and Winograd's on many tiles faster than is counted there
SLACK = 2 * VECTOR  # bytes behind a block that may be written


@vector_code
def _rounded(code: Code, source: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    """Numbers side by side, as bfloat16."""
    with code.loop(vectors) as v:
        code.store_bfloat16(out + v * (VECTOR // 2), code.load(source + v * VECTOR))
    with code.loop(rest.smaller(1)):
        last = code.load_first(source + vectors * VECTOR, rest)
        code.store_bfloat16(out + vectors * (VECTOR // 2), last, rest)


@vector_code
def _copied(code: Code, source: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    """Numbers side by side that are bfloat16 already."""
    with code.loop(vectors) as v:
        code.copy_words(source + v * (VECTOR // 2), out + v * (VECTOR // 2))
    with code.loop(rest.smaller(1)):
        place = vectors * (VECTOR // 2)
        code.copy_words(source + place, out + place, rest)


@inner
def _take(pixels: int, first: int, numbers: int, form: int, out: int) -> None:
    """Numbers side by side, from number `first` on, as bfloat16."""
    if form == FLOAT32:
        _rounded(pixels + first * FLOAT, out, numbers // LANES, numbers % LANES)
    else:
        _copied(pixels + first * HALF, out, numbers // LANES, numbers % LANES)


@vector_code
def _clear(code: Code, out: Integer, vectors: Integer) -> None:
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.number(0.0))


def _write_products(
    code: Code, rows: int, left: Integer, left_row: Integer, right: Integer, depth: Integer
) -> dict[tuple[int, int], Variable]:
    """Sums of some places and a panel, over `depth` pairs of numbers."""
    sums = {(r, 0): code.variable(code.number(0.0)) for r in range(rows)}
    with code.loop(depth) as s:
        filters = pairs(code.builder, right + s * (PANEL * PAIR), everywhere=False)
        for (r, _), total in sums.items():
            number = pairs(code.builder, left + left_row * r + s * PAIR, everywhere=True)
            total.set(with_products(total.get(), filters, number))
    return sums


@vector_code
def _finished(
    code: Code,
    left: Integer,
    left_row: Integer,
    right: Integer,
    bias: Integer,
    bounds: Integer,
    out: Integer,
    pixel: Integer,
    depth: Integer,
) -> None:
    """ROWS places of a whole panel, from registers to the output."""
    write_sums(code, _write_products(code, ROWS, left, left_row, right, depth), bias, bounds, None, out, pixel)


@vector_code
def _finished_added(
    code: Code,
    left: Integer,
    left_row: Integer,
    right: Integer,
    bias: Integer,
    bounds: Integer,
    added: Integer,
    out: Integer,
    pixel: Integer,
    depth: Integer,
) -> None:
    write_sums(code, _write_products(code, ROWS, left, left_row, right, depth), bias, bounds, added, out, pixel)


@vector_code
def _few(code: Code, left: Integer, left_row: Integer, right: Integer, totals: Integer, depth: Integer) -> None:
    """FEW_ROWS places, to scratch memory."""
    for (r, _), total in _write_products(code, FEW_ROWS, left, left_row, right, depth).items():
        code.store(totals + r * VECTOR, total.get())


@inner
def _copy_window(work: Product, form: int, place: int, to: int) -> None:
    """The window of one place, as bfloat16; whole registers of zeros follow it."""
    n, rest = divmod(place, work.rows * work.columns)
    p, q = divmod(rest, work.columns)
    for number in range(work.run_count):
        run = read(Run, work.runs, 3 * number)
        i, j = p * work.down + run.row, q * work.right + run.column
        left, right = run.taps, run.taps
        if 0 <= i < work.height:
            left = min(run.taps, max(0, -j))
            right = max(left, min(run.taps, work.width - j))
        channels = work.channels
        if left > 0:
            _clear(to, (left * channels + 2 * LANES - 1) // (2 * LANES))
        origin = ((n * work.height + i) * work.width + j + left) * channels
        _take(work.pixels, origin, (right - left) * channels, form, to + left * channels * HALF)
        if right < run.taps:
            zeros = (run.taps - right) * channels
            _clear(to + right * channels * HALF, (zeros + 2 * LANES - 1) // (2 * LANES))
        to += run.taps * channels * HALF
    _clear(to, 1)  # the second number of the last pair, of an odd depth


@inner
def _copy_windows(work: Product, form: int, first: int, count: int, to: int) -> None:
    """The windows of some places, as rows of a matrix of pairs."""
    row = (work.depth + 1) // 2 * PAIR
    if work.runs == 0 and work.depth % 2 == 0:
        _take(work.pixels, first * work.depth, count * work.depth, form, to)
        return
    for t in range(count):
        if work.runs:
            _copy_window(work, form, first + t, to + t * row)
        else:
            _take(work.pixels, (first + t) * work.depth, work.depth, form, to + t * row)
            _clear(to + t * row + work.depth * HALF, 1)


@inner
def _multiply_panel(
    work: Product, left: int, right: int, totals: int, bias: int, added: int, out: int, count: int, channels: int
) -> None:
    """Some places times one panel, of which `channels` filters are left to be written."""
    depth, pixel = (work.depth + 1) // 2, work.filters * FLOAT
    row, done = depth * PAIR, 0
    if channels >= PANEL:
        while done + ROWS <= count:
            place, target = left + done * row, out + done * pixel
            if added:
                _finished_added(place, row, right, bias, work.bounds, added + done * pixel, target, pixel, depth)
            else:
                _finished(place, row, right, bias, work.bounds, target, pixel, depth)
            done += ROWS
    while done < count:
        some = min(FEW_ROWS, count - done)
        _few(left + done * row, row, right, totals, depth)
        beside = added + done * pixel if added else 0
        finish(totals, bias, work.bounds, beside, out + done * pixel, pixel, some, channels)
        done += some


@inner
def _multiply(work: Product, form: int, part: int) -> None:
    """One part of the output. form: of the pixels."""
    panels = (work.filters + PANEL - 1) // PANEL
    first, last, first_panel, last_panel = 0, work.places, 0, panels
    if work.by_panels:
        first_panel, last_panel = share(panels, part, work.parts)
    else:
        first_unit, last_unit = share((work.places + ROWS - 1) // ROWS, part, work.parts)
        first, last = first_unit * ROWS, min(last_unit * ROWS, work.places)
    totals = work.scratch + part * work.scratch_size
    copied = totals + work.block * PANEL * FLOAT
    panel_bytes = (work.depth + 1) // 2 * PANEL * PAIR
    for start in range(first, last, work.block):
        count = min(work.block, last - start)
        _copy_windows(work, form, start, count, copied)
        for panel in range(first_panel, last_panel):
            k = panel * PANEL
            at = (start * work.filters + k) * FLOAT
            added = work.added + at if work.added else 0
            right, bias = work.panels + panel * panel_bytes, work.bias + k * FLOAT
            _multiply_panel(work, copied, right, totals, bias, added, work.output + at, count, work.filters - k)


@parted(stages=1)
def multiply_rounded_windows(arguments: int, stage: int, part: int) -> None:
    """One part of the output, of float32 pixels."""
    _multiply(read(Product, arguments, 0), FLOAT32, part)


@parted(stages=1)
def multiply_bfloat16_windows(arguments: int, stage: int, part: int) -> None:
    """One part of the output, of pixels in bfloat16."""
    _multiply(read(Product, arguments, 0), BFLOAT16, part)


def _row(depth: int) -> int:
    """Bytes of a window, and some behind a block of at least ROWS of them for the registers of zeros."""
    return -(-depth // 2) * PAIR + SLACK // ROWS + 1


NAMES = "bfloat16 product", "bfloat16 windows"
OF_FLOAT32, OF_BFLOAT16 = Form(*NAMES, multiply_rounded_windows, _row), Form(*NAMES, multiply_bfloat16_windows, _row)


def _panels(matrix: Array) -> Array:
    """A matrix (depth, K) as bfloat16, in panels of pairs: (panels, pairs, PANEL, 2), their bits."""
    depth, K = matrix.shape
    even = np.zeros((depth + depth % 2, K), np.float32)
    even[:depth] = matrix
    panels = packed(even)
    ordered = panels.reshape(len(panels), -1, 2, PANEL).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(ordered.astype(ml_dtypes.bfloat16)).view(np.uint16)


def suits(form: str) -> bool:
    """Whether numbers of that form are multiplied as bfloat16: where the processor can."""
    return PRODUCTS and form == "bfloat16"


def convolution(
    shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish, images: Form = OF_FLOAT32
) -> Step:
    """The convolution of images `shape` (N, C, H, W) with w (K, C, R, S), plus b (K,), and what follows it.

    images: what the images are stored in; the output is float32.
    """
    matrix = weights.w.transpose(2, 3, 1, 0).reshape(-1, len(weights.b))
    panels = weights.made("bfloat16 panels", lambda: _panels(matrix))
    return windows_step(images, shape, weights, panels, geometry, last)


def affine(count: int, weights: Weights, last: Finish) -> Step:
    """x w^T + b of `count` rows x, with w (G, F) and b (G,), and what follows it."""
    return rows_step(OF_FLOAT32, count, weights, weights.made("bfloat16 panels", lambda: _panels(weights.w.T)), last)
