"""Convolutions of bfloat16 whose windows are multiplied where they lie: from 16 bits to 16 bits in one pass.

Rows of a window are pairs of numbers side by side, as they are in an image whose channels are even. A task is a few
lines of one image, which are copied into their frame where there is one. Sums of a tile of neighbouring places and
one or two registers of filters stay in registers until bias and ReLU have followed, and are rounded and stored once.
"""

from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import channels_last, empty
from pellucid.ops.numba_ops.compile.bfloat16 import PAIR, PRODUCTS, pairs, with_products
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, short, thread_count
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.half.packing import packed_pairs
from pellucid.ops.numba_ops.layout import images as as_images
from pellucid.ops.numba_ops.layout import rows
from pellucid.ops.numba_ops.winograd.calls import as_bits
from pellucid.ops.numba_ops.winograd.product import PANEL

HALF = 2  # bytes of a bfloat16
MANY, SOME = 7, 4  # places of a tile of two panels; twice as many of one
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
    parts: int


def _write(
    code: Code, places: int, panels: int, x: Integer, pixel: Integer, lines: Integer, line: Integer, count: Integer,
    w: Integer, bias: Integer, relu: Integer, out: Integer, width: Integer, filters: Integer,
) -> None:  # fmt: skip
    """See `_tile`."""
    if not PRODUCTS:
        return
    sums = [[code.variable(code.number(0.0)) for _ in range(panels)] for _ in range(places)]
    step = lines * count * (PANEL * PAIR)
    with code.loop(lines) as r, code.loop(count) as t:
        own = w + (r * count + t) * (PANEL * PAIR)
        factors = [pairs(code.builder, own + step * i, everywhere=False) for i in range(panels)]
        for j in range(places):
            numbers = pairs(code.builder, x + r * line + pixel * j + t * PAIR, everywhere=True)
            for i in range(panels):
                sums[j][i].set(with_products(sums[j][i].get(), numbers, factors[i]))
    low = code.either(relu, 0.0, -float("inf"))
    for i in range(panels):
        shift = code.load(bias + i * (PANEL * FLOAT))
        left = filters - i * PANEL
        whole = left.larger_than(PANEL - 1) if i == panels - 1 else code.integer(1)
        for some, times in ((None, whole), (left, code.integer(1) - whole)):
            if some is None or i == panels - 1:
                with code.loop(times):
                    for j in range(places):
                        value = (sums[j][i].get() + shift).at_least(low)
                        code.store_bfloat16(out + width * j + i * (PANEL * HALF), value, some)


def _tile(places: int, panels: int) -> Any:
    """Makes the kernel of a tile of `places` neighbouring places and `panels` panels of filters.

    It takes x: address of the first place's window; pixel: bytes from a place to the next; lines: of the window;
    line: bytes between them; count: pairs of a line. w: packed panels. bias: in whole panels. out: bfloat16, `width`
    bytes a place, of the `filters` that there are.
    """

    @vector_code
    def written(
        code: Any, x: Any, pixel: Any, lines: Any, line: Any, count: Any, w: Any, bias: Any, relu: Any, out: Any,
        width: Any, filters: Any,
    ) -> None:  # fmt: skip
        _write(code, places, panels, x, pixel, lines, line, count, w, bias, relu, out, width, filters)

    @inner
    def tile(
        x: int, pixel: int, lines: int, line: int, count: int, w: int, bias: int, relu: int, out: int, width: int,
        filters: int,
    ) -> None:  # fmt: skip
        written(x, pixel, lines, line, count, w, bias, relu, out, width, filters)

    return tile


many, some, one = _tile(MANY, 2), _tile(SOME, 2), _tile(1, 2)
many_few, some_few, one_few = _tile(2 * MANY, 1), _tile(SOME, 1), _tile(1, 1)


@inner
def _places(work: Direct, x: int, line: int, out: int, places: int) -> None:
    """All filters at `places` neighbouring places. What doesn't fill a tile is done with its neighbours again."""
    pixel, width = work.right * work.stored * HALF, work.filters * HALF
    lines, count, relu = work.kernel_rows, work.row_pairs, work.relu
    panels = (work.filters + PANEL - 1) // PANEL
    for panel in range(0, panels, 2):
        w, bias = work.panels + panel * lines * count * (PANEL * PAIR), work.bias + panel * PANEL * FLOAT
        left, both = work.filters - panel * PANEL, panel + 1 < panels
        most = MANY if both else 2 * MANY
        q = 0
        while q < places:
            rest = places - q
            if rest < SOME <= places:
                q = places - SOME
            at, into = x + q * pixel, out + q * width + panel * PANEL * HALF
            if places < SOME:
                if both:
                    one(at, pixel, lines, line, count, w, bias, relu, into, width, left)
                else:
                    one_few(at, pixel, lines, line, count, w, bias, relu, into, width, left)
                q += 1
            elif rest >= most and rest != 2 * SOME:
                if both:
                    many(at, pixel, lines, line, count, w, bias, relu, into, width, left)
                else:
                    many_few(at, pixel, lines, line, count, w, bias, relu, into, width, left)
                q += most
            else:
                if both:
                    some(at, pixel, lines, line, count, w, bias, relu, into, width, left)
                else:
                    some_few(at, pixel, lines, line, count, w, bias, relu, into, width, left)
                q += SOME


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
    work = Direct(
        address(source), y.ctypes.data, address(panels), address(bias), address(scratch), frame, N, H, W, C, stored,
        P, Q, K, R, S * stored // 2, down, right, top, left, int(relu), int(copied), lines, segment, frame_columns,
        parts,
    )  # fmt: skip
    if y.size:
        convolve(parts, work)
    return as_images(y)


def suits(geometry: Geometry) -> bool:
    """Whether windows have no holes."""
    return PRODUCTS and PANEL == LANES and geometry.groups == 1 and geometry.dilation == (1, 1)
