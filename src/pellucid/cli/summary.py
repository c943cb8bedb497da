"""`pellucid summary`: what a network is made of, and what it costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.kinds import switch
from pellucid.cli.output import byte_count, dimensions, print_json, print_table
from pellucid.cli.subject import NAME_HELP, open_subject

if TYPE_CHECKING:
    from pellucid.analysis.cost import NetworkCost

NUMBERS = ("parameters", "mult-adds", "memory")


def summary(
    name: Annotated[str, Parameter(help=NAME_HELP)] = "deep-convnet",
    /,
    *,
    json: Annotated[bool, switch("Print JSON, with shapes, numbers and totals.")] = False,
) -> None:
    """List layers, output shapes, parameters, multiply-adds and bytes for one image, and their totals."""
    from pellucid.analysis.cost import network_cost

    subject = open_subject(name)
    cost = network_cost(subject.network)
    if json:
        print_json(as_json(cost))
    else:
        show(cost, subject.title)


def show(cost: NetworkCost, title: str) -> None:
    """Print the table."""
    rows = [
        (
            "  " * row.depth + row.name.rpartition(".")[2],
            row.kind,
            row.settings,
            dimensions(row.output_shape),
            *(f"{number:,}" if number else "" for number in (row.parameters, row.multiply_adds)),
            byte_count(row.activation_bytes),
        )
        for row in cost.rows
    ]
    totals = (f"{cost.parameters:,}", f"{cost.multiply_adds:,}", byte_count(cost.activation_bytes))
    print_table(
        ("layer", "", "settings", "output", *NUMBERS),
        rows,
        title=f"{title}, input {dimensions(cost.input_shape)}",
        footer=("total", "", "", "", *totals),
        right=NUMBERS,
        wrapped="settings",
    )


def as_json(cost: NetworkCost) -> dict[str, object]:
    """All that is known, as plain values."""
    return {
        "input_shape": cost.input_shape,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "activation_bytes": cost.activation_bytes,
        "layers": [asdict(row) for row in cost.rows],
    }
