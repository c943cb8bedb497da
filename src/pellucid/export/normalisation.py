"""How plain pixels become the bytes that an integer network takes, where its images were normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.data import normalized
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.plan import PIXELS, IntegerNetwork
from pellucid.plan.integer_network import images_shape


def input_tables(
    network: IntegerNetwork, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> Array | None:
    """The input's byte for each of the 256 pixels of each channel: (C, 256) uint8; None where they are the same.

    These are the bytes that Python makes: (pixel / 255 - mean) / std in float32, rounded to the input's scale.
    mean, std: of each channel, in units where white is 1, empty for 0 and 1; None where it isn't known that there
    are none. Raises PellucidError for another number of them than channels, and where none are known and the network
    takes something else than pixels from 0 to 1.
    """
    if mean is None and std is None and network.input_scale != PIXELS:
        raise PellucidError(
            "export to C: expected mean and std, or a network of pixels from 0 to 1, "
            f"got the scale {network.input_scale}"
        )
    C = images_shape(network.input_shape)[0]
    for name, values in (("mean", mean), ("std", std)):
        if values and len(values) != C:
            raise PellucidError(f"export to C: {name}: expected {C} numbers, one a channel, got {len(values)}")
    every = np.broadcast_to(np.arange(256, dtype=np.uint8), (1, C, 1, 256))
    seen = normalized(every, network.dtype, 255, mean or None, std or None)
    tables: Array = np.ascontiguousarray(network.input_scale.quantize(seen)[0, :, 0])
    return None if np.array_equal(tables, every[0, :, 0]) else tables
