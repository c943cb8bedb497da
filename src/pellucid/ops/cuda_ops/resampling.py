"""Images of another size: on the host, by the definition, since few networks have it."""

import numpy as np

from pellucid.ops.cuda_ops.arrays import DeviceArray, array
from pellucid.ops.half import is_half
from pellucid.ops.numpy_ops import resampling


def resample(
    x: DeviceArray, rows: DeviceArray, row_weights: DeviceArray, columns: DeviceArray, column_weights: DeviceArray
) -> DeviceArray:
    """Rows of images mixed, then columns."""
    seen = x.host()
    seen = seen.astype(np.float32) if is_half(seen.dtype) else seen
    given = (rows, row_weights, columns, column_weights)
    taps = (part.host() if isinstance(part, DeviceArray) else part for part in given)
    return array(resampling.resample(seen, *taps).astype(x.dtype, copy=False))
