"""The left factor of a product: windows of some places, side by side, in the form that is multiplied."""

from typing import NamedTuple

from pellucid.ops.numba_ops.compile.bfloat16 import PAIR
from pellucid.ops.numba_ops.compile.parts import inner, read
from pellucid.ops.numba_ops.compile.vectors import (
    BYTES,
    FLOAT,
    FLOAT32,
    LANES,
    VECTOR,
    Code,
    Integer,
    vector_code,
)
from pellucid.ops.numba_ops.steps.finish import copy

HALF = 2  # bytes of a bfloat16
SLACK = 2 * VECTOR  # bytes behind a block of them that may be written


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
    open: int  # bounds that bound nothing
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
    stored: int  # form of the pixels
    form: int  # of the factors: FLOAT32 as the pixels are, or BFLOAT16
    group: int = 0  # of windows that are read where they lie: lines of the output at a time; 0 where they are copied
    framed: int = 0  # whether these lines are copied with zeros around them, as some windows hang over the rim
    above: int = 0  # pixels from a place to the first line of its window, downwards
    before: int = 0  # to the first column
    lines: int = 0  # of a window
    apart: int = 0  # pixels from one of these to the next
    tiles: int = 0  # shapes of matrix tiles
    tile_rows: int = 0  # places of one; 0 where none multiply


class Run(NamedTuple):
    """Taps side by side."""

    row: int
    column: int
    taps: int


@vector_code
def clear(code: Code, out: Integer, vectors: Integer) -> None:
    """Registers of zeros."""
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.number(0.0))


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
def take(work: Product, source: int, numbers: int, out: int) -> None:
    """Numbers side by side, in the factors' form."""
    vectors, rest = numbers // LANES, numbers % LANES
    if work.form == FLOAT32:
        copy(source, out, vectors, rest)
    elif work.stored == FLOAT32:
        _rounded(source, out, vectors, rest)
    else:
        _copied(source, out, vectors, rest)


@inner
def row_bytes(form: int, depth: int) -> int:
    """Of a window among the copied ones: of bfloat16, whole pairs."""
    return depth * FLOAT if form == FLOAT32 else (depth + 1) // 2 * PAIR


@inner
def _copy_window(work: Product, number: int, stored: int, place: int, to: int) -> None:
    """The window of one place; whole registers of zeros may follow it.

    number, stored: bytes of one among the factors, and in the images.
    """
    n, rest = divmod(place, work.rows * work.columns)
    p, q = divmod(rest, work.columns)
    channels, pixel = work.channels, work.channels * number
    for count in range(work.run_count):
        run = read(Run, work.runs, 3 * count)
        i, j = p * work.down + run.row, q * work.right + run.column
        left, right = run.taps, run.taps
        if 0 <= i < work.height:
            left = min(run.taps, max(0, -j))
            right = max(left, min(run.taps, work.width - j))
        if left > 0:
            clear(to, (left * pixel + VECTOR - 1) // VECTOR)
        origin = ((n * work.height + i) * work.width + j + left) * channels
        take(work, work.pixels + origin * stored, (right - left) * channels, to + left * pixel)
        if right < run.taps:
            clear(to + right * pixel, ((run.taps - right) * pixel + VECTOR - 1) // VECTOR)
        to += run.taps * pixel
    if number == HALF:
        clear(to, 1)  # the second number of the last pair, of an odd depth


@inner
def left_factor(work: Product, pixels: int, first: int, count: int, copied: int) -> int:
    """Where the windows of some places lie, as rows of a matrix; copied: scratch memory for them.

    pixels: where those of place 0 would lie, if the pixels are the windows.
    """
    row, depth, stored = row_bytes(work.form, work.depth), work.depth, BYTES[work.stored]
    if work.runs:
        for t in range(count):
            _copy_window(work, BYTES[work.form], stored, first + t, copied + t * row)
        return copied
    start = pixels + first * depth * stored
    if work.form == work.stored and row == depth * stored:
        return start  # ready as they lie
    if row == depth * BYTES[work.form]:
        take(work, start, count * depth, copied)
        return copied
    for t in range(count):
        take(work, start + t * depth * stored, depth, copied + t * row)
        clear(copied + t * row + depth * HALF, 1)
    return copied


def scratch_bytes(form: int, depth: int, places: int) -> int:
    """Of the windows of some places, and behind them for registers of zeros."""
    row = depth * FLOAT if form == FLOAT32 else -(-depth // 2) * PAIR
    return places * row + SLACK
