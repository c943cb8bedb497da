"""Whether a layer's backward is the derivative of its forward."""

from __future__ import annotations

import numpy as np

from pellucid.analysis.gradient_check import check_gradients
from pellucid.analysis.numerical import TOLERANCE
from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.layers import Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape


@checked
def check(layer: Layer, input_shape: Shape, *, samples: int = 4, seed: int = 0) -> dict[str, float]:
    """Compare every gradient of a layer, or container, with numerical derivatives, in float64.

    input_shape: of one sample, (C, H, W) or (F,). samples: in the batch of random numbers,
    drawn by `seed`.
    Returns the relative error of each parameter's gradient, and of the input's ("input").
    Raises PellucidError, naming the first of them that is wrong, for an error above 1e-6.

    >>> errors = pl.check(pl.nn.Conv2d(2), (1, 5, 5))
    >>> sorted(errors), max(errors.values()) < 1e-6
    (['bias', 'input', 'weight'], True)
    """
    network = Network(layer, input_shape, dtype=np.float64, seed=seed)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, *input_shape))
    weights = rng.normal(size=network.forward(x).shape)

    def loss(y: Array) -> tuple[float, Array]:
        fixed = weights.astype(y.dtype)
        return float((y * fixed).sum()), fixed

    errors = {found.name: found.error for found in check_gradients(network, loss, x, seed=seed)}
    for name, error in errors.items():
        if not error <= TOLERANCE:
            raise PellucidError(f"gradient of {name}: expected a relative error up to {TOLERANCE:g}, got {error:.3g}")
    return errors
