"""From when to when each value is needed: what frees memory in the executor, and lays it out in a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pellucid.graph.node import INPUT, Nodes


def lifetimes(nodes: Nodes) -> dict[str, tuple[int, int]]:
    """By value, (number of the node that gives it, number of the last one that sees it).

    The input is there from -1 on; what the network gives out is needed to the end, len(nodes).
    """
    return spans([(node.name, node.inputs) for node in nodes], nodes.outputs)


def spans(steps: Sequence[tuple[str, Sequence[str]]], outputs: Sequence[str]) -> dict[str, tuple[int, int]]:
    """As `lifetimes`, of steps of any kind in order: the name of the value that each gives, and of those it sees."""
    first = {INPUT: -1, **{name: i for i, (name, _) in enumerate(steps)}}
    last = dict(first)
    for i, (_, inputs) in enumerate(steps):
        last.update(dict.fromkeys(inputs, i))
    last.update(dict.fromkeys(outputs, len(steps)))
    return {name: (first[name], last[name]) for name in first}


def live_bytes(nodes: Nodes, sizes: Mapping[str, int]) -> list[int]:
    """For each node, the bytes of all values that are needed while it runs, its inputs and its output included."""
    live = [0] * len(nodes)
    for name, (start, end) in lifetimes(nodes).items():
        for i in range(max(start, 0), min(end, len(nodes) - 1) + 1):
            live[i] += sizes[name]
    return live
