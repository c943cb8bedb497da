"""The small matrix products at the 36 points, where most of the arithmetic is.

A block of rows and columns of results stays in registers while their sums run; the register file sets its size. With
AVX2 (16 registers of 8 lanes) 6 rows of a panel's 2 registers need 12 accumulators, 2 registers of the right factor
and 1 broadcast number of the left one: 12 multiply-adds for 8 loads, so the multipliers are the bottleneck, not
memory. Rows are shared out evenly among as few blocks as they take.

With AVX-512 a panel is one register, and a step loads as often as it multiplies. There two panels are taken side
by side where there are two: up to 8 rows of 2 registers, 16 multiply-adds for 10 loads. Of a panel by itself up to 12
rows: 13 loads.
"""

from typing import Any

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, vector_code

PANEL = 16  # columns of the right factor at a time
ROWS = {4: 3, 8: 6, 16: 12}[LANES]  # rows that memory is laid out in

SKEW = 64  # bytes between the planes of two points, so that 36 equal distances do not meet on the same cache sets

BESIDE = {4: 1, 8: 1, 16: 2}[LANES]  # panels that are multiplied side by side


def _rows(columns: int, least: int, most: int, *, beside: bool = False) -> Any:
    """Makes the kernel of any number of rows, in blocks of `least` to `most` of them and so many registers.

    out[r, :] = sum over s < depth of left[r, s] * right[s, :]. left, right, out: addresses. left_row, left_step:
    bytes from row to row, and from step to step; right_step: from step to step; out_row: from row to row of results,
    which lie side by side. other: of panels `beside` each other, bytes from a register of a step to the next; of one
    panel they lie side by side. more: added to what is there.
    """

    @vector_code
    def block(
        code: Code,
        rows: Integer,
        left: Integer,
        left_row: Integer,
        left_step: Integer,
        right: Integer,
        right_step: Integer,
        other: Integer,
        out: Integer,
        out_row: Integer,
        depth: Integer,
        more: Integer,
    ) -> None:
        """Rows of one of the sizes, their sums in registers."""
        apart = other if beside else code.integer(VECTOR)
        for size in range(least, most + 1):
            with code.when(rows.equals(size)):
                cells = [(r, c) for r in range(size) for c in range(columns)]
                sums = {cell: code.variable(code.number(0.0)) for cell in cells}
                with code.when(more):
                    for r, c in cells:
                        sums[r, c].set(code.load(out + out_row * r + VECTOR * c))
                with code.loop(depth) as s:
                    factors = [code.load(right + apart * c + right_step * s) for c in range(columns)]
                    for r in range(size):
                        number = code.broadcast(left + left_row * r + left_step * s)
                        for c in range(columns):
                            sums[r, c].set(sums[r, c].get() + number * factors[c])
                for r, c in cells:
                    code.store(out + out_row * r + VECTOR * c, sums[r, c].get())

    @inner
    def multiply_rows(
        left: int,
        left_row: int,
        left_step: int,
        right: int,
        right_step: int,
        other: int,
        out: int,
        out_row: int,
        rows: int,
        depth: int,
        more: int,
    ) -> None:
        row = 0
        for blocks in range((rows + most - 1) // most, 0, -1):
            # A row that two blocks had in common would be added to twice.
            count, x, to = max((rows - row + blocks - 1) // blocks, least), left + row * left_row, out + row * out_row
            block(count, x, left_row, left_step, right, right_step, other, to, out_row, depth, more)
            row += count

    return multiply_rows


# Blocks of at least as many rows as keep the multipliers busy, and at most as registers hold the sums of.
_rows_lone = _rows(PANEL // LANES, *{4: (3, 3), 8: (4, 6), 16: (8, 12)}[LANES])
_rows_beside = _rows(BESIDE, 4, 8, beside=True)


@inner
def multiply_beside(
    left: int, left_row: int, panel: int, other: int, out: int, out_row: int, rows: int, depth: int, more: int
) -> None:
    """BESIDE panels `other` bytes apart, each as by `multiply`, their results side by side; `more`: added there."""
    if BESIDE == 1:
        multiply(left, left_row, panel, out, out_row, rows, depth, more)
    else:
        _rows_beside(left, left_row, FLOAT, panel, PANEL * FLOAT, other, out, out_row, rows, depth, more)


@inner
def multiply(
    left: int, left_row: int, panel: int, out: int, out_row: int, rows: int, depth: int, more: int = 0
) -> None:
    """Out = left panel, with left (rows, depth), a packed panel (depth, PANEL); `more`: added to what is there.

    What lies behind the last row is read and written too, up to a multiple of ROWS.
    """
    _rows_lone(left, left_row, FLOAT, panel, PANEL * FLOAT, VECTOR, out, out_row, rows, depth, more)


@inner
def multiply_transposed(
    left: int,
    left_row: int,
    right: int,
    right_row: int,
    out: int,
    out_row: int,
    rows: int,
    depth: int,
    columns: int,
    first: bool,
) -> None:
    """Out (+)= left^T right, with left (depth, rows), right (depth, columns), whole panels; `first` overwrites out.

    As with `multiply`, rows up to a multiple of ROWS are touched.
    """
    for column in range(0, columns, BESIDE * PANEL):
        x, to = right + column * FLOAT, out + column * FLOAT
        if BESIDE > 1 and column + BESIDE * PANEL <= columns:
            _rows_beside(left, FLOAT, left_row, x, right_row, VECTOR, to, out_row, rows, depth, 0 if first else 1)
        else:
            _rows_lone(left, FLOAT, left_row, x, right_row, VECTOR, to, out_row, rows, depth, 0 if first else 1)
