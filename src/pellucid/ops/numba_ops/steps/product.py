"""Convolutions and affine layers as products: the windows of some places times the filters, packed in panels.

A 1x1 convolution and an affine layer multiply the pixels, or the rows, as they lie in memory. Any other convolution
copies the windows of a block of places side by side first, which then stay in the cache. Factors are float32; of a
network in bfloat16, where the processor multiplies such, pairs of it: see `blocks`.
"""

from collections.abc import Callable
from typing import NamedTuple

import ml_dtypes
import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.bfloat16 import PRODUCTS
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share
from pellucid.ops.numba_ops.compile.tiles import TILES, configure, release, rows_of, shapes
from pellucid.ops.numba_ops.compile.vectors import BFLOAT16, FLOAT, FLOAT32, address
from pellucid.ops.numba_ops.convolution.windows import runs
from pellucid.ops.numba_ops.convolution.windows_product import packed
from pellucid.ops.numba_ops.steps.blocks import MANY, PANELS, multiply_blocks
from pellucid.ops.numba_ops.steps.frames import DEEP, framing, multiply_lines
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Finish, Step, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights
from pellucid.ops.numba_ops.steps.windows import Product, left_factor, row_bytes, scratch_bytes
from pellucid.ops.numba_ops.winograd.product import PANEL

BLOCK = 48 * 1024  # numbers of a block of windows: with a panel beside them, a second-level cache's content
LEAST, MOST = 192, 384  # places in a block; with fewer, deep filters are read from memory too often
LEAST_PLACES = 16  # of fewer a product takes as long: it waits for the filters
READ = 8  # multiply-adds that take as long as reading a number that lies in no near cache

FEW = 4  # channels, of which windows are read where they lie: pairs of an odd number would have to be copied
OPEN = Finish().bounds()  # of sums that go on

FASTER = 6.0 if TILES else 1.6
"""Where the choice between pairs of bfloat16 and Winograd's algorithm lies, see `winograd.suits`. Pairs are 1.9 times
as fast as float32 on Zen 4 and Zen 5, and Winograd's on many tiles faster than is counted there. On matrix tiles they
are 5 to 7 times as fast as a product of float32 (1,560 GFLOP/s of PyTorch's on two cores against 220 to 310)."""


@inner
def multiply_places(
    work: Product, pixels: int, output: int, first: int, last: int, first_panel: int, last_panel: int, copied: int
) -> None:
    """Some panels of places `first` to `last` - 1.

    pixels, output: where place 0 would lie, which need not be in memory. copied: scratch memory for windows.
    """
    form, row, pixel = work.form, row_bytes(work.form, work.depth), work.filters * FLOAT
    depth = work.depth if form == FLOAT32 else (work.depth + 1) // 2
    number = PANEL * FLOAT  # bytes of a panel's: a pair has as many as a float32
    if work.tile_rows:
        configure(work.tiles)
    for start in range(first, last, work.block):
        count = min(work.block, last - start)
        left = left_factor(work, pixels, start, count, copied)
        for begin in range(0, depth, DEEP):
            deep = min(DEEP, depth - begin)
            panel = first_panel
            while panel < last_panel:
                k = panel * PANEL
                whole = min(last_panel, work.filters // PANEL) - panel
                side = MANY if count == 1 and whole >= MANY else PANELS
                at = start * pixel + k * FLOAT
                right, out = work.panels + (panel * depth + begin) * number, output + at
                sums, sums_row = (out, pixel) if begin else (work.bias + k * FLOAT, 0)
                bounds, added = work.open, 0
                if begin + deep == depth:
                    bounds, added = work.bounds, work.added + at if work.added else 0
                multiply_blocks(
                    form, side, left + begin * FLOAT, row, right, depth * number, sums, sums_row, bounds, added, out,
                    pixel, deep, 1, 0, count, min(last_panel * PANEL, work.filters) - k, work.tile_rows,
                )  # fmt: skip
                panel += side
    if work.tile_rows:
        release()


@parted(stages=1)
def multiply_windows(arguments: int, stage: int, part: int) -> None:
    """One part of the output."""
    work = read(Product, arguments, 0)
    panels = (work.filters + PANEL - 1) // PANEL
    units = work.places // work.columns if work.group else work.places
    first, last, first_panel, last_panel = 0, units, 0, panels
    if work.by_panels:
        groups = (panels + PANELS - 1) // PANELS
        first_group, last_group = share(groups, part, work.parts)
        first_panel, last_panel = first_group * PANELS, min(last_group * PANELS, panels)
    else:
        first, last = share(units, part, work.parts)
    scratch = work.scratch + part * work.scratch_size
    if work.group:
        multiply_lines(work, first, last, first_panel, last_panel, scratch)
    else:
        multiply_places(work, work.pixels, work.output, first, last, first_panel, last_panel, scratch)


class Factor(NamedTuple):
    """The right factor of a product: filters in packed panels."""

    panels: Array
    bias: Array  # in whole panels
    depth: int  # numbers of a window
    filters: int
    form: int  # of the numbers that are multiplied


def in_pairs(form: str) -> bool:
    """Whether numbers of that form are multiplied as pairs of bfloat16: where the processor can."""
    return PRODUCTS and form == "bfloat16"


def convolution(shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish) -> Step:
    """The convolution of images `shape` (N, C, H, W) with w (K, C, R, S), plus b (K,), and what follows it."""
    N, C, H, W = shape
    R, S = weights.shape[2:]
    size = geometry.output_size((H, W), (R, S))
    factor = factor_of(weights, _window_matrix, pairs=C > FEW)
    return windows_step((N, H, W, C), FLOAT32, size, geometry.stride, factor, offsets((R, S), geometry), last)


def offsets(kernel: Pair, geometry: Geometry) -> list[Array]:
    """Of the taps of a window from the pixel of its place, on each axis."""
    return [np.arange(n) * d - p for n, d, p in zip(kernel, geometry.dilation, geometry.before, strict=True)]


def affine(count: int, weights: Weights, last: Finish) -> Step:
    """x w^T + b of `count` rows x, with w (G, F) and b (G,), and what follows it."""
    factor = factor_of(weights, np.transpose)
    return _step((count, 1, 1, factor.depth), FLOAT32, (1, 1), (1, 1), factor, None, last)


def pointwise(number: int, size: Pair, weights: Weights, last: Finish, most: int) -> tuple[Product, list[Array]]:
    """The same of a 1x1 convolution, without addresses of what moves, for a kernel that does some lines at a time.

    number, size: of the images. most: places at a time. Beside it the arrays that it points to.
    """
    return plain_product(number, size, factor_of(weights, _window_matrix), last, most)


def plain_product(number: int, size: Pair, factor: Factor, last: Finish, most: int) -> tuple[Product, list[Array]]:
    """The same with a factor that is packed."""
    panels, bias, C, K, form = factor
    bounds, places = last.bounds(), number * size[0] * size[1]
    block, part = _block(places, C, min(most, places), form, plain=True)
    tile_rows, tiles = _tiles(form, block, -(-C // 2))
    work = Product(
        0, 0, 0, 0, part, address(panels), address(bias), address(bounds), address(OPEN),
        0, 0, *size, C, *size, 1, 1, places, C, K, block, 0, 1, FLOAT32, form, tiles=address(tiles),
        tile_rows=tile_rows,
    )  # fmt: skip
    return work, [panels, bias, bounds, tiles]


def _tiles(form: int, places: int, words: int) -> tuple[int, Array]:
    """Places of a matrix tile, of so many neighbours, or 0; and the tiles' shapes. words: pairs of a line."""
    rows = rows_of(places) if form == BFLOAT16 else 0
    return rows, shapes(rows, words)


def factor_of(weights: Weights, matrix: Callable[[Array], Array], *, pairs: bool = True, copies: int = 1) -> Factor:
    """Weights, packed once, as a factor. matrix: gives their (depth, columns), in the order of a window's numbers.

    pairs: whether bfloat16 is multiplied as such, where the processor can. copies: columns of each of the K outputs,
    which follow all K of the one before.
    """
    form = BFLOAT16 if pairs and in_pairs(weights.form) else FLOAT32
    if form == BFLOAT16:
        panels = weights.made("bfloat16 panels", lambda w: _panels_of_pairs(matrix(w)))
    else:
        panels = weights.made("panels", lambda w: packed(matrix(w)))
    columns = weights.shape[0] * copies
    bias = weights.panel_bias if copies == 1 else weights.repeated_bias(copies)
    return Factor(panels, bias, weights.size // columns, columns, form)


def _window_matrix(w: Array) -> Array:
    """Filters (K, C, R, S) as a column each: (R S C, K)."""
    return w.transpose(2, 3, 1, 0).reshape(-1, len(w))


def _panels_of_pairs(matrix: Array) -> Array:
    """A matrix (depth, K) as bfloat16, in panels of pairs: (panels, pairs, PANEL, 2), their bits."""
    depth, K = matrix.shape
    even = np.zeros((depth + depth % 2, K), np.float32)
    even[:depth] = matrix
    panels = packed(even)
    ordered = panels.reshape(len(panels), -1, 2, PANEL).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(ordered.astype(ml_dtypes.bfloat16)).view(np.uint16)


def _block(places: int, depth: int, share: int, form: int, *, plain: bool) -> tuple[int, int]:
    """Places at a time for a part of `share` places, and bytes of scratch memory a part.

    plain: whether the pixels are the windows, and lie in the form that is multiplied.
    """
    block = min(places, max(LEAST, min(MOST, BLOCK // depth, share)))
    size = 0 if plain and form == FLOAT32 else scratch_bytes(form, depth, block)
    return block, -(-size // ALIGNED) * ALIGNED


def _by_panels(places: int, filters: int, groups: int, threads: int) -> bool:
    """Whether a part is some groups of panels of all places: each part then reads all windows, else all filters."""
    some, several = -(-places // threads), -(-groups // threads)
    by_places = some * groups * PANELS * PANEL + READ * (filters + some)
    return places * several * PANELS * PANEL + READ * (places + filters // threads) < by_places


def windows_step(
    images: tuple[int, int, int, int],
    stored: int,
    size: Pair,
    stride: Pair,
    factor: Factor,
    taps: list[Array],
    last: Finish,
) -> Step:
    """The product of windows of images (N, H, W, C) with packed filters.

    stored: form of the images. size, stride: places of the output, and pixels from one to the next. taps: their
    offsets from the pixel of a place, on each axis.
    """
    plain = [list(axis) for axis in taps] == [[0], [0]] and stride == (1, 1) and size == images[1:3]
    return _step(images, stored, size, stride, factor, None if plain else taps, last)


def _step(
    images: tuple[int, int, int, int],
    stored: int,
    size: Pair,
    stride: Pair,
    factor: Factor,
    taps: list[Array] | None,
    last: Finish,
) -> Step:
    N, H, W, C = images
    panels, bias, depth, filters, form = factor
    lines, places = N * size[0], N * size[0] * size[1]
    threads, groups = parts_for(max(places, LEAST_PLACES) * depth * filters), -(-len(panels) // PANELS)
    by_panels = _by_panels(places, filters, groups, threads)
    framed = None
    if taps is not None:
        framed = framing(images, stored, form, size, stride, taps, -(-lines // (1 if by_panels else threads)))
    parts = min(threads, groups if by_panels else places if framed is None else lines)
    if framed is None:
        fields: dict[str, int] = {}
        block, part = _block(places, depth, -(-places // parts), form, plain=taps is None)
    else:
        fields, part = framed
        block, part = 0, -(-part // ALIGNED) * ALIGNED
    line = depth if framed is None else depth // fields["lines"]
    tile_rows, tiles = _tiles(form, block or size[1], -(-line // 2))
    around = None if taps is None or framed else runs(taps, joined=True)
    bounds = last.bounds()
    around_address, count = (0, 0) if around is None else (address(around), len(around))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        added = inputs[1] if last.added else 0
        work = Product(
            inputs[0], output, added, scratch, part, address(panels), address(bias), address(bounds), address(OPEN),
            around_address, count, H, W, C, *size, *stride, places, depth, filters, block, int(by_panels), parts,
            stored, form, **fields, tiles=address(tiles), tile_rows=tile_rows,
        )  # fmt: skip
        return [Call(multiply_windows, parts, (work,))]

    kept = [panels, bias, bounds, tiles, *([] if around is None else [around])]
    algorithm = ("bfloat16 " if form == BFLOAT16 else "") + ("product" if taps is None else "windows")
    return Step(algorithm, calls, parts * part, kept, places * depth * filters)
