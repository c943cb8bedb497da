"""Blocks of a product that stay in registers while their sums run: of float32, or of pairs of bfloat16.

A block is some places times the filters of one or more packed panels. With float32 a lane takes one product at a
time; with bfloat16 two of them at once (vdpbf16ps), summed in float32. The two have the same form: the left factor's
rows lie in memory one behind the other, the right factor is a packed panel, and what differs is what a step of the
depth loads.

A step of a block loads a register for each of its columns and broadcasts a number for each of its rows. With two
columns of registers there are more multiply-adds than loads, and the multipliers are busy: with AVX2 a panel has two
registers, with AVX-512 two panels are taken side by side. Blocks of every number of rows are written, so that 49
places are seven blocks of seven and nothing is read or written that is not there.

Pixels are rounded to the nearest bfloat16 as a block of them is copied, weights once when the plan is made. Of each
sum over `depth` products the error is at most (2^-7 + 2^-16 + (depth + 2) 2^-23) times the sum of the products'
sizes: each factor is off by at most 2^-8 of itself, each addition by 2^-24 of a partial sum. Numbers below 2^-126
count as 0.
"""

from typing import Any

from pellucid.ops.numba_ops.compile.bfloat16 import PAIR, PRODUCTS, pairs, with_products
from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.tiles import BFLOAT16S, ROWS, TILES, sums_on_tiles
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
from pellucid.ops.numba_ops.steps.finish import limits, load, store
from pellucid.ops.numba_ops.winograd.product import PANEL

PANELS = {4: 1, 8: 1, 16: 2}[LANES]  # side by side
_MOST = {4: 3, 8: 6, 16: 8}[LANES]  # rows of a block of so many
_MOST_ALONE = {4: 3, 8: 6, 16: 12}[LANES]  # of a single panel, where no other is left

MANY = {4: 2, 8: 4, 16: 8}[LANES]  # panels of a single row, whose sums else wait for each other

_REGISTERS = PANEL // LANES  # of a panel

Sums = dict[tuple[int, int], Variable]
"""Registers of sums by place and register of filters."""


def _add_products(
    code: Code, sums: Sums, left: Integer, left_row: Integer, right: Integer, panel: Integer, depth: Integer
) -> None:
    """Of float32; panel: bytes from one to the next; depth: numbers."""
    rows, columns = _sides(sums)
    with code.loop(depth) as s:
        row = right + s * (PANEL * FLOAT)
        filters = [code.load(row + panel * (c // _REGISTERS) + VECTOR * (c % _REGISTERS)) for c in columns]
        for r in rows:
            number = code.broadcast(left + left_row * r + s * FLOAT)
            for c in columns:
                sums[r, c].set(sums[r, c].get() + number * filters[c])


def _add_pairs(
    code: Code, sums: Sums, left: Integer, left_row: Integer, right: Integer, panel: Integer, depth: Integer
) -> None:
    """Of bfloat16, on registers that hold a panel; depth: pairs. Nothing is written where there is no instruction."""
    if not PRODUCTS:
        return
    rows, columns = _sides(sums)
    with code.loop(depth) as s:
        row = right + s * (PANEL * PAIR)
        filters = [pairs(code.builder, row + panel * c, everywhere=False) for c in columns]
        for r in rows:
            number = pairs(code.builder, left + left_row * r + s * PAIR, everywhere=True)
            for c in columns:
                sums[r, c].set(with_products(sums[r, c].get(), filters[c], number))


def _sides(sums: Sums) -> tuple[range, range]:
    last = max(sums)
    return range(last[0] + 1), range(last[1] + 1)


def _blocks(form: int, panels: int, most: int) -> Any:
    """Vector code for blocks of 1 to `most` rows and some panels."""
    add = _add_products if form == FLOAT32 else _add_pairs
    columns = range(panels * _REGISTERS)

    def block(
        code: Code,
        rows: Integer,
        left: Integer,
        left_row: Integer,
        right: Integer,
        panel: Integer,
        start: Integer,
        start_row: Integer,
        bounds: Integer,
        added: Integer,
        out: Integer,
        pixel: Integer,
        depth: Integer,
        lines: Integer,
        left_line: Integer,
        filters: Integer,
    ) -> None:
        for size in range(1, most + 1):
            with code.when(rows.equals(size)):
                write(
                    code, size, left, left_row, right, panel, start, start_row, bounds, added, out, pixel, depth,
                    lines, left_line, filters,
                )  # fmt: skip

    def write(
        code: Code,
        rows: int,
        left: Integer,
        left_row: Integer,
        right: Integer,
        panel: Integer,
        start: Integer,
        start_row: Integer,
        bounds: Integer,
        added: Integer,
        out: Integer,
        pixel: Integer,
        depth: Integer,
        lines: Integer,
        left_line: Integer,
        filters: Integer,
    ) -> None:
        cells = [(r, c) for r in range(rows) for c in columns]
        sums: Sums = {cell: code.variable(code.number(0.0)) for cell in cells}
        whole = filters.reaches(panels * PANEL)
        # Of the last panel there may be fewer filters than registers hold.
        ways = [(whole, False), (whole.equals(0), True)]
        for way, partly in ways:
            with code.when(way):
                for r, c in cells:
                    rest = filters - c * LANES if partly else None
                    sums[r, c].set(load(code, start + start_row * r + VECTOR * c, rest))
        with code.loop(lines) as u:
            add(code, sums, left + left_line * u, left_row, right + depth * (PANEL * FLOAT) * u, panel, depth)
        low, high = limits(code, bounds)
        for way, partly in ways:
            with code.when(way):
                rests = [filters - c * LANES if partly else None for c in columns]
                with code.when(added.equals(0).equals(0)):
                    for r, c in cells:
                        more = load(code, added + pixel * r + VECTOR * c, rests[c])
                        sums[r, c].set(sums[r, c].get() + more)
                for r, c in cells:
                    result = sums[r, c].get().at_least(low).at_most(high)
                    store(code, out + pixel * r + VECTOR * c, result, rests[c])

    block.__name__ = f"block_{form}_{panels}"
    return vector_code(block)


def _blocks_on_tiles(tiles: int, panels: int) -> Any:
    """Vector code for one or two tiles of `rows` places each, of pairs of bfloat16."""

    @vector_code
    def block(
        code: Any,
        rows: Any,
        left: Any,
        left_row: Any,
        right: Any,
        panel: Any,
        start: Any,
        start_row: Any,
        bounds: Any,
        added: Any,
        out: Any,
        pixel: Any,
        depth: Any,
        lines: Any,
        left_line: Any,
        filters: Any,
    ) -> None:
        if not TILES:
            return
        sums = sums_on_tiles(
            code, BFLOAT16S, tiles, panels, left, left_row, left_row * rows, lines, left_line, code.integer(1),
            code.integer(0), depth, right, panel,
        )  # fmt: skip
        low, high = limits(code, bounds)
        whole = filters.reaches(panels * PANEL)
        for way, partly in ((whole, False), (whole.equals(0), True)):
            with code.when(way):
                for t in range(tiles):
                    with code.loop(rows) as j:
                        r = j + rows * t
                        for c in range(panels):
                            rest = filters - c * LANES if partly else None
                            result = code.variable(code.load(sums + ((j + t * ROWS) * panels + c) * VECTOR))
                            result.set(result.get() + load(code, start + start_row * r + VECTOR * c, rest))
                            with code.when(added.equals(0).equals(0)):
                                result.set(result.get() + load(code, added + pixel * r + VECTOR * c, rest))
                            value = result.get().at_least(low).at_most(high)
                            store(code, out + pixel * r + VECTOR * c, value, rest)

    return block


_two_tiles, _two_tiles_alone = _blocks_on_tiles(2, PANELS), _blocks_on_tiles(2, 1)
_tile, _tile_alone = _blocks_on_tiles(1, PANELS), _blocks_on_tiles(1, 1)


_alone, _beside = _blocks(FLOAT32, 1, _MOST_ALONE), _blocks(FLOAT32, PANELS, _MOST)
_row, _row_pairs = _blocks(FLOAT32, MANY, 1), _blocks(BFLOAT16, MANY, 1)
_alone_pairs, _beside_pairs = _blocks(BFLOAT16, 1, _MOST_ALONE), _blocks(BFLOAT16, PANELS, _MOST)


@inner
def multiply_blocks(
    form: int,
    panels: int,
    left: int,
    left_row: int,
    right: int,
    panel: int,
    start: int,
    start_row: int,
    bounds: int,
    added: int,
    out: int,
    pixel: int,
    depth: int,
    lines: int,
    left_line: int,
    count: int,
    filters: int,
    tile_rows: int,
) -> None:
    """`count` places of up to PANELS panels, or one of MANY: start + left right, plus what is added, within bounds.

    form: of the factors. left: rows `left_row` bytes apart. right: panels, `panel` bytes apart. start: what sums
    begin with, rows `start_row` bytes apart; 0 for the same row, a bias, each time. added: 0 for none, else laid out
    as the output, whose places are `pixel` bytes apart. depth: numbers, or pairs; so many of each of some `lines` of
    the left factor, which are `left_line` bytes apart, and follow each other in the right one. filters: that are left
    from the first of these on. tile_rows: places of a matrix tile, or 0.
    """
    if panels == MANY and form == FLOAT32:
        _row(
            1,
            left,
            left_row,
            right,
            panel,
            start,
            start_row,
            bounds,
            added,
            out,
            pixel,
            depth,
            lines,
            left_line,
            filters,
        )
        return
    if panels == MANY:
        _row_pairs(
            1,
            left,
            left_row,
            right,
            panel,
            start,
            start_row,
            bounds,
            added,
            out,
            pixel,
            depth,
            lines,
            left_line,
            filters,
        )
        return
    beside = PANELS > 1 and filters > PANEL
    most = _MOST if beside else _MOST_ALONE
    t = 0
    if TILES and form == BFLOAT16 and tile_rows:
        while count - t >= tile_rows:
            x, at, to = left + t * left_row, start + t * start_row, out + t * pixel
            plus, two = added + t * pixel if added else 0, count - t >= 2 * tile_rows
            if two and beside:
                _two_tiles(
                    tile_rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines,
                    left_line, filters,
                )  # fmt: skip
            elif two:
                _two_tiles_alone(
                    tile_rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines,
                    left_line, filters,
                )  # fmt: skip
            elif beside:
                _tile(
                    tile_rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines,
                    left_line, filters,
                )  # fmt: skip
            else:
                _tile_alone(
                    tile_rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines,
                    left_line, filters,
                )  # fmt: skip
            t += 2 * tile_rows if two else tile_rows
        if t == count:
            return
    blocks = (count - t + most - 1) // most
    least, longer = divmod(count - t, blocks)
    for number in range(blocks):
        rows = least + (1 if number < longer else 0)
        x, at, to = left + t * left_row, start + t * start_row, out + t * pixel
        plus = added + t * pixel if added else 0
        t += rows
        if form == FLOAT32:
            if beside:
                _beside(
                    rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines, left_line,
                    filters,
                )  # fmt: skip
            else:
                _alone(
                    rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines, left_line,
                    filters,
                )  # fmt: skip
        elif beside:
            _beside_pairs(
                    rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines, left_line,
                    filters,
                )  # fmt: skip
        else:
            _alone_pairs(
                    rows, x, left_row, right, panel, at, start_row, bounds, plus, to, pixel, depth, lines, left_line,
                    filters,
                )  # fmt: skip
