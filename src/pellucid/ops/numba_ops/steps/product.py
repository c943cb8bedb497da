"""Convolutions and affine layers as products: the windows of some places times the filters, packed in panels.

A 1x1 convolution and an affine layer multiply the pixels, or the rows, as they lie in memory. Any other convolution
copies the windows of a block of places side by side first, which then stay in the cache.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import Parted, inner, parted, read, share
from pellucid.ops.numba_ops.compile.vectors import (
    FLOAT,
    LANES,
    VECTOR,
    Code,
    Integer,
    Variable,
    address,
    vector_code,
)
from pellucid.ops.numba_ops.convolution.windows import runs
from pellucid.ops.numba_ops.convolution.windows_product import packed
from pellucid.ops.numba_ops.steps.finish import copy, finish, limits
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Finish, Step, panel_bias, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS, multiply

BLOCK = 48 * 1024  # numbers of a block of windows: with a panel beside them, a second-level cache's content
LEAST, MOST = 16 * ROWS, 32 * ROWS  # places in a block; with fewer, deep filters are read from memory too often


class Product(NamedTuple):
    """Addresses, and sizes. What comes before `panels` moves from answer to answer, the rest stays."""

    pixels: int  # (N, H, W, C)
    output: int  # (places, filters)
    added: int  # like the output, or 0
    scratch: int
    scratch_size: int  # bytes a part
    panels: int  # (panels, depth, PANEL); of bfloat16 (panels, pairs of the depth, PANEL, 2)
    bias: int  # in whole panels
    bounds: int
    runs: int  # address of (runs, 3): row, column and number of taps; 0 where the pixels are the windows
    run_count: int
    height: int
    width: int
    channels: int
    rows: int  # of the output
    columns: int
    down: int
    right: int
    places: int
    depth: int  # numbers of a window
    filters: int
    block: int  # places at a time
    by_panels: int  # whether a part is some panels of all places, else all panels of some places
    parts: int


class Run(NamedTuple):
    """Taps side by side."""

    row: int
    column: int
    taps: int


@vector_code
def _clear(code: Code, out: Integer, vectors: Integer) -> None:
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.number(0.0))


@inner
def _copy_window(work: Product, place: int, to: int) -> None:
    """The window of one place; whole registers of zeros may follow it."""
    n, rest = divmod(place, work.rows * work.columns)
    p, q = divmod(rest, work.columns)
    for number in range(work.run_count):
        run = read(Run, work.runs, 3 * number)
        i, j = p * work.down + run.row, q * work.right + run.column
        left, right = run.taps, run.taps
        if 0 <= i < work.height:
            left = min(run.taps, max(0, -j))
            right = max(left, min(run.taps, work.width - j))
        pixel = work.channels * FLOAT
        if left > 0:
            _clear(to, (left * work.channels + LANES - 1) // LANES)
        numbers = (right - left) * work.channels
        origin = ((n * work.height + i) * work.width + j + left) * pixel
        copy(work.pixels + origin, to + left * pixel, numbers // LANES, numbers % LANES)
        if right < run.taps:
            _clear(to + right * pixel, ((run.taps - right) * work.channels + LANES - 1) // LANES)
        to += run.taps * pixel


def _write_finished(
    code: Code,
    left: Integer,
    left_row: Integer,
    right: Integer,
    bias: Integer,
    bounds: Integer,
    added: Integer | None,
    out: Integer,
    pixel: Integer,
    depth: Integer,
) -> None:
    """ROWS places of a whole panel: the sums go from registers to the output, without a stop in scratch memory."""
    columns = range(PANEL // LANES)
    cells = [(r, c) for r in range(ROWS) for c in columns]
    sums = {cell: code.variable(code.number(0.0)) for cell in cells}
    with code.loop(depth) as s:
        row = right + s * (PANEL * FLOAT)
        filters = [code.load(row + VECTOR * c) for c in columns]
        for r in range(ROWS):
            number = code.broadcast(left + left_row * r + s * FLOAT)
            for c in columns:
                sums[r, c].set(sums[r, c].get() + number * filters[c])
    write_sums(code, sums, bias, bounds, added, out, pixel)


def write_sums(
    code: Code,
    sums: dict[tuple[int, int], Variable],
    bias: Integer,
    bounds: Integer,
    added: Integer | None,
    out: Integer,
    pixel: Integer,
) -> None:
    """Sums in registers, by place and register of filters, with what follows them, to the output."""
    low, high = limits(code, bounds)
    shifts = [code.load(bias + VECTOR * c) for c in range(PANEL // LANES)]
    for (r, c), value in sums.items():
        place = pixel * r + VECTOR * c
        total = value.get() + shifts[c]
        if added is not None:
            total = total + code.load(added + place)
        code.store(out + place, total.at_least(low).at_most(high))


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
    _write_finished(code, left, left_row, right, bias, bounds, None, out, pixel, depth)


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
    _write_finished(code, left, left_row, right, bias, bounds, added, out, pixel, depth)


@inner
def _whole_blocks(
    work: Product, left: int, right: int, bias: int, added: int, out: int, pixel: int, count: int
) -> int:
    """Whole blocks of places of a whole panel; how many places that are."""
    row, whole = work.depth * FLOAT, count // ROWS * ROWS
    for t in range(0, whole, ROWS):
        if added:
            _finished_added(
                left + t * row, row, right, bias, work.bounds, added + t * pixel, out + t * pixel, pixel, work.depth
            )
        else:
            _finished(left + t * row, row, right, bias, work.bounds, out + t * pixel, pixel, work.depth)
    return whole


@inner
def _left_factor(work: Product, pixels: int, first: int, count: int, copied: int) -> int:
    """Where the windows of some places lie, as rows of a matrix."""
    row = work.depth * FLOAT
    if work.runs:
        for t in range(count):
            _copy_window(work, first + t, copied + t * row)
        return copied
    start = pixels + first * row
    if first + work.block <= work.places:
        return start
    # The product reads whole blocks of rows, and no memory may lie behind the last.
    numbers = count * work.depth
    copy(start, copied, numbers // LANES, numbers % LANES)
    return copied


@inner
def multiply_places(
    work: Product, pixels: int, output: int, first: int, last: int, first_panel: int, last_panel: int, totals: int
) -> None:
    """Some panels of places `first` to `last` - 1.

    pixels, output: where place 0 would lie, which need not be in memory. totals: scratch memory.
    """
    copied = totals + work.block * PANEL * FLOAT
    pixel = work.filters * FLOAT
    for start in range(first, last, work.block):
        count = min(work.block, last - start)
        left = _left_factor(work, pixels, start, count, copied)
        for panel in range(first_panel, last_panel):
            k = panel * PANEL
            at = start * pixel + k * FLOAT
            right = work.panels + k * work.depth * FLOAT
            added, out, bias = work.added + at if work.added else 0, output + at, work.bias + k * FLOAT
            done = 0
            if k + PANEL <= work.filters:
                done = _whole_blocks(work, left, right, bias, added, out, pixel, count)
            if done < count:
                rest, row = count - done, work.depth * FLOAT
                multiply(left + done * row, row, right, totals, PANEL * FLOAT, rest, work.depth)
                added = added + done * pixel if added else 0
                finish(totals, bias, work.bounds, added, out + done * pixel, pixel, rest, work.filters - k)


@parted(stages=1)
def multiply_windows(arguments: int, stage: int, part: int) -> None:
    """One part of the output."""
    work = read(Product, arguments, 0)
    panels = (work.filters + PANEL - 1) // PANEL
    first, last, first_panel, last_panel = 0, work.places, 0, panels
    if work.by_panels:
        first_panel, last_panel = share(panels, part, work.parts)
    else:
        first_unit, last_unit = share((work.places + ROWS - 1) // ROWS, part, work.parts)
        first, last = first_unit * ROWS, min(last_unit * ROWS, work.places)
    totals = work.scratch + part * work.scratch_size
    multiply_places(work, work.pixels, work.output, first, last, first_panel, last_panel, totals)


def convolution(shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish) -> Step:
    """The convolution of images `shape` (N, C, H, W) with w (K, C, R, S), plus b (K,), and what follows it."""
    K = len(weights.b)
    panels = weights.made("panels", lambda: packed(weights.w.transpose(2, 3, 1, 0).reshape(-1, K)))
    return windows_step(FORM, shape, weights, panels, geometry, last)


def affine(count: int, weights: Weights, last: Finish) -> Step:
    """x w^T + b of `count` rows x, with w (G, F) and b (G,), and what follows it."""
    return rows_step(FORM, count, weights, weights.made("panels", lambda: packed(weights.w.T)), last)


class Form(NamedTuple):
    """How products are computed: the algorithms' names, of pixels as they lie and of windows; the kernel.

    row: bytes of a window of so many numbers, as the kernel reads it.
    """

    rows: str
    windows: str
    kernel: Parted
    row: Callable[[int], int]


FORM = Form("product", "windows", multiply_windows, lambda depth: depth * FLOAT)


def windows_step(
    form: Form, shape: tuple[int, ...], weights: Weights, panels: Array, geometry: Geometry, last: Finish
) -> Step:
    """The step of a convolution with packed weights."""
    N, C, H, W = shape
    R, S = weights.w.shape[2:]
    size = geometry.output_size((H, W), (R, S))
    plain = (R, S) == geometry.stride == (1, 1) and geometry.padding == (0, 0, 0, 0)
    taps = [np.arange(n) * d - p for n, d, p in zip((R, S), geometry.dilation, geometry.before, strict=True)]
    around = None if plain else runs(taps, joined=True)
    return _step(form, (N, H, W, C), size, geometry.stride, weights, panels, around, last)


def rows_step(form: Form, count: int, weights: Weights, panels: Array, last: Finish) -> Step:
    """The step of an affine layer with packed weights."""
    return _step(form, (count, 1, 1, weights.w.shape[1]), (1, 1), (1, 1), weights, panels, None, last)


def pointwise(number: int, size: Pair, weights: Weights, last: Finish, most: int) -> tuple[Product, list[Array]]:
    """The same of a 1x1 convolution, without addresses of what moves, for a kernel that does some lines at a time.

    number, size: of the images. most: places at a time. Beside it the arrays that it points to.
    """
    K, C = weights.w.shape[:2]
    panels = weights.made("panels", lambda: packed(weights.w.transpose(2, 3, 1, 0).reshape(-1, K)))
    bias, bounds, places = panel_bias(weights), last.bounds(), number * size[0] * size[1]
    block, part = _block(places, C, min(most, places), C * FLOAT)
    work = Product(
        0, 0, 0, 0, part, address(panels), address(bias), address(bounds),
        0, 0, *size, C, *size, 1, 1, places, C, K, block, 0, 1,
    )  # fmt: skip
    return work, [panels, bias, bounds]


def _block(places: int, depth: int, share: int, row: int) -> tuple[int, int]:
    """Places at a time for a part of `share` places, and bytes of scratch memory a part; row: bytes of a window."""
    block = -(-min(places, max(LEAST, min(MOST, BLOCK // depth, share))) // ROWS) * ROWS
    return block, -(-(block * (PANEL * FLOAT + row) + PANEL * FLOAT) // ALIGNED) * ALIGNED


def _step(
    form: Form,
    images: tuple[int, int, int, int],
    size: Pair,
    stride: Pair,
    weights: Weights,
    panels: Array,
    around: Array | None,
    last: Finish,
) -> Step:
    N, H, W, C = images
    depth, filters = weights.w[0].size, len(weights.b)
    bias = panel_bias(weights)
    places = N * size[0] * size[1]
    threads = parts_for(places * depth * filters)
    units, columns = -(-places // ROWS), len(panels)
    by_panels = 5 * units * -(-columns // threads) < 4 * -(-units // threads) * columns
    parts = min(threads, columns if by_panels else units)
    block, part = _block(places, depth, -(-places // parts), form.row(depth))
    bounds = last.bounds()
    around_address, count = (0, 0) if around is None else (address(around), len(around))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        added = inputs[1] if last.added else 0
        work = Product(
            inputs[0], output, added, scratch, part, address(panels), address(bias), address(bounds),
            around_address, count, H, W, C, *size, *stride, places, depth, filters, block, int(by_panels), parts,
        )  # fmt: skip
        return [Call(form.kernel, parts, (work,))]

    kept = [panels, bias, bounds, *([] if around is None else [around])]
    algorithm = form.rows if around is None else form.windows
    return Step(algorithm, calls, parts * part, kept, places * depth * filters)
