"""Every network of the zoo, backwards: each tensor's gradient is the numerical one, in float64.

Narrow versions, where a network has a setting for that; all on images as small as they take.
"""

from typing import Any

import numpy as np
import pytest

from pellucid import zoo
from pellucid.analysis.gradient_check import TOLERANCE, check_gradients
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

SMALL: dict[str, tuple[Shape, dict[str, Any]]] = {
    "deep-convnet": ((1, 28, 28), {}),
    "detector-small": ((1, 16, 16), {"stem": (4,), "shallow": (4, 4), "deep": (6, 4), "top": (4,)}),
    "fcn-small": ((1, 9, 10), {"widths": (3, 4, 5)}),
    "fcn8": ((1, 28, 28), {}),
    "fcn16": ((1, 28, 28), {}),
    "fcn32": ((1, 28, 28), {}),
    "lenet5": ((1, 28, 28), {}),
    "plain-convnet": ((1, 8, 8), {"widths": (3, 4)}),
    "tiny-digits": ((1, 28, 28), {"channels": (3, 4, 4, 4, 4)}),
    "resnet18": ((3, 48, 40), {"width": 2}),
    "resnet34": ((3, 48, 40), {"width": 2}),
    "resnet50": ((3, 48, 40), {"width": 1}),
    "googlenet": ((3, 40, 40), {"width": 0.05}),
    "densenet121": ((3, 48, 40), {"growth": 2}),
    "squeezenet": ((3, 33, 34), {"width": 1}),
    "mobilenet-v2": ((3, 48, 40), {"width": 0.1}),
    "efficientnet-lite0": ((3, 48, 40), {"width": 0.1}),
    "unet": ((3, 8, 12), {"widths": (3, 4, 5)}),
    "convnet": ((3, 17, 16), {"widths": (4, 5, 6)}),
}


def loss(y: Array) -> tuple[float, Array]:
    weights = np.random.default_rng(2).standard_normal(y.shape)
    return float((weights * np.sin(y)).sum()), weights * np.cos(y)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_are_the_numerical_ones(name: str) -> None:
    shape, options = SMALL[name]
    network = Network(zoo.create(name, 3, **options), shape, dtype=np.float64)
    x = np.random.default_rng(1).standard_normal((3, *shape))
    rows = check_gradients(network, loss, x, samples=1)
    assert {row.name for row in rows} == {n for n, p in network.parameters.items() if p.trained} | {"input"}
    worst = max(rows, key=lambda row: row.error)
    assert worst.error < TOLERANCE, worst
