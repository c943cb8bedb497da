"""Whether a network's answer is right: as near to float64's on the definition as its float type lets it be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from pellucid import ops
from pellucid.graph import INPUT
from pellucid.layers import INFERENCE, Context
from pellucid.network import Network

FLOORS = {"float64": 1e-12, "float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}
"""Of the largest number expected: what other orders of sums, transforms and folded weights may cost."""

NOISES = {"float64": 30, "float32": 30, "float16": 6, "bfloat16": 6}  # times what the type itself costs a network
TINY = 1e-6
LARGE = 1e3  # beyond which 16 bits and twenty layers no longer agree to a part of the largest


def like(got: Any, network: Network, x: Any, context: Callable[[], Context] = lambda: INFERENCE) -> None:
    """Whether an answer to x is the network's, as near as its float type lets it be."""
    wide = x.astype(network.dtype).astype(np.float64)
    wanted, rounded = _by_nodes(network, wide, context()), _by_nodes(network, wide, context(), rounded=True)
    for one, other, noisy in zip(got if isinstance(got, list) else [got], wanted, rounded, strict=True):
        _near(one, other, noisy, network.dtype)


def _by_nodes(network: Network, x: Any, context: Context, *, rounded: bool = False) -> list[Any]:
    """The outputs by the definition in float64, a node after the other.

    rounded: what a node sees is off by as much as the network's type may round it by, to one side or the other, and
    what it gives is rounded; how far that moves the answer is what the type costs this network.
    """
    twin, values, draw = network.astype(np.float64), {INPUT: x}, np.random.default_rng(0)
    step = float(ml_dtypes.finfo(network.dtype).eps)
    with ops.use_backend("numpy"):
        for node in twin.nodes:
            seen = [values[name] for name in node.inputs]
            if rounded:
                seen = [y * (1 + step * draw.uniform(-1, 1, y.shape)) for y in seen]
            y: Any = node.layer.forward(seen if node.join else seen[0], context)  # type: ignore[arg-type]
            values[node.name] = y.astype(network.dtype).astype(np.float64) if rounded else y
    return [values[name] for name in twin.nodes.outputs]


def _near(got: Any, wanted: Any, rounded: Any, kind: Any) -> None:
    assert got.shape == wanted.shape, f"shape {got.shape}, expected {wanted.shape}"
    sound = np.isfinite(wanted)
    largest = float(np.abs(wanted[sound]).max(initial=0))
    apart = float(np.abs(rounded - wanted)[sound].max(initial=0))
    if largest < LARGE and np.isfinite(apart):
        name = np.dtype(kind).name
        limit = NOISES[name] * apart + FLOORS[name] * largest + TINY
        np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol=0, atol=limit)
