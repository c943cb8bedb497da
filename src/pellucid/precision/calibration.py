"""Which range of values each activation needs, from what a few hundred images make of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pellucid.errors import PellucidError
from pellucid.layers import INFERENCE, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.precision.scale import PIXELS, Scale

KEPT = 1 << 16  # values kept of each layer's output, to weigh clipping against rounding
BATCH = 128
_SHARES = np.linspace(0.5, 1.0, 26)  # of the widest range seen: the ranges that are tried


@dataclass
class _Seen:
    """What a layer's outputs were: extremes, and a sample of values."""

    low: float = 0.0
    high: float = 0.0
    values: list[Array] = field(default_factory=list)

    def add(self, y: Array, room: int) -> None:
        """Take a batch's output in, and of it at most `room` values, evenly spaced in memory."""
        self.low, self.high = min(self.low, float(y.min())), max(self.high, float(y.max()))
        flat = y.reshape(-1)
        self.values.append(flat[:: max(1, flat.size // room)][:room].astype(np.float64))

    def scale(self) -> Scale:
        """The scale with the smallest squared error, of clipping and rounding together."""
        values = np.concatenate(self.values)
        widest = max(abs(self.low), abs(self.high))
        best, least = Scale.of_range(self.low, self.high), np.inf
        for share in _SHARES:
            scale = Scale.of_range(max(self.low, -share * widest), min(self.high, share * widest))
            error = float(np.square(scale.real(scale.quantize(values)) - values).sum())
            if error <= least:
                best, least = scale, error
        return best


def calibrate(network: Network, images: Array) -> dict[str, Scale]:
    """The scale of every layer's output by the layer's name, and of the input by "".

    images: (N, *the network's input shape), such as it will see. Raises PellucidError where they aren't.
    """
    if images.shape[1:] != network.input_shape or len(images) == 0:
        raise PellucidError(
            f"calibration images: expected (N, {', '.join(map(str, network.input_shape))}) with N > 0, "
            f"got {images.shape}"
        )
    seen: dict[str, _Seen] = {}
    batches = range(0, len(images), BATCH)
    room = -(-KEPT // len(batches))

    def watch(layer: Layer, y: Array) -> None:
        seen.setdefault(layer.name, _Seen()).add(y, room)

    for start in batches:
        network.forward(images[start : start + BATCH].astype(network.dtype), INFERENCE.watched_by(watch))
    scales = {name: found.scale() for name, found in seen.items() if name}
    low, high = float(images.min()), float(images.max())
    scales[""] = PIXELS if low >= 0 and high <= 1 else Scale.of_range(low, high)
    return scales
