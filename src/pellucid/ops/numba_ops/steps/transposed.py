"""Transposed convolutions whose windows lie side by side, as decoders of segmenters have them: a product, laid out.

Of each pixel a product gives all pixels of its window of the output. A block of windows stays in the cache, and their
lines go from there to their places.
"""

from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import parted, places, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES
from pellucid.ops.numba_ops.steps.finish import copy
from pellucid.ops.numba_ops.steps.product import factor_of, multiply_places, plain_product
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Finish, Step, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights
from pellucid.ops.numba_ops.steps.windows import Product
from pellucid.ops.numba_ops.winograd.product import PANEL


class _Layout(NamedTuple):
    """Where windows go."""

    output: int  # address of (N, H R, W S, K)
    lines: int  # of a window, R
    size: int  # bytes of a block of windows


_PRODUCT, _LAYOUT = places(Product, _Layout)


@parted(stages=1)
def spread(arguments: int, stage: int, part: int) -> None:
    """The windows of some pixels."""
    work, layout = read(Product, arguments, _PRODUCT), read(_Layout, arguments, _LAYOUT)
    panels = (work.filters + PANEL - 1) // PANEL
    first, last = share(work.places, part, work.parts)
    windows = work.scratch + part * work.scratch_size
    numbers = work.filters // layout.lines
    window, line = work.filters * FLOAT, numbers * FLOAT
    for start in range(first, last, work.block):
        end = min(start + work.block, last)
        multiply_places(work, work.pixels, windows - start * window, start, end, 0, panels, windows + layout.size)
        for place in range(start, end):
            row, column = divmod(place, work.columns)
            source = windows + (place - start) * window
            for r in range(layout.lines):
                to = layout.output + ((row * layout.lines + r) * work.columns + column) * line
                copy(source + r * line, to, numbers // LANES, numbers % LANES)


def convolution(shape: tuple[int, ...], weights: Weights, last: Finish) -> Step:
    """The adjoint of a convolution whose stride is its window, of images `shape` (N, C, H, W), and what follows it.

    weights: filters (K, C, R, S), with b (K,).
    """
    N, _, H, W = shape
    K, _, R, S = weights.shape
    factor = factor_of(weights, _windows, copies=R * S)
    number, multiply_adds = N * H * W, N * H * W * weights.size
    parts = min(parts_for(multiply_adds), number)
    work, kept = plain_product(N, (H, W), factor, last, -(-number // parts))
    size = -(-work.block * R * S * K * FLOAT // ALIGNED) * ALIGNED
    part = size + work.scratch_size
    work = work._replace(scratch_size=part, parts=parts)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        jobs = work._replace(pixels=inputs[0], scratch=scratch), _Layout(output, R, size)
        return [Call(spread, parts, jobs)]

    return Step("transposed", calls, parts * part, kept, multiply_adds)


def _windows(w: Array) -> Array:
    """Filters (K, C, R, S) as a column for each number of a window: (C, R S K)."""
    return np.ascontiguousarray(w.transpose(1, 2, 3, 0)).reshape(w.shape[1], -1)
