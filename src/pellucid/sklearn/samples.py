"""What scikit-learn calls X as images (N, C, H, W): rows of a table, grey images, or images with channels."""

import numpy as np

from pellucid.errors import InputError
from pellucid.ops.arrays import Array, Shape

LAYOUTS = ("NCHW", "NHWC")


def as_images(X: Array, image_shape: Shape | None, layout: str) -> Array:
    """X as (N, C, H, W), a view where it can be; a table (N, F) without an image's shape as (N, F, 1, 1).

    image_shape: (C, H, W), or (H, W) of grey images, to which the rows of a table are reshaped. layout: "NCHW" or
    "NHWC", order of the axes of a 4-D X. A 3-D X are grey images (N, H, W). Raises InputError for any other X.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
    if X.ndim == 2 and image_shape is None:
        return X[:, :, None, None]
    if X.ndim == 2:
        assert image_shape is not None
        shape = tuple(image_shape)
        C, H, W = shape if len(shape) == 3 else (1, *shape) if len(shape) == 2 else (0, 0, 0)
        if X.shape[1] != C * H * W:
            raise InputError(f"image_shape {shape}: expected (C, H, W) or (H, W) of X's {X.shape[1]} features")
        return X.reshape(len(X), C, H, W)
    if X.ndim == 3:
        return X[:, None]
    if X.ndim == 4:
        return X if layout == "NCHW" else X.transpose(0, 3, 1, 2)
    raise InputError(f"X: expected a table (N, F), images (N, H, W) or {layout}, got shape {X.shape}")


def is_table(X: Array, image_shape: Shape | None) -> bool:
    """Whether its rows are features that have no places."""
    return X.ndim == 2 and image_shape is None


def white(X: Array) -> float:
    """What is 1 for the network: 255 for bytes, else 1."""
    return 255.0 if X.dtype == np.uint8 else 1.0
