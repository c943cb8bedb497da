"""A plan answers as the layers do: over the zoo, in every kind of step, on all vector widths, from many threads."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import InputError, PellucidError
from pellucid.graph import Sequential
from pellucid.layers import BatchNorm2d, Conv2d, Flatten, Layer, ReLU
from pellucid.network import Network
from pellucid.plan import Plan
from pellucid.precision import fold_batch_norm
from plan.networks import ZOO, drawn, every_function, every_step, images, outputs, worst, zoo_network

BOUND = 1e-5
"""Largest error of an output against float64, as a part of the largest output; layers alone reach 8e-6."""


def exact(network: Network, x: np.ndarray) -> object:
    """What the network as written gives in float64, by the definition."""
    with ops.use_backend("numpy"):
        return network.astype(np.float64, fuse=False).forward(x.astype(np.float64))


@pytest.mark.parametrize("name", ZOO)
def test_plans_of_the_zoo(name: str) -> None:
    network = zoo_network(name)
    x = images(network, 2)
    assert worst(Plan(network, x.shape)(x), exact(network, x)) < BOUND


def test_every_kind_of_step() -> None:
    network = every_step()
    x = images(network, 3)
    plan = Plan(network, x.shape)
    assert worst(plan(x), exact(network, x)) < BOUND
    found = {step.operation.kind for step in plan.steps}
    assert found == {"convolution", "product", "affine", "sum", "bounds", "pool", "concat", "layer"}
    algorithms = {step.algorithm for step in plan.steps}
    assert algorithms >= {"winograd", "product", "windows", "depthwise", "max-pool", "mean-pool", "layer"}
    assert any(step.operation.pooled for step in plan.steps)
    assert any(step.operation.added for step in plan.steps)


def test_activations_gates_and_norms_of_samples_are_steps() -> None:
    network = every_function()
    for number in (1, 3):
        x = images(network, number)
        plan = Plan(network, x.shape)
        assert worst(plan(x), exact(network, x)) < BOUND
        found = {step.operation.kind for step in plan.steps}
        kinds = {"convolution", "product", "affine", "sum", "pool", "function", "gate", "norm", "resize", "layer"}
        assert found == kinds
        assert [step.operation.layer.kind for step in plan.steps if step.algorithm == "layer"] == ["Add"]


def test_residual_networks_are_convolutions_and_pools_alone() -> None:
    network = zoo_network("resnet18")
    plan = Plan(network, (1, *network.input_shape))
    kinds = [step.operation.kind for step in plan.steps]
    assert kinds == ["convolution", "pool"] + ["convolution"] * 19 + ["pool", "product"]


def test_folded_weights_are_kept_only_as_kernels_read_them() -> None:
    network = drawn(
        Network(Sequential(Conv2d(300, 3, padding=1), BatchNorm2d(), Conv2d(310, 3, padding=1)), (8, 8, 8))
    )
    x = images(network, 8)
    plan = Plan(network, x.shape)
    assert worst(plan(x), exact(network, x)) < BOUND
    assert [step.algorithm for step in plan.steps] == ["winograd"] * 2
    folded = plan.folded.nodes[0].layer
    assert isinstance(folded, Conv2d)
    assert "value" not in vars(folded.built_weight)
    small, large = 8 * 304 * 36 * 4, 300 * 310 * 9 * 4  # transformed; as it is, to be transformed at each call
    assert small + large < plan.folded.weight_bytes < 1.1 * (small + large)


def test_a_folded_network_stays_what_it_is_when_plans_have_read_it() -> None:
    """Its layers are copies that keep their weights: for plans of other shapes, and to be run themselves."""
    network = drawn(Network(Sequential(Conv2d(8, 3, padding=1), BatchNorm2d(), ReLU()), (3, 40, 40)))
    folded = fold_batch_norm(network)
    x = images(network, 2)
    for size in (40, 5, 16):
        seen = np.ascontiguousarray(x[:, :, :size, :size])
        assert worst(Plan(folded, seen.shape)(seen), exact(network, seen)) < BOUND
        assert worst(folded.forward(seen), exact(network, seen)) < BOUND


WIDTHS = """
import sys
sys.path.insert(0, {root!r})
from pellucid.ops.numba_ops.compile.vectors import LANES
from pellucid.ops.numba_ops.steps import lines
from plan.networks import every_step, images, worst
from plan.test_plan import BOUND, Plan, exact
assert LANES == {width}
network = every_step(layers=False)
x = images(network, 3)
for lines.LARGE in (lines.LARGE, 0):  # so that all kinds of steps are met
    assert worst(Plan(network, x.shape)(x), exact(network, x)) < BOUND
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [4, 16])
def test_other_vector_widths(width: int) -> None:
    program = WIDTHS.format(root=str(Path(__file__).parents[1]), width=width)
    environment = {**os.environ, "PELLUCID_VECTOR_WIDTH": str(width)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_several_threads_share_a_plan() -> None:
    network = every_step()
    batches = [images(network, 2, seed) for seed in range(8)]
    plan = Plan(network, batches[0].shape)
    alone = [plan(x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(plan, batches * 4))
    for i, y in enumerate(together):
        np.testing.assert_array_equal(y, alone[i % len(batches)])


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_as_many_as_set(threads: int) -> None:
    before = ops.threads()
    try:
        if threads > before:
            pytest.skip("one core")
        ops.set_threads(threads)
        network = every_step()
        x = images(network, 3)
        assert worst(Plan(network, x.shape)(x), exact(network, x)) < BOUND
    finally:
        ops.set_threads(before)


def test_answers_do_not_share_memory() -> None:
    network = zoo_network("tiny-digits")
    x = images(network, 2)
    plan = Plan(network, x.shape)
    first = plan(x)
    kept = first.copy()
    plan(-x)
    np.testing.assert_array_equal(first, kept)


def test_any_strides() -> None:
    network = zoo_network("convnet")
    x = images(network, 2)
    plan = Plan(network, x.shape)
    turned = np.ascontiguousarray(x.transpose(3, 1, 0, 2)).transpose(2, 1, 3, 0)
    np.testing.assert_array_equal(plan(turned), plan(x))


@pytest.mark.parametrize(
    "layer", [Flatten(), ReLU(), Sequential(), Sequential(Conv2d(3), Flatten()), Sequential(Flatten(), ReLU())]
)
def test_networks_that_hardly_do_anything(layer: Layer) -> None:
    network = Network(layer, (2, 5, 4))
    x = images(network, 3)
    y = Plan(network, x.shape)(x)
    assert worst(y, exact(network, x)) < BOUND
    assert not np.shares_memory(y, x)


@pytest.mark.parametrize(("name", "bad"), [("mobilenet-v2", np.nan), ("resnet18", np.inf)])
def test_what_is_not_finite_surfaces(name: str, bad: float) -> None:
    """What ReLU6 lets through, infinity isn't."""
    network = zoo_network(name)
    x = images(network, 1)
    x[0, 1, 30, 30] = bad
    assert not np.isfinite(Plan(network, x.shape)(x)).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    network = drawn(Network(Sequential(Conv2d(4), ReLU()), (3, 8, 8)))
    with pytest.raises(PellucidError, match=r"layer 0 \(Conv2d\): expected 3 input channels, got 4"):
        Plan(network, (1, 4, 8, 8))
    with pytest.raises(PellucidError, match="window"):
        Plan(network, (1, 3, 2, 2))
    with pytest.raises(PellucidError, match="images"):
        Plan(network, (1, 3))
    with pytest.raises(PellucidError, match="plan: expected a network of 32 or 16 bits, a batch with content"):
        Plan(network, (0, 3, 8, 8))
    with pytest.raises(PellucidError, match="plan: expected a network of 32 or 16 bits"):
        Plan(network.astype(np.float64), (1, 3, 8, 8))
    plan = Plan(network, (2, 3, 8, 8))
    with pytest.raises(PellucidError, match=r"plan: expected float32 \(2, 3, 8, 8\), got float64 \(2, 3, 8, 8\)"):
        plan(np.zeros((2, 3, 8, 8)))
    with pytest.raises(PellucidError, match=r"got float32 \(1, 3, 8, 8\)"):
        plan(np.zeros((1, 3, 8, 8), np.float32))
    with pytest.raises(PellucidError, match=r"expected float32 \(2, 3, 8, 8\), got int64 \(2,\)"):
        plan([1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", ["1x3x8x8", (1, 3, "8", 8), (1, 3, 8.0, 8), (True, 3, 8, 8), None])
def test_shapes_that_are_none_are_named(shape: Any) -> None:
    network = Network(Sequential(Conv2d(4), ReLU()), (3, 8, 8))
    with pytest.raises(InputError, match=r"Plan: shape = .*, expected a list of a whole number"):
        Plan(network, shape)
    with pytest.raises(InputError, match="Plan: network = 3, expected a Network"):
        Plan(3, (1, 3, 8, 8))  # type: ignore[arg-type]
    with pytest.raises(PellucidError, match=r"a batch with content .* got float32, \(-1, 3, 8, 8\)"):
        Plan(network, (-1, 3, 8, 8))
    assert Plan(network, [1, 3, 8, 8]).shape == (1, 3, 8, 8)  # type: ignore[arg-type]


def test_a_value_given_out_that_others_read() -> None:
    network = zoo_network("detector-small")
    x = images(network, 2)
    y = Plan(network, x.shape)(x)
    assert [a.shape for a in outputs(y)] == [a.shape for a in outputs(network.forward(x))]
