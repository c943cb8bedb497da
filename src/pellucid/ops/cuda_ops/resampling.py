"""Images of another size, whose pixels are sums of a few of the image's: one thread a number of the output."""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, array, contiguous, empty_images, host
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, kernel, narrow, real, split, wide
from pellucid.ops.cuda_ops.pooling import rows as by_row
from pellucid.ops.cuda_ops.types import NUMBERS
from pellucid.ops.numpy_ops.resampling import check_places


def resample(
    x: DeviceArray, rows: DeviceArray, row_weights: DeviceArray, columns: DeviceArray, column_weights: DeviceArray
) -> DeviceArray:
    """Rows of images mixed, then columns.

    Places and weights may lie on the host, which then checks the places without waiting for the device.
    """
    N, C = x.shape[:2]
    check_places(x.layout, host(rows), host(columns))
    y = empty_images((N, C, rows.shape[0], columns.shape[0]), x.dtype)
    if y.size:
        places = (contiguous(array(some, np.int32)) for some in (rows, columns))
        kind = NUMBERS[x.dtype.name].real
        weights = (contiguous(array(some).astype(kind, copy=False)) for some in (row_weights, column_weights))
        (by_rows, by_columns), (of_rows, of_columns) = places, weights
        taps = by_rows, of_rows, by_columns, of_columns
        launch(_resample.of(x.dtype.name), blocks(y.size), THREADS, by_row(x), *taps, y.transpose(0, 2, 3, 1))
    return y


@kernel("T4 I2 R2 I2 R2 T4")
def _resample(x: Any, rows: Any, row_weights: Any, columns: Any, column_weights: Any, y: Any) -> None:
    lines, width, channels = y.shape[1], y.shape[2], y.shape[3]
    for number in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        rest, c = split(number, channels)
        rest, q = split(rest, width)
        n, p = split(rest, lines)
        total = real(0)
        for u in range(rows.shape[1]):
            for v in range(columns.shape[1]):
                weight = row_weights[p, u] * column_weights[q, v]
                if weight != 0:
                    total += weight * wide(x[n, rows[p, u], columns[q, v], c])
        y[n, p, q, c] = narrow(total)
