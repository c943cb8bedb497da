"""From containers, as people write networks, to nodes."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.errors import InputError, PellucidError
from pellucid.graph.node import INPUT, Group, Node, Nodes
from pellucid.layers.base import Layer
from pellucid.ops.arrays import Shape


class Container(Layer):
    """Layers put together. It says how it unrolls into nodes, and runs as these: it has no forward or backward."""

    def unroll(self, into: Unrolling, source: str) -> str | tuple[str, ...]:
        """Add nodes that see the value `source`; the name of the value that comes out, or of several.

        `into.add(name, layer, *inputs)` adds a layer, or all of a container, and gives the name of its value.
        """
        raise NotImplementedError

    def build(self, input_shape: Shape) -> Shape:
        """Build every layer inside for what it sees; the shape of the output."""
        nodes = unroll(self)
        return nodes.build(input_shape)[_one_output(self, nodes)]

    def output_shape(self, input_shape: Shape) -> Shape:
        """What comes out for one sample."""
        nodes = unroll(self)
        return nodes.shapes(input_shape)[_one_output(self, nodes)]


def _one_output(container: Container, nodes: Nodes) -> str:
    if len(nodes.outputs) != 1:
        raise container.error("one output", f"{len(nodes.outputs)}: {', '.join(nodes.outputs)}")
    return nodes.outputs[0]


class Unrolling:
    """Nodes in the making: what containers add theirs to."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.groups: list[Group] = []
        self.ties: list[tuple[str, str]] = []
        self.values = {INPUT}
        self._path: list[str] = []
        self._seen: dict[int, str] = {}

    def add(self, name: str, layer: Layer, *inputs: str) -> str:
        """Add a layer, or all of a container, under that name in the container that asks. Its value's name.

        Raises PellucidError for a name or a layer that is there already, and for several outputs where one is used.
        """
        outputs = self.add_outputs(name, layer, *inputs)
        if len(outputs) != 1:
            raise layer.error("one output, as it is used as one value", f"{len(outputs)}: {', '.join(outputs)}")
        return outputs[0]

    def add_outputs(self, name: str, layer: Layer, *inputs: str) -> tuple[str, ...]:
        """As `add`, for a container that may have several outputs."""
        path = ".".join([*self._path, name])
        self._enter(layer, path)
        if isinstance(layer, Container):
            return self._open(layer, path, name, inputs)
        self.values.add(path)
        self.nodes.append(Node(layer, inputs, path))
        return (path,)

    def tie(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Let parameters of the container that asks be one and the same, in pairs."""
        path = ".".join(self._path)
        self.ties += [(f"{path}.{second}", f"{path}.{first}") if path else (second, first) for second, first in pairs]

    def add_nodes(self, nodes: Nodes, source: str) -> tuple[str, ...]:
        """Add nodes as they are, below the container that asks, their input the source. Names of their outputs."""
        path, depth = ".".join(self._path), len(self._path)
        values = {INPUT: source} | {node.name: f"{path}.{node.name}" if path else node.name for node in nodes}
        first = len(self.nodes)
        for node in nodes:
            self._enter(node.layer, values[node.name])
            self.values.add(values[node.name])
            self.nodes.append(Node(node.layer, [values[name] for name in node.inputs], values[node.name]))
        for group in nodes.groups:
            if group.depth >= 0:
                name = f"{path}.{group.name}" if path else group.name
                self._enter(group.container, name)
                outputs = tuple(values[value] for value in group.outputs)
                ends = (first + group.first, first + group.last)
                self.groups.append(
                    Group(name, group.container, *ends, values[group.source], outputs, depth + group.depth)
                )
        return tuple(values[name] for name in nodes.outputs)

    def _enter(self, layer: Layer, path: str) -> None:
        """Give a layer its place, unless it has one, or the place is taken."""
        _check_kind(layer, path)
        before = self._seen.setdefault(id(layer), path)
        if before != path:
            raise PellucidError(
                f"layer {layer.kind} stands at two places, {before} and {path}: a layer keeps what its own backward "
                "needs, so expected another layer there, which may share its Parameter"
            )
        if path in self.values:
            raise PellucidError(f"two nodes are called {path}: expected a name for each")
        _call(layer, path)

    def _open(self, container: Container, path: str, name: str, inputs: tuple[str, ...]) -> tuple[str, ...]:
        if len(inputs) != 1:
            raise container.error("one input", f"{len(inputs)}: {', '.join(inputs)}")
        place, first = len(self.groups), len(self.nodes)
        self.groups.append(Group(path, container, first, first, inputs[0], (), len(self._path)))
        self._path.append(name)
        outputs = container.unroll(self, inputs[0])
        self._path.pop()
        outputs = (outputs,) if isinstance(outputs, str) else outputs
        depth = len(self._path)
        self.groups[place] = Group(path, container, first, len(self.nodes), inputs[0], outputs, depth)
        return outputs


def _check_kind(layer: object, path: str) -> None:
    """Whether that is a layer, and not a class of layers, or a list of them."""
    if not isinstance(layer, Layer):
        came = f"the class {layer.__name__} itself" if isinstance(layer, type) else type(layer).__name__
        raise InputError(f"layer {path or '(unnamed)'}: expected a layer, got {came}")


def _call(layer: Layer, path: str) -> None:
    """Let a layer be called by its path, unless it has its name from the network that it belongs to."""
    if not layer.built:
        layer.name = path


def unroll(layer: Layer) -> Nodes:
    """The nodes of a layer or a container; every layer inside that no network has yet gets its path as its name.

    Raises PellucidError, naming the places, for a layer at two places or a name given twice.
    """
    making = Unrolling()
    _check_kind(layer, "")
    _call(layer, "")
    if not isinstance(layer, Container):
        making.nodes.append(Node(layer, (INPUT,), ""))
        return Nodes(tuple(making.nodes), ("",))
    making._seen[id(layer)] = ""
    outputs = layer.unroll(making, INPUT)
    outputs = (outputs,) if isinstance(outputs, str) else outputs
    whole = Group("", layer, 0, len(making.nodes), INPUT, outputs, -1)
    return Nodes(tuple(making.nodes), outputs, (whole, *making.groups), tuple(making.ties))
