"""Depthwise convolutions and their neighbours some lines at a time: the same numbers as one after the other."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.graph import Residual, Sequential
from pellucid.layers import GELU, Clip, Conv2d, HardSwish, Layer, ReLU, ReLU6, SiLU
from pellucid.network import Network
from pellucid.ops.numba_ops.steps import lines
from pellucid.plan import Plan
from plan.networks import drawn, every_step, images


@pytest.fixture(scope="module", autouse=True)
def small_cache() -> object:
    """Images of any size, and so little cache that a few lines fill it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "LARGE", 0)
        patch.setattr(lines, "CACHE", 8_000)
        yield


def plans(network: Network, number: int) -> tuple[Plan, Plan]:
    """In lines, and one after the other."""
    shape = (number, *network.input_shape)
    joined = Plan(network, shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "LARGE", 1 << 60)
        return joined, Plan(network, shape)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_same_bits(data: st.DataObject) -> None:
    draw = data.draw
    channels, wide = draw(st.sampled_from([3, 16, 20])), draw(st.sampled_from([8, 33, 48]))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride, dilation = (draw(st.tuples(st.integers(1, 3), st.integers(1, 2))) for _ in range(2))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    widens, narrows = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    layers: list[Layer] = [Conv2d(wide, 1), draw(st.sampled_from([ReLU(), ReLU6(), HardSwish()]))] if widens else []
    channels = wide if not widens else channels
    window: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    layers += [Conv2d(wide, **window, groups=wide, bias=draw(st.booleans()))]
    layers += [draw(st.sampled_from([Clip(-1, 1), SiLU()]))]
    layers += [Conv2d(draw(st.sampled_from([7, 32])), 1), *draw(st.sampled_from([(), (GELU(),)]))] if narrows else []
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = tuple(draw(st.integers(max(1, span), span + 12)) for span in spans)
    network = drawn(Network(Sequential(*layers), (channels, *size)))
    joined, single = plans(network, draw(st.integers(1, 3)))
    assert [step.algorithm for step in joined.steps] == ["lines"]
    assert "lines" not in [step.algorithm for step in single.steps]
    x = images(network, joined.shape[0])
    np.testing.assert_array_equal(joined(x), single(x))


def test_a_sum_is_taken_in_and_what_others_see_is_kept() -> None:
    def block() -> Sequential:
        return Sequential(Conv2d(48, 1), ReLU6(), Conv2d(48, 3, padding=1, groups=48), ReLU6(), Conv2d(16, 1))

    seen_twice = Sequential(Conv2d(16, 3, padding=1, groups=16), Residual(Conv2d(16, 1)))
    network = drawn(Network(Sequential(Residual(block()), Residual(block()), seen_twice), (16, 23, 19)))
    joined, single = plans(network, 2)
    assert [step.algorithm for step in joined.steps] == ["lines", "lines", "depthwise", "product"]
    assert [step.operation.added for step in joined.steps] == [True, True, False, True]
    x = images(network, 2)
    np.testing.assert_array_equal(joined(x), single(x))
    assert joined.block.size < single.block.size


def test_depthwise_convolutions_in_a_row_share_no_neighbour() -> None:
    layers = [
        layer for _ in range(3) for layer in (Conv2d(24, 3, padding=1, groups=24), ReLU(), Conv2d(24, 1), ReLU())
    ]
    network = drawn(Network(Sequential(*layers, Conv2d(24, 1)), (24, 17, 13)))
    joined, single = plans(network, 1)
    assert [step.algorithm for step in joined.steps] == ["lines", "lines", "lines", "product"]
    x = images(network, 1)
    np.testing.assert_array_equal(joined(x), single(x))


def test_in_a_network_of_every_kind_of_step() -> None:
    network = every_step()
    joined, single = plans(network, 3)
    assert "lines" in [step.algorithm for step in joined.steps]
    x = images(network, 3)
    np.testing.assert_array_equal(joined(x), single(x))
