"""Integer depthwise convolution: every channel by itself, a register of channels at a time.

Products are summed word by word here too. A word of a channel has the numbers of neighbouring columns, and is made of
the word to its right, shifted by a number, with its own in the lowest place. So a line of the image becomes one of
words, once; the last lines, as many as a window sees, stay in a ring in the cache.
"""

from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, wholes
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.integer.filters import Filters, Target, packed
from pellucid.ops.numba_ops.integer.products import (
    NUMBERS,
    TOTALS,
    add_products,
    load_words,
    nothing,
    store_words,
)
from pellucid.ops.numba_ops.integer.scaling import CONSTANTS, load_constants, load_limits, store_scaled
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Step, parts_for
from pellucid.ops.numba_ops.words import WORD

RING = 1 << 16  # bytes of a ring, about
COST = 24  # multiply-adds of a product that take as long as one output
SIDE = 3
BITS = 8 * WORD // NUMBERS  # of a number in a word
SLOT = 8  # bytes of an address


class Depthwise(NamedTuple):
    """Addresses, and sizes."""

    images: int  # (N, H, W, C)
    output: int  # (N, P, Q, C)
    weights: int
    constants: int
    limits: int
    scratch: int
    scratch_size: int
    number: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    kernel_rows: int
    line_words: int
    down: int
    right: int
    top: int
    left: int
    row_dilation: int
    column_dilation: int
    zero: int
    seen: int  # columns that the windows of a line see
    span: int  # lines that a window sees, holes included
    blocks: int  # of LANES channels in a group, which are done at a time
    out_start: int  # bytes of the output before the first place
    out_pixel: int  # from a place to the next
    out_line: int
    out_image: int
    parts: int


def _widened(code: Code, address: Integer, count: Integer | None) -> Any:
    """LANES bytes from memory, or the first `count`, each in a word."""
    value = code.load_bytes(address) if count is None else code.load_bytes_first(address, count)
    return code.builder.zext(value, TOTALS)


@vector_code
def _make_words(
    code: Code, x: Integer, pixel: Integer, before: Integer, inside: Integer, after: Integer, zero: Integer,
    hole: Integer, out: Integer, rest: Integer,
) -> None:  # fmt: skip
    """A line of words of LANES channels: `before` columns of zeros, those of the image, and `after` of zeros.

    x: address of the first pixel. hole: columns from a tap of the window to the next. rest: channels that there are.
    Behind the line there is room for `hole` words.
    """
    build = code.builder
    single = build.insert_element(
        ir.Constant(TOTALS, ir.Undefined), build.trunc(zero.value, ir.IntType(32)), ir.Constant(ir.IntType(32), 0)
    )
    outside = build.shuffle_vector(single, single, nothing())
    up = ir.Constant(TOTALS, [BITS] * LANES)
    columns = before + inside + after
    with code.loop(hole) as i:
        store_words(code, out + (columns + i) * VECTOR, nothing())
    right = cgutils.alloca_once(build, TOTALS)

    def write(count: Integer, last: Integer, near: bool, some: Integer | None, pixels: bool) -> None:
        with code.loop(count) as i:
            column = last - i
            place = out + column * VECTOR
            own = _widened(code, x + (column - before) * pixel, some) if pixels else outside
            word = build.load(right) if near else load_words(code, place + hole * VECTOR)
            word = build.or_(build.shl(word, up), own)
            build.store(word, right)
            store_words(code, place, word)

    whole = rest.larger_than(LANES - 1)
    for near in (True, False):
        next_to = code.integer(2) - hole if near else hole - 1
        with code.loop(next_to.smaller(1)):
            build.store(nothing(), right)
            write(after, columns - 1, near, None, False)
            for some, times in ((None, whole), (rest, code.integer(1) - whole)):
                with code.loop(times):
                    write(inside, before + inside - 1, near, some, True)
            write(before, before - 1, near, None, False)


def _write(
    code: Code, rows: int | None, words: int | None, table: Integer, lines: Integer, taps: Integer, tap: Integer,
    step: Integer, w: Integer, constants: Integer, limits: Integer, out: Integer, pixel: Integer, count: Integer,
    rest: Integer,
) -> None:  # fmt: skip
    """See `_places`; rows, words: of the window, where they are known, whose weights then stay in registers."""
    build = code.builder
    factors, bounds = load_constants(code, constants), load_limits(code, limits)
    total = cgutils.alloca_once(build, TOTALS)
    long = ir.IntType(64)

    def line(u: Integer) -> Integer:
        return Integer(build, build.load(build.inttoptr((table + u * SLOT).value, long.as_pointer()), typ=long))

    fixed = [] if rows is None or words is None else [(u, v) for u in range(rows) for v in range(words)]
    kept = [load_words(code, w + i * VECTOR) for i in range(len(fixed))]
    starts = [line(code.integer(u)) for u in range(rows or 0)]
    whole = rest.larger_than(LANES - 1)
    for some, times in ((None, whole), (rest, code.integer(1) - whole)):
        with code.loop(count * times) as q:
            if fixed:
                value = nothing()
                for (row, word), weights in zip(fixed, kept, strict=True):
                    x = load_words(code, starts[row] + q * step + tap * word)
                    value = add_products(code, value, x, weights)
            else:
                build.store(nothing(), total)
                with code.loop(lines) as u, code.loop(taps) as v:
                    x = load_words(code, line(u) + q * step + tap * v)
                    weights = load_words(code, w + (u * taps + v) * VECTOR)
                    build.store(add_products(code, build.load(total), x, weights), total)
                value = build.load(total)
            store_scaled(code, out + q * pixel, value, factors, bounds, some)


@vector_code
def _places(
    code: Any, table: Any, lines: Any, taps: Any, tap: Any, step: Any, w: Any, constants: Any, limits: Any, out: Any,
    pixel: Any, count: Any, rest: Any,
) -> None:  # fmt: skip
    """`count` outputs of LANES channels, or `rest`.

    table: of the addresses of `lines` lines of words, from the first output's window on. taps: words of each, `tap`
    bytes apart; step, pixel: bytes from an output to the next, in the lines and in out.
    """
    _write(code, None, None, table, lines, taps, tap, step, w, constants, limits, out, pixel, count, rest)


@vector_code
def _places_3x3(
    code: Any, table: Any, lines: Any, taps: Any, tap: Any, step: Any, w: Any, constants: Any, limits: Any, out: Any,
    pixel: Any, count: Any, rest: Any,
) -> None:  # fmt: skip
    """The same of windows of three rows."""
    words = -(-SIDE // NUMBERS)
    _write(code, SIDE, words, table, lines, taps, tap, step, w, constants, limits, out, pixel, count, rest)


@inner
def _make_line(work: Depthwise, n: int, row: int, block: int, out: int) -> None:
    """One line of the image, as words of a block of channels."""
    inside = min(work.width, work.seen - work.left)
    zero, before, after = work.zero, work.left, work.seen - work.left - inside
    if row < 0 or row >= work.height:
        before, inside, after = work.seen, 0, 0
    x = work.images + ((n * work.height + row) * work.width) * work.channels + block * LANES
    rest = work.channels - block * LANES
    _make_words(x, work.channels, before, inside, after, zero, work.column_dilation, out, rest)


@inner
def _lines(work: Depthwise, n: int, block: int, blocks: int, first: int, last: int, scratch: int) -> None:
    """Lines first to last - 1 of the output, of some blocks of channels."""
    line = (work.seen + work.column_dilation) * VECTOR
    table, ring = wholes(scratch), scratch + work.kernel_rows * SLOT
    ring = ring + (-ring) % ALIGNED
    made = first * work.down
    filters = work.kernel_rows * work.line_words * VECTOR
    for p in range(first, last):
        begin = p * work.down  # counted from `top` rows above the image
        for row in range(max(made, begin), begin + work.span):
            slot = ring + row % work.span * line
            for b in range(blocks):
                _make_line(work, n, row - work.top, block + b, slot + b * work.span * line)
        made = begin + work.span
        for b in range(blocks):
            for u in range(work.kernel_rows):
                row = (begin + u * work.row_dilation) % work.span
                table[u] = ring + (b * work.span + row) * line
            k = (block + b) * LANES
            out = work.output + work.out_start + n * work.out_image + p * work.out_line + k
            w, own = work.weights + (block + b) * filters, work.constants + (block + b) * CONSTANTS
            tap, step = work.column_dilation * NUMBERS * VECTOR, work.right * VECTOR
            if work.kernel_rows == SIDE and work.line_words == (SIDE + NUMBERS - 1) // NUMBERS:
                _places_3x3(
                    scratch, work.kernel_rows, work.line_words, tap, step, w, own, work.limits, out,
                    work.out_pixel, work.columns, work.channels - k,
                )  # fmt: skip
            else:
                _places(
                    scratch, work.kernel_rows, work.line_words, tap, step, w, own, work.limits, out,
                    work.out_pixel, work.columns, work.channels - k,
                )  # fmt: skip


@parted(stages=1)
def convolve_depthwise(arguments: int, stage: int, part: int) -> None:
    """Some lines of some groups of channels."""
    work = read(Depthwise, arguments, 0)
    scratch = work.scratch + part * work.scratch_size
    everything = (work.channels + LANES - 1) // LANES
    groups = (everything + work.blocks - 1) // work.blocks
    first, last = share(work.number * groups * work.rows, part, work.parts)
    while first < last:
        group, p = first // work.rows, first % work.rows
        end = min(work.rows, p + last - first)
        n, block = group // groups, group % groups * work.blocks
        _lines(work, n, block, min(work.blocks, everything - block), p, end, scratch)
        first += end - p


def suits(filters: Filters, geometry: Geometry, pool: int) -> bool:
    """Whether filters (K, 1, R, S) are one a channel, and their totals are scaled as vectors."""
    alone = filters.w.shape[0] == geometry.groups and filters.w.shape[1] == 1 and pool == 1
    return alone and filters.constants().size > 0


def depthwise(
    shape: tuple[int, ...], filters: Filters, zero: int, geometry: Geometry, target: Target | None = None
) -> Step:
    """The depthwise convolution of images `shape` (N, C, H, W) uint8 whose zero is `zero`; target: see `Target`."""
    N, C, H, W = shape
    R, S = filters.w.shape[2:]
    P, Q = geometry.output_size((H, W), (R, S))
    weights, constants, bounds = packed(filters.w, R), filters.constants(), filters.bounds()
    words = weights.shape[2]
    (down, right), (row_dilation, dilation) = geometry.stride, geometry.dilation
    span, taps = (R - 1) * row_dilation + 1, words * NUMBERS
    seen = max((Q - 1) * right + (taps - 1) * dilation + 1, geometry.before[1] + 1)
    line = (seen + dilation) * VECTOR
    blocks = max(1, min(-(-C // LANES), RING // (span * line)))
    scratch = R * SLOT + ALIGNED + blocks * span * line
    scratch = -(-scratch // ALIGNED) * ALIGNED
    outputs = N * P * Q * C
    parts = parts_for(COST * outputs)
    into = target or Target(0, C, Q * C, P * Q * C)
    work = Depthwise(
        0, 0, address(weights), address(constants), address(bounds), 0, scratch, N, H, W, C, P, Q, R, words,
        down, right, *geometry.before, row_dilation, dilation, zero, seen, span, blocks,
        *into, parts,
    )  # fmt: skip

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [Call(convolve_depthwise, parts, (work._replace(images=inputs[0], output=output, scratch=scratch),))]

    return Step("integer depthwise", calls, parts * scratch, [weights, constants, bounds], outputs * R * S)
