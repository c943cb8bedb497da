"""Convolutions of bfloat16 whose windows are multiplied where they lie: from 16 bits to 16 bits in one pass.

Rows of a window are pairs of numbers side by side, as they are in an image whose channels are even. A task is a few
lines of one image, which are copied into their frame where there is one. Sums are rounded and stored once, when bias
and ReLU have followed: see `words`.
"""

from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import channels_last, empty
from pellucid.ops.numba_ops.compile.bfloat16 import NO_SUMS, PAIR, PRODUCTS, SUMS, pairs, with_products
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, short, thread_count
from pellucid.ops.numba_ops.compile.tiles import BFLOAT16S, configure, release, rows_of, shapes
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, Code, Integer, Vector, address
from pellucid.ops.numba_ops.half.packing import packed_pairs
from pellucid.ops.numba_ops.layout import images as as_images
from pellucid.ops.numba_ops.layout import rows
from pellucid.ops.numba_ops.winograd.calls import as_bits
from pellucid.ops.numba_ops.winograd.product import PANEL
from pellucid.ops.numba_ops.words import Store, Way, Words, line_of

HALF = 2  # bytes of a bfloat16
FRAME = 1 << 17  # bytes of a task's lines, about
SEGMENT = 98  # places of a line that are computed with one panel after the other


class Direct(NamedTuple):
    """Addresses, and sizes."""

    images: int  # (N, H, W, C)
    output: int  # (N, P, Q, K)
    panels: int
    bias: int
    scratch: int
    scratch_size: int
    number: int
    height: int
    width: int
    channels: int
    stored: int  # channels of the frame, even
    rows: int
    columns: int
    filters: int
    kernel_rows: int
    row_pairs: int  # of a row of the window
    down: int
    right: int
    top: int
    left: int
    relu: int
    copied: int
    lines: int
    segment: int
    frame_columns: int
    tiles: int  # shapes of matrix tiles
    tile_rows: int  # places of one; 0 where none multiply
    parts: int


def _load(code: Code, address: Integer, everywhere: bool) -> Any:
    return pairs(code.builder, address, everywhere)


def _add(code: Code, total: Any, x: Any, w: Any) -> Any:
    return with_products(Vector(code.builder, total), x, w).value


def _ways(code: Code, bias: Integer, relu: Integer) -> list[Way]:
    """bfloat16: with the bias, through ReLU where that is not 0."""
    low = code.either(relu, 0.0, -float("inf"))

    def rounded(panel: int) -> Store:
        shift = code.load(bias + panel * (PANEL * FLOAT))

        def store(out: Integer, total: Any, some: Integer | None) -> None:
            code.store_bfloat16(out, (Vector(code.builder, total) + shift).at_least(low), some)

        return store

    return [Way(code.integer(1), HALF, True, rounded)]


_multiply_line = line_of(Words(SUMS, NO_SUMS, _load, _add, BFLOAT16S, PANEL * FLOAT, _ways, PRODUCTS))


@inner
def _places(work: Direct, x: int, line: int, out: int, places: int) -> None:
    """All filters at `places` neighbouring places."""
    panels = (work.filters + PANEL - 1) // PANEL
    _multiply_line(
        x, work.right * work.stored * HALF, (work.kernel_rows, line, 1, 0, work.row_pairs), work.panels, panels,
        places, out, work.filters * HALF, HALF, work.bias, work.relu, work.filters, work.tile_rows,
    )  # fmt: skip


@inner
def _copy_lines(work: Direct, n: int, above: int, lines: int, frame: int) -> None:
    """Lines from `above` on, with zeros wherever there is no image, and for a channel that makes them even."""
    numbers = work.frame_columns * work.stored
    inside = min(work.width, work.frame_columns - work.left)
    for i in range(lines):
        target, row = short(frame + i * numbers * HALF), above + i
        if row < 0 or row >= work.height:
            for j in range(numbers):
                target[j] = 0
            continue
        source = short(work.images + (n * work.height + row) * work.width * work.channels * HALF)
        before = work.left * work.stored
        for j in range(before):
            target[j] = 0
        if work.stored == work.channels:
            for j in range(inside * work.channels):
                target[before + j] = source[j]
        else:
            for q in range(inside):
                for c in range(work.channels):
                    target[before + q * work.stored + c] = source[q * work.channels + c]
                target[before + q * work.stored + work.channels] = 0
        for j in range(before + inside * work.stored, numbers):
            target[j] = 0


@parted(stages=1)
def convolve(arguments: int, stage: int, part: int) -> None:
    """Some of the tasks."""
    work = read(Direct, arguments, 0)
    if work.tile_rows:
        configure(work.tiles)
    _convolve(work, part)
    if work.tile_rows:
        release()


@inner
def _convolve(work: Direct, part: int) -> None:
    size = work.filters * HALF
    if work.copied:
        frame, line = work.scratch + part * work.scratch_size, work.frame_columns * work.stored * HALF
        tasks = (work.rows + work.lines - 1) // work.lines
        first, last = share(work.number * tasks, part, work.parts)
        for task in range(first, last):
            n, begin = task // tasks, task % tasks * work.lines
            end = min(work.rows, begin + work.lines)
            copied = (end - begin - 1) * work.down + work.kernel_rows
            _copy_lines(work, n, begin * work.down - work.top, copied, frame)
            for p in range(begin, end):
                output = work.output + (n * work.rows + p) * work.columns * size
                _places(work, frame + (p - begin) * work.down * line, line, output, work.columns)
        return
    segments, line = (work.columns + work.segment - 1) // work.segment, work.width * work.channels * HALF
    first, last = share(work.number * work.rows * segments, part, work.parts)
    for task in range(first, last):
        row, q = task // segments, task % segments * work.segment
        n, p = row // work.rows, row % work.rows
        x = work.images + (n * work.height + p * work.down) * line + q * work.right * work.channels * HALF
        output = work.output + (row * work.columns + q) * size
        _places(work, x, line, output, min(work.segment, work.columns - q))


def convolution(
    x: Array,
    w: Array,
    bias: Array,
    geometry: Geometry,
    relu: bool = False,
    seen: tuple[Array, Array] | None = None,
) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C, R, S), plus bias in whole panels, float32: (N, K, P, Q).

    seen: for a sum of the adjoint, with w (C, K, R, S): rows and columns of the taps that are its filter, in order.
    """
    R, S = w.shape[2:]
    C, K = w.shape[1::-1] if seen is None else w.shape[:2]
    stored = C + C % 2
    if stored != C:
        even = np.zeros((K, stored, R, S) if seen is None else (stored, K, R, S), w.dtype)
        even[: w.shape[0], : w.shape[1]] = w
        w = even
    taps = np.arange(R * S)
    if seen is not None:
        taps, R, S = (seen[0][:, None] * S + seen[1]).reshape(-1), len(seen[0]), len(seen[1])
    panels = packed_pairs(w, taps, turned=seen is not None)
    source = rows(as_bits(channels_last(x)))
    N, H, W, _ = source.shape
    P, Q = geometry.output_size((H, W), (R, S))
    y = empty((N, P, Q, K), x.dtype)
    parts = thread_count(N * P * Q * R * S * C * K)
    copied = stored != C or any(geometry.padding)
    if not copied and (R, S) == (1, 1) and geometry.stride == (1, 1):
        N, H, W, P, Q = 1, 1, N * H * W, 1, N * P * Q
    (down, right), (top, left) = geometry.stride, geometry.before
    frame_columns = max(left + W, (Q - 1) * right + S)
    line = frame_columns * stored * HALF
    tasks = min(P, max(1, -(-parts // max(1, N)), -(-(P * down + R) * line // FRAME)))
    lines = -(-P // tasks)
    segment = max(1, min(Q, SEGMENT, -(-Q // -(-parts // max(1, N * P)))))
    frame = ((lines - 1) * down + R) * line + PAIR if copied else 0
    scratch = empty((parts * frame + 1,), np.uint8)
    tile_rows = rows_of(Q)
    tiles = shapes(tile_rows, S * stored // 2)
    work = Direct(
        address(source), y.ctypes.data, address(panels), address(bias), address(scratch), frame, N, H, W, C, stored,
        P, Q, K, R, S * stored // 2, down, right, top, left, int(relu), int(copied), lines, segment, frame_columns,
        address(tiles), tile_rows, parts,
    )  # fmt: skip
    if y.size:
        convolve(parts, work)
    return as_images(y)


def suits(geometry: Geometry) -> bool:
    """Whether windows have no holes."""
    return PRODUCTS and PANEL == LANES and geometry.groups == 1 and geometry.dilation == (1, 1)
