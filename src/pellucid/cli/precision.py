"""`pellucid precision`: a trained network in every number format, side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import byte_count, print_json, print_note, print_table, working
from pellucid.cli.subject import LAST, trained

if TYPE_CHECKING:
    from pellucid.recipes.format_report import FormatRow

NUMBERS = ("accuracy", "weights", "activations", "ms an image", "instructions", "logits off by", "changed")


def precision(
    run: Annotated[Path, Parameter(help="A run folder.")] = Path(LAST),
    /,
    *,
    out: Annotated[
        Path | None, Parameter(help="Picture to write; by default precision.png, or layers.png, in the run folder.")
    ] = None,
    layers: Annotated[
        bool, Parameter(negative="", help="Each layer's range and rounding error in integers instead.")
    ] = False,
    json: Annotated[bool, Parameter(negative="", help="Print JSON.")] = False,
    machine: Machine = DEFAULT,
) -> None:
    """Compare float64, float32, float16, bfloat16 and integers on the whole test set: one table, one picture.

    Integer networks that pellucid shrink has trained are compared too.
    """
    from pellucid.files import write_whole
    from pellucid.recipes.format_comparison import compare_run
    from pellucid.recipes.format_picture import draw_formats

    backend = machine.use()
    if layers:
        _layers(run, out or run / "layers.png", json=json)
        return
    with working("each image in every format ..."):
        found = compare_run(trained(run))
    picture = out or run / "precision.png"
    write_whole(picture, draw_formats(found.rows, found.measure, found.title))
    if json:
        print_json({"run": str(run), "backend": backend, "rows": [asdict(row) for row in found.rows]})
        return
    columns = ("format", found.measure, *NUMBERS[1:])
    print_table(columns, [_shown(row) for row in found.rows], title=f"{found.title}, {backend}", right=columns[1:])
    if found.note:
        print_note(found.note)
    print_note(f"picture: {picture}")


def _layers(run: Path, picture: Path, *, json: bool) -> None:
    from pellucid.files import write_whole
    from pellucid.recipes.layer_errors import draw_layer_errors, run_layer_errors

    with working("each layer ..."):
        found = run_layer_errors(trained(run))
    write_whole(picture, draw_layer_errors(found, f"{run}: rounding error by layer"))
    if json:
        print_json({"run": str(run), "bits": {bits: [asdict(row) for row in rows] for bits, rows in found.items()}})
        return
    columns = ("layer", "lowest", "highest", *(f"error, {bits} bits" for bits in found))
    rows = [
        (same[0].name, f"{same[0].low:.3g}", f"{same[0].high:.3g}", *(f"{100 * row.error:.2f} %" for row in same))
        for same in zip(*found.values(), strict=True)
    ]
    print_table(columns, rows, title="error: of the values' standard deviation", right=columns[1:])
    print_note(f"picture: {picture}")


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
