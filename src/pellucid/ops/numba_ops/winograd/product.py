"""The small matrix products at the 36 points, where most of the arithmetic is.

A block of rows and columns of results stays in registers while their sums run; the register file sets its size. With
AVX2 (16 registers of 8 lanes) 6 rows of a panel's 2 registers need 12 accumulators, 2 registers of the right factor
and 1 broadcast number of the left one: 12 multiply-adds for 8 loads, so the multipliers are the bottleneck, not
memory. Rows are shared out evenly among as few blocks as they take.

With AVX-512 a panel is one register, and a step loads as often as it multiplies. There two panels are taken side
by side where there are two: up to 8 rows of 2 registers, 16 multiply-adds for 10 loads. Of a panel by itself up to 12
rows: 13 loads.
"""

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, vector_code

PANEL = 16  # columns of the right factor at a time
ROWS = {4: 3, 8: 6, 16: 12}[LANES]  # rows that memory is laid out in

SKEW = 64  # bytes between the planes of two points, so that 36 equal distances do not meet on the same cache sets

# Rows of a block at least and at most: enough sums to keep the multipliers busy, and as many as registers hold.
_LEAST, _MOST = {4: (3, 3), 8: (4, 6), 16: (8, 12)}[LANES]
_REGISTERS = PANEL // LANES

BESIDE = {4: 1, 8: 1, 16: 2}[LANES]  # panels that are multiplied side by side
_LEAST_BESIDE, _MOST_BESIDE = 4, 8


def _write_rows(
    code: Code,
    sizes: tuple[int, int],
    columns: int,
    rows: Integer,
    left: tuple[Integer, Integer, Integer],
    right: tuple[Integer, Integer, Integer],
    out: tuple[Integer, Integer],
    depth: Integer,
    more: Integer,
) -> None:
    """out[r, :] = sum over s < depth of left[r, s] * right[s, :], for `rows` rows, one of the sizes, least and most.

    left: address, bytes from row to row, and from step to step. right: address, bytes from step to step, and between
    the registers of a step. Results lie side by side in out: address, bytes a row. more: added to what is there.
    """
    left_start, left_row, left_step = left
    right_start, right_step, other = right
    start, row = out
    for size in range(sizes[0], sizes[1] + 1):
        with code.when(rows.equals(size)):
            cells = [(r, c) for r in range(size) for c in range(columns)]
            sums = {cell: code.variable(code.number(0.0)) for cell in cells}
            with code.when(more):
                for r, c in cells:
                    sums[r, c].set(code.load(start + row * r + VECTOR * c))
            with code.loop(depth) as s:
                factors = [code.load(right_start + other * c + right_step * s) for c in range(columns)]
                for r in range(size):
                    number = code.broadcast(left_start + left_row * r + left_step * s)
                    for c in range(columns):
                        sums[r, c].set(sums[r, c].get() + number * factors[c])
            for r, c in cells:
                code.store(start + row * r + VECTOR * c, sums[r, c].get())


@vector_code
def _lone(
    code: Code,
    rows: Integer,
    left: Integer,
    left_row: Integer,
    left_step: Integer,
    right: Integer,
    right_step: Integer,
    out: Integer,
    out_row: Integer,
    depth: Integer,
    more: Integer,
) -> None:
    """Some rows of one panel."""
    factors = (left, left_row, left_step), (right, right_step, code.integer(VECTOR))
    _write_rows(code, (_LEAST, _MOST), _REGISTERS, rows, *factors, (out, out_row), depth, more)


@vector_code
def _beside(
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
    """Some rows of two panels, `other` bytes apart."""
    factors = (left, left_row, left_step), (right, right_step, other)
    _write_rows(code, (_LEAST_BESIDE, _MOST_BESIDE), BESIDE, rows, *factors, (out, out_row), depth, more)


@inner
def _rows_lone(
    left: int,
    left_row: int,
    left_step: int,
    right: int,
    right_step: int,
    out: int,
    out_row: int,
    rows: int,
    depth: int,
    more: int,
) -> None:
    row = 0
    for blocks in range((rows + _MOST - 1) // _MOST, 0, -1):
        # A row that two blocks had in common would be added to twice.
        count, x, to = max((rows - row + blocks - 1) // blocks, _LEAST), left + row * left_row, out + row * out_row
        _lone(count, x, left_row, left_step, right, right_step, to, out_row, depth, more)
        row += count


@inner
def _rows_beside(
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
    blocks = (rows + _MOST_BESIDE - 1) // _MOST_BESIDE
    least, longer = divmod(rows, blocks)
    row = 0
    for number in range(blocks):
        count = least + (1 if number < longer else 0)
        block, x, to = max(count, _LEAST_BESIDE), left + row * left_row, out + row * out_row
        _beside(block, x, left_row, left_step, right, right_step, other, to, out_row, depth, more)
        row += count


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
    _rows_lone(left, left_row, FLOAT, panel, PANEL * FLOAT, out, out_row, rows, depth, more)


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
            _rows_lone(left, FLOAT, left_row, x, right_row, to, out_row, rows, depth, 0 if first else 1)
