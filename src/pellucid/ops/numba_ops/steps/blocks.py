"""Blocks of a product that stay in registers while their sums run: of float32, or of pairs of bfloat16.

A block is ROWS places times a panel of PANEL filters. With float32 a lane takes one product at a time; with bfloat16
two of them at once (vdpbf16ps), summed in float32. The two have the same form: the left factor's rows lie in memory
one behind the other, the right factor is a packed panel, and what differs is what a step of the depth loads.

Pixels are rounded to the nearest bfloat16 as a block of them is copied, weights once when the plan is made. Of each
sum over `depth` products the error is at most (2^-7 + 2^-16 + (depth + 2) 2^-23) times the sum of the products'
sizes: each factor is off by at most 2^-8 of itself, each addition by 2^-24 of a partial sum. Numbers below 2^-126
count as 0.
"""

from pellucid.ops.numba_ops.compile.bfloat16 import PAIR, PRODUCTS, pairs, with_products
from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import (
    FLOAT,
    FLOAT32,
    LANES,
    VECTOR,
    Code,
    Integer,
    Variable,
    vector_code,
)
from pellucid.ops.numba_ops.steps.finish import limits
from pellucid.ops.numba_ops.winograd.product import FEW_ROWS, PANEL, ROWS, multiply

_COLUMNS = range(PANEL // LANES)

Sums = dict[tuple[int, int], Variable]
"""Registers of sums by place and register of filters."""


def _nothing(code: Code, rows: int) -> Sums:
    return {(r, c): code.variable(code.number(0.0)) for r in range(rows) for c in _COLUMNS}


def _add_products(code: Code, sums: Sums, left: Integer, left_row: Integer, right: Integer, depth: Integer) -> None:
    """Of float32; depth: numbers."""
    with code.loop(depth) as s:
        row = right + s * (PANEL * FLOAT)
        filters = [code.load(row + VECTOR * c) for c in _COLUMNS]
        for r in sorted({r for r, _ in sums}):
            number = code.broadcast(left + left_row * r + s * FLOAT)
            for c in _COLUMNS:
                sums[r, c].set(sums[r, c].get() + number * filters[c])


def _add_pairs(code: Code, sums: Sums, left: Integer, left_row: Integer, right: Integer, depth: Integer) -> None:
    """Of bfloat16, on registers that hold a panel; depth: pairs. Nothing is written where there is no instruction."""
    if not PRODUCTS:
        return
    with code.loop(depth) as s:
        filters = pairs(code.builder, right + s * (PANEL * PAIR), everywhere=False)
        for (r, _), total in sums.items():
            number = pairs(code.builder, left + left_row * r + s * PAIR, everywhere=True)
            total.set(with_products(total.get(), filters, number))


def _write_finished(
    code: Code, sums: Sums, bias: Integer, bounds: Integer, added: Integer | None, out: Integer, pixel: Integer
) -> None:
    """Sums with what follows them, from registers to the output, without a stop in scratch memory."""
    low, high = limits(code, bounds)
    shifts = [code.load(bias + VECTOR * c) for c in _COLUMNS]
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
    sums = _nothing(code, ROWS)
    _add_products(code, sums, left, left_row, right, depth)
    _write_finished(code, sums, bias, bounds, None, out, pixel)


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
    sums = _nothing(code, ROWS)
    _add_products(code, sums, left, left_row, right, depth)
    _write_finished(code, sums, bias, bounds, added, out, pixel)


@vector_code
def _finished_pairs(
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
    sums = _nothing(code, ROWS)
    _add_pairs(code, sums, left, left_row, right, depth)
    _write_finished(code, sums, bias, bounds, None, out, pixel)


@vector_code
def _finished_added_pairs(
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
    sums = _nothing(code, ROWS)
    _add_pairs(code, sums, left, left_row, right, depth)
    _write_finished(code, sums, bias, bounds, added, out, pixel)


@vector_code
def _few_pairs(code: Code, left: Integer, left_row: Integer, right: Integer, totals: Integer, depth: Integer) -> None:
    """FEW_ROWS places, to scratch memory."""
    sums = _nothing(code, FEW_ROWS)
    _add_pairs(code, sums, left, left_row, right, depth)
    for (r, c), total in sums.items():
        code.store(totals + r * (PANEL * FLOAT) + VECTOR * c, total.get())


@inner
def finished_blocks(
    form: int,
    left: int,
    left_row: int,
    right: int,
    bias: int,
    bounds: int,
    added: int,
    out: int,
    pixel: int,
    depth: int,
    count: int,
) -> int:
    """Whole blocks of `count` places of a whole panel, to the output; how many places that are.

    form: of the factors; left: rows `left_row` bytes apart; depth: numbers, or pairs; added: 0 for none.
    """
    whole = count // ROWS * ROWS
    for t in range(0, whole, ROWS):
        place, target = left + t * left_row, out + t * pixel
        if form == FLOAT32:
            if added:
                _finished_added(place, left_row, right, bias, bounds, added + t * pixel, target, pixel, depth)
            else:
                _finished(place, left_row, right, bias, bounds, target, pixel, depth)
        elif added:
            _finished_added_pairs(place, left_row, right, bias, bounds, added + t * pixel, target, pixel, depth)
        else:
            _finished_pairs(place, left_row, right, bias, bounds, target, pixel, depth)
    return whole


@inner
def totals_of(form: int, left: int, left_row: int, right: int, totals: int, count: int, depth: int) -> None:
    """Sums of `count` places and a panel, to scratch memory (count, PANEL), both of whole blocks."""
    if form == FLOAT32:
        multiply(left, left_row, right, totals, PANEL * FLOAT, count, depth)
        return
    for t in range(0, count, FEW_ROWS):
        _few_pairs(left + t * left_row, left_row, right, totals + t * (PANEL * FLOAT), depth)
