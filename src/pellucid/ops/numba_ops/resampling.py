"""Images of another size, whose pixels are sums of a few of the image's: one pass, line after line of the output."""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.layout import images
from pellucid.ops.numba_ops.layout import rows as by_row
from pellucid.ops.numpy_ops.resampling import check_places


def resample(x: Array, rows: Array, row_weights: Array, columns: Array, column_weights: Array) -> Array:
    """Rows of images (N, C, H, W) mixed, then columns: (N, C, P, Q).

    Row i of the output is the sum of row_weights[i, k] times row rows[i, k]; both (P, R), columns (Q, S). The adjoint
    is one too, of the matrices that they are, transposed. Raises InputError for rows and columns that aren't there.
    """
    N, C = x.shape[:2]
    check_places(x, rows, columns)
    y = empty((N, len(rows), len(columns), C), x.dtype)
    weights = (w.astype(x.dtype, copy=False) for w in (row_weights, column_weights))
    by_rows, by_columns = map(np.ascontiguousarray, weights)
    _resample(by_row(x), np.ascontiguousarray(rows), by_rows, np.ascontiguousarray(columns), by_columns, y)
    return images(y)


@jit(parallel=True)
def _resample(x: Any, rows: Any, row_weights: Any, columns: Any, column_weights: Any, y: Any) -> None:
    lines, width, channels = y.shape[1], y.shape[2], y.shape[3]
    for line in prange(y.shape[0] * lines):
        n, p = line // lines, line % lines
        for q in range(width):
            for c in range(channels):
                y[n, p, q, c] = 0
            for u in range(rows.shape[1]):
                for v in range(columns.shape[1]):
                    i, j, weight = rows[p, u], columns[q, v], row_weights[p, u] * column_weights[q, v]
                    if weight != 0:
                        for c in range(channels):
                            y[n, p, q, c] += weight * x[n, i, j, c]
