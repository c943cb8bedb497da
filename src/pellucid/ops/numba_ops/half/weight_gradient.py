"""The gradient of filters of bfloat16, as products of pairs: dw = sum over places of window^T dy.

Two neighbouring places make a pair: their windows' numbers side by side, and those of dy, so that one instruction
(vdpbf16ps) adds both places' products. A kernel lays a few hundred rows of the windows of some places out so, in its
cache, and multiplies them with panels of dy, laid out before. Sums are float32: each part's its own, always of the
same places, added in order.
"""

from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import empty, padded
from pellucid.ops.numba_ops.compile.bfloat16 import PAIR, PRODUCTS, pairs, with_products
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, thread_count
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.half.packing import unpacked
from pellucid.ops.numba_ops.layout import rows
from pellucid.ops.numba_ops.winograd.calls import as_bits
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS

HALF = 2  # bytes of a bfloat16
PLACES = 512  # at a time: a panel of dy of so many lies in the first-level cache
DEPTH = 16 * ROWS  # rows of windows at a time: with so many places, a quarter of a second-level cache


class Sums(NamedTuple):
    """Addresses, sizes in numbers, counts."""

    frame: int  # images with their padding, (N, height, width, C)
    gradient: int  # dy (places, K)
    right: int  # dy in pairs: (panels, pairs of places, PANEL, 2)
    totals: int  # (parts of places, depth, K in whole panels)
    scratch: int
    scratch_size: int  # bytes a part
    pieces: int  # address of (pieces, 3): where one begins behind its place's first pixel, its length, its row
    chunks: int  # address of (chunks, 4): first piece, one past the last, first row, rows
    chunk_count: int
    image: int  # numbers from image to image
    line: int
    pixel: int
    down: int
    right_step: int
    rows: int  # of the output
    columns: int
    places: int
    depth: int
    filters: int
    by_depth: int  # whether a part is some chunks of all places, else all chunks of some places
    parts: int


class Piece(NamedTuple):
    """Numbers side by side of every window."""

    start: int
    length: int
    row: int


class Chunk(NamedTuple):
    """Rows of windows that are laid out at a time."""

    first: int
    last: int
    row: int
    rows: int


@vector_code
def _interleaved(code: Code, x: Integer, y: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    """Numbers of two places as pairs: x[0] y[0] x[1] y[1] ..., and zeros up to a register's end."""
    with code.loop(vectors) as v:
        code.store_pairs(out + v * VECTOR, x + v * (VECTOR // 2), y + v * (VECTOR // 2))
    with code.loop(rest.smaller(1)):
        done = vectors * (VECTOR // 2)
        code.store_pairs(out + vectors * VECTOR, x + done, y + done, rest)


@vector_code
def _alone(code: Code, x: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    """The same of the last place, with zeros for the second."""
    with code.loop(vectors) as v:
        code.store_pairs(out + v * VECTOR, x + v * (VECTOR // 2), None)
    with code.loop(rest.smaller(1)):
        code.store_pairs(out + vectors * VECTOR, x + vectors * (VECTOR // 2), None, rest)


def _write_sums(
    code: Code,
    left: Integer,
    left_step: Integer,
    right: Integer,
    out: Integer,
    row: Integer,
    depth: Integer,
    add: bool,
) -> None:
    """ROWS numbers of windows times a panel of dy, over `depth` pairs of places; add: to what is there."""
    if not PRODUCTS:
        return
    sums = [code.variable(code.load(out + row * r) if add else code.number(0.0)) for r in range(ROWS)]
    with code.loop(depth) as s:
        filters = pairs(code.builder, right + s * (PANEL * PAIR), everywhere=False)
        for r, total in enumerate(sums):
            number = pairs(code.builder, left + left_step * s + r * PAIR, everywhere=True)
            total.set(with_products(total.get(), filters, number))
    for r, total in enumerate(sums):
        code.store(out + row * r, total.get())


@vector_code
def _sum(
    code: Code, left: Integer, left_step: Integer, right: Integer, out: Integer, row: Integer, depth: Integer
) -> None:
    _write_sums(code, left, left_step, right, out, row, depth, add=False)


@vector_code
def _add(
    code: Code, left: Integer, left_step: Integer, right: Integer, out: Integer, row: Integer, depth: Integer
) -> None:
    _write_sums(code, left, left_step, right, out, row, depth, add=True)


@inner
def _pair_gradient(work: Sums, part: int) -> None:
    """Some pairs of places of dy, in panels; of the last one, filters that there aren't are zeros."""
    panels, count = (work.filters + PANEL - 1) // PANEL, (work.places + 1) // 2
    first, last = share(count, part, work.parts)
    pixel = work.filters * HALF
    for t in range(first, last):
        for panel in range(panels):
            x, filters = work.gradient + 2 * t * pixel + panel * PANEL * HALF, work.filters - panel * PANEL
            vectors, rest = (1, 0) if filters >= PANEL else (0, filters)
            out = work.right + (panel * count + t) * (PANEL * PAIR)
            if 2 * t + 1 < work.places:
                _interleaved(x, x + pixel, out, vectors, rest)
            else:
                _alone(x, out, vectors, rest)


@inner
def _origin(work: Sums, place: int) -> int:
    """Address of the first pixel of a place's window."""
    n, rest = divmod(place, work.rows * work.columns)
    p, q = divmod(rest, work.columns)
    return work.frame + (n * work.image + p * work.down * work.line + q * work.right_step * work.pixel) * HALF


@inner
def _lay_out(work: Sums, chunk: Chunk, first: int, count: int, out: int, step: int) -> None:
    """A chunk of the windows of `count` places in pairs, `step` bytes a pair; registers may reach behind a row."""
    for t in range(0, count, 2):
        x, row = _origin(work, first + t), out + t // 2 * step
        alone = first + t + 1 >= work.places
        y = x if alone else _origin(work, first + t + 1)
        for number in range(chunk.first, chunk.last):
            piece = read(Piece, work.pieces, 3 * number)
            at, to = piece.start * HALF, row + piece.row * PAIR
            if alone:
                _alone(x + at, to, piece.length // LANES, piece.length % LANES)
            else:
                _interleaved(x + at, y + at, to, piece.length // LANES, piece.length % LANES)


@parted(stages=2)
def sum_windows(arguments: int, stage: int, part: int) -> None:
    """Pairs of dy first, then the sums."""
    work = read(Sums, arguments, 0)
    if stage == 0:
        _pair_gradient(work, part)
        return
    panels, all_pairs = (work.filters + PANEL - 1) // PANEL, (work.places + 1) // 2
    first_pair, last_pair, first_chunk, last_chunk = 0, all_pairs, 0, work.chunk_count
    totals, row = work.totals, panels * PANEL * FLOAT
    if work.by_depth:
        first_chunk, last_chunk = share(work.chunk_count, part, work.parts)
    else:
        first_pair, last_pair = share(all_pairs, part, work.parts)
        totals += part * work.depth * row
    left = work.scratch + part * work.scratch_size
    for start in range(first_pair, last_pair, PLACES // 2):
        depth = min(PLACES // 2, last_pair - start)
        for number in range(first_chunk, last_chunk):
            chunk = read(Chunk, work.chunks, 4 * number)
            step = (chunk.rows + LANES) * PAIR
            _lay_out(work, chunk, 2 * start, 2 * depth, left, step)
            for panel in range(panels):
                right = work.right + (panel * all_pairs + start) * (PANEL * PAIR)
                out = totals + chunk.row * row + panel * PANEL * FLOAT
                for r in range(0, chunk.rows, ROWS):
                    if start == first_pair:
                        _sum(left + r * PAIR, step, right, out + r * row, row, depth)
                    else:
                        _add(left + r * PAIR, step, right, out + r * row, row, depth)


def _cut(kernel: int, length: int, line: int) -> tuple[Array, Array, Array]:
    """Pieces and chunks of windows of `kernel` rows of `length` numbers, and in which row of the sums each number is.

    A chunk has whole blocks of rows; those behind its last piece hold anything. line: numbers of one of the frame.
    """
    pieces: list[tuple[int, int, int]] = []
    chunks: list[tuple[int, int, int, int]] = []
    places: list[Array] = []
    first, row, filled = 0, 0, 0
    for r in range(kernel):
        for start in range(0, length, DEPTH):
            count = min(DEPTH, length - start)
            if filled + count > DEPTH:
                chunks.append((first, len(pieces), row, -(-filled // ROWS) * ROWS))
                first, row, filled = len(pieces), row + chunks[-1][3], 0
            pieces.append((r * line + start, count, filled))
            places.append(row + filled + np.arange(count))
            filled += count
    chunks.append((first, len(pieces), row, -(-filled // ROWS) * ROWS))
    return np.array(pieces, np.int64), np.array(chunks, np.int64), np.concatenate(places)


def weight_gradient(dy: Array, x: Array, geometry: Geometry, dw: Array) -> None:
    """Gradient dw (K, C, R, S), written, of dy (N, K, P, Q) and x (N, C, H, W); without groups and dilation."""
    (N, K, P, Q), (_, C, R, S) = dy.shape, dw.shape
    frame, lines = rows(padded(as_bits(x), geometry.padding)), rows(as_bits(dy))
    height, width = frame.shape[1:3]
    pieces, chunks, order = _cut(R, S * C, width * C)
    places, panels, depth = N * P * Q, -(-K // PANEL), int(chunks[-1, 2] + chunks[-1, 3])
    threads = thread_count(places * K * C * R * S)
    by_depth = len(chunks) % threads == 0 or len(chunks) >= 4 * threads
    parts = min(threads, -(-places // 2))
    totals = empty((1 if by_depth else parts, depth, panels * PANEL), np.float32)
    right = empty((panels, -(-places // 2), PANEL, 2), np.uint16)
    scratch = empty((parts, PLACES // 2 * (DEPTH + LANES), 2), np.uint16)
    work = Sums(
        address(frame), address(lines), address(right), address(totals), address(scratch), scratch[0].nbytes,
        address(pieces), address(chunks), len(chunks), height * width * C, width * C, C, *geometry.stride,
        P, Q, places, depth, K, int(by_depth), parts,
    )  # fmt: skip
    sum_windows(parts, work)
    unpacked(totals, order, dw)
