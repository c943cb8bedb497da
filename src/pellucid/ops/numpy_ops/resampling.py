"""Images of another size, whose pixels are sums of a few of the image's."""

from pellucid.errors import InputError
from pellucid.ops.arrays import Array


def resample(x: Array, rows: Array, row_weights: Array, columns: Array, column_weights: Array) -> Array:
    """Rows of images (N, C, H, W) mixed, then columns: (N, C, P, Q).

    Row i of the output is the sum of row_weights[i, k] times row rows[i, k]; both (P, R), columns (Q, S). The adjoint
    is one too, of the matrices that they are, transposed. Raises InputError for rows and columns that aren't there.
    """
    check_places(x, rows, columns)
    y = _mixed(x, rows, row_weights)
    return _mixed(y.swapaxes(2, 3), columns, column_weights).swapaxes(2, 3)


def check_places(x: Array, rows: Array, columns: Array) -> None:
    """Raise InputError unless the images have all these rows and columns."""
    for name, places, side in (("rows", rows, x.shape[2]), ("columns", columns, x.shape[3])):
        if places.size and not 0 <= places.min() <= places.max() < side:
            raise InputError(f"resample: {name}: expected numbers from 0 to {side - 1}, got others")


def _mixed(x: Array, places: Array, weights: Array) -> Array:
    factors = weights.astype(x.dtype)[..., None]
    y: Array = x[:, :, places[:, 0]] * factors[:, 0]
    for k in range(1, places.shape[1]):
        y = y + x[:, :, places[:, k]] * factors[:, k]
    return y
