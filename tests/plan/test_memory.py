"""Where buffers lie: nothing is written over what is still to be read, and memory is shared."""

from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.graph import Concat, Residual, Sequential
from pellucid.layers import BatchNorm2d, Conv2d, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.plan.integer_affine import IntegerConv2d
from pellucid.plan.integer_steps import IntegerStep
from pellucid.plan.memory import buffers, overlap_gap, plan_memory
from pellucid.precision import quantize
from pellucid.zoo import create


def shrunk(layer: Layer, shape: tuple[int, int, int]) -> list[IntegerStep]:
    return quantize(Network(layer, shape), np.zeros((1, *shape), np.float32)).steps


def simulate(steps: list[IntegerStep]) -> None:
    """Write and read every byte in order; each must still belong to the value that is read.

    A convolution or a pool reads the windows of a place before it writes that place; other steps read all of an input
    that they don't grow into.
    """
    plan = plan_memory(steps)
    names = ["input", *(step.name for step in steps)]
    sizes = {"input": prod(steps[0].input_shape), **{step.name: step.output_bytes for step in steps}}
    offsets = dict(zip(names, plan.offsets, strict=False))
    owner = np.full(plan.size, "", object)
    claim(owner, offsets, sizes, "input")
    for step in steps:
        for name in step.inputs:
            held = owner[offsets[name] : offsets[name] + sizes[name]]
            assert (held == name).all(), f"{step.name} finds {set(held)} in {name}"
        if step.name in offsets:
            in_the_way = [name for name in step.inputs if meet(offsets, sizes, name, step.name)]
            for name in in_the_way:
                assert offsets[step.name] + overlap_gap(step) <= offsets[name]
            claim(owner, offsets, sizes, step.name)


def claim(owner: np.ndarray, offsets: dict[str, int], sizes: dict[str, int], name: str) -> None:
    assert 0 <= offsets[name] <= len(owner) - sizes[name]
    owner[offsets[name] : offsets[name] + sizes[name]] = name


def meet(offsets: dict[str, int], sizes: dict[str, int], a: str, b: str) -> bool:
    return offsets[a] < offsets[b] + sizes[b] and offsets[b] < offsets[a] + sizes[a]


def residuals() -> Layer:
    body = [Conv2d(8, 3, padding=1), BatchNorm2d(), ReLU(), Conv2d(8, 3, padding=1), BatchNorm2d()]
    return Sequential(Conv2d(8, 3, padding=1), Residual(Sequential(*body)), ReLU(), GlobalAvgPool2d(), Linear(4))


def sides() -> Layer:
    branches = Concat(Conv2d(3, 1), Sequential(Conv2d(5, 3, padding=1), ReLU(), Conv2d(4, 1)), Sequential())
    return Sequential(Conv2d(6, 3), branches, Conv2d(4, 3), GlobalAvgPool2d(), Linear(4))


@pytest.mark.parametrize("layer", [residuals, sides])
def test_graphs_share_memory(layer: object) -> None:
    assert callable(layer)
    steps = shrunk(layer(), (2, 16, 16))
    simulate(steps)
    assert plan_memory(steps).size < sum(buffer.size for buffer in buffers(steps))


def test_zoo_networks() -> None:
    for name, shape in (("detector-small", (1, 32, 32)), ("fcn-small", (1, 32, 32)), ("fcn8", (1, 32, 36))):
        simulate(shrunk(create(name, 3), shape))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([1, 3]), st.integers(1, 2)), min_size=1, max_size=6))
def test_chains_are_as_small_as_two_buffers_allow(widths: list[tuple[int, int, int]]) -> None:
    layers: list[Layer] = []
    for channels, kernel, stride in widths:
        layers += [Conv2d(channels, kernel, stride=stride, padding=kernel // 2), ReLU()]
    steps = shrunk(Sequential(*layers, MaxPool2d(2, ceil=True), GlobalAvgPool2d(), Linear(3)), (1, 24, 24))
    simulate(steps)
    sizes = [prod(step.input_shape) for step in steps]
    assert max(sizes) <= plan_memory(steps).size <= max(a + b for a, b in pairwise([*sizes, 0]))


def test_an_output_follows_the_pixels_that_are_still_needed() -> None:
    """Written and read place by place: at the gap nothing needed is written over, one byte closer something is."""
    step = shrunk(Sequential(Conv2d(3, 3, padding=1), ReLU(), Conv2d(5, 3, padding=1), Conv2d(1, 1)), (2, 6, 7))[1]
    assert isinstance(step, IntegerConv2d)
    assert survives(step, overlap_gap(step))
    assert not survives(step, overlap_gap(step) - 1)


def survives(step: IntegerConv2d, gap: int) -> bool:
    (C, H, W), (K, P, Q) = step.input_shape, step.output_shape
    lost = -gap  # bytes of the input that lie below what has been written
    for p in range(P):
        for q in range(Q):
            rows = [p + u - 1 for u in range(3) if 0 <= p + u - 1 < H]
            columns = [q + v - 1 for v in range(3) if 0 <= q + v - 1 < W]
            lost += K  # of this place, filter by filter, each of which needs the whole window
            if (rows[0] * W + columns[0]) * C < lost:
                return False
    return True
