"""What a network is: nodes in the order in which they run, each a layer and the names of the values it sees.

A value is called after the node that gives it; the network's own input is called "input". The order is such that
a node comes after all that it sees, so that every pass over a network is a loop: forwards for shapes, costs and
grids, backwards for gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from pellucid.arguments import Checked
from pellucid.errors import PellucidError
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.joins import Join
from pellucid.ops.arrays import Shape

INPUT = "input"
"""Name of the value that a network is given."""


@dataclass(frozen=True, eq=False)
class Node(Checked):
    """A layer at its place.

    layer: what is computed; in a `Graph`, also a container. inputs: names of the values it sees; one may be given as
    it is. name: of the value that it gives.

    >>> pl.nn.Node(pl.nn.ReLU(), "input", "first").inputs
    ('input',)
    """

    layer: Layer
    inputs: tuple[str, ...]
    name: str

    def __init__(self, layer: Layer, inputs: str | Sequence[str], name: str) -> None:
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "inputs", (inputs,) if isinstance(inputs, str) else tuple(inputs))
        object.__setattr__(self, "name", name)

    @property
    def join(self) -> bool:
        """Whether its layer takes a list of inputs."""
        return isinstance(self.layer, Join)

    @property
    def seen(self) -> tuple[str, ...]:
        """Names of the values of which more than the shape counts."""
        if not isinstance(self.layer, Join):
            return self.inputs
        return tuple(name for i, name in enumerate(self.inputs) if i not in self.layer.shape_only)

    def given(self, values: dict[str, Any]) -> Any:
        """What its layer is given of all values by name: one, or a list where it joins several."""
        return [values[name] for name in self.inputs] if self.join else values[self.inputs[0]]


@dataclass(frozen=True, eq=False)
class Group:
    """A container as it was written: nodes number first to below last stand for it.

    name: its path. container: itself. source: the value it sees. outputs: the values it gives. depth: number of
    containers around it, the network's outermost not counted.
    """

    name: str
    container: Layer
    first: int
    last: int
    source: str
    outputs: tuple[str, ...]
    depth: int


@dataclass(frozen=True, eq=False)
class Nodes(Sequence[Node]):
    """The nodes of a network in order, and the names of the values that it gives.

    groups: the containers that they were written in, each before those inside it. ties: pairs of parameters, by name,
    that are one and the same once the layers are built.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    groups: tuple[Group, ...] = ()
    ties: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Node, ...]: ...
    def __getitem__(self, index: int | slice) -> Node | tuple[Node, ...]:
        return self.nodes[index]

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def readers(self) -> dict[str, tuple[Node, ...]]:
        """By value, the nodes that see it; a node that sees it twice stands there twice."""
        found: dict[str, list[Node]] = {INPUT: [], **{node.name: [] for node in self.nodes}}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def sole_reader(self, name: str) -> Node | None:
        """The one node that sees a value; None where there are others, or the network gives the value out."""
        readers = self.readers[name]
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Every value's shape for one sample of that input, by name.

        Raises PellucidError, naming the layer, where the network doesn't take it.
        """
        shapes = {INPUT: tuple(input_shape)}
        for node in self.nodes:
            shapes[node.name] = node.layer.output_shape(node.given(shapes))
        return shapes

    def build(self, input_shape: Shape) -> dict[str, Shape]:
        """Build every layer for what it sees; all shapes by name."""
        shapes = {INPUT: tuple(input_shape)}
        for node in self.nodes:
            shapes[node.name] = node.layer.build(node.given(shapes))
        for second, first in self.ties:
            self._tie(second, first)
        return shapes

    def _tie(self, second: str, first: str) -> None:
        """Let a parameter be another one. Raises PellucidError where one isn't there, or they don't fit."""
        found: list[tuple[Layer, str, Parameter]] = []
        for name in (second, first):
            path, _, key = name.rpartition(".")
            layer = self.by_name[path].layer if path in self.by_name else None
            parameter = None if layer is None else layer.parameters().get(key)
            if layer is None or parameter is None:
                raise PellucidError(f"tied parameters {second} and {first}: expected two that there are")
            found.append((layer, key, parameter))
        if found[0][2].shape != found[1][2].shape:
            raise PellucidError(f"tied parameters {second} and {first}: expected two of one shape")
        found[0][0].tie(found[0][1], found[1][2])

    def leading_to(self, name: str) -> Nodes:
        """Only the nodes that the named value follows from, which then is the output."""
        needed = {name}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        return Nodes(tuple(node for node in self.nodes if node.name in needed), (name,))

    def layers(self) -> Iterator[tuple[Layer, int]]:
        """Every container and layer as written, a container before what is inside it, with its depth."""
        opened = iter(self.groups)
        group = next(opened, None)
        ends: list[Group] = []
        for i in range(len(self.nodes) + 1):
            while ends and ends[-1].last <= i:
                ends.pop()
            while group is not None and group.first <= i:
                yield group.container, group.depth
                ends.append(group)
                if group.last <= i:
                    ends.pop()
                group = next(opened, None)
            if i < len(self.nodes):
                yield self.nodes[i].layer, ends[-1].depth + 1 if ends else 0
