"""Winograd's algorithm F(2x2,3x3) in whole numbers, for processors that multiply numbers of 16 bits at most.

    Y = A^T [(G g G^T) * (B^T d B)] A

makes four outputs of 16 products a channel, where windows have 36. Sums and differences of four bytes have 11 bits,
and with 2 G instead of G, whose halves are whole then, filters have 12: pairs of both are multiplied by vpmaddwd, as
bytes are that are widened. What comes out is four times the total, to the last bit, and shifted. (F(4x4), as float32
has it, divides by 24: its numbers would not fit.)
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.cache import second_level_cache
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.integer.filters import Filters, packed
from pellucid.ops.numba_ops.integer.frames import copy_lines
from pellucid.ops.numba_ops.integer.products import BYTES_IN_WORDS, NUMBER, TOTALS, load_words, multiply_line
from pellucid.ops.numba_ops.integer.scaling import (
    CONSTANTS,
    larger,
    load_constants,
    load_limits,
    store_scaled,
)
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Step, parts_for
from pellucid.ops.numba_ops.words import WORD

SIDE, PATCH, TILE = 3, 4, 2  # of a filter, of what a tile sees, and of a tile of outputs
POINTS = PATCH * PATCH
TILES = 64  # of a task, about: filters are read once for so many
FEWEST, FEWEST_READ = 16, 64
"""Tiles for which it pays; where multiplying takes less time than reading filters that no cache holds, which are 16
ninths as large."""
SKEW = 64  # bytes between planes, which else would share places of a cache
COST = 8  # multiply-adds that take as long as scaling a total
MOST = (1 << 31) // (4 * 255 * 128 * SIDE * SIDE)  # channels, of whose totals four times may not fit 32 bits

_DOUBLED_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], np.int16)


class Winograd(NamedTuple):
    """Addresses, and sizes."""

    images: int  # (N, H, W, C)
    output: int  # (N, P, Q, K), pooled
    weights: int
    constants: int
    limits: int
    scratch: int
    scratch_size: int  # bytes of a part's
    number: int
    height: int
    width: int
    channels: int
    rows: int  # of tiles
    columns: int
    out_rows: int  # of the output
    out_columns: int
    filters: int
    top: int
    left: int
    pool: int
    zero: int  # of the input
    lines: int  # of tiles, of a task
    frame_columns: int
    plane: int  # bytes from a point to the next, of what products read
    transformed: int  # bytes of the frame, behind which that lies
    sums: int  # and of both, behind which sums lie
    parts: int


def _inputs(values: list[Any], build: Any) -> list[Any]:
    """B^T of four."""
    a, b, c, d = values
    return [build.sub(a, c), build.add(b, c), build.sub(c, b), build.sub(b, d)]


def _outputs(values: list[Any], build: Any) -> list[Any]:
    """A^T of four: two."""
    a, b, c, d = values
    return [build.add(build.add(a, b), c), build.sub(build.sub(b, c), d)]


def _both_sides(values: list[list[Any]], transform: Any, build: Any) -> list[list[Any]]:
    """Columns, then rows, of a square: of four rows, or of two."""
    columns = [transform([row[j] for row in values], build) for j in range(PATCH)]
    return [transform([column[i] for column in columns], build) for i in range(len(columns[0]))]


@vector_code
def _transform(
    code: Code, x: Integer, pixel: Integer, line: Integer, out: Integer, plane: Integer, tiles: Integer
) -> None:
    """B^T d B of neighbouring tiles, whose first pixel is at x: a point's plane after the other."""
    build, whole = code.builder, pixel // VECTOR

    def write(corner: Integer, target: Integer, numbers: int) -> None:
        kind = ir.VectorType(ir.IntType(16), numbers)

        def load(place: Integer) -> Any:
            value = build.load(build.inttoptr(place.value, kind.as_pointer()), typ=kind)
            value.align = NUMBER
            return value

        values = [[load(corner + line * i + pixel * j) for j in range(PATCH)] for i in range(PATCH)]
        for i, row in enumerate(_both_sides(values, _inputs, build)):
            for j, value in enumerate(row):
                place = build.inttoptr((target + plane * (PATCH * i + j)).value, kind.as_pointer())
                build.store(value, place).align = NUMBER

    with code.loop(tiles) as t:
        corner, target = x + t * pixel * TILE, out + t * pixel
        with code.loop(whole) as c:
            write(corner + c * VECTOR, target + c * VECTOR, 2 * LANES)
        with code.when(pixel - whole * VECTOR):
            write(corner + whole * VECTOR, target + whole * VECTOR, LANES)


@vector_code
def _finish(
    code: Code, sums: Integer, width: Integer, plane: Integer, tiles: Integer, pool: Integer, columns: Integer,
    below: Integer, constants: Integer, limits: Integer, out: Integer, pixel: Integer, line: Integer, rest: Integer,
) -> None:  # fmt: skip
    """A^T M A of neighbouring tiles and LANES filters, or `rest`, as bytes; pool: 1, or 2 for the largest of a tile.

    sums: `width` bytes a tile, planes apart. columns: of the output that are there; below: whether a tile's lower
    line is. out: `pixel` bytes a place, `line` bytes a line.
    """
    build, factors, bounds = code.builder, load_constants(code, constants), load_limits(code, limits)
    quarter = ir.Constant(TOTALS, [TILE] * LANES)
    whole, pooled = rest.larger_than(LANES - 1), pool.equals(TILE)
    for some, times in ((None, whole), (rest, code.integer(1) - whole)):
        with code.loop(tiles * times) as t:
            start = sums + t * width
            values = [[load_words(code, start + plane * (PATCH * i + j)) for j in range(PATCH)] for i in range(PATCH)]
            squares = _both_sides(values, _outputs, build)
            totals = [[build.ashr(total, quarter) for total in row] for row in squares]
            with code.when(pooled):
                best = larger(code, larger(code, *totals[0]), larger(code, *totals[1]))
                store_scaled(code, out + t * pixel, best, factors, bounds, some)
            with code.when(code.integer(1) - pooled):
                place, right = out + t * pixel * TILE, columns.larger_than(t * TILE + 1)
                store_scaled(code, place, totals[0][0], factors, bounds, some)
                with code.when(right):
                    store_scaled(code, place + pixel, totals[0][1], factors, bounds, some)
                with code.when(below):
                    store_scaled(code, place + line, totals[1][0], factors, bounds, some)
                    with code.when(right):
                        store_scaled(code, place + line + pixel, totals[1][1], factors, bounds, some)


@parted(stages=1)
def convolve_by_winograd(arguments: int, stage: int, part: int) -> None:
    """Some of the tasks: a few lines of tiles of one image each."""
    work = read(Winograd, arguments, 0)
    frame, tasks = work.scratch + part * work.scratch_size, (work.rows + work.lines - 1) // work.lines
    first, last = share(work.number * tasks, part, work.parts)
    for task in range(first, last):
        n, begin = task // tasks, task % tasks * work.lines
        end = min(work.rows, begin + work.lines)
        copy_lines(work, n, TILE * begin - work.top, TILE * (end - begin) + SIDE - 1, frame)
        _convolve_lines(work, n, begin, end - begin, frame)


@inner
def _convolve_lines(work: Winograd, n: int, begin: int, lines: int, frame: int) -> None:
    pixel, transformed, sums = work.channels * NUMBER, frame + work.transformed, frame + work.sums
    row, tiles = work.frame_columns * pixel, lines * work.columns
    for i in range(lines):
        target = transformed + i * work.columns * pixel
        _transform(frame + TILE * i * row, pixel, row, target, work.plane, work.columns)
    blocks, panel = (work.filters + LANES - 1) // LANES, work.channels * NUMBER // WORD * VECTOR
    line, side = work.out_columns * work.filters, 1 if work.pool == TILE else TILE  # places of a tile's side
    for block in range(0, blocks, 2):
        some = min(2, blocks - block)
        width = some * VECTOR
        plane = tiles * width + SKEW
        for point in range(POINTS):
            weights = work.weights + (point * blocks + block) * panel
            multiply_line(
                transformed + point * work.plane, pixel, (1, 0, 1, 0, pixel // WORD, panel), (0, 0), weights, some,
                tiles, sums + point * plane, width, WORD, 0, 0, work.filters, 0,
            )  # fmt: skip
        for i in range(lines):
            p = (begin + i) * side
            below = 1 if p + 1 < work.out_rows else 0
            for b in range(some):
                k = (block + b) * LANES
                _finish(
                    sums + i * work.columns * width + b * VECTOR, width, plane, work.columns, work.pool,
                    work.out_columns, below, work.constants + (block + b) * CONSTANTS, work.limits,
                    work.output + (n * work.out_rows + p) * line + k, work.filters, line, work.filters - k,
                )  # fmt: skip


def suits(shape: tuple[int, ...], filters: Filters, geometry: Geometry, pool: int) -> bool:
    """Whether a convolution of images `shape` (N, C, H, W) is one of windows that it knows, and is faster so."""
    (N, C, H, W), window = shape, filters.w.shape[2:]
    plain = (geometry.stride, geometry.dilation, geometry.groups) == ((1, 1), (1, 1), 1)
    if BYTES_IN_WORDS or window != (SIDE, SIDE) or not plain or pool > TILE or C % LANES or C > MOST:
        return False
    P, Q = geometry.output_size((H, W), (SIDE, SIDE))
    small = LANES < 16 or POINTS * len(filters.w) * C * NUMBER <= second_level_cache()
    fewest = FEWEST if small else FEWEST_READ
    return fewest <= N * -(-P // TILE) * -(-Q // TILE) and filters.constants().size > 0


def transformed_filters(w: Array) -> Array:
    """Four times G g G^T of filters w (K, C, 3, 3), exact, in panels: (16, blocks, 1, words, LANES, 2)."""
    u = np.einsum("ir,kcrs,js->ijkc", _DOUBLED_G, w.astype(np.int16), _DOUBLED_G)
    return np.stack([packed(point[:, :, None, None], 1) for point in u.reshape(POINTS, *w.shape[:2])])


def convolution(shape: tuple[int, ...], filters: Filters, zero: int, geometry: Geometry, pool: int) -> Step:
    """The convolution of images `shape` (N, C, H, W) uint8 whose zero is `zero`."""
    (N, C, H, W), K = shape, len(filters.w)
    P, Q = (places // pool for places in geometry.output_size((H, W), (SIDE, SIDE)))
    rows, columns = (-(-places * pool // TILE) for places in (P, Q))
    weights, constants, bounds = transformed_filters(filters.w), filters.constants(), filters.bounds()
    places = N * P * Q * pool * pool
    multiply_adds = places * filters.w.size
    parts = parts_for(multiply_adds // 4 + COST * places * K)
    tasks = min(rows, max(-(-rows * columns // TILES), -(-parts // max(1, N))))
    lines = -(-rows // max(1, tasks))
    frame_columns = max(TILE * columns + SIDE - 1, geometry.before[1] + 1)
    plane = lines * columns * C * NUMBER + SKEW
    frame = (TILE * lines + SIDE - 1) * frame_columns * C * NUMBER + WORD
    transformed = -(-frame // ALIGNED) * ALIGNED
    sums = -(-(transformed + POINTS * plane) // ALIGNED) * ALIGNED
    scratch = sums + POINTS * (lines * columns * 2 * VECTOR + SKEW)
    scratch = -(-scratch // ALIGNED) * ALIGNED
    work = Winograd(
        0, 0, address(weights), address(constants), address(bounds), 0, scratch, N, H, W, C, rows, columns, P, Q, K,
        *geometry.before, pool, zero, lines, frame_columns, plane, transformed, sums, parts,
    )  # fmt: skip

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [Call(convolve_by_winograd, parts, (work._replace(images=inputs[0], output=output, scratch=scratch),))]

    return Step("integer", calls, parts * scratch, [weights, constants, bounds], multiply_adds)
