"""Every network of the zoo, backwards: each tensor's gradient is the numerical one, in float64.

Narrow versions, on images about as small as they take.
"""

from typing import Any

import numpy as np
import pytest

from pellucid import zoo
from pellucid.analysis.gradient_check import check_directions, check_gradients
from pellucid.analysis.numerical import TOLERANCE
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

SMALL: dict[str, tuple[Shape, dict[str, Any]]] = {
    "deep-convnet": ((1, 28, 28), {}),
    "detector-small": ((1, 16, 16), {"stem": (4,), "shallow": (4, 4), "deep": (6, 4), "top": (4,)}),
    "fcn-small": ((1, 9, 10), {"widths": (3, 4, 5)}),
    "fcn8": ((1, 28, 28), {}),
    "fcn16": ((1, 28, 28), {}),
    "fcn32": ((1, 28, 28), {}),
    "alexnet": ((3, 63, 64), {"width": 0.05, "dropout": 0.0}),
    "vgg16": ((3, 32, 32), {"width": 0.05, "dropout": 0.0}),
    "lenet5": ((1, 28, 28), {}),
    "plain-convnet": ((1, 8, 8), {"widths": (3, 4)}),
    "tiny-digits": ((1, 28, 28), {"channels": (3, 4, 4, 4, 4)}),
    "resnet8": ((3, 17, 16), {"widths": (3, 4, 5)}),
    "resnet18": ((3, 48, 40), {"width": 2}),
    "resnet34": ((3, 48, 40), {"width": 2}),
    "resnet50": ((3, 48, 40), {"width": 1}),
    "googlenet": ((3, 40, 40), {"width": 0.05}),
    "densenet121": ((3, 48, 40), {"growth": 2}),
    "squeezenet": ((3, 33, 34), {"width": 1}),
    "shufflenet-v2": ((3, 33, 40), {"widths": (3, 4, 6), "stem": 3, "last": 5}),
    "mobilenet-v1": ((3, 33, 40), {"width": 0.1}),
    "mobilenet-v2": ((3, 48, 40), {"width": 0.1}),
    "efficientnet-lite0": ((3, 48, 40), {"width": 0.1}),
    "unet": ((3, 8, 12), {"widths": (3, 4, 5)}),
    "detector-pyramid": ((3, 64, 32), {"backbone_width": 0.1, "width": 4, "top": 2}),
    "unet-pyramid": ((3, 50, 40), {"backbone_width": 0.1, "widths": (3, 4, 5, 4), "dropout": 0.0}),
    "cifar-net": ((3, 25, 32), {"widths": (4, 5, 6)}),
    "convnet": ((3, 17, 16), {"widths": (4, 5, 6)}),
}


def loss(y: Array) -> tuple[float, Array]:
    weights = np.random.default_rng(2).standard_normal(y.shape)
    return float((weights * np.sin(y)).sum()), weights * np.cos(y)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_are_the_numerical_ones(name: str) -> None:
    """All tensors' at once, and for networks of few layers each by itself too."""
    shape, options = SMALL[name]
    network = Network(zoo.create(name, 3, **options), shape, dtype=np.float64)
    rng = np.random.default_rng(1)
    network.vector += 0.02 * rng.standard_normal(network.vector.size)  # biases of 0 put dead places at a kink
    x = rng.standard_normal((3, *shape))
    assert check_directions(network, loss, x) < TOLERANCE
    if len(network.parameters) < 20:
        assert max(row.error for row in check_gradients(network, loss, x, samples=1)) < TOLERANCE


def test_every_network_is_checked() -> None:
    assert set(SMALL) == set(zoo.NETWORKS)
