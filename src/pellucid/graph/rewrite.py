"""Passes that change nodes: one loop, which keeps names and containers together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pellucid.graph.node import INPUT, Node, Nodes
from pellucid.graph.unroll import Container, Unrolling


def rewrite(nodes: Nodes, change: Callable[[Node], Sequence[Node]]) -> Nodes:
    """The nodes with each replaced by what `change` makes of it.

    change: gives the nodes that stand for one, whose inputs it finds renamed as far as they are. What saw the node's
    value sees that of the last of these; of none, that of the node's first input.
    """
    now: dict[str, str] = {INPUT: INPUT}
    made: list[Node] = []
    starts = []
    for node in nodes:
        starts.append(len(made))
        given = Node(node.layer, [now[name] for name in node.inputs], node.name)
        instead = change(given)
        now[node.name] = instead[-1].name if instead else given.inputs[0]
        made += instead
    starts.append(len(made))
    groups = tuple(
        replace(
            group,
            first=starts[group.first],
            last=starts[group.last],
            source=now[group.source],
            outputs=tuple(now[name] for name in group.outputs),
        )
        for group in nodes.groups
    )
    return Nodes(tuple(made), tuple(now[name] for name in nodes.outputs), groups)


class Rewritten(Container):
    """Nodes that a pass has made, as a network's layer or as a part of it; their names and containers stay."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes

    def unroll(self, into: Unrolling, source: str) -> str | tuple[str, ...]:
        """The same nodes, behind the source."""
        return into.add_nodes(self.nodes, source)
