"""Any directed acyclic graph of layers, written node by node."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.graph.node import INPUT, Node
from pellucid.graph.unroll import Container, Unrolling
from pellucid.layers.base import Layer


class Graph(Container):
    """Nodes that see each other's values, in any order: one input, one or several outputs.

        Graph(
            Node(Conv2d(8, padding=1), "input", "shallow"),
            Node(Sequential(ReLU(), Conv2d(8, padding=1)), "shallow", "deep"),
            Node(Add(), ("shallow", "deep"), "sum"),
            outputs="sum",
        )

    A value may be used many times. Of a node that is a graph of several outputs, each is called by both names, such
    as "pyramid.fine". outputs: names of the values that come out. input_name: what the nodes call the graph's input.
    tied: pairs of parameters that are one and the same, such as ("deep.weight", "shallow.weight").
    Raises PellucidError that names the node: for a doubled name, a value that isn't there, a cycle, a value that
    nobody uses, a second input.

    >>> Node = pl.nn.Node
    >>> graph = pl.nn.Graph(
    ...     Node(pl.nn.Conv2d(4, 1), "input", "a"),
    ...     Node(pl.nn.Add(), ("a", "a"), "b"),
    ...     outputs="b",
    ... )
    >>> pl.Network(graph, (3, 8, 8)).output_shape
    (4, 8, 8)
    """

    def __init__(
        self,
        *nodes: Node,
        outputs: str | Sequence[str],
        input_name: str | Sequence[str] = INPUT,
        tied: Sequence[Sequence[str]] = (),
    ) -> None:
        names = (input_name,) if isinstance(input_name, str) else tuple(input_name)
        if len(names) != 1:
            raise self.error("one input", " and ".join(map(repr, names)) or "none")
        self.input_name = names[0]
        self.outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self.nodes = self._in_order(nodes)
        self.tied = [(second, first) for second, first in tied]

    def _in_order(self, nodes: Sequence[Node]) -> list[Node]:
        """The nodes such that each comes after all that it sees; as given, where that is such an order."""
        names: list[str] = []
        for node in nodes:
            if not node.name or node.name in {*names, self.input_name}:
                raise self.error("a name of its own for each node", f"{node.name!r} twice" if node.name else "''")
            names.append(node.name)
        for node in nodes:
            if not node.inputs:
                raise self.error(f"at least one input of node {node.name}", "none")
            if len(node.inputs) > 1 and not node.join:
                raise self.error(f"one input of node {node.name} ({node.layer.kind})", ", ".join(node.inputs))
        self._check_used(nodes, names)
        ordered: list[Node] = []
        known = {self.input_name}
        left = list(nodes)
        while left:
            ready = next((n for n in left if all(self._node_of(name, names) in known for name in n.inputs)), None)
            if ready is None:
                raise self.error("no cycle", " -> ".join(self._cycle(left, names)))
            ordered.append(ready)
            known.add(ready.name)
            left.remove(ready)
        return ordered

    def _check_used(self, nodes: Sequence[Node], names: Sequence[str]) -> None:
        """Every value that is named is there, every value that is there is used."""
        used = {self._node_of(name, names) for name in self.outputs}
        for node in nodes:
            for name in node.inputs:
                source = self._node_of(name, names)
                if source is None:
                    raise self.error(f"inputs of node {node.name} among {_listed(self.input_name, *names)}", name)
                used.add(source)
        if not self.outputs or None in used:
            wrong = next((name for name in self.outputs if self._node_of(name, names) is None), "none")
            raise self.error(f"outputs among {_listed(*names)}", wrong)
        unused = [name for name in names if name not in used]
        if unused:
            raise self.error("every node to be used or given out", f"{unused[0]}, whose value nobody sees")

    def _node_of(self, name: str, names: Sequence[str]) -> str | None:
        """The node, or the input, that gives a value: its own name, or the beginning of "node.output"."""
        if name == self.input_name or name in names:
            return name
        return next((node for node in names if name.startswith(f"{node}.")), None)

    def _cycle(self, left: Sequence[Node], names: Sequence[str]) -> list[str]:
        """The names along one cycle among nodes none of which can come first."""
        waiting = {node.name: node for node in left}
        way = [left[0].name]
        while True:
            sources = (self._node_of(name, names) for name in waiting[way[-1]].inputs)
            source = next(name for name in sources if name in waiting)
            if source in way:
                return [*way[way.index(source) :], source][::-1]
            way.append(source)

    def unroll(self, into: Unrolling, source: str) -> str | tuple[str, ...]:
        """Node by node, names turned into paths."""
        values = {self.input_name: source}
        for node in self.nodes:
            missing = next((name for name in node.inputs if name not in values), None)
            if missing is not None:
                raise self.error(f"inputs of node {node.name} among {_listed(*values)}", missing)
            outputs = into.add_outputs(node.name, node.layer, *(values[name] for name in node.inputs))
            if len(outputs) == 1:
                values[node.name] = outputs[0]
            else:
                own = _own_names(node.layer, outputs)
                values |= {f"{node.name}.{name}": path for name, path in zip(own, outputs, strict=True)}
        into.tie(self.tied)
        wrong = next((name for name in self.outputs if name not in values), None)
        if wrong is not None:
            raise self.error(f"outputs among {_listed(*values)}", wrong)
        return tuple(values[name] for name in self.outputs)


def _own_names(layer: Layer, outputs: Sequence[str]) -> list[str]:
    """What a layer of several outputs calls them: a graph as it was written, others after the paths inside."""
    if isinstance(layer, Graph):
        return list(layer.outputs)
    return [path.removeprefix(f"{layer.name}.") for path in outputs]


def _listed(*names: str) -> str:
    return ", ".join(names)
