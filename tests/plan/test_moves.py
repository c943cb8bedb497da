"""Layers that move numbers as steps of plans: the same bits as by the layers themselves."""

import numpy as np
import pytest

from pellucid import ops
from pellucid.graph import Branches, Concat, Sequential
from pellucid.layers import (
    ChannelOrder,
    Conv2d,
    DepthToSpace,
    Flatten,
    Layer,
    Linear,
    Pad,
    ReLU,
    Reshape,
    Slice,
    SpaceToDepth,
    Transpose,
)
from pellucid.network import Network
from pellucid.plan import Plan
from plan.networks import drawn, images, worst

SHUFFLE = Reshape(2, 6, 8, 10), Transpose(1, 0, 2, 3), Reshape(12, 8, 10)

MOVES: dict[str, tuple[Layer, ...]] = {
    "shuffle": SHUFFLE,
    "shuffled": (ChannelOrder(*(6 * (c % 2) + c // 2 for c in range(12))), ChannelOrder(*range(6, 12), 11)),
    "half the channels": (Slice((6, 0, 0), (None, None, None)),),
    "channels backwards": (Slice((-1, 0, 0), (None, None, None), (-1, 1, 1)),),
    "a part": (Slice((0, 1, 2), (None, 7, None), (5, 2, 3)),),
    "a frame": (Pad((1, 0, 2), (0, 3, 1)),),
    "blocks": (DepthToSpace(2), SpaceToDepth(2, columns_first=False)),
    "to vectors and back": (Flatten(), Reshape(10, 12, 8), Transpose(1, 2, 0)),
    "axes": (Reshape(3, 4, 80), Transpose(2, 0, 1), Pad((0, 1), (2, 0)), Slice((3, 0, 0), (60, 3, 4))),
    "one row": (Slice((0, 3, 0), (None, 4, None)), Reshape(12, 10), Transpose(1, 0)),
}


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("name", MOVES)
def test_a_row_of_moves_is_one_step(name: str, number: int) -> None:
    network = Network(
        Sequential(*(type(layer)(*layer.made_with[0], **layer.made_with[1]) for layer in MOVES[name])), (12, 8, 10)
    )
    x = images(network, number)
    plan = Plan(network, x.shape)
    assert [step.algorithm for step in plan.steps] == ["move"]
    y = plan(x)
    with ops.use_backend("numpy"):
        np.testing.assert_array_equal(y, network.forward(x))


def test_a_unit_of_shufflenet() -> None:
    """Every step is a kernel's: halves, the convolutions, both put together, shuffled."""
    shuffle = Reshape(2, 6, 9, 7), Transpose(1, 0, 2, 3), Reshape(12, 9, 7)
    right = Sequential(Slice((6, 0, 0), (12, 9, 7)), Conv2d(6, 1), ReLU(), Conv2d(6, 3, padding=1, groups=6), ReLU())
    unit = Sequential(Concat(Slice((0, 0, 0), (6, 9, 7)), right), *shuffle)
    network = drawn(Network(Sequential(Conv2d(12, 3, padding=1), unit, Flatten(), Linear(5)), (3, 9, 7)))
    for number in (1, 4):
        x = images(network, number)
        plan = Plan(network, x.shape)
        assert "layer" not in {step.algorithm for step in plan.steps}
        y = plan(x)
        with ops.use_backend("numpy"):
            exact = network.astype(np.float64, fuse=False).forward(x.astype(np.float64))
        assert worst(y, exact) < 1e-5


def test_a_frame_of_another_number_stays_a_layer() -> None:
    network = Network(Branches(Pad((1, 1), (0, 0), value=2.0), Pad((1, 1), (0, 0), mode="edge")), (2, 4, 4))
    x = images(network, 2)
    plan = Plan(network, x.shape)
    assert {step.algorithm for step in plan.steps if step.operation.layer.kind == "Pad"} == {"layer"}
    y = plan(x)
    with ops.use_backend("numpy"):
        np.testing.assert_array_equal(y, network.forward(x))
