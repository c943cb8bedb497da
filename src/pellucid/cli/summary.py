"""`pellucid summary`: what a network is made of, what it costs, and what its layers see; or its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count, switch
from pellucid.cli.output import byte_count, dimensions, print_json, print_note, print_table
from pellucid.cli.plan_summary import plan_summary
from pellucid.cli.subject import CLASSES_HELP, INPUT_HELP, SUBJECT_HELP, open_subject

if TYPE_CHECKING:
    from pellucid.analysis.cost import NetworkCost
    from pellucid.analysis.receptive_field import ReceptiveField

NUMBERS = ("parameters", "mult-adds", "training", "inference", "field", "stride", "centre")
LEGEND = """
Of one image. training: memory of the outputs, which training keeps; inference: what is needed while the layer runs.
field: pixels that a unit sees; stride: from one unit's field to the next; centre: of the first, in pixels."""


def summary(
    name: Annotated[str, Parameter(help=SUBJECT_HELP)] = "deep-convnet",
    /,
    *,
    input_: Annotated[str | None, Parameter(name="--input", help=INPUT_HELP)] = None,
    classes: Annotated[Count | None, Parameter(help=CLASSES_HELP)] = None,
    picture: Annotated[Path | None, Parameter(help="PNG to draw the nodes to; with --plan its memory.")] = None,
    plan: Annotated[bool, switch("The steps that answer for one image, what is fused, and what each takes.")] = False,
    json: Annotated[bool, switch("Print JSON, with shapes, numbers and totals.")] = False,
) -> None:
    """List layers, output shapes, costs for one image, and receptive fields."""
    from pellucid.analysis.cost import network_cost
    from pellucid.analysis.graph_picture import draw_graph
    from pellucid.analysis.receptive_field import views
    from pellucid.files import write_picture

    subject = open_subject(name, input_, classes, weights=False)
    network = subject.network
    if plan:
        plan_summary(network, subject.title, picture, json)
        return
    cost = network_cost(network)
    images = len(network.input_shape) == 3
    seen = views(network.nodes, network.input_shape) if images else {}
    fields = {part: view.field() for part, view in seen.items()}
    if picture is not None:
        write_picture(picture, draw_graph(network.nodes, network.input_shape, subject.title), "summary")
    if json:
        print_json(as_json(cost, fields))
    else:
        show(cost, fields, subject.title)


def show(cost: NetworkCost, fields: Mapping[str, ReceptiveField], title: str) -> None:
    """Print the table."""
    rows = [
        (
            "  " * row.depth + row.name.rpartition(".")[2],
            row.kind,
            row.settings,
            dimensions(row.output_shape),
            *(f"{number:,}" if number else "" for number in (row.parameters, row.multiply_adds)),
            *map(byte_count, (row.activation_bytes, row.live_bytes)),
            *_field(fields.get(row.name)),
        )
        for row in cost.rows
    ]
    totals = (f"{cost.parameters:,}", f"{cost.multiply_adds:,}")
    print_table(
        ("layer", "", "settings", "output", *NUMBERS),
        rows,
        title=f"{title}, input {dimensions(cost.input_shape)}",
        footer=("total", "", "", "", *totals, *map(byte_count, (cost.activation_bytes, cost.live_bytes)), "", "", ""),
        right=NUMBERS,
        wrapped="settings",
    )
    print_note(LEGEND)


def _field(field: ReceptiveField | None) -> tuple[str, str, str]:
    """Size, stride and centre, each as one number where height and width agree."""
    if field is None:
        return "", "", ""
    if field.size is None:
        return "all", "", ""
    size = dimensions(field.size)
    strides = ["?" if stride is None else str(stride) for stride in field.stride]
    centre = ["" if field.centre is None else f"{c:g}" for c in field.centre or (0, 0)]
    return size, _once(strides), _once(centre)


def _once(pair: list[str]) -> str:
    return pair[0] if pair[0] == pair[1] else ", ".join(pair)


def as_json(cost: NetworkCost, fields: Mapping[str, ReceptiveField]) -> dict[str, object]:
    """All that is known, as plain values. A field's size is null where it is the whole image; see ReceptiveField."""
    return {
        "input_shape": cost.input_shape,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "activation_bytes": cost.activation_bytes,
        "live_bytes": cost.live_bytes,
        "layers": [asdict(row) | {"receptive_field": _plain(fields.get(row.name))} for row in cost.rows],
    }


def _plain(field: ReceptiveField | None) -> dict[str, object] | None:
    if field is None:
        return None
    stride = [_number(stride) for stride in field.stride]
    return {"whole_image": field.size is None, "size": field.size, "stride": stride, "centre": field.centre}


def _number(stride: Fraction | None) -> float | None:
    return None if stride is None else int(stride) if stride.denominator == 1 else float(stride)
