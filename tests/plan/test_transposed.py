"""Transposed convolutions whose windows lie side by side are steps, and give what their layers give."""

import ml_dtypes
import numpy as np
import pytest

from pellucid import ops
from pellucid.graph import Sequential
from pellucid.layers import BatchNorm2d, ConvTranspose2d, Layer, ReLU6, SiLU
from pellucid.network import Network
from pellucid.ops.arrays import Pair, Shape
from pellucid.plan import Plan
from plan.networks import drawn, images, worst


def planned(shape: Shape, *layers: Layer, number: int = 2) -> tuple[Plan, float]:
    """A plan of layers, and its largest error against the definition in float64, as a part of the largest output."""
    network = drawn(Network(Sequential(*layers), shape))
    x = images(network, number)
    plan = Plan(network, x.shape)
    with ops.use_backend("numpy"):
        exact = network.astype(np.float64, fuse=False).forward(x.astype(np.float64))
    return plan, worst(plan(x), exact)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 2), (1, 4)])
@pytest.mark.parametrize(
    ("channels", "filters", "size"), [(1, 1, (1, 1)), (5, 7, (3, 9)), (48, 16, (13, 17)), (70, 40, (20, 21))]
)
def test_windows_side_by_side(channels: int, filters: int, size: Pair, kernel: Pair) -> None:
    plan, error = planned((channels, *size), ConvTranspose2d(filters, kernel, stride=kernel))
    assert [step.algorithm for step in plan.steps] == ["transposed"]
    assert error < 1e-5


def test_what_follows_is_taken_in() -> None:
    for after in (ReLU6(), SiLU()):
        plan, error = planned((20, 6, 5), ConvTranspose2d(24, 2, stride=2, bias=False), BatchNorm2d(), after)
        assert [step.algorithm for step in plan.steps] == ["transposed"]
        assert error < 1e-5


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel": 4, "stride": 2, "padding": 1},
        {"kernel": 3, "stride": 2, "output_padding": 1},
        {"kernel": 2, "stride": 2, "groups": 2},
        {"kernel": 2, "stride": 2, "dilation": 2},
        {"kernel": 2, "stride": 2, "padding": (1, 0)},
    ],
)
def test_other_windows_stay_layers(settings: dict[str, int]) -> None:
    plan, error = planned((4, 6, 5), ConvTranspose2d(6, **settings))  # type: ignore[arg-type]
    assert [step.algorithm for step in plan.steps] == ["layer"]
    assert error < 1e-5


def test_bfloat16() -> None:
    """Each factor is off by 2^-8 of itself at most, and so is the answer."""
    network = drawn(Network(Sequential(ConvTranspose2d(24, 2, stride=2)), (33, 7, 9))).astype(ml_dtypes.bfloat16)
    x = images(network, 2).astype(ml_dtypes.bfloat16)
    y = Plan(network, x.shape)(x)
    with ops.use_backend("numpy"):
        wide = network.astype(np.float64, fuse=False)
        exact = wide.forward(x.astype(np.float64))
        wide.vector[...] = np.abs(wide.vector)
        sizes = wide.forward(np.abs(x.astype(np.float64)))
    assert (np.abs(y.astype(np.float64) - exact) <= (2**-7 + 2**-8) * sizes).all()
