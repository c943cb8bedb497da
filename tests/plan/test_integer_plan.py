"""Plans of integer networks: the numbers of the steps one by one, whatever the batch, the threads, what is called."""

import copy
import pickle
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from pellucid import ops
from pellucid.graph import Branches, Concat, Sequential
from pellucid.layers import Add, ChannelOrder, Conv2d, ConvTranspose2d, GlobalAvgPool2d, ReLU
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.cores import available_cores
from pellucid.plan import IntegerNetwork
from pellucid.plan.integer_plan import IntegerPlan, prepare
from pellucid.plan.plan import Memory
from pellucid.precision import quantize
from pellucid.zoo import create

NETWORKS = [("mobilenet-v2", (3, 32, 32)), ("resnet18", (3, 32, 32)), ("deep-convnet", (1, 28, 28)),
            ("squeezenet", (3, 40, 40)), ("unet", (3, 32, 32)), ("shufflenet-v2", (3, 40, 40))]  # fmt: skip


def integers(name: str, shape: tuple[int, int, int]) -> IntegerNetwork:
    network = Network(create(name, 10), shape)
    return quantize(network, np.random.default_rng(1).random((4, *shape), np.float32))


def step_by_step(network: IntegerNetwork, q: Array) -> Array:
    _, y = deque(network.values(q), maxlen=1).pop()
    return y.reshape(len(q), *network.output_shape)


@pytest.mark.parametrize("name, shape", NETWORKS)
def test_a_plan_gives_what_the_steps_give(name: str, shape: tuple[int, int, int]) -> None:
    with ops.use_backend("numba"):
        network = integers(name, shape)
        before, kept = ops.threads(), []
        try:
            for number, threads in ((3, 1), (1, 1), (3, 2), (3, 1)):
                ops.set_threads(min(threads, before))
                q = np.random.default_rng(number).integers(0, 256, (number, *shape)).astype(np.uint8)
                y = network.integer_logits(q)
                kept.append((y, y.copy()))
                np.testing.assert_array_equal(y, step_by_step(network, q))
        finally:
            ops.set_threads(before)
        for y, then in kept:  # answers are the caller's own
            np.testing.assert_array_equal(y, then)
    with ops.use_backend("numpy"):
        np.testing.assert_array_equal(network.integer_logits(q), kept[-1][1])


def test_a_sum_with_one_pixel_of_each_channel() -> None:
    """It is added everywhere; the kernel that adds two maps read behind it."""
    pixel = Sequential(Conv2d(4, 1), GlobalAvgPool2d(flatten=False))
    layers = Sequential(
        Conv2d(4, 3, padding=1), ReLU(), Branches(Conv2d(4, 1), pixel, join=Add()), ReLU(), Conv2d(3, 1)
    )
    rng = np.random.default_rng(0)
    with ops.use_backend("numba"):
        network = quantize(Network(layers, (3, 9, 8)), rng.random((4, 3, 9, 8), np.float32))
        q = rng.integers(0, 256, (2, 3, 9, 8)).astype(np.uint8)
        np.testing.assert_array_equal(network.integer_logits(q), step_by_step(network, q))


def test_transposed_dilated_and_grouped_convolutions_run_compiled() -> None:
    """A plan has a step for each, and calls none."""
    layers = Sequential(
        Conv2d(8, 3, padding=1), ReLU(), Conv2d(16, 3, padding=2, dilation=2, groups=4), ReLU(),
        ConvTranspose2d(10, 2, stride=2), ReLU(), ConvTranspose2d(3, 3, stride=2, padding=1),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    with ops.use_backend("numba"):
        network = quantize(Network(layers, (3, 9, 8)), rng.random((4, 3, 9, 8), np.float32))
        plan = IntegerPlan(network.steps, (3, 9, 8), 2, Memory())
        assert [step and step.algorithm for step in plan.prepared] == ["integer"] * 2 + ["integer transposed"] * 2
        q = rng.integers(0, 256, (2, 3, 9, 8)).astype(np.uint8)
        y = network.integer_logits(q)
    with ops.use_backend("numpy"):
        np.testing.assert_array_equal(network.integer_logits(q), y)


def test_channels_side_by_side_and_in_another_order_run_compiled() -> None:
    """Runs of one channel and of several, some twice, on scales of several inputs."""
    layers = Sequential(
        Conv2d(8, 3), Concat(ChannelOrder(5, 6, 7, 1, 2, 3), Sequential(Conv2d(3, 1), ReLU()), Conv2d(4, 1)),
        ChannelOrder(12, 0, 5, 5, 9), Conv2d(4, 1), ReLU(), ChannelOrder(3, 2), Conv2d(3, 1),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    with ops.use_backend("numba"):
        network = quantize(Network(layers, (3, 9, 8)), rng.random((4, 3, 9, 8), np.float32))
        plan = IntegerPlan(network.steps, (3, 9, 8), 2, Memory())
        used = {step.algorithm for step in plan.prepared if step}
        assert None not in plan.prepared
        assert {"integer order", "integer concat"} <= used
        q = rng.integers(0, 256, (2, 3, 9, 8)).astype(np.uint8)
        np.testing.assert_array_equal(network.integer_logits(q), step_by_step(network, q))


@pytest.mark.skipif(available_cores() < 2, reason="one core")
def test_small_steps_of_much_work_are_shared_by_threads_that_are_awake() -> None:
    """As in a plan of floats: by itself each would be done before a second thread had woken up."""
    before = ops.threads()
    with ops.use_backend("numba"):
        network = integers("resnet18", (3, 32, 32))
        try:
            ops.set_threads(2)
            plan = IntegerPlan(network.steps, (3, 32, 32), 2, Memory())
            alone = [prepare(step, [plan.shapes[name] for name in step.inputs], 2) for step in network.steps]
        finally:
            ops.set_threads(before)
    planned, single = ([made.calls([0, 0], 0, 0)[0].parts for made in some] for some in (plan.prepared, alone))
    assert all(there >= here for there, here in zip(planned, single, strict=True))
    assert planned.count(2) >= single.count(2) + 5


@pytest.mark.parametrize("way", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))])
def test_a_copy_answers_too(way: Callable[[IntegerNetwork], IntegerNetwork]) -> None:
    with ops.use_backend("numba"):
        network = integers("deep-convnet", (1, 28, 28))
        q = np.random.default_rng(0).integers(0, 256, (2, 1, 28, 28)).astype(np.uint8)
        y = network.integer_logits(q)
        np.testing.assert_array_equal(way(network).integer_logits(q), y)


def test_numbers_of_a_step_never_change() -> None:
    network = integers("deep-convnet", (1, 28, 28))
    for name in ("weight", "bias", "multiplier", "shift"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(network.steps[0], name)[...] = 0
