"""The nodes of a network as a picture: a box a node, a line a value, branches side by side."""

from __future__ import annotations

from typing import Any

from pellucid.analysis.figures import PALETTE, figure_png, new_figure
from pellucid.errors import PellucidError
from pellucid.graph import INPUT, Node, Nodes
from pellucid.ops.arrays import Shape

MOST = 120  # nodes; more would be a picture that nobody can read
WIDTH, HEIGHT = 1.9, 0.5  # of a box, inches
ROW, LANE = 0.78, 2.2  # from one box to the next, down and across

Place = tuple[float, float]


def draw_graph(nodes: Nodes, input_shape: Shape, title: str = "") -> bytes:
    """PNG: every node with its name, layer and output shape, below what it sees.

    Raises PellucidError for a network of more nodes than can be read.
    """
    if len(nodes) > MOST:
        raise PellucidError(f"picture of a graph: expected at most {MOST} nodes, got {len(nodes)}")
    shapes, rows, lanes = nodes.shapes(input_shape), _rows(nodes), _lanes(nodes)
    left, right = min(lanes.values()), max(lanes.values())
    figure = new_figure((right - left) * LANE + WIDTH + 0.6, (max(rows.values()) + 1) * ROW + 0.7)
    axes = figure.subplots()
    places = {name: (lanes[name] * LANE, -rows[name] * ROW) for name in rows}
    for node in nodes:
        for name in node.inputs:
            _line(axes, places[name], places[node.name], lanes.get(_way(nodes, name, node)))
    _box(axes, places[INPUT], [INPUT, "x".join(map(str, input_shape))], joined=False)
    for node in nodes:
        settings = node.layer.describe()
        lines = [f"{node.name}: {node.layer.kind}", "x".join(map(str, shapes[node.name]))]
        _box(axes, places[node.name], lines if not settings else [lines[0], settings, lines[1]], joined=node.join)
    axes.set_xlim(left * LANE - WIDTH / 2 - 0.2, right * LANE + WIDTH / 2 + 0.2)
    axes.set_ylim(-max(rows.values()) * ROW - HEIGHT, HEIGHT)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
    return figure_png(figure)


def _rows(nodes: Nodes) -> dict[str, int]:
    """How many nodes lead to each value, along the longest way."""
    rows = {INPUT: 0}
    for node in nodes:
        rows[node.name] = 1 + max(rows[name] for name in node.inputs)
    return rows


def _way(nodes: Nodes, name: str, reader: Node) -> str:
    """What the lane is called on which a value passes others by, on its way to a join."""
    return f"{name} -> {reader.name}" if reader.join and len(nodes.readers[name]) > 1 else ""


def _lanes(nodes: Nodes) -> dict[str, float]:
    """Where each value stands, and each that passes others by: what sees one value stands side by side below it."""
    lanes: dict[str, float] = {INPUT: 0.0}
    for node in nodes:
        ways = [_lane_of(nodes, lanes, name, node) for name in node.inputs]
        lanes[node.name] = sum(ways) / len(ways)
        for name, lane in zip(node.inputs, ways, strict=True):
            if way := _way(nodes, name, node):
                lanes[way] = lane
    return lanes


def _lane_of(nodes: Nodes, lanes: dict[str, float], name: str, reader: Node) -> float:
    readers = nodes.readers[name]
    return lanes[name] + readers.index(reader) - (len(readers) - 1) / 2


def _line(axes: Any, start: Place, end: Place, lane: float | None) -> None:
    """From below one box to above another; on its own lane where it passes others by."""
    (x0, y0), (x1, y1) = start, end
    corners = [(x0, y0 - HEIGHT / 2)]
    if y0 - y1 > 1.5 * ROW:
        x = x0 if lane is None else lane * LANE
        corners += [(x, y0 - ROW), (x, y1 + ROW)]
    corners.append((x1, y1 + HEIGHT / 2))
    xs, ys = zip(*corners, strict=True)
    axes.plot(xs, ys, color=PALETTE[0], linewidth=1.2, zorder=1, solid_joinstyle="round")


def _box(axes: Any, place: Place, lines: list[str], *, joined: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = place
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    colour = PALETTE[1] if joined else PALETTE[0]
    box = FancyBboxPatch(
        corner,
        WIDTH,
        HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.08",
        facecolor="white",
        edgecolor=colour,
        zorder=2,
    )
    axes.add_patch(box)
    axes.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=6, zorder=3)
