"""Networks: one vector, names, state, fusion, and passes shared by several processes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Concat, Graph, Node, Residual, Sequential, fuse, unroll
from pellucid.layers import (
    INFERENCE,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    SoftmaxCrossEntropy,
    training,
)
from pellucid.network import Network
from pellucid.ops import memory
from pellucid.ops.arrays import Array
from pellucid.zoo import create


def small() -> Sequential:
    body = Sequential(Conv2d(4, 3, padding=1), ReLU(), Conv2d(4, 3, padding=1))
    return Sequential(
        Conv2d(4, 3, padding=1), ReLU(), MaxPool2d(2), Residual(body), ReLU(), Concat(Conv2d(2, 1), Conv2d(3, 1)),
        BatchNorm2d(), Dropout(0.3), Flatten(), Linear(5), ReLU(), Linear(3),
    )  # fmt: skip


def images(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((count, 8, 8, 2)).transpose(0, 3, 1, 2)


def test_deep_convnet_is_the_known_one() -> None:
    network = Network(create("deep-convnet", 10), (1, 28, 28))
    assert network.vector.size == 123_552
    shapes: list[tuple[int, ...]] = []
    network.forward(np.zeros((1, 1, 28, 28), np.float32), training(np.random.default_rng(0)).watched_by(
        lambda layer, y: shapes.append(y.shape[1:]) if layer.kind in {"Conv2d", "MaxPool2d", "Linear"} else None
    ))  # fmt: skip
    assert shapes == [
        (16, 28, 28), (16, 28, 28), (16, 14, 14), (32, 14, 14), (32, 16, 16), (32, 8, 8),
        (64, 8, 8), (64, 8, 8), (64, 4, 4), (50,), (10,),
    ]  # fmt: skip
    kinds = [node.layer.kind for node in unroll(create("deep-convnet", 10))]
    assert kinds.count("Dropout") == 2
    kinds = [node.layer.kind for node in unroll(create("deep-convnet", 10, last_dropout=False))]
    assert kinds.count("Dropout") == 1


def test_weights_start_with_their_own_fan_in() -> None:
    network = Network(create("deep-convnet", 10), (1, 28, 28), seed=3)
    for name, fan_in in (("0.weight", 9), ("12.weight", 64 * 9), ("16.weight", 1024)):
        weight = network.state()[name]
        deviation, spread = np.sqrt(2 / fan_in), 4 / np.sqrt(2 * weight.size)  # four standard errors
        assert abs(weight.std() / deviation - 1) < spread
        assert abs(weight.mean()) < 4 * deviation / np.sqrt(weight.size)
    assert not network.state()["0.bias"].any()


def test_parameters_are_views_of_one_vector_in_order() -> None:
    network = Network(small(), (2, 8, 8))
    trained = [p for p in network.parameters.values() if p.trained]
    np.testing.assert_array_equal(np.concatenate([p.value.ravel() for p in trained]), network.vector)
    network.vector[:] = 7
    assert all((p.value == 7).all() for p in trained)
    assert list(network.parameters)[:4] == ["0.weight", "0.bias", "3.body.0.weight", "3.body.0.bias"]


def test_the_same_seed_gives_the_same_weights_in_every_float_type() -> None:
    double, single = (Network(small(), (2, 8, 8), dtype=t, seed=5) for t in (np.float64, np.float32))
    np.testing.assert_array_equal(double.vector.astype(np.float32), single.vector)
    assert Network(small(), (2, 8, 8), seed=6).digest() != single.digest()


def test_fusion_changes_nothing_but_the_passes() -> None:
    labels = np.array([0, 1, 2, 0])
    results = []
    for fused_too in (False, True):
        network = Network(small(), (2, 8, 8), dtype=np.float64, fuse=fused_too)
        y = network.forward(images(4), training(np.random.default_rng(1)))
        dx = network.backward(SoftmaxCrossEntropy()(y, labels)[1], input_gradient=True)
        results.append((y, dx, network.gradient.copy()))
    for plain, fused in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-11, atol=1e-13)
    kinds = [node.layer.kind for node in fuse(Network(small(), (2, 8, 8)).nodes, (2, 8, 8))]
    assert {"ConvReLUMaxPool", "ConvReLU", "LinearReLU"} <= set(kinds)


def test_a_batch_shared_by_processes_is_the_same_pass() -> None:
    """Dropout belongs to the sample, and batch statistics to the whole batch."""
    x, labels, loss = images(5), np.array([0, 1, 2, 0, 1]), SoftmaxCrossEntropy()
    whole = Network(small(), (2, 8, 8), dtype=np.float64)
    y = whole.forward(x, training(np.random.default_rng(1)))
    whole.backward(loss(y, labels)[1])

    # two processes, simulated by two passes: the first collects what each would send
    parts = [slice(0, 2), slice(2, 5)]
    sums: list[list[Array]] = [[], []]
    totals: list[Array] = []
    for _ in range(4):  # each round, one more all-reduce of the pass is known
        gradients, sums = [], [[], []]
        for rank, part in enumerate(parts):

            def all_reduce(array: Array, sent: list[Array] = sums[rank], known: list[Array] = totals) -> Array:
                sent.append(array.copy())
                return known[len(sent) - 1] if len(sent) <= len(known) else array

            network = Network(small(), (2, 8, 8), dtype=np.float64)
            context = replace(training(np.random.default_rng(1)), first=part.start, total=5, all_reduce=all_reduce)
            output = network.forward(x[part], context)
            network.backward(loss(output, labels[part], normalizer=5)[1])
            gradients.append(network.gradient.copy())
        totals = [a + b for a, b in zip(*sums, strict=True)]
    for rank in range(2):
        assert len(sums[rank]) == 5  # count, mean, variance, and two in the backward pass
    np.testing.assert_allclose(sum(gradients), whole.gradient, rtol=1e-9, atol=1e-12)


def test_batch_norm_keeps_statistics_per_channel() -> None:
    network = Network(Sequential(BatchNorm2d(momentum=1.0)), (2, 8, 8), dtype=np.float64)
    x = images(6)
    y = network.forward(x, training())
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=(0, 2, 3)), 1, rtol=1e-4)
    np.testing.assert_allclose(network.state()["0.running_mean"], x.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(network.state()["0.running_variance"], x.var(axis=(0, 2, 3), ddof=1))
    np.testing.assert_allclose(network.forward(x), y, rtol=0.02, atol=1e-2)  # inference uses the running ones


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.pop("0.bias"), "weights.safetensors: no 0.bias, which this network has with shape (4,)"),
        (
            lambda s: s.update({"0.bias": np.zeros(9)}),
            "weights.safetensors: 0.bias has shape (9,), this network's has (4,)",
        ),
        (
            lambda s: s.update({"odd": np.zeros((2, 2))}),
            "weights.safetensors: odd with shape (2, 2) is not in this network",
        ),
    ],
)
def test_weights_of_another_network_are_refused_whole(change: object, expected: str) -> None:
    network, other = Network(small(), (2, 8, 8)), Network(small(), (2, 8, 8), seed=1)
    state, digest = dict(other.state()), network.digest()
    assert callable(change)
    change(state)
    with pytest.raises(PellucidError) as caught:
        network.load_state(state, "weights.safetensors")
    assert str(caught.value) == expected
    assert network.digest() == digest
    network.load_state(other.state())
    assert network.digest() == other.digest()


def test_inputs_of_the_wrong_type_or_rank_are_refused() -> None:
    network = Network(small(), (2, 8, 8))
    with pytest.raises(PellucidError, match="expected float32, got float64"):
        network.forward(images(2))
    with pytest.raises(PellucidError, match="expected \\(N, 2, 8, 8\\), got \\(2, 8, 8\\)"):
        network.forward(images(1)[0].astype(np.float32))
    with pytest.raises(PellucidError, match="layer 0 \\(Conv2d\\): expected 2 input channels, got 3"):
        network.forward(np.zeros((1, 3, 8, 8), np.float32))


def test_memory_is_reused_from_step_to_step() -> None:
    import tracemalloc

    network = Network(create("deep-convnet", 10), (1, 28, 28))
    x = np.zeros((32, 28, 28, 1), np.float32).transpose(0, 3, 1, 2)

    def step() -> None:
        y = network.forward(x, training(np.random.default_rng(0)))
        network.backward(y)

    with ops.use_backend("numpy"):
        step()
        memory.release()
        step()
        tracemalloc.start()
        try:
            step()
            held = tracemalloc.get_traced_memory()[0]
            step()
            assert tracemalloc.get_traced_memory()[0] <= held + 100_000
        finally:
            tracemalloc.stop()


def test_a_layer_is_found_by_name_or_the_others_are_listed() -> None:
    network = Network(small(), (2, 8, 8))
    found: Layer = network.find("3.body.2")
    assert found.kind == "Conv2d"
    with pytest.raises(PellucidError, match=r"no layer '99': expected one of 0, 1, 2, 3, 3\.body"):
        network.find("99")


def test_a_watched_pass_is_the_one_that_is_differentiated() -> None:
    network = Network(create("deep-convnet", 10), (1, 28, 28), dtype=np.float64)
    first, second = np.random.default_rng(0).standard_normal((2, 2, 1, 28, 28))
    dy = np.random.default_rng(1).standard_normal((2, 10))
    kept = replace(INFERENCE, keep=True)
    network.forward(second, kept)
    network.backward(dy)
    expected = network.gradient.copy()
    network.forward(first, kept)
    network.forward(second, kept.watched_by(lambda layer, y: None))
    network.backward(dy)
    np.testing.assert_allclose(network.gradient, expected, rtol=1e-9, atol=1e-12)


def pair() -> Network:
    return Network(Sequential(Conv2d(2, 3), Sequential(BatchNorm2d(), Flatten()), Linear(3)), (2, 8, 8))


@pytest.mark.parametrize("number", range(4))
def test_a_refused_second_network_leaves_the_names_of_the_first_ones_layers(number: int) -> None:
    network = pair()
    before = [layer.name for layer in network.layers()]
    made = [
        network.find("0"), Sequential(ReLU(), network.find("1")), Residual(network.layer),
        Graph(Node(network.find("0"), ("input",), "q"), outputs="q"),
    ][number]  # fmt: skip
    with pytest.raises(PellucidError, match="expected a layer of no network so far"):
        Network(made, (2, 8, 8))
    assert [layer.name for layer in network.layers()] == before


def test_asking_a_container_for_its_output_leaves_names_alone() -> None:
    network = pair()
    before = [layer.name for layer in network.layers()]
    assert network.find("1").output_shape((2, 6, 6)) == (72,)
    assert [layer.name for layer in network.layers()] == before


ODD: dict[str, Any] = {
    "a list": [1.0] * 3, "None": None, "strings": np.full(3, "x"), "objects": np.full(3, None),
    "complex": np.full(3, 1j), "dates": np.zeros(3, "M8[s]"), "too large": np.full(3, 1e300),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_weights_that_are_no_numbers_are_refused(name: str) -> None:
    network = Network(Linear(3), (1,))
    before = network.digest()
    state = {"weight": np.ones((3, 1), np.float32), "bias": ODD[name]}
    with pytest.raises(PellucidError, match=r"bias: expected (an array|numbers)"):
        network.load_state(state)
    assert network.digest() == before, "nothing changes unless all fits"
    if isinstance(ODD[name], np.ndarray):
        for vector in ("vector", "gradient"):
            with pytest.raises(PellucidError, match=rf"network\.{vector}: expected numbers"):
                setattr(network, vector, np.resize(ODD[name], 6))
    assert network.digest() == before


@pytest.mark.parametrize("state", [None, "weights", [1, 2], 3])
def test_a_state_is_arrays_by_name(state: object) -> None:
    with pytest.raises(PellucidError, match="the given weights: expected arrays by name, got"):
        Network(Linear(3), (1,)).load_state(state)  # type: ignore[arg-type]


def test_an_assigned_gradient_is_copied_into_the_one_that_backward_writes() -> None:
    network = Network(Linear(1), (2,))
    room = network.gradient
    network.gradient = np.array([1, 2, 3])
    assert network.gradient is room and room.tolist() == [1, 2, 3]
    with pytest.raises(PellucidError, match=r"network\.gradient: expected 3 numbers, shape \(3,\), got \(2,\)"):
        network.gradient = np.zeros(2)
    network.forward(np.ones((1, 2), np.float32), training(np.random.default_rng(0)))
    network.backward(np.ones((1, 1), np.float32))
    assert network.gradient.tolist() == [1, 1, 1]


@pytest.mark.parametrize("value", [np.zeros((3, 2)), None, 0, Linear(3)])
def test_a_layer_of_a_network_keeps_its_parameters(value: object) -> None:
    network = Network(Linear(3), (2,))
    before = network.digest()
    with pytest.raises(PellucidError, match=r"layer \(unnamed\) \(Linear\): expected to keep its Parameter weight"):
        network.layer.weight = value
    other = Network(Linear(3), (2,), seed=1)
    with pytest.raises(PellucidError, match="expected to keep its Parameter weight"):
        network.layer.weight = other.parameters["weight"]
    assert network.digest() == before
