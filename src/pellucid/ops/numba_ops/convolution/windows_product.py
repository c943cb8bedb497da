"""Products of windows with filters, and of windows with output gradients, a block of places at a time.

A thread copies the windows of some places into a matrix that fits its cache and multiplies it in registers, with
the same small products as Winograd's algorithm. So nothing of the windows' size is ever written to memory, and bias
and ReLU are applied on the way out. float32 only: the products are.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, address
from pellucid.ops.numba_ops.convolution.windows import Source, copy_window
from pellucid.ops.numba_ops.winograd.product import (
    BESIDE,
    PANEL,
    ROWS,
    multiply,
    multiply_beside,
    multiply_transposed,
)

BLOCK = 48 * 1024  # numbers in a block of windows: with the filters beside them, a second-level cache's content
LEAST, MOST = 4 * ROWS, 32 * ROWS  # places in a block: the products' results are loaded and stored once a block
PARTS = 8  # sums of the weight gradient that run side by side, whatever the number of threads


class Target(NamedTuple):
    """Where in a flat array the results of place (n, p, q) go: its strides and start, in numbers."""

    image: int
    row: int
    column: int
    start: int


def up_to(size: int, multiple: int) -> int:
    """Size, rounded up to a multiple."""
    return -(-size // multiple) * multiple


def block_size(places: int, depth: int) -> int:
    """Places in a block: a multiple of ROWS, few enough that every core gets some."""
    return up_to(max(LEAST, min(MOST, BLOCK // depth, places // 16)), ROWS)


def packed(matrix: Array) -> Array:
    """A matrix (depth, K) in panels of PANEL columns, the last filled up with zeros: (panels, depth, PANEL)."""
    depth, K = matrix.shape
    panels = np.zeros((-(-K // PANEL), depth, PANEL), matrix.dtype)
    for number, panel in enumerate(panels):
        part = matrix[:, number * PANEL : (number + 1) * PANEL]
        panel[:, : part.shape[1]] = part
    return panels


@jit(parallel=True)
def convolve(
    x: Any,
    source: Source,
    runs: Any,
    first: int,
    channels: int,
    panels: Any,
    bias: Any,
    y: Any,
    target: Target,
    relu: bool,
    block: int,
) -> None:
    """y[place, :bias.size] = windows of x times panels, plus bias, then ReLU if asked. x and y are flat."""
    places, zero = source.N * source.P * source.Q, np.float32(0)
    depth, width = panels.shape[1], panels.shape[0] * PANEL
    for number in prange(-(-places // block)):
        start = number * block
        count = min(block, places - start)
        columns, out = np.empty(block * depth + LANES, np.float32), np.empty(block * width, np.float32)
        for t in range(count):
            copy_window(address(x), source, runs, start + t, first, channels, address(columns) + t * depth * FLOAT)
        rows = -(-count // ROWS) * ROWS
        columns[count * depth : rows * depth] = zero
        size = depth * PANEL * FLOAT
        for panel in range(0, panels.shape[0], BESIDE):
            factor, to = address(panels) + panel * size, address(out) + panel * PANEL * FLOAT
            if panel + BESIDE <= panels.shape[0]:
                multiply_beside(address(columns), depth * FLOAT, factor, size, to, width * FLOAT, count, depth, 0)
            else:
                multiply(address(columns), depth * FLOAT, factor, to, width * FLOAT, count, depth)
        for t in range(count):
            n, rest = divmod(start + t, source.P * source.Q)
            p, q = divmod(rest, source.Q)
            to = target.start + n * target.image + p * target.row + q * target.column
            result, place = out[t * width : t * width + bias.size], y[to : to + bias.size]
            for k in range(bias.size):
                total = result[k] + bias[k]
                place[k] = zero if relu and total <= zero else total


@jit(parallel=True)
def correlate(
    x: Any,
    source: Source,
    runs: Any,
    first: int,
    channels: int,
    dy: Any,
    filters: int,
    first_filter: int,
    partial: Any,
    block: int,
) -> None:
    """partial[part] = sum over some places of window^T dy[place]; x and dy are flat, partial is (parts, depth, K)."""
    places = source.N * source.P * source.Q
    blocks = -(-places // block)
    parts, depth, width = partial.shape
    K = dy.size // places
    for part in prange(parts):
        columns, right = np.zeros(block * depth + LANES, np.float32), np.zeros(block * width, np.float32)
        begin, end = part * blocks // parts, (part + 1) * blocks // parts
        for number in range(begin, end):
            start = number * block
            count = min(block, places - start)
            for t in range(count):
                copy_window(
                    address(x), source, runs, start + t, first, channels, address(columns) + t * depth * FLOAT
                )
                at = (start + t) * K + first_filter
                right[t * width : t * width + filters] = dy[at : at + filters]
            multiply_transposed(
                address(columns),
                depth * FLOAT,
                address(right),
                width * FLOAT,
                address(partial) + part * depth * width * FLOAT,
                width * FLOAT,
                depth,
                count,
                width,
                number == begin,
            )
