"""Convolutions as products: windows read where they lie or copied, every rest of rows, filters and depth."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.graph import Residual, Sequential
from pellucid.layers import Clip, Conv2d, ReLU, ReLU6
from pellucid.network import Network
from pellucid.ops.numba_ops.steps import frames
from pellucid.plan import Plan
from plan.networks import drawn, images, worst
from plan.test_plan import BOUND, exact


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_window(data: st.DataObject) -> None:
    draw = data.draw
    kernel, stride = (draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (5, 3))
    dilation = draw(st.tuples(st.integers(1, 2), st.sampled_from([1, 1, 2])))
    window: dict[str, Any] = {"kernel": kernel, "stride": stride, "dilation": dilation}
    window["padding"] = draw(st.one_of(st.just(0), st.tuples(*[st.integers(0, 3)] * 4)))
    filters = draw(st.sampled_from([1, 7, 16, 17, 32, 40, 49]))
    layer = Sequential(Conv2d(filters, **window), *draw(st.sampled_from([(), (Clip(-2, 2),)])))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = tuple(draw(st.integers(max(1, span), span + 24)) for span in spans)
    network = drawn(Network(layer, (draw(st.sampled_from([1, 3, 5, 16, 90])), *size)))
    x = images(network, draw(st.integers(1, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "CACHE", draw(st.sampled_from([1, 20_000, frames.CACHE])))  # lines at a time
        assert worst(Plan(network, x.shape)(x), exact(network, x)) < BOUND


@pytest.mark.parametrize("channels", [180, 300, 600])
def test_deep_windows(channels: int) -> None:
    """A line of them at a time, or a part of one, with a sum that is added at the end."""
    inner = Sequential(Conv2d(40, (1, 3), padding=(0, 0, 1, 1)), ReLU(), Conv2d(channels, 2, padding=(0, 1, 1, 0)))
    layer = Sequential(Residual(inner), ReLU(), Conv2d(24, 3, stride=2, padding=1))
    network = drawn(Network(layer, (channels, 14, 13)))
    for number in (1, 2):
        x = images(network, number)
        plan = Plan(network, x.shape)
        assert {step.algorithm for step in plan.steps} == {"windows"}
        assert worst(plan(x), exact(network, x)) < BOUND


@pytest.mark.parametrize("places", [1, 2, 5, 7, 9, 13, 25, 49])
@pytest.mark.parametrize("filters", [5, 16, 20, 32, 36, 150])
def test_any_number_of_places(places: int, filters: int) -> None:
    network = drawn(Network(Sequential(Conv2d(filters, 1), Residual(Conv2d(filters, 1)), ReLU6()), (700, 1, places)))
    x = images(network, 1)
    plan = Plan(network, x.shape)
    assert {step.algorithm for step in plan.steps} == {"product"}
    assert worst(plan(x), exact(network, x)) < BOUND
