"""Which range of values each activation needs, from what a few hundred images make of it.

The range reaches to the extremes. Clipping it where the squared error of all values is smallest, as is often done,
was tried: the few large values it clips are those that decide (19 of 10,000 predictions changed instead of 3).
"""

from __future__ import annotations

from math import isfinite

import numpy as np

from pellucid.errors import InputError, PellucidError
from pellucid.graph import INPUT
from pellucid.layers import INFERENCE, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_float
from pellucid.plan.scale import PIXELS, Scale

BATCH = 128


def calibrate(network: Network, images: Array) -> dict[str, Scale]:
    """The scale of every value of the network by its name, that of the input among them.

    images: (N, *the network's input shape), such as it will see. Raises PellucidError where they aren't, and for
    images or weights that give values without an end.
    """
    images = np.asarray(images)
    if not (is_float(images.dtype) or images.dtype.kind in "iub"):
        raise InputError(f"calibration images: expected numbers, got {images.dtype}")
    if images.shape[1:] != network.input_shape or len(images) == 0:
        raise PellucidError(
            f"calibration images: expected (N, {', '.join(map(str, network.input_shape))}) with N > 0, "
            f"got {images.shape}"
        )
    least, most = float(images.min()), float(images.max())
    extremes = {INPUT: (least, most)}
    values = network.nodes.by_name

    def watch(layer: Layer, y: Array) -> None:
        if layer.name in values and values[layer.name].layer is layer:
            low, high = extremes.get(layer.name, (0.0, 0.0))
            extremes[layer.name] = min(low, float(y.min())), max(high, float(y.max()))

    for start in range(0, len(images), BATCH):
        with np.errstate(over="ignore", invalid="ignore"):  # the extremes tell
            network.forward(images[start : start + BATCH].astype(network.dtype), INFERENCE.watched_by(watch))
    for name, (low, high) in extremes.items():
        if not (isfinite(low) and isfinite(high)):
            raise InputError(
                f"calibration: value {name or 'of the layer'}: expected finite numbers, got {low:g} to {high:g}"
            )
    scales = {name: Scale.of_range(*pair) for name, pair in extremes.items()}
    if least >= 0 and most <= 1:
        scales[INPUT] = PIXELS
    return scales
