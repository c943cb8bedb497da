"""Max-pools of 16-bit numbers, but for dilated windows: what those give goes by way of float32."""

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.numba_ops import pooling


def max_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> tuple[Array, Array] | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    return pooling.max_pool2d(x, kernel, geometry, ceil) if geometry.dilation == (1, 1) else None


def max_pool2d_backward(
    dy: Array, winner: Array, input_size: Pair, kernel: Pair, geometry: Geometry = PLAIN
) -> Array | None:
    """As the op, of 16-bit arrays; None where it can't be done here."""
    if geometry.dilation != (1, 1):
        return None
    return pooling.max_pool2d_backward(dy, winner, input_size, kernel, geometry)
