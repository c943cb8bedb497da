"""`pellucid precision`: a trained network in every number format, side by side."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.answers import progress
from pellucid.cli.flags import Count
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import byte_count, print_json, print_note, print_table, working
from pellucid.cli.subject import DATA_HELP, LAST, RUN_HELP, others_for, trained

if TYPE_CHECKING:
    from pellucid.data import Data
    from pellucid.recipes.format_comparison import Comparison
    from pellucid.recipes.format_report import FormatRow

NUMBERS = ("accuracy", "weights", "activations", "ms an image", "instructions", "logits off by", "changed")


def precision(
    run: Annotated[str, Parameter(help=RUN_HELP)] = LAST,
    /,
    *,
    data: Annotated[str | None, Parameter(help=DATA_HELP)] = None,
    formats: Annotated[
        str | None, Parameter(help="Some of them, such as float32,bfloat16,int8; by default all there are.")
    ] = None,
    samples: Annotated[Count | None, Parameter(help="Test images to measure on; by default all.")] = None,
    out: Annotated[
        Path | None, Parameter(help="Picture to write; by default precision.png, or layers.png, in the run folder.")
    ] = None,
    layers: Annotated[
        bool, Parameter(negative="", help="Each layer's range and rounding error in integers instead.")
    ] = False,
    json: Annotated[bool, Parameter(negative="", help="Print JSON.")] = False,
    machine: Machine = DEFAULT,
) -> None:
    """Compare float64, float32, float16, bfloat16 and integers on the test set: one table, one picture.

    Integer networks that pellucid shrink has trained are compared too.
    """
    from pellucid.recipes.format_comparison import compare_run

    backend = machine.use()
    path = trained(run)
    folder = path if path.is_dir() else path.parent
    if layers:
        _layers(path, others_for(path, data), out or folder / "layers.png", json=json)
        return
    names = [name.strip() for name in formats.split(",")] if formats else []
    with ExitStack() as bars:
        found = compare_run(
            path,
            others_for(path, data),
            formats=names,
            samples=samples,
            started=lambda images: bars.enter_context(progress(images)),
        )
    picture = out or folder / "precision.png"
    if json:
        print_json({"run": str(run), "backend": backend, "rows": [asdict(row) for row in found.rows]})
        _draw(found, picture)
        return
    columns = ("format", found.measure, *NUMBERS[1:])
    print_table(columns, [_shown(row) for row in found.rows], title=f"{found.title}, {backend}", right=columns[1:])
    if found.note:
        print_note(found.note)
    _draw(found, picture)
    print_note(f"picture: {picture}")


def _layers(run: Path, data: Data | None, picture: Path, *, json: bool) -> None:
    from pellucid.files import write_picture
    from pellucid.recipes.layer_errors import draw_layer_errors, run_layer_errors

    with working("each layer ..."):
        found = run_layer_errors(run, data)
    drawn = draw_layer_errors(found, f"{run}: rounding error by layer")
    if json:
        print_json({"run": str(run), "bits": {bits: [asdict(row) for row in rows] for bits, rows in found.items()}})
        write_picture(picture, drawn, "precision")
        return
    columns = ("layer", "lowest", "highest", *(f"error, {bits} bits" for bits in found))
    rows = [
        (same[0].name, f"{same[0].low:.3g}", f"{same[0].high:.3g}", *(f"{100 * row.error:.2f} %" for row in same))
        for same in zip(*found.values(), strict=True)
    ]
    print_table(columns, rows, title="error: of the values' standard deviation", right=columns[1:])
    write_picture(picture, drawn, "precision")
    print_note(f"picture: {picture}")


def _draw(found: Comparison, picture: Path) -> None:
    """Behind the table, which no full disk takes away."""
    from pellucid.files import write_picture
    from pellucid.recipes.format_picture import draw_formats

    write_picture(picture, draw_formats(found.rows, found.measure, found.title), "precision")


def _shown(row: FormatRow) -> tuple[str, ...]:
    return (
        row.format,
        f"{100 * row.measure:.2f} %",
        byte_count(row.weight_bytes),
        byte_count(row.activation_bytes),
        f"{row.milliseconds:.3g}",
        row.instructions,
        f"{row.logit_difference:.2g}",
        f"{row.changed:,} of {row.predictions:,}",
    )
