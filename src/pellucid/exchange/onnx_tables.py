"""Which of ONNX's functions a table of 256 bytes holds: the one that gives just these bytes on its scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array
from pellucid.plan.scale import Scale

BYTES = np.arange(256)


def function_of(table: Array, seen: Scale, given: Scale) -> tuple[str, dict[str, float]] | None:
    """(operator, its numbers) of a table (256,) uint8; None where none of those known gives it.

    seen, given: what the bytes mean that go in and come out. SiLU is called so, though it is two operators.
    """
    x = seen.real(BYTES)
    for name, numbers, function in _candidates(table, x, given):
        if np.array_equal(given.quantize(function(x)), table):
            return name, numbers
    return None


def _candidates(table: Array, x: Array, given: Scale) -> Iterator[tuple[str, dict[str, float], Callable[..., Any]]]:
    yield "Relu", {}, numpy_ops.relu
    yield "Sigmoid", {}, numpy_ops.sigmoid
    yield "Tanh", {}, np.tanh
    yield "SiLU", {}, lambda x: x * numpy_ops.sigmoid(x)
    yield "HardSwish", {}, numpy_ops.hard_swish
    yield "HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, lambda x: numpy_ops.hard_sigmoid(x, 1 / 6, 0.5)
    yield "Gelu", {}, numpy_ops.gelu
    yield "Mish", {}, numpy_ops.mish
    yield "Softplus", {}, numpy_ops.softplus
    yield "Elu", {"alpha": 1.0}, lambda x: numpy_ops.elu(x, 1.0)
    low, high = (float(number) for number in given.real(np.array([table.min(), table.max()])))
    yield "Clip", {"low": low, "high": high}, lambda x: np.clip(x, low, high)
    slope = _slope(table, x, given)
    if slope is not None:
        yield "LeakyRelu", {"alpha": slope}, lambda x: numpy_ops.leaky_relu(x, slope)


def _slope(table: Array, x: Array, given: Scale) -> float | None:
    """The middle of the slopes that give those bytes for what is below 0; None where there is none."""
    below = x < 0
    if not below.any():
        return None
    levels, clipped = table[below].astype(np.float64) - given.zero, table[below]
    lowest = np.where(clipped == 0, -np.inf, levels - 0.5) * given.step
    highest = np.where(clipped == 255, np.inf, levels + 0.5) * given.step
    least, most = float((highest / x[below]).max()), float((lowest / x[below]).min())
    return (least + most) / 2 if -np.inf < least <= most < np.inf else None
