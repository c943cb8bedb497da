"""3x3 convolutions by Winograd's algorithm, with filters that are transformed once."""

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.vectors import FLOAT, FLOAT32, address
from pellucid.ops.numba_ops.steps.program import run
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Finish, Step, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights
from pellucid.ops.numba_ops.winograd.calls import LEAST_CHANNELS
from pellucid.ops.numba_ops.winograd.cut import cut_convolution, passes
from pellucid.ops.numba_ops.winograd.filters import FILTER, ordered
from pellucid.ops.numba_ops.winograd.forward import Filters, Work, convolve
from pellucid.ops.numba_ops.winograd.outputs import Target
from pellucid.ops.numba_ops.winograd.patches import PLAIN, Images
from pellucid.ops.numba_ops.winograd.product import PANEL, SKEW
from pellucid.ops.numba_ops.winograd.tiles import Grid
from pellucid.ops.numba_ops.winograd.transforms import POINTS, TILE

SAVED = 2.5  # times that the products and transforms of many tiles are faster than direct products
NUMBERS_A_BYTE = 6.0  # multiply-adds that a core does while it reads a byte of weights from memory
CACHED_A_BYTE = 1.0  # the same where they are still in its second-level cache from the answer before
CACHE = 1 << 20  # bytes of it
PREPARED = 40.0  # multiply-adds that a core does while it transforms a filter to one point
ORDERED = 3.0  # the same of filters that lie as `filters.ordered` puts them
LEAST_TILES = 4  # fewer take as long


def suits(
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    geometry: Geometry,
    last: Finish,
    faster: float = 1.0,
    transformed: bool = True,
) -> bool:
    """Whether it can do the convolution, and is worth it.

    The transformed filters are four times as large as the filters: where there are only a few tiles, reading them
    from memory costs more than the products save. Filters that are transformed at each call (`cut.passes`) are read
    as they are, half of that while the products before them run, and the transform takes its time.
    faster: times that direct products are faster than those of float32, and their filters smaller. transformed:
    whether the filters are already, as in a plan.
    """
    K, C, R, S = kernel
    if (R, S) != (3, 3) or geometry.stride != (1, 1) or geometry.dilation != (1, 1) or geometry.groups != 1:
        return False
    if min(C, K) < LEAST_CHANNELS or not (last.relu or last.open):
        return False
    P, Q = geometry.output_size((shape[2], shape[3]), (R, S))
    tiles = max(LEAST_TILES, shape[0] * -(-P // TILE) * -(-Q // TILE))
    size = K * C * R * S
    direct = (shape[0] * P * Q * size + _reading(size * FLOAT)) / faster
    points = POINTS * K * C
    if not transformed:
        prepared = _reading(points * FLOAT) + points * PREPARED
    elif passes(tiles, C, K):
        prepared = _reading(size * FLOAT) / 2 + points * ORDERED
    else:
        prepared = _reading(points * FLOAT)
    return tiles * points * (4 / SAVED) + prepared < direct


def _reading(size: int) -> float:
    """Multiply-adds that a core does while it reads so many bytes of weights."""
    return size * (CACHED_A_BYTE if size <= CACHE else NUMBERS_A_BYTE)


def convolution(shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish, pooled: bool) -> Step:
    """The convolution of images `shape` (N, C, H, W) with w (K, C, 3, 3), plus b (K,), and what follows it.

    pooled: the output's 2x2 max-pool instead of itself.
    """
    N, C, H, W = shape
    K = weights.shape[0]
    P, Q = geometry.output_size((H, W), (3, 3))
    multiply_adds = N * P * Q * weights.size
    cut = cut_convolution(N, C, K, (P, Q), geometry.before, parts_for(multiply_adds))
    if cut.passing:  # where the transformed filters would be too large to stay in a cache from call to call
        kept = weights.made("winograd order", ordered)
        filters = Filters(address(kept), 0, 0, 0, 0, cut.passing, cut.some, 1)
        own = cut.scratch + cut.result
    else:
        kept, transformed = weights.made("winograd", _transformed)
        filters = Filters(0, 0, 0, 0, transformed, 0, 0, 0)
        own = cut.scratch
    bias = weights.panel_bias
    winners = N * (P // 2) * (Q // 2) * K if pooled else 0  # which nobody reads
    form = FLOAT32

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        won = scratch + -(-own // ALIGNED) * ALIGNED if pooled else 0
        added = inputs[1] if last.added else 0
        jobs = (
            Images(PLAIN, inputs[0], 0, 0, N, H, W, C, form),
            Target(output, won, address(bias), int(last.relu), P, Q, K, form, added),
            filters._replace(transformed=scratch + cut.scratch) if cut.passing else filters,
            cut.grid,
            cut.work._replace(scratch=scratch),
        )
        return [Call(convolve, cut.work.parts, jobs, stage=1)]

    return Step("winograd", calls, own + ALIGNED + winners, [kept, bias], multiply_adds)


def _transformed(w: Array) -> tuple[Array, int]:
    """Memory that holds the filters' transform, and its address in it."""
    K, C = w.shape[:2]
    panels = -(-K // PANEL)
    memory = np.zeros(POINTS * panels * (C * PANEL * FLOAT + SKEW) + ALIGNED, np.uint8)
    start = -(-address(memory) // ALIGNED) * ALIGNED
    parts = parts_for(panels * C * PANEL * POINTS)
    nothing = Target(0, 0, 0, 0, 0, 0, K, FLOAT32)
    filters = Filters(address(w), FILTER, C * FILTER, 0, start, 0, 0, 0)
    images = Images(PLAIN, 0, 0, 0, 0, 0, 0, C, FLOAT32)
    jobs = (images, nothing, filters, Grid(0, 0, 0, 0), Work(parts, 0, 0, 0, 0, 0))
    run([Call(convolve, parts, jobs)], stages=1)
    return memory, start
