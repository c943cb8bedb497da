"""Any graph: its gradients are the numerical ones, and the executor gives what following the definition gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.scale import Scale
from pellucid.analysis.gradient_check import check_gradients
from pellucid.analysis.numerical import TOLERANCE
from pellucid.graph import Branches, Concat, Graph, Node, Residual, Sequential
from pellucid.layers import INFERENCE, Add, AvgPool2d, BatchNorm2d, Conv2d, Join, Layer, Multiply, Sigmoid, SiLU, Tanh
from pellucid.layers.base import Parameter
from pellucid.layers.initializers import Normal
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

DEGREE = 4  # of the polynomial that products make of a value: numerical derivatives of higher ones are coarse


@dataclass
class Value:
    """A value of the graph that is being drawn."""

    name: str
    shape: Shape
    degree: int = 1
    used: bool = False


class Drawn:
    """A graph as drawn: nodes by name, in an order in which they can run."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.input_shape = (self.whole(1, 3), self.whole(2, 4), self.whole(2, 4))
        self.values = [Value("input", self.input_shape)]
        self.nodes: dict[str, Node] = {}
        self.shared = Parameter((1,), Normal(1.0))
        for _ in range(self.whole(2, 8)):
            self.draw(st.sampled_from([self.unary, self.unary, self.container, self.join, self.join, self.join]))()
        ends = [value.name for value in self.values if not value.used]
        also = [value.name for value in self.values[1:] if value.used and self.whole(0, 5) == 0]
        self.outputs = ends + also

    def whole(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def pick(self, values: list[Value]) -> Value:
        return values[self.whole(0, len(values) - 1)]  # towards 0 when shrinking

    def add(self, layer: Layer, inputs: list[Value], shape: Shape, degree: int) -> None:
        name = f"n{len(self.nodes)}"
        self.nodes[name] = Node(layer, [value.name for value in inputs], name)
        for value in inputs:
            value.used = True
        self.values.append(Value(name, shape, degree))

    def unary(self) -> None:
        """One layer of one input; a mean over the whole image gives what can be broadcast."""
        value = self.pick(self.values)
        channels = self.whole(1, 3)
        kind = self.draw(st.sampled_from(["tanh", "silu", "conv", "point", "norm", "scale", "shared", "mean"]))
        layers: dict[str, Callable[[], Layer]] = {
            "tanh": Tanh,
            "silu": SiLU,
            "conv": lambda: Conv2d(channels, 3, padding=1, initial="xavier"),
            "point": lambda: Conv2d(channels, 1, initial="xavier"),
            "norm": lambda: BatchNorm2d(epsilon=0.1),
            "scale": Scale,
            "shared": lambda: Scale(self.shared),
            "mean": lambda: AvgPool2d((value.shape[1], value.shape[2])),
        }
        layer = layers[kind]()
        shape = value.shape
        if kind in {"conv", "point"}:
            shape = (channels, *shape[1:])
        if kind == "mean":
            shape = (shape[0], 1, 1)
        self.add(layer, [value], shape, 1 if kind == "tanh" else value.degree)

    def container(self) -> None:
        """Layers inside a node, with forks of their own."""
        value = self.pick(self.values)
        body = Sequential(Tanh(), Conv2d(value.shape[0], 3, padding=1, initial="xavier"))
        kind = self.whole(0, 2)
        if kind == 0:
            self.add(Sequential(Scale(self.shared), body), [value], value.shape, 1)
        elif kind == 1:
            self.add(Residual(body), [value], value.shape, value.degree)
        else:
            gate = Sequential(Conv2d(value.shape[0], 1, initial="xavier"), Sigmoid())
            self.add(Branches(body, Residual(gate), join=Multiply()), [value], value.shape, 1 + value.degree)

    def join(self) -> None:
        """Two or three values, perhaps the same one twice; means are broadcast over images."""
        first = self.pick(self.values)
        kind = self.draw(st.sampled_from(["add", "multiply", "concat"]))
        if kind == "concat":
            others = [value for value in self.values if value.shape[1:] == first.shape[1:]]
        else:
            others = [value for value in self.values if value.shape in (first.shape, (first.shape[0], 1, 1))]
        inputs = [first, *(self.pick(others) for _ in range(self.whole(1, 2)))]
        if self.whole(0, 1):
            inputs.reverse()
        degrees = [value.degree for value in inputs]
        if kind == "multiply" and sum(degrees) > DEGREE:
            kind = "add"
        if kind == "concat":
            self.add(Concat(), inputs, (sum(v.shape[0] for v in inputs), *first.shape[1:]), max(degrees))
        elif kind == "add":
            self.add(Add(), inputs, first.shape, max(degrees))
        else:
            self.add(Multiply(), inputs, first.shape, sum(degrees))

    def layer(self) -> Graph:
        """In any order: the graph finds one in which it can run."""
        nodes = self.draw(st.permutations(list(self.nodes.values())))
        return Graph(*nodes, outputs=self.outputs)


def evaluated(layer: Layer, x: Any) -> Any:
    """A layer's or a container's value by its definition, without nodes."""
    if isinstance(layer, Sequential):
        for part in layer.layers.values():
            x = evaluated(part, x)
        return x
    if isinstance(layer, Branches):
        values = [evaluated(branch, x) for branch in layer.branches.values()]
        passing = [x] if isinstance(layer, Residual) and len(values) == 1 else []
        return layer.join.forward([*values, *passing])
    return layer.forward(x, INFERENCE)


def followed(drawn: Drawn, name: str, x: Array) -> Array:
    """A value from what it sees, which follows likewise."""
    if name == "input":
        return x
    node = drawn.nodes[name]
    seen = [followed(drawn, source, x) for source in node.inputs]
    result: Array = evaluated(node.layer, seen if isinstance(node.layer, Join) else seen[0])
    return result


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_any_graph(data: st.DataObject, seed: int) -> None:
    drawn, rng = Drawn(data.draw), np.random.default_rng(seed)
    network = Network(drawn.layer(), drawn.input_shape, dtype=np.float64, seed=seed)
    x = rng.standard_normal((2, *drawn.input_shape))
    y = network(x)
    outputs = y if isinstance(y, list) else [y]
    assert len(outputs) == len(drawn.outputs)
    for output, name in zip(outputs, drawn.outputs, strict=True):
        np.testing.assert_allclose(output, followed(drawn, name, x), rtol=1e-12, atol=1e-12)
    targets = [rng.standard_normal(output.shape) for output in outputs]

    def loss(y: Any) -> tuple[float, Any]:
        outputs = y if isinstance(y, list) else [y]
        differences = [output - target for output, target in zip(outputs, targets, strict=True)]
        value = sum(0.5 * float((difference**2).sum()) for difference in differences)
        return value, differences if isinstance(y, list) else differences[0]

    rows = check_gradients(network, loss, x, samples=1, seed=seed)
    assert {row.name for row in rows} == {n for n, p in network.parameters.items() if p.trained} | {"input"}
    assert max(row.error for row in rows) < TOLERANCE
