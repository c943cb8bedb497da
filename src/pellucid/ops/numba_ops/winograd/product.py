"""The small matrix products at the 36 points, where most of the arithmetic is.

A block of ROWS x PANEL results stays in registers while their sums run; the register file sets its size. With
AVX2 (16 registers of 8 lanes) 6 rows of 2 registers need 12 accumulators, 2 registers of the right factor and 1
broadcast number of the left one: 12 multiply-adds for 8 loads, so the multipliers are the bottleneck, not memory.
"""

from pellucid.ops.numba_ops.parts import inner
from pellucid.ops.numba_ops.vectors import FLOAT, LANES, VECTOR, Code, Integer, vector_code

PANEL = 16  # columns of the right factor at a time
ROWS = {4: 3, 8: 6, 16: 12}[LANES]  # rows of the left factor at a time

SKEW = 64  # bytes between the planes of two points, so that 36 equal distances do not meet on the same cache sets

_REGISTERS = PANEL // LANES


def _write_block(
    code: Code,
    left: Integer,
    left_row: Integer,
    left_step: Integer,
    right: Integer,
    right_step: Integer,
    out: Integer,
    out_row: Integer,
    depth: Integer,
    add: bool,
) -> None:
    """out[r, :] (+)= sum over s < depth of left[r, s] * right[s, :], for ROWS rows r and PANEL columns."""
    cells = [(r, c) for r in range(ROWS) for c in range(_REGISTERS)]
    places = {(r, c): out + out_row * r + VECTOR * c for r, c in cells}
    sums = {cell: code.variable(code.load(places[cell]) if add else code.number(0.0)) for cell in cells}
    with code.loop(depth) as s:
        row = right + right_step * s
        columns = [code.load(row + VECTOR * c) for c in range(_REGISTERS)]
        for r in range(ROWS):
            number = code.broadcast(left + left_row * r + left_step * s)
            for c in range(_REGISTERS):
                sums[r, c].set(sums[r, c].get() + number * columns[c])
    for cell in cells:
        code.store(places[cell], sums[cell].get())


@vector_code
def _block(
    code: Code,
    left: Integer,
    left_row: Integer,
    left_step: Integer,
    right: Integer,
    right_step: Integer,
    out: Integer,
    out_row: Integer,
    depth: Integer,
) -> None:
    _write_block(code, left, left_row, left_step, right, right_step, out, out_row, depth, add=False)


@vector_code
def _block_added(
    code: Code,
    left: Integer,
    left_row: Integer,
    left_step: Integer,
    right: Integer,
    right_step: Integer,
    out: Integer,
    out_row: Integer,
    depth: Integer,
) -> None:
    _write_block(code, left, left_row, left_step, right, right_step, out, out_row, depth, add=True)


@inner
def multiply(left: int, left_row: int, panel: int, out: int, out_row: int, rows: int, depth: int) -> None:
    """Out = left panel, with left (rows, depth), a packed panel (depth, PANEL); `rows` is a multiple of ROWS."""
    for row in range(0, rows, ROWS):
        _block(left + row * left_row, left_row, FLOAT, panel, PANEL * FLOAT, out + row * out_row, out_row, depth)


@inner
def multiply_transposed(
    left: int, left_row: int, right: int, right_row: int, out: int, out_row: int, rows: int, depth: int, first: bool
) -> None:
    """Out (+)= left^T right, with left (depth, rows) and right (depth, PANEL); `first` overwrites out."""
    for row in range(0, rows, ROWS):
        column, place = left + row * FLOAT, out + row * out_row
        if first:
            _block(column, FLOAT, left_row, right, right_row, place, out_row, depth)
        else:
            _block_added(column, FLOAT, left_row, right, right_row, place, out_row, depth)
