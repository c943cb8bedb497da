"""What rounding does to each layer: its range, and how far the integers are off the floats by then."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pellucid.layers import INFERENCE, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan.scale import Scale
from pellucid.precision.quantization_aware import BEHIND
from pellucid.precision.quantize import quantize_with_scales

BATCH = 50


@dataclass(frozen=True)
class LayerError:
    """One value of a network, such as a convolution gives with its norm, its ReLU and its pool.

    name: of the layer that gives it. low, high: its extremes in floats. step: what 1 in the integers is worth. error:
    root mean square of integers minus floats, in units of the floats' standard deviation; what the layers before it
    did is in it. 0 where the floats are all the same.
    """

    name: str
    low: float
    high: float
    step: float
    error: float


@dataclass
class _Sums:
    """Over all numbers of a value."""

    low: float = np.inf
    high: float = -np.inf
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    errors: float = 0.0

    def add(self, real: Array, rounded: Array) -> None:
        """Floats, and what the integers stand for."""
        wide = real.astype(np.float64)
        self.low, self.high = min(self.low, float(wide.min())), max(self.high, float(wide.max()))
        self.count += wide.size
        self.total += float(wide.sum())
        self.squares += float(np.square(wide).sum())
        self.errors += float(np.square(rounded - wide).sum())

    @property
    def relative(self) -> float:
        """The error in deviations."""
        variance = self.squares / self.count - (self.total / self.count) ** 2
        return float(np.sqrt(self.errors / self.count / variance)) if variance > 0 else 0.0


@dataclass
class _Floats:
    """Keeps the values that integers are compared with."""

    wanted: dict[str, tuple[str, Scale]]
    layers: dict[str, Layer]
    kept: dict[str, Array] = field(default_factory=dict)

    def watch(self, layer: Layer, y: Array) -> None:
        """Of a forward pass."""
        if layer.name in self.wanted and self.layers[layer.name] is layer:
            self.kept[layer.name] = y


def layer_errors(network: Network, calibration: Array, images: Array, bits: int = 8) -> list[LayerError]:
    """The layers in their order, compared on images (N, *input_shape).

    calibration: images as `quantize` wants them. Raises PellucidError where a layer has no integer form.
    """
    integers, given = quantize_with_scales(network, calibration, bits)
    floats = _Floats(given, {node.name: node.layer for node in network.nodes})
    sums = {value: _Sums() for value in given}
    of_step = {step: value for value, (step, _) in reversed(given.items())}  # what lies as it is: as it was first
    for start in range(0, len(images), BATCH):
        x = images[start : start + BATCH]
        network.forward(x.astype(network.dtype), INFERENCE.watched_by(floats.watch))
        for step, q in integers.values(integers.input_scale.quantize(x)):
            if (value := of_step.get(step)) in floats.kept and value is not None:
                real = floats.kept[value]
                sums[value].add(real, given[value][1].real(q).reshape(real.shape))
    found = [(value, total) for value, total in sums.items() if total.count]
    return [
        LayerError(value.removesuffix(BEHIND), s.low, s.high, given[value][1].step, s.relative) for value, s in found
    ]
