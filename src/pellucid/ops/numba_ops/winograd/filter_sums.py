"""The gradient of the filters, summed in the Winograd domain.

The convolution's output is linear in U = G w G^T, so with V = B^T d B of each tile's patch

    dU = sum over tiles of V^T (A dY A^T) at each of the 36 points,      dw = G^T dU G.

Each part of the work sums its own tiles into its own dU, always the same tiles in the same order, and the last
step adds the parts in order: the result does not depend on which thread was faster.
"""

from typing import NamedTuple

from pellucid.ops.numba_ops.compile.parts import inner, parted, places, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, vector_code
from pellucid.ops.numba_ops.winograd.filters import filter_gradients, sums_plane
from pellucid.ops.numba_ops.winograd.forward import Work
from pellucid.ops.numba_ops.winograd.patches import Images
from pellucid.ops.numba_ops.winograd.prefetch import prefetch
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS, SKEW, multiply_transposed
from pellucid.ops.numba_ops.winograd.tiles import Grid, transform_patches, transform_tiles
from pellucid.ops.numba_ops.winograd.transforms import POINTS


class Sums(NamedTuple):
    """Where the gradients go: addresses."""

    du: int  # (parts, 36, inputs in whole ROWS, outputs in whole PANELs)
    totals: int  # (parts, outputs in whole PANELs): the bias gradient of each part
    dw: int
    db: int


@vector_code
def _clear(code: Code, out: Integer, vectors: Integer) -> None:
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.number(0.0))


@vector_code
def _sum(code: Code, source: Integer, stride: Integer, count: Integer, out: Integer, lanes: Integer) -> None:
    total = code.variable(code.number(0.0))
    with code.loop(count) as i:
        total.set(total.get() + code.load(source + stride * i))
    code.store_first(out, total.get(), lanes)


@inner
def _sum_totals(totals: int, stride: int, parts: int, db: int, channels: int) -> None:
    """The bias gradient: the parts' sums, added in order."""
    for k in range(0, channels, LANES):
        _sum(totals + k * FLOAT, stride, parts, db + k * FLOAT, channels - k)


@inner
def _sum_part(x: Images, dy: Images, grid: Grid, sums: Sums, work: Work, part: int) -> None:
    tiles = dy.number * grid.rows * grid.columns
    first_tile, last_tile = share(tiles, part, work.parts)
    rows, columns = -(-x.channels // ROWS) * ROWS, -(-dy.channels // PANEL) * PANEL
    v_row, y_row = (x.channels + LANES - 1) // LANES * VECTOR, columns * FLOAT
    v_plane, y_plane = work.block * v_row + SKEW, work.block * y_row + SKEW
    v = work.scratch + part * work.scratch_size
    y = v + POINTS * v_plane
    patch = y + POINTS * y_plane
    plane = sums_plane(rows, columns)
    du, total = sums.du + part * POINTS * plane, sums.totals + part * columns * FLOAT
    _clear(total, columns // LANES)
    for first in range(first_tile, last_tile, work.block):
        count = min(work.block, last_tile - first)
        transform_patches(x, grid, first, count, v, v_plane, patch)
        transform_tiles(dy, grid, first, count, y, y_plane, y_row, patch, total)
        for p in range(POINTS):
            prefetch(x, tiles, first + count, first + count + work.block, p, POINTS)
            prefetch(dy, tiles, first + count, first + count + work.block, p, POINTS)
            multiply_transposed(
                v + p * v_plane, v_row, y + p * y_plane, y_row, du + p * plane, columns * FLOAT, x.channels, count,
                columns, first == first_tile,
            )  # fmt: skip


_X, _DY, _GRID, _SUMS, _WORK = places(Images, Images, Grid, Sums, Work)


@parted(stages=2)
def sum_weight_gradient(arguments: int, stage: int, part: int) -> None:
    """Gradients dw and db; every part has at least one tile. Jobs: x, dy, Grid, Sums, Work."""
    x, dy, grid = read(Images, arguments, _X), read(Images, arguments, _DY), read(Grid, arguments, _GRID)
    sums, work = read(Sums, arguments, _SUMS), read(Work, arguments, _WORK)
    if stage == 0:
        _sum_part(x, dy, grid, sums, work, part)
        return
    rows, columns = -(-x.channels // ROWS) * ROWS, -(-dy.channels // PANEL) * PANEL
    first, last = share(x.channels, part, work.parts)
    filter_gradients(sums.du, rows, columns, work.parts, sums.dw, x.channels, dy.channels, first, last)
    if part == 0:
        _sum_totals(sums.totals, columns * FLOAT, work.parts, sums.db, dy.channels)
