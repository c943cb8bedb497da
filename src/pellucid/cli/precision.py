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
        Path | None, Parameter(help="Picture to write; by default precision.png in the run folder.")
    ] = None,
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
