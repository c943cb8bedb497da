"""Containers unrolled, the executor, refusals by name, and copies of networks."""

import copy
import itertools
import pickle
import weakref
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest

from graph.scale import Scale
from pellucid.errors import PellucidError
from pellucid.graph import Branches, Concat, Graph, Node, Residual, Sequential, Sum, Upsampled, grids, unroll
from pellucid.layers import (
    DIFFERENTIABLE,
    INFERENCE,
    Add,
    BatchNorm2d,
    Context,
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    Layer,
    Linear,
    Multiply,
    ReLU,
    SoftmaxCrossEntropy,
    Tanh,
    training,
)
from pellucid.layers.base import Parameter
from pellucid.layers.initializers import Normal
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.training.optimizers import Adam
from pellucid.zoo import create


def named(layer: Layer) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(node.name, node.layer.kind, node.inputs) for node in unroll(layer)]


def images(count: int = 2, channels: int = 2, size: int = 5, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((count, channels, size, size))


# Containers


def test_a_sequence_is_a_chain() -> None:
    assert named(Sequential(Tanh(), Sequential(ReLU(), Tanh()), names=("first", "rest"))) == [
        ("first", "Tanh", ("input",)),
        ("rest.0", "ReLU", ("first",)),
        ("rest.1", "Tanh", ("rest.0",)),
    ]


def test_a_residual_block_adds_what_passes_it_by() -> None:
    layer = Sequential(Tanh(), Residual(Sequential(ReLU(), Tanh())), Residual(ReLU(), Tanh()))
    assert named(layer)[1:] == [
        ("1.body.0", "ReLU", ("0",)),
        ("1.body.1", "Tanh", ("1.body.0",)),
        ("1.add", "Add", ("1.body.1", "0")),
        ("2.body", "ReLU", ("1.add",)),
        ("2.shortcut", "Tanh", ("1.add",)),
        ("2.add", "Add", ("2.body", "2.shortcut")),
    ]


def test_branches_see_the_same_and_are_joined() -> None:
    assert named(Branches(Tanh(), Sequential(), join=Multiply(), names=("a", "b"))) == [
        ("a", "Tanh", ("input",)),
        ("multiply", "Multiply", ("a", "input")),
    ]
    assert [name for name, _, _ in named(Sum(Tanh(), ReLU()))] == ["0", "1", "add"]
    assert [name for name, _, _ in named(Concat(Tanh(), ReLU()))] == ["0", "1", "concat"]


def test_upsampling_names_its_parts() -> None:
    nodes = named(Upsampled(Conv2d(3, 2, stride=2), 3))
    assert [(name, inputs) for name, _, inputs in nodes] == [
        ("body", ("input",)),
        ("edges", ("body", "input")),
        ("up", ("edges",)),
        ("crop", ("up", "input")),
    ]


def pyramid() -> Graph:
    """Two outputs, one deeper than the other."""
    return Graph(
        Node(Add(), ("shallow", "deep"), "sum"),
        Node(Sequential(Tanh(), Scale()), "shallow", "deep"),
        Node(Scale(), "image", "shallow"),
        outputs=("sum", "deep"),
        input_name="image",
    )


def test_a_graph_finds_its_order() -> None:
    assert named(pyramid()) == [
        ("shallow", "Scale", ("input",)),
        ("deep.0", "Tanh", ("shallow",)),
        ("deep.1", "Scale", ("deep.0",)),
        ("sum", "Add", ("shallow", "deep.1")),
    ]


def test_a_graph_in_a_graph_is_called_by_both_names() -> None:
    layer = Graph(
        Node(pyramid(), "input", "levels"),
        Node(Multiply(), ("levels.sum", "levels.deep"), "product"),
        outputs="product",
    )
    assert named(layer)[-1] == ("product", "Multiply", ("levels.sum", "levels.deep.1"))
    network = Network(Sequential(Tanh(), layer, Tanh()), (2, 5, 5), dtype=np.float64)
    assert network.output_shape == (2, 5, 5)
    assert "1.levels.deep.1.factor" in network.parameters


# The executor


class Witness(Layer):
    """Gives new arrays, and notes how many of those that it gave are still there when it runs."""

    given: ClassVar[list["weakref.ref[Array]"]] = []
    alive: ClassVar[list[int]] = []

    def _pass(self, x: Array) -> Array:
        self.alive.append(sum(seen() is not None for seen in self.given))
        y = x + 1.0
        self.given.append(weakref.ref(y))
        return y

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        return self._pass(x)

    def backward(self, dy: Array) -> Array:
        return self._pass(dy)


@pytest.fixture
def alive() -> list[int]:
    Witness.given.clear()
    Witness.alive.clear()
    return Witness.alive


def test_values_are_freed_after_their_last_use(alive: list[int]) -> None:
    network = Network(Sequential(*(Witness() for _ in range(5))), (3,), dtype=np.float64)
    y = network(np.zeros((2, 3)))
    np.testing.assert_array_equal(y, 5)
    assert alive == [0, 1, 1, 1, 1]


def test_a_value_that_passes_by_stays_as_long_as_it_is_wanted(alive: list[int]) -> None:
    body = Sequential(Witness(), Witness(), Witness())
    network = Network(Sequential(Witness(), Residual(body), Witness(), Witness()), (3,), dtype=np.float64)
    network(np.zeros((2, 3)))
    assert alive == [0, 1, 2, 2, 0, 1]  # behind the sum, which no witness made, nothing is left


def test_gradients_are_freed_on_the_way_down(alive: list[int]) -> None:
    network = Network(Sequential(*(Witness() for _ in range(5))), (3,), dtype=np.float64)
    network(np.zeros((2, 3)), DIFFERENTIABLE)
    alive.clear()
    Witness.given.clear()
    dx = network.backward(np.zeros((2, 3)), input_gradient=True)
    np.testing.assert_array_equal(dx, 5)
    assert alive == [0, 1, 1, 1, 1]


def test_what_backward_needed_is_dropped() -> None:
    network = Network(create("resnet18", 3, width=2), (3, 32, 32))
    network.forward(images(2, 3, 32).astype(np.float32), training())
    network.backward(np.ones((2, 3), np.float32))
    kept = [name for node in network.nodes for name in node.layer.keeps if name in vars(node.layer)]
    assert kept == []


def test_onlookers_see_layers_and_containers_in_order() -> None:
    layer = Sequential(Conv2d(2, 1), ReLU(), Residual(Sequential(Tanh(), Scale())), Flatten())
    network = Network(layer, (2, 5, 5), dtype=np.float64)
    seen: list[tuple[str, Array]] = []
    y = network.forward(images(), INFERENCE.watched_by(lambda layer, y: seen.append((layer.name, y))))
    names = [name for name, _ in seen]
    assert names == ["0", "1", "2.body.0", "2.body.1", "2.body", "2.add", "2", "3", ""]
    values = dict(seen)
    assert values["2.body"] is values["2.body.1"]
    assert values["2"] is values["2.add"]
    np.testing.assert_array_equal(values[""], y)


def test_several_outputs_and_gradients_that_are_none() -> None:
    network = Network(pyramid(), (2, 5, 5), dtype=np.float64)
    assert network.output_shape == ((2, 5, 5), (2, 5, 5))
    x, dy = images(), images(seed=1)
    gradients = []
    for given in ([dy, None], [dy, np.zeros_like(dy)], [None, dy], [dy, dy]):
        y = network(x, DIFFERENTIABLE)
        assert [output.shape for output in y] == [x.shape, x.shape]
        dx = network.backward(given, input_gradient=True)
        gradients.append(np.concatenate([network.gradient, dx.ravel()]))
    np.testing.assert_array_equal(gradients[0], gradients[1])
    np.testing.assert_allclose(gradients[0] + gradients[2], gradients[3], rtol=1e-12, atol=1e-12)


def test_no_gradient_at_all_is_zero() -> None:
    network = Network(pyramid(), (2, 5, 5), dtype=np.float64)
    network(images(), DIFFERENTIABLE)
    network.gradient[...] = 7
    dx = network.backward([None, None], input_gradient=True)
    assert dx.shape == (2, 2, 5, 5)
    assert not dx.any()
    assert not network.gradient.any()


def test_a_shared_parameter_is_there_once_and_its_gradients_add_up() -> None:
    factor = Parameter((1,), Normal(1.0))
    layer = Sequential(Scale(factor), Residual(Scale(factor)), Scale())
    network = Network(layer, (3,), dtype=np.float64)
    assert list(network.parameters) == ["0.factor", "2.factor"] == list(network.state())
    w, v = 0.7, -1.3
    network.vector = np.array([w, v])
    x, dy = np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, -1.0, 2.0]])
    np.testing.assert_allclose(network(x, DIFFERENTIABLE), v * (w**2 + w) * x)
    dx = network.backward(dy, input_gradient=True)
    inner = float((x * dy).sum())
    np.testing.assert_allclose(network.gradient, [v * (2 * w + 1) * inner, (w**2 + w) * inner])
    np.testing.assert_allclose(dx, v * (w**2 + w) * dy)


class Counted(Scale):
    """Counts its backward passes."""

    backwards = 0

    def backward(self, dy: Array) -> Array:
        self.backwards += 1
        return super().backward(dy)


def test_nothing_is_done_below_the_lowest_layer_that_learns() -> None:
    layers = [Counted() for _ in range(6)]
    side = Sequential(layers[2], layers[3])  # frozen, and its input needs no gradient
    network = Network(Sequential(layers[0], layers[1], Residual(side), layers[4], layers[5]), (3,), dtype=np.float64)
    whole = network.astype(np.float64)
    for names in ("0", "1", "2", "3"):
        network.group(names, frozen=True)
    x, dy = np.random.default_rng(0).standard_normal((2, 4, 3))
    results = []
    for one in (whole, network):
        one(x, DIFFERENTIABLE)
        one.gradient[...] = 7
        assert one.backward(dy).shape == (0,)
        results.append(one.gradient.copy())
    assert [layer.backwards for layer in layers] == [0, 0, 0, 0, 0, 1]
    np.testing.assert_array_equal(results[1], [0, 0, 0, 0, 0, results[0][-1]])

    before, optimizers = network.vector.copy(), [Adam(0.1, weight_decay=0.1) for _ in network.parts]
    for part, optimizer in zip(network.parts, optimizers, strict=True):
        place = slice(part.start, part.stop)
        optimizer.update(network.vector[place], network.gradient[place], part.rate)
    np.testing.assert_array_equal(network.vector[:-1], before[:-1])
    assert network.vector[-1] != before[-1]

    network.vector = before
    network.set_groups([])
    network(x, DIFFERENTIABLE)
    network.backward(dy)
    np.testing.assert_array_equal(network.gradient, results[0])


def test_a_frozen_layer_between_ones_that_learn_passes_gradients_on() -> None:
    layers = [Counted() for _ in range(3)]
    network = Network(Sequential(*layers), (3,), dtype=np.float64)
    network.group("1", frozen=True)
    x, dy = np.random.default_rng(0).standard_normal((2, 4, 3))
    network(x, DIFFERENTIABLE)
    network.backward(dy)
    w = network.vector
    inner = float((x * dy).sum())
    np.testing.assert_allclose(network.gradient, [w[1] * w[2] * inner, 0, w[0] * w[1] * inner])
    assert [layer.backwards for layer in layers] == [1, 1, 1]


# Refusals


def twice() -> Layer:
    layer = Tanh()
    return Sequential(layer, Residual(layer))


def container_twice() -> Layer:
    body = Sequential(Tanh())
    return Concat(body, body)


def graph(*nodes: Node, outputs: str | list[str] = "y") -> Callable[[], Layer]:
    return lambda: Graph(*nodes, outputs=outputs)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (twice, "layer Tanh stands at two places, 0 and 1.body: a layer keeps"),
        (container_twice, "layer Sequential stands at two places, 0 and 1: a layer keeps"),
        (
            lambda: Sequential(Tanh(), ReLU(), names=("a", "a")),
            "(Sequential): expected a name for each layer, got 'a' tw",
        ),
        (
            lambda: Sequential(Tanh(), names=("a", "b")),
            "(Sequential): expected 1 names, one a layer, got 2: 'a', 'b'",
        ),
        (lambda: Sequential(Tanh(), names=("",)), "(Sequential): expected 1 names, one a layer, got 1: ''"),
        (lambda: Sequential(Tanh(), names=("input",)), "two nodes are called input: expected a name for each"),
        (lambda: Sum(Tanh(), ReLU(), names=("add", "b")), "two nodes are called add: expected a name for each"),
        (Branches, "(Branches): expected at least one branch, got none"),
        (
            lambda: Sequential(pyramid(), Tanh()),
            "several outputs only of its last layer, got 0.sum, 0.deep.1 before 1",
        ),
        (
            lambda: Sum(pyramid(), Tanh()),
            "layer 0 (Graph): expected one output, as it is used as one value, got 2: 0.su",
        ),
        (
            graph(Node(Tanh(), "input", "a"), Node(Tanh(), "a", "a"), outputs="a"),
            "name of its own for each node, got 'a' tw",
        ),
        (
            graph(Node(Tanh(), "input", "input"), outputs="input"),
            "a name of its own for each node, got 'input' twice",
        ),
        (graph(Node(Tanh(), "input", ""), outputs=""), "a name of its own for each node, got ''"),
        (
            graph(
                Node(Tanh(), "c", "a"),
                Node(Tanh(), "a", "b"),
                Node(Tanh(), "b", "c"),
                Node(Add(), ("c", "input"), "y"),
            ),
            "(Graph): expected no cycle, got ",
        ),
        (graph(Node(Tanh(), "y", "y")), "(Graph): expected no cycle, got y -> y"),
        (
            graph(Node(Tanh(), "input", "y"), Node(Tanh(), "y", "z")),
            "expected every node to be used or given out, got z,",
        ),
        (graph(Node(Tanh(), "x", "y")), "expected inputs of node y among input, y, got x"),
        (graph(Node(Tanh(), "input", "y"), outputs="z"), "expected outputs among y, got z"),
        (graph(Node(Tanh(), "input", "y"), outputs=[]), "expected outputs among y, got none"),
        (graph(Node(Tanh(), ("input", "input"), "y")), "expected one input of node y (Tanh), got input, input"),
        (
            graph(Node(Sequential(Add()), ("input", "input"), "y")),
            "expected one input of node y (Sequential), got input, i",
        ),
        (graph(Node(Add(), (), "y")), "expected at least one input of node y, got none"),
        (
            lambda: Graph(Node(Add(), ("a", "b"), "y"), outputs="y", input_name=("a", "b")),
            "(Graph): expected one input, got 'a' and 'b'",
        ),
        (
            graph(Node(pyramid(), "input", "p"), Node(Tanh(), "p.wide", "y")),
            "expected inputs of node y among input, p.sum, p.deep, got p.wide",
        ),
        (graph(Node(pyramid(), "input", "p"), Node(Tanh(), "p", "y")), "got p"),
        (
            lambda: Sum(Conv2d(2, 1), Conv2d(3, 1)),
            "layer add (Add): expected inputs of one shape, got (2, 5, 5) and (3, 5, 5)",
        ),
        (
            lambda: Concat(Tanh(), Conv2d(2, 3)),
            "layer concat (Concat): expected inputs of one height and width, got (2, 5, 5)",
        ),
    ],
)
def test_what_makes_no_network_is_refused_by_name(make: Callable[[], Layer], expected: str) -> None:
    with pytest.raises(PellucidError) as caught:
        Network(make(), (2, 5, 5))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cycle_is_told_along_its_way() -> None:
    with pytest.raises(PellucidError) as caught:
        Graph(
            Node(Add(), ("input", "c"), "a"), Node(Tanh(), "a", "b"), Node(Tanh(), "b", "c"), Node(Tanh(), "c", "y"),
            outputs="y",
        )  # fmt: skip
    way = str(caught.value).rpartition("got ")[2].split(" -> ")
    assert way[0] == way[-1]
    assert set(itertools.pairwise(way)) == {("a", "b"), ("b", "c"), ("c", "a")}


def test_a_layer_of_another_network_is_refused() -> None:
    layer = Conv2d(2, 1)
    network = Network(Sequential(layer, Tanh()), (2, 5, 5))
    with pytest.raises(PellucidError, match=r"layer 0 \(Conv2d\): expected a layer of no network so far"):
        Network(Sequential(layer), (2, 5, 5))
    with pytest.raises(PellucidError, match="no network so far"):
        Network(network.layer, (2, 5, 5))
    other = Network(copy.deepcopy(network.layer), (2, 5, 5), seed=1)
    assert network.parameters["0.weight"].value.base is not other.parameters["0.weight"].value.base


def test_backward_comes_behind_forward() -> None:
    network = Network(Sequential(Scale(), Tanh()), (3,), dtype=np.float64)
    x = np.zeros((2, 3))
    with pytest.raises(PellucidError, match="expected a forward pass before it"):
        network.backward(x)
    network(x)
    with pytest.raises(PellucidError, match="expected a forward pass before it"):
        network.backward(x)
    network(x, DIFFERENTIABLE)
    network.backward(x)
    with pytest.raises(PellucidError, match="for each backward pass one"):
        network.backward(x)


def test_a_pass_that_failed_is_none() -> None:
    network = Network(Sequential(Tanh(), Conv2d(2, 1), Flatten(), Linear(3)), (2, 5, 5), dtype=np.float64)
    network(images(), DIFFERENTIABLE)
    with pytest.raises(PellucidError, match=r"layer 3 \(Linear\)"):
        network(images(size=4), DIFFERENTIABLE)
    with pytest.raises(PellucidError, match="expected a forward pass before it"):
        network.backward(np.zeros((2, 3)))


def test_gradients_of_another_shape_or_number_are_refused() -> None:
    network = Network(pyramid(), (2, 5, 5), dtype=np.float64)
    x = images()
    network(x, DIFFERENTIABLE)
    with pytest.raises(PellucidError, match=r"the output deep.1's shape \(2, 2, 5, 5\), got \(1, 2, 5, 5\)"):
        network.backward([x, x[:1]])
    with pytest.raises(PellucidError, match="a gradient for each of 2 outputs, got 1"):
        network.backward(x)
    network.backward([x, x])  # a refusal has used nothing up


# Copies


def small() -> Sequential:
    factor = Parameter((1,), Normal(1.0))
    body = Sequential(Conv2d(4, 3, padding=1), BatchNorm2d(), ReLU(), Dropout(0.2), Scale(factor))
    return Sequential(
        Conv2d(4, 3, padding=1), ReLU(), Residual(body), Concat(Scale(factor), Identity()),
        Upsampled(Conv2d(4, 2, stride=2), 4, frozen=True), Flatten(), Linear(3),
    )  # fmt: skip


def trained(network: Network, steps: int) -> Network:
    rng = np.random.default_rng(1)
    for _ in range(steps):
        y = network(rng.standard_normal((4, 2, 6, 6)).astype(network.dtype), training(rng))
        network.backward(SoftmaxCrossEntropy()(y, np.array([0, 1, 2, 0]))[1])
        network.vector -= network.vector.dtype.type(0.1) * network.gradient
    return network


def pickled(protocol: int) -> Callable[[Network], Network]:
    return lambda network: pickle.loads(pickle.dumps(network, protocol))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, *map(pickled, range(2, pickle.HIGHEST_PROTOCOL + 1))]
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_copy_trains_on_to_the_same_bits(copied: Callable[[Network], Network], dtype: type) -> None:
    network = trained(Network(small(), (2, 6, 6), dtype=dtype, seed=3), 2)
    network.group("0", frozen=True)
    before = network.digest()
    twin = copied(network)
    assert twin.digest() == before
    assert list(twin.parameters) == list(network.parameters)
    assert (twin.parts, twin.dtype, twin.output_shape) == (network.parts, network.dtype, network.output_shape)
    trained(twin, 2)
    assert network.digest() == before != twin.digest()  # each has its own
    assert trained(network, 2).digest() == twin.digest()
    assert twin.layer is not network.layer
    twin.initialize(3)
    np.testing.assert_array_equal(twin.vector, Network(small(), (2, 6, 6), dtype=dtype, seed=3).vector)


def test_a_copy_in_the_midst_of_a_pass_keeps_nothing_of_it() -> None:
    network = Network(small(), (2, 6, 6))
    network(np.zeros((4, 2, 6, 6), np.float32), DIFFERENTIABLE)
    with pytest.raises(PellucidError, match="expected a forward pass before it"):
        copy.deepcopy(network).backward(np.zeros((4, 3), np.float32))
    assert len(pickle.dumps(network)) < 60_000
    network.backward(np.zeros((4, 3), np.float32))


def test_a_network_in_another_type_leaves_the_first_alone() -> None:
    network = Network(small(), (2, 6, 6))
    wide = network.astype(np.float64)
    np.testing.assert_array_equal(wide.vector, network.vector)
    wide.vector[...] = 0
    assert network.vector.any()
    x = images(4, 2, 6).astype(np.float32)
    before = network(x)
    network.vector[...] *= 2
    assert not np.array_equal(network(x), before)  # what layers see is still the vector
    assert not np.array_equal(wide(x.astype(np.float64)), before)


# The network itself


def test_the_vector_is_assigned_by_copying() -> None:
    network = Network(Sequential(Scale(), Scale()), (3,), dtype=np.float64)
    values = np.array([2.0, 3.0])
    network.vector = values
    values[...] = 0
    x = np.ones((1, 3))
    np.testing.assert_array_equal(network(x), 6)
    np.testing.assert_array_equal(network(x), network.forward(x))
    network.vector -= 1
    np.testing.assert_array_equal(network(x), 2)
    network.statistics = np.empty(0)
    with pytest.raises(PellucidError, match=r"network.vector: expected 2 numbers, shape \(2,\), got \(3,\)"):
        network.vector = np.zeros(3)


def test_a_network_shows_its_layers_shapes_and_parameters() -> None:
    layer = Sequential(
        Conv2d(4, 3, padding=1), Residual(Sequential(Tanh(), BatchNorm2d())), Flatten(), Linear(3),
        names=("look", "block", "flat", "scores"),
    )  # fmt: skip
    assert repr(Network(layer, (2, 5, 6))).splitlines() == [
        "Network: input 2x5x6, 447 parameters, float32",
        "  look: Conv2d(4, 3x3, padding 1) -> 4x5x6, 76 parameters",
        "  block: Residual -> 4x5x6",
        "    body: Sequential -> 4x5x6",
        "      0: Tanh -> 4x5x6",
        "      1: BatchNorm2d -> 4x5x6, 8 parameters",
        "    add: Add -> 4x5x6",
        "  flat: Flatten -> 120",
        "  scores: Linear(3) -> 3, 363 parameters",
    ]
    assert repr(Network(pyramid(), (2, 5, 6))).splitlines()[1:] == [
        "  shallow: Scale -> 2x5x6, 1 parameters",
        "  deep: Sequential -> 2x5x6",
        "    0: Tanh -> 2x5x6",
        "    1: Scale -> 2x5x6, 1 parameters",
        "  sum: Add -> 2x5x6",
    ]


def test_grids_are_worked_out_once_and_stay_as_they_are() -> None:
    nodes = unroll(Sequential(Conv2d(4, 3, stride=2), ReLU()))
    found = grids(nodes)
    assert grids(nodes) is found and found["0"][0].step == 2
    with pytest.raises(TypeError):
        found["0"] = found["input"]  # type: ignore[index]
