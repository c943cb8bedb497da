"""A network cut into parts that follow each other: what is between two values through which everything passes."""

from __future__ import annotations

from pellucid.graph.lifetimes import lifetimes
from pellucid.graph.node import INPUT, Group, Node, Nodes
from pellucid.graph.rewrite import Rewritten
from pellucid.layers.base import Layer


def parts(nodes: Nodes) -> list[tuple[str, Layer]]:
    """Name and layer of each part, first to last. A part of several nodes, such as a residual block, is a container.

    Of a network of one output. A chain of layers gives each of them; a part is called after the container that it is,
    if it is one, else after its last node.
    """
    ends = lifetimes(nodes)
    found: list[tuple[str, Layer]] = []
    start, source = 0, INPUT
    for i, node in enumerate(nodes):
        crossing = [name for name, (first, last) in ends.items() if first <= i < last]
        if crossing == [node.name]:
            found.append(_part(nodes, start, i + 1, source))
            start, source = i + 1, node.name
    return found


def _part(nodes: Nodes, start: int, stop: int, source: str) -> tuple[str, Layer]:
    if stop - start == 1:
        return nodes[start].name, nodes[start].layer
    whole = next((group for group in nodes.groups if (group.first, group.last) == (start, stop)), None)
    name = nodes[stop - 1].name if whole is None else whole.name
    prefix = f"{name}." if whole is not None else ""

    def inner(value: str) -> str:
        return INPUT if value == source else value.removeprefix(prefix)

    inside = tuple(Node(n.layer, [inner(v) for v in n.inputs], inner(n.name)) for n in nodes[start:stop])
    around = whole.depth if whole is not None else -1

    def moved(group: Group) -> Group:
        return Group(
            inner(group.name),
            group.container,
            group.first - start,
            group.last - start,
            inner(group.source),
            tuple(map(inner, group.outputs)),
            group.depth - around - 1,
        )

    groups = [g for g in nodes.groups if start <= g.first and g.last <= stop and g.depth > around]
    return name, Rewritten(Nodes(inside, (inner(nodes[stop - 1].name),), tuple(map(moved, groups))))
