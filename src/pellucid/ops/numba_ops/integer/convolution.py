"""Integer convolution, compiled: the same whole numbers as the definition's, many times as fast.

A task is a few rows of one image. Where there is a frame it copies the rows that it needs, with theirs, to memory
that stays in the cache; sums products into 32 bits, two or four at a time; and scales each total as it leaves its
register, or the largest of each square where a max-pool follows, so that a number is rounded once and stored once.
"""

from typing import NamedTuple

from pellucid.ops.arrays import Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, small, wholes, words
from pellucid.ops.numba_ops.compile.tiles import configure, release, rows_of, shapes
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, address
from pellucid.ops.numba_ops.integer.filters import Filters, Target, packed
from pellucid.ops.numba_ops.integer.frames import copy_lines
from pellucid.ops.numba_ops.integer.products import BYTES_IN_WORDS, NUMBER, NUMBERS, multiply_line
from pellucid.ops.numba_ops.integer.scaling import CONSTANTS, scale_squares
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Step, parts_for
from pellucid.ops.numba_ops.words import WORD

TASK_TOTALS = 1 << 13  # 32-bit totals of one task, about: half of a first-level cache
SEGMENT = 98  # places of a line that are computed with one panel of filters after the other
FEWEST = 4  # filters of a group, of fewer than which a register would be mostly empty
COST = 8  # multiply-adds that take as long as scaling a total


class Convolution(NamedTuple):
    """Addresses, and sizes."""

    images: int  # (N, H, W, C)
    output: int  # (N, P, Q, K), pooled
    weights: int
    constants: int  # 0 where totals are scaled one by one
    limits: int
    plain: int
    scratch: int
    scratch_size: int  # bytes of a part's
    number: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    filters: int  # of a group
    groups: int
    group: int  # bytes from the channels of a group to those of the next
    out_start: int  # bytes of the output before the first place
    out_pixel: int  # from a place to the next
    out_line: int
    out_image: int
    kernel_rows: int
    apart: int  # rows from one of these to the next
    pieces: int  # of a row of the window, and bytes from one to the next
    piece: int
    span: int  # rows that a window sees
    down: int
    right: int
    top: int
    left: int
    pool: int
    zero: int  # of the input
    low: int
    high: int
    wide: int  # whether the output is int32
    copied: int  # whether rows are, into a frame
    lines: int  # of the output, of a task; without a frame, one
    segment: int  # places of the output at a time
    line_words: int  # of a piece of a row of the window
    frame_columns: int
    totals: int  # bytes of the frame, behind which the totals lie
    tiles: int  # shapes of matrix tiles
    tile_rows: int  # places of one; 0 where none multiply
    parts: int


@inner
def _scale_plainly(work: Convolution, totals: int, place: int, line: int, output: int, count: int) -> None:
    """The largest of each square, one number after the other."""
    factors = wholes(work.plain)
    for q in range(count):
        for k in range(work.filters):
            best = words(totals + q * work.pool * place)[k]
            for i in range(work.pool):
                for j in range(work.pool):
                    best = max(best, words(totals + i * line + (q * work.pool + j) * place)[k])
            total = (best + factors[5 * k]) * factors[5 * k + 1] + factors[5 * k + 3]
            scaled = min(max((total >> factors[5 * k + 2]) + factors[5 * k + 4], work.low), work.high)
            if work.wide:
                words(output + q * work.out_pixel)[k] = scaled
            else:
                small(output + q * work.out_pixel)[k] = scaled


@inner
def _places(work: Convolution, source: int, row: int, output: int, count: int, totals: int) -> None:
    """`count` neighbouring places of the output. source: the first one's window; row: bytes between lines."""
    blocks, pixel = (work.filters + LANES - 1) // LANES, work.right * work.channels * NUMBER
    panel, edges = work.kernel_rows * work.pieces * work.line_words * VECTOR, (0, 0)
    window = (work.kernel_rows, work.apart * row, work.pieces, work.piece, work.line_words, panel)
    if work.pool == 1 and work.constants:
        for group in range(work.groups):
            weights = work.weights + group * blocks * panel
            multiply_line(
                source + group * work.group, pixel, window, edges, weights, blocks, count,
                output + group * work.filters, work.out_pixel, 1, work.constants + group * blocks * CONSTANTS,
                work.limits, work.filters, work.tile_rows,
            )  # fmt: skip
        return
    place, places = blocks * VECTOR, count * work.pool
    for i in range(work.pool):
        multiply_line(
            source + i * work.down * row, pixel, window, edges, work.weights, blocks, places,
            totals + i * places * place, place, WORD, 0, 0, work.filters, work.tile_rows,
        )  # fmt: skip
    if work.constants:
        scale_squares(
            totals, count, work.pool, place, places * place, blocks, work.filters - (blocks - 1) * LANES,
            work.constants, work.limits, output, work.out_pixel,
        )  # fmt: skip
    else:
        _scale_plainly(work, totals, place, places * place, output, count)


@parted(stages=1)
def convolve(arguments: int, stage: int, part: int) -> None:
    """Some of the tasks."""
    work = read(Convolution, arguments, 0)
    if work.tile_rows:
        configure(work.tiles)
    _convolve(work, part)
    if work.tile_rows:
        release()


@inner
def _convolve(work: Convolution, part: int) -> None:
    frame = work.scratch + part * work.scratch_size
    totals = frame + work.totals
    down = work.down * work.pool
    if work.copied:
        tasks = (work.rows + work.lines - 1) // work.lines
        row = work.frame_columns * work.channels * NUMBER
        first, last = share(work.number * tasks, part, work.parts)
        for task in range(first, last):
            n, begin = task // tasks, task % tasks * work.lines
            end = min(work.rows, begin + work.lines)
            copied = (end - begin) * down - work.down + work.span
            copy_lines(work, n, begin * down - work.top, copied, frame)
            for p in range(begin, end):
                output = work.output + work.out_start + n * work.out_image + p * work.out_line
                _places(work, frame + (p - begin) * down * row, row, output, work.columns, totals)
        return
    segments, row = (work.columns + work.segment - 1) // work.segment, work.width * work.channels
    first, last = share(work.number * work.rows * segments, part, work.parts)
    for task in range(first, last):
        line, q = task // segments, task % segments * work.segment
        n, p = line // work.rows, line % work.rows
        column = q * work.pool * work.right * work.channels
        source = work.images + (n * work.height + p * down) * row + column
        output = work.output + work.out_start + n * work.out_image + p * work.out_line + q * work.out_pixel
        _places(work, source, row, output, min(work.segment, work.columns - q), totals)


def suits(filters: Filters, geometry: Geometry, pool: int) -> bool:
    """Whether it can do the convolution: groups of some filters only, scaled as vectors, without a pool."""
    if geometry.groups == 1:
        return True
    some = len(filters.w) >= FEWEST * geometry.groups
    return some and pool == 1 and filters.constants(geometry.groups).size > 0


def convolution(
    shape: tuple[int, ...], filters: Filters, zero: int, geometry: Geometry, pool: int, target: Target | None = None
) -> Step:
    """The convolution of images `shape` (N, C, H, W) uint8 whose zero is `zero`.

    target: see `Target`.
    """
    N, C, H, W = shape
    (K, inputs, R, S), groups = filters.w.shape, geometry.groups
    P, Q = (places // pool for places in geometry.output_size((H, W), (R, S)))
    multiply_adds = N * P * Q * pool * pool * filters.w.size
    (down, right), (apart, hole), framed = geometry.stride, geometry.dilation, any(geometry.padding)
    by_taps = groups > 1 or hole > 1  # the taps of a row don't lie side by side
    one = (R, S) == (H, W) and not framed and pool == 1 and not by_taps and target is None
    weights = packed(filters.w, R * S if by_taps else 1 if one else R, groups)
    if one:  # place an image: let them be the places of one row
        N, C, H, W, P, Q, R, S, down, right = 1, H * W * C, 1, N, 1, N, 1, 1, 1, 1
    pieces, numbers = (S, inputs) if by_taps else (1, S * C)
    direct = BYTES_IN_WORDS and not framed and numbers % NUMBERS == 0
    if direct and (R, S, pool, down, right) == (1, 1, 1, 1, 1) and target is None:
        N, H, W, P, Q = 1, 1, N * H * W, 1, N * P * Q
    parts = parts_for(multiply_adds // NUMBERS + COST * N * P * Q * pool * pool * K)
    lines, segment = _cut(direct, (N, P, Q), K * pool * pool, parts)
    (top, _, left, _), span = geometry.padding, (R - 1) * apart + 1
    frame_columns = max(left + W, (Q * pool - 1) * right + (S - 1) * hole + 1)
    frame = 0 if direct else ((lines * pool - 1) * down + span) * frame_columns * C * NUMBER + WORD
    frame = -(-frame // ALIGNED) * ALIGNED
    blocks = -(-K // groups // LANES)
    constants, bounds, plain = filters.constants(groups), filters.bounds(), filters.plain()
    line_words = -(-numbers // NUMBERS)
    tile_rows = rows_of(segment * pool)
    tiles = shapes(tile_rows, line_words)
    totals = 0 if pool == 1 and constants.size else pool * pool * segment * blocks * VECTOR
    size = K * (WORD if filters.wide else 1)
    into = target or Target(0, size, Q * size, P * Q * size)
    work = Convolution(
        0, 0, address(weights), address(constants) if constants.size else 0, address(bounds), address(plain),
        0, frame + totals, N, H, W, C, P, Q, K // groups, groups, inputs * NUMBER, *into, R, apart, pieces,
        hole * C * NUMBER, span, down, right, top, left, pool, zero, filters.limits[1],
        filters.limits[2], int(filters.wide), int(not direct), lines, segment, line_words, frame_columns, frame,
        address(tiles), tile_rows, parts,
    )  # fmt: skip

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [Call(convolve, parts, (work._replace(images=inputs[0], output=output, scratch=scratch),))]

    return Step("integer", calls, parts * (frame + totals), [weights, constants, bounds, plain, tiles], multiply_adds)


def _cut(direct: bool, output: tuple[int, int, int], totals: int, parts: int) -> Pair:
    """Lines, and places of a line, of a task. output: images, rows, columns; totals: of a place."""
    N, P, Q = output
    if direct:
        fair = -(-Q // -(-parts // max(1, N * P)))  # so that every part has something to do
        return 1, max(1, min(Q, SEGMENT, fair))
    tasks = min(P, max(-(-P * Q * totals // TASK_TOTALS), -(-parts // max(1, N))))
    return -(-P // max(1, tasks)), Q
