"""`pellucid summary`: what a network is made of, what it costs, and what its layers see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pellucid.cli.flags import Count, switch
from pellucid.cli.output import byte_count, dimensions, print_json, print_note, print_table
from pellucid.cli.subject import open_subject
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    import numpy as np

    from pellucid.analysis.cost import NetworkCost
    from pellucid.analysis.receptive_field import ReceptiveField
    from pellucid.graph import Nodes
    from pellucid.layers import Layer
    from pellucid.ops.arrays import Shape

NUMBERS = ("parameters", "mult-adds", "training", "inference", "field", "stride", "centre")
LEGEND = """
Of one image. training: memory of the outputs, which training keeps; inference: what is needed while the layer runs.
field: pixels that a unit sees; stride: from one unit's field to the next; centre: of the first, in pixels."""
CLASSES = 10


@dataclass(frozen=True)
class _Summarised:
    """A network to be summed up, built, but not necessarily in memory."""

    title: str
    nodes: Nodes
    input_shape: Shape
    dtype: np.dtype[Any] | str = "float32"


def summary(
    name: Annotated[
        str, Parameter(help="A recipe's name or file, a run folder, or a network's name, with --input.")
    ] = "deep-convnet",
    /,
    *,
    input_: Annotated[
        str | None, Parameter(name="--input", help="Another input: channels x height x width, such as 3x224x224.")
    ] = None,
    classes: Annotated[Count | None, Parameter(help="Classes of a network that's given by its name.")] = None,
    json: Annotated[bool, switch("Print JSON, with shapes, numbers and totals.")] = False,
) -> None:
    """List layers, output shapes, costs for one image, and receptive fields."""
    from pellucid.analysis.cost import nodes_cost
    from pellucid.analysis.receptive_field import views

    found = _find(name, _shape(input_) if input_ else None, classes)
    cost = nodes_cost(found.nodes, found.input_shape, found.dtype)
    images = len(found.input_shape) == 3
    fields = {part: view.field() for part, view in views(found.nodes, found.input_shape).items()} if images else {}
    if json:
        print_json(as_json(cost, fields))
    else:
        show(cost, fields, found.title)


def _shape(text: str) -> Shape:
    """The input that the flag asks for."""
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
        raise PellucidError(f"--input {text}: expected channels x height x width, such as 3x224x224")
    return tuple(map(int, parts))


def _find(name: str, shape: Shape | None, classes: int | None) -> _Summarised:
    """What the name stands for: a network of the zoo only where there is no such recipe or run."""
    from pellucid.recipes import list_recipes
    from pellucid.recipes.choices import make
    from pellucid.zoo import NETWORKS

    if name in NETWORKS and (classes or name not in list_recipes()):
        if shape is None:
            raise PellucidError(f"network {name}: expected --input with the shape of an image, such as 3x224x224")
        layer = make({"name": name}, NETWORKS, classes or CLASSES)
        return _Summarised(name, _built(layer, shape), shape)
    subject = open_subject(name)
    if classes:
        raise PellucidError(f"--classes {classes}: {name} knows its own, {subject.classes}")
    network = subject.network
    if shape is None:
        return _Summarised(subject.title, network.nodes, network.input_shape, network.dtype)
    layer = make(subject.recipe.network, NETWORKS, subject.classes)
    return _Summarised(subject.title, _built(layer, shape), shape, network.dtype)


def _built(layer: Layer, shape: Shape) -> Nodes:
    from pellucid.graph import unroll

    nodes = unroll(layer)
    nodes.build(shape)
    return nodes


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
