"""The small matrix products at the 36 points, where most of the arithmetic is.

A block of ROWS x PANEL results stays in registers while their sums run; the register file sets its size. With
AVX2 (16 registers of 8 lanes) 6 rows of 2 registers need 12 accumulators, 2 registers of the right factor and 1
broadcast number of the left one: 12 multiply-adds for 8 loads, so the multipliers are the bottleneck, not memory.
Rows that are left over go through blocks of FEW_ROWS.

With AVX-512 a panel is one register, and a step would load as often as it multiplies. There two panels are taken side
by side where there are two: up to 8 rows of 2 registers, 16 multiply-adds for 10 loads.
"""

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, vector_code

PANEL = 16  # columns of the right factor at a time
ROWS = {4: 3, 8: 6, 16: 12}[LANES]  # rows of the left factor at a time
FEW_ROWS = {4: 3, 8: 4, 16: 4}[LANES]  # of them where fewer are left: still enough sums to keep the multipliers busy

BESIDE = {4: 1, 8: 1, 16: 2}[LANES]  # panels that are multiplied side by side
_MOST_BESIDE, _LEAST_BESIDE = 8, 4  # rows then

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
    rows: int,
    add: bool,
) -> None:
    """out[r, :] (+)= sum over s < depth of left[r, s] * right[s, :], for some rows r and PANEL columns."""
    cells = [(r, c) for r in range(rows) for c in range(_REGISTERS)]
    places = {(r, c): out + out_row * r + VECTOR * c for r, c in cells}
    sums = {cell: code.variable(code.load(places[cell]) if add else code.number(0.0)) for cell in cells}
    with code.loop(depth) as s:
        row = right + right_step * s
        columns = [code.load(row + VECTOR * c) for c in range(_REGISTERS)]
        for r in range(rows):
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
    _write_block(code, left, left_row, left_step, right, right_step, out, out_row, depth, ROWS, add=False)


@vector_code
def _few(
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
    _write_block(code, left, left_row, left_step, right, right_step, out, out_row, depth, FEW_ROWS, add=False)


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
    _write_block(code, left, left_row, left_step, right, right_step, out, out_row, depth, ROWS, add=True)


@vector_code
def _few_added(
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
    _write_block(code, left, left_row, left_step, right, right_step, out, out_row, depth, FEW_ROWS, add=True)


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
    """Some rows and two panels, `other` bytes apart; results lie side by side. `more`: added to what is there."""
    for size in range(_LEAST_BESIDE, _MOST_BESIDE + 1):
        with code.when(rows.equals(size)):
            cells = [(r, c) for r in range(size) for c in range(BESIDE)]
            sums = {cell: code.variable(code.number(0.0)) for cell in cells}
            with code.when(more):
                for r, c in cells:
                    sums[r, c].set(code.load(out + out_row * r + VECTOR * c))
            with code.loop(depth) as s:
                columns = [code.load(right + other * c + right_step * s) for c in range(BESIDE)]
                for r in range(size):
                    number = code.broadcast(left + left_row * r + left_step * s)
                    for c in range(BESIDE):
                        sums[r, c].set(sums[r, c].get() + number * columns[c])
            for r, c in cells:
                code.store(out + out_row * r + VECTOR * c, sums[r, c].get())


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
def _in_blocks(rows: int) -> int:
    """How many of the rows go through whole blocks: the rest is cheaper in blocks of FEW_ROWS."""
    rest = rows % ROWS
    return rows + ROWS - rest if rest > ROWS - FEW_ROWS else rows - rest


@inner
def multiply(
    left: int, left_row: int, panel: int, out: int, out_row: int, rows: int, depth: int, more: int = 0
) -> None:
    """Out = left panel, with left (rows, depth), a packed panel (depth, PANEL); `more`: added to what is there.

    What lies behind the last row is read and written too, up to a multiple of ROWS.
    """
    whole = _in_blocks(rows)
    for row in range(0, whole, ROWS):
        x, to = left + row * left_row, out + row * out_row
        if more:
            _block_added(x, left_row, FLOAT, panel, PANEL * FLOAT, to, out_row, depth)
        else:
            _block(x, left_row, FLOAT, panel, PANEL * FLOAT, to, out_row, depth)
    for row in range(whole, rows, FEW_ROWS):
        x, to = left + row * left_row, out + row * out_row
        if more:
            _few_added(x, left_row, FLOAT, panel, PANEL * FLOAT, to, out_row, depth)
        else:
            _few(x, left_row, FLOAT, panel, PANEL * FLOAT, to, out_row, depth)


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
            _panel_transposed(left, left_row, x, right_row, to, out_row, rows, depth, first)


@inner
def _panel_transposed(
    left: int, left_row: int, right: int, right_row: int, out: int, out_row: int, rows: int, depth: int, first: bool
) -> None:
    whole = _in_blocks(rows)
    for row in range(0, whole, ROWS):
        column, place = left + row * FLOAT, out + row * out_row
        if first:
            _block(column, FLOAT, left_row, right, right_row, place, out_row, depth)
        else:
            _block_added(column, FLOAT, left_row, right, right_row, place, out_row, depth)
    for row in range(whole, rows, FEW_ROWS):
        column, place = left + row * FLOAT, out + row * out_row
        if first:
            _few(column, FLOAT, left_row, right, right_row, place, out_row, depth)
        else:
            _few_added(column, FLOAT, left_row, right, right_row, place, out_row, depth)
