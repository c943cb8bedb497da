"""Convolutions of bfloat16 whose windows are multiplied where they lie: from 16 bits to 16 bits in one pass.

Rows of a window are pairs of numbers side by side, as they are in an image whose channels are even. What a window
sees above and below the image is left out, and so is what the first one of a line sees left of it, and the last one
right of it. Only if others see that too, or channels are odd, are lines copied into a frame. A task is a few lines of
one image. Sums are rounded and stored once, when bias and ReLU have followed: see `words`.
"""

from math import gcd
from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import channels_last, empty
from pellucid.ops.numba_ops.compile.bfloat16 import NO_SUMS, PAIR, PRODUCTS, SUMS, pairs, with_products
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, short, thread_count
from pellucid.ops.numba_ops.compile.tiles import BFLOAT16S, configure, release, rows_of, shapes
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, Vector, address
from pellucid.ops.numba_ops.half.packing import packed_pairs
from pellucid.ops.numba_ops.layout import images as as_images
from pellucid.ops.numba_ops.layout import rows
from pellucid.ops.numba_ops.winograd.calls import as_bits
from pellucid.ops.numba_ops.winograd.product import PANEL
from pellucid.ops.numba_ops.words import Edges, Store, Way, Words, line_of

HALF = 2  # bytes of a bfloat16
TASK = 1 << 17  # bytes of a task's lines, about
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
    before: int  # pairs with which the first window's rows begin that lie left of the image
    after: int  # and with which the last one's end, right of it
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


_multiply_line = line_of(Words(SUMS, NO_SUMS, _load, _add, BFLOAT16S, PANEL * FLOAT, _ways, PRODUCTS, edges=True))


@inner
def _lines(work: Direct, begin: int, end: int, line: int, x: int, out: int, places: int, edges: Edges) -> None:
    """All filters at `places` neighbouring places of some lines. x: the first window; line: bytes between its lines.

    What lies above and below the image is left out. Two panels of filters stay in a cache for all of the lines.
    """
    panels, row, width = (work.filters + PANEL - 1) // PANEL, work.row_pairs * VECTOR, work.filters * HALF
    for panel in range(0, panels, 2):
        own, some = work.panels + panel * work.kernel_rows * row, min(2, panels - panel)
        bias, left = work.bias + panel * PANEL * FLOAT, work.filters - panel * PANEL
        for p in range(begin, end):
            top = p * work.down - work.top
            above = min(max(0, -top), work.kernel_rows)
            below = min(max(0, top + work.kernel_rows - work.height), work.kernel_rows - above)
            window = (work.kernel_rows - above - below, line, 1, 0, work.row_pairs, work.kernel_rows * row)
            at = x + ((p - begin) * work.down + above) * line
            into = out + (p - begin) * work.columns * width + panel * PANEL * HALF
            _multiply_line(
                at, work.right * work.stored * HALF, window, edges, own + above * row, some, places, into, width,
                HALF, bias, work.relu, left, work.tile_rows,
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
    size, pixel = work.filters * HALF, work.stored * HALF
    segments, tasks = (work.columns + work.segment - 1) // work.segment, (work.rows + work.lines - 1) // work.lines
    first, last = share(work.number * tasks * segments, part, work.parts)
    for task in range(first, last):
        lines, q = task // segments, task % segments * work.segment
        n, begin = lines // tasks, lines % tasks * work.lines
        end, places = min(work.rows, begin + work.lines), min(work.segment, work.columns - q)
        above, left = begin * work.down - work.top, q * work.right - work.left
        if work.copied:
            line, x = work.frame_columns * pixel, work.scratch + part * work.scratch_size
            _copy_lines(work, n, above, (end - begin - 1) * work.down + work.kernel_rows, x)
        else:
            line = work.width * pixel
            x = work.images + ((n * work.height + above) * work.width + left) * pixel
        edges = (work.before if q == 0 else 0, work.after if q + places == work.columns else 0)
        output = work.output + ((n * work.rows + begin) * work.columns + q) * size
        _lines(work, begin, end, line, x, output, places, edges)


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
    (down, right), (top, left) = geometry.stride, geometry.before
    first, overhang = min(left, S), max(0, (Q - 1) * right + S - left - W)
    before, after = (places * stored // 2 for places in (first, min(overhang, S - first)))
    # Where only the first place of a line looks beyond the image on the left, and the last one on the right:
    apart = max(left, overhang) <= (0 if rows_of(Q) else right) and first + overhang <= S
    copied = stored != C or not apart
    if not copied and not any(geometry.padding) and (R, S) == (1, 1) and geometry.stride == (1, 1):
        N, H, W, P, Q = 1, 1, N * H * W, 1, N * P * Q
    frame_columns = max(left + W, (Q - 1) * right + S)
    line = frame_columns * stored * HALF
    tasks = max(parts // gcd(N, parts), -(-(P * down + R) * line // TASK))  # of an image
    lines = -(-P // max(1, min(P, tasks)))
    segment = Q if copied else max(1, min(Q, SEGMENT, -(-Q // -(-parts // max(1, N * P)))))
    frame = ((lines - 1) * down + R) * line + PAIR if copied else 0
    scratch = empty((parts * frame + 1,), np.uint8)
    tile_rows = rows_of(Q)
    tiles = shapes(tile_rows, S * stored // 2)
    work = Direct(
        address(source), y.ctypes.data, address(panels), address(bias), address(scratch), frame, N, H, W, C, stored,
        P, Q, K, R, S * stored // 2, before, after, down, right, top, left, int(relu), int(copied), lines, segment,
        frame_columns, address(tiles), tile_rows, parts,
    )  # fmt: skip
    if y.size:
        convolve(parts, work)
    return as_images(y)


def suits(geometry: Geometry) -> bool:
    """Whether windows have no holes."""
    return PRODUCTS and PANEL == LANES and geometry.groups == 1 and geometry.dilation == (1, 1)
