"""How a convolution is cut into parts and blocks, and how much scratch memory that takes. Only whole numbers."""

from functools import lru_cache
from typing import NamedTuple

from pellucid.ops.arrays import Pair
from pellucid.ops.numba_ops.compile.cache import second_level_cache
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR
from pellucid.ops.numba_ops.winograd.forward import Work
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS, SKEW
from pellucid.ops.numba_ops.winograd.tiles import Grid
from pellucid.ops.numba_ops.winograd.transforms import POINTS, TILE

# Bytes of a block, which shares the second-level cache with filters and what is prefetched for the next.
CACHE = max(128 * 1024, min(second_level_cache() // 4, 256 * 1024))
GROUP = 2  # panels between two output transforms
KEPT = 12 << 20  # bytes of transformed filters that a cache keeps from block to block
LARGE_CACHE, LARGE_GROUP = 4 << 20, 4  # where none does: blocks so large that the filters are read a few times only
LARGEST_BLOCK = 96  # tiles
PASSED = 1 << 20  # bytes of them that a core's own cache keeps from call to call
MOST_PASSING = 96  # tiles up to which large filters are transformed where they are needed, once for all tiles
SOME = 64  # inputs that are transformed at a time then, so that the transform stays in the second-level cache
LEAST_SUMMED = 16  # tiles of a block of the weight gradient, which reads and writes all of dU for each block
PAGE = 4096


class Cut(NamedTuple):
    """A convolution's tiles and work, with scratch memory counted from 0."""

    grid: Grid
    work: Work
    scratch: int  # bytes of the parts together
    result: int  # bytes of U, or of dU and the bias gradients, which lie behind
    total: int  # bytes from there to dU
    passing: int = 0  # bytes a part of those filters that are transformed where they are needed
    some: int = 0  # inputs of them at a time


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _grid(size: Pair, before: Pair) -> Grid:
    return Grid(-(-size[0] // TILE), -(-size[1] // TILE), *before)


def passes(tiles: int, inputs: int, outputs: int) -> bool:
    """Whether filters are transformed where they are needed, and again at each call."""
    return tiles <= MOST_PASSING and POINTS * inputs * outputs * FLOAT > PASSED


@lru_cache(maxsize=1024)
def cut_convolution(number: int, inputs: int, outputs: int, size: Pair, before: Pair, threads: int) -> Cut:
    """`number` images of `inputs` channels to `outputs` channels of `size` pixels."""
    grid = _grid(size, before)
    tiles, panels = number * grid.rows * grid.columns, -(-outputs // PANEL)
    large, passing = POINTS * inputs * outputs * FLOAT > KEPT, passes(tiles, inputs, outputs)
    units, group = -(-tiles // ROWS), min(LARGE_GROUP if large and not passing else GROUP, panels)
    # Parts of panels repeat each other's input transforms, but share out a few tiles more evenly.
    by_tiles, by_panels = -(-units // threads) * panels, units * -(-panels // threads)
    by_channels = passing or 5 * by_panels < 4 * by_tiles
    row = _up(inputs, LANES) * FLOAT
    tile = POINTS * (row + group * PANEL * FLOAT)
    most = tiles if by_channels else -(-units // threads) * ROWS
    cache = LARGE_CACHE if large else CACHE
    block = _up(tiles if passing else min(max(cache // tile, 1), LARGEST_BLOCK, most), ROWS)
    patch = max(POINTS * row, TILE * TILE * group * PANEL * FLOAT, 4 * (VECTOR + LANES))
    part = _up(block * tile + 2 * POINTS * SKEW + patch, PAGE) + SKEW
    work = Work(threads, int(by_channels), block, group, 0, part)
    panel = POINTS * (inputs * PANEL * FLOAT + SKEW)
    if passing:
        some = min(SOME, inputs)
        transformed = group * POINTS * (some * PANEL * FLOAT + SKEW)
        return Cut(grid, work, threads * part, threads * transformed, 0, transformed, some)
    return Cut(grid, work, threads * part, panels * panel, 0)


@lru_cache(maxsize=1024)
def cut_weight_gradient(number: int, inputs: int, outputs: int, size: Pair, before: Pair, threads: int) -> Cut:
    """The same for the gradient of the filters; every part has a tile."""
    grid = _grid(size, before)
    tiles = number * grid.rows * grid.columns
    parts = min(threads, tiles)
    rows, columns = _up(inputs, ROWS), _up(outputs, PANEL)
    tile = POINTS * FLOAT * (_up(inputs, LANES) + columns)
    block = min(max(CACHE // tile, LEAST_SUMMED), LARGEST_BLOCK, -(-tiles // parts))
    patch = POINTS * max(_up(inputs, LANES), columns) * FLOAT
    part = _up(block * tile + 2 * POINTS * SKEW + patch, PAGE) + SKEW
    total = parts * columns * FLOAT
    du = parts * POINTS * (rows * columns * FLOAT + SKEW)
    return Cut(grid, Work(parts, 0, block, 0, 0, part), parts * part, total + du, total)
