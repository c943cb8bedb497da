"""Images of another size as a step: each pixel the sum of a few, line after line."""

from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import floats, parted, read, share, wholes
from pellucid.ops.numba_ops.compile.vectors import address
from pellucid.ops.numba_ops.steps.step import Call, Step, parts_for

COST = 8  # multiply-adds of a product that take as long as one here


class _Work(NamedTuple):
    """Addresses, and sizes."""

    x: int  # (N, H, W, C)
    output: int  # (N, P, Q, C)
    rows: int  # (P, R)
    row_weights: int
    columns: int  # (Q, S)
    column_weights: int
    number: int
    height: int
    width: int
    channels: int
    lines: int
    places: int
    row_taps: int
    column_taps: int
    parts: int


@parted(stages=1)
def mix(arguments: int, stage: int, part: int) -> None:
    """Some lines of the output."""
    work = read(_Work, arguments, 0)
    first, last = share(work.number * work.lines, part, work.parts)
    x, made, C = floats(work.x), floats(work.output), work.channels
    rows, row_weights = wholes(work.rows), floats(work.row_weights)
    columns, column_weights = wholes(work.columns), floats(work.column_weights)
    for line in range(first, last):
        n, p = line // work.lines, line % work.lines
        for q in range(work.places):
            out = (line * work.places + q) * C
            for c in range(C):
                made[out + c] = np.float32(0)
            for u in range(p * work.row_taps, (p + 1) * work.row_taps):
                for v in range(q * work.column_taps, (q + 1) * work.column_taps):
                    weight = row_weights[u] * column_weights[v]
                    start = ((n * work.height + rows[u]) * work.width + columns[v]) * C
                    if weight != 0:
                        for c in range(C):
                            made[out + c] += weight * x[start + c]


def resample(shape: tuple[int, ...], rows: Array, row_weights: Array, columns: Array, column_weights: Array) -> Step:
    """Images `shape` (N, C, H, W) with rows and columns mixed; see the op."""
    N, C, H, W = shape
    tables = [np.ascontiguousarray(places, np.int64) for places in (rows, columns)]
    weights = [np.ascontiguousarray(values, np.float32) for values in (row_weights, column_weights)]
    taps = rows.shape[1], columns.shape[1]
    parts = min(parts_for(COST * N * len(rows) * len(columns) * C * taps[0] * taps[1]), N * len(rows))
    places = address(tables[0]), address(weights[0]), address(tables[1]), address(weights[1])

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        work = _Work(inputs[0], output, *places, N, H, W, C, len(rows), len(columns), *taps, parts)
        return [Call(mix, parts, (work,))]

    return Step("resample", calls, 0, [*tables, *weights])
