"""`pellucid fit-chip`: whether a network fits a microcontroller, and how long it takes there."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.output import print_json, print_note, print_table, working
from pellucid.cli.subject import DATA_HELP, LAST, others_for, same_data, trained

if TYPE_CHECKING:
    from pellucid.export.chips import Catalogue
    from pellucid.recipes.fit_chip import ChipReport

NO = 1
"""Exit code where it doesn't fit."""


def fit_chip(
    run: Annotated[Path, Parameter(help="A run folder.")] = Path(LAST),
    /,
    *,
    chip: Annotated[
        str | None, Parameter(help="A chip's name, or RAM,FLASH,CORE; without it, the chips are listed.")
    ] = None,
    data: Annotated[str | None, Parameter(help=DATA_HELP)] = None,
    bits: Annotated[int | None, Parameter(help="Of a weight; by default as last shrunk, else 8.")] = None,
    chips: Annotated[list[Path] | None, Parameter(help="Files with more chips, in the form of chips.toml.")] = None,
    rows: Annotated[bool, Parameter(negative="", help="Images come row by row, as for export --rows.")] = False,
    train: Annotated[
        bool,
        Parameter(
            negative="",
            help="Where it doesn't fit, train narrower layers and smaller images by the run's recipe.",
        ),
    ] = False,
    json: Annotated[bool, Parameter(negative="", help="Print JSON.")] = False,
) -> int:
    """Say what flash, RAM and time a network takes on a chip, and whether it fits; the exit code is 1 if not.

    Static memory is exact; code, instructions, cycles and milliseconds are estimates. The user's own program is not
    counted.
    """
    from pellucid.export.chips import find_chip, read_chips
    from pellucid.recipes import open_model
    from pellucid.recipes.fit_chip import fit_run
    from pellucid.training.callbacks.progress import Progress

    catalogue = read_chips(chips or [])
    if chip is None:
        _list(catalogue)
        return 0
    found = find_chip(chip, catalogue)
    told = train and not json
    with nullcontext() if told else working("counting ..."):
        path, callbacks = trained(run), [Progress(1)] if told else []
        others = others_for(path, data)
        source = None if data is None or same_data(open_model(path), data) else data
        report = fit_run(path, found, bits, data=others, source=source, rows=rows, train=train, callbacks=callbacks)
    if json:
        _print_json(report)
    else:
        _print(report)
    return 0 if any(row.found.fits for row in report.rows) else NO


def _list(catalogue: Catalogue) -> None:
    columns = ("chip", "core", "MHz", "RAM", "flash", "source")
    rows = [
        (name, chip.core, f"{chip.mhz:g}", f"{chip.ram:,}", f"{chip.flash:,}", chip.source)
        for name, chip in catalogue.chips.items()
    ]
    print_table(columns, rows, right=("MHz", "RAM", "flash"), wrapped="source")


def _print(report: ChipReport) -> None:
    first = report.rows[0].found
    chip = first.chip
    columns = ["", *(f"int{row.bits}, {row.change or ('-Os' if row.found.small else '-O2')}" for row in report.rows)]
    lines = {
        "weights": [f"{row.found.weights:,}" for row in report.rows],
        "tables": [f"{row.found.tables:,}" for row in report.rows],
        "code (estimate)": [f"{row.found.code:,}" for row in report.rows],
        f"flash, of {chip.flash:,}": [f"{row.found.flash:,}" for row in report.rows],
        "images, columns, logits": [f"{row.found.arena:,}" for row in report.rows],
        "stack (at most)": [f"{row.found.stack:,}" for row in report.rows],
        f"RAM, of {chip.ram:,}": [f"{row.found.ram:,}" for row in report.rows],
        "multiply-adds": [f"{row.found.multiply_adds:,}" for row in report.rows],
        "instructions (estimate)": [f"{row.found.instructions:,}" for row in report.rows],
        "cycles (estimate)": [f"{row.found.cycles:,}" for row in report.rows],
    }
    if chip.mhz is not None:
        times = [row.found.milliseconds for row in report.rows]
        lines[f"ms at {chip.mhz:g} MHz (estimate)"] = [f"{time:.1f}" for time in times if time is not None]
    if any(row.measure is not None for row in report.rows):
        lines[report.measure] = ["" if row.measure is None else f"{100 * row.measure:.2f} %" for row in report.rows]
    lines["fits"] = ["yes" if row.found.fits else "no" for row in report.rows]
    rows = [[name, *values] for name, values in lines.items()]
    print_table(columns, rows, title=f"{chip.name}, {chip.core_name}; bytes", right=columns[1:])
    for each in report.published:
        print_note(f"published for this network and chip, 8 bits: {each.milliseconds:.1f} ms ({each.source})")
    for line in report.advice:
        print_note(line)


def _print_json(report: ChipReport) -> None:
    rows = []
    for row in report.rows:
        found = row.found
        names = ("weights", "tables", "code", "flash", "arena", "stack", "ram", "multiply_adds")
        values = {name: getattr(found, name) for name in (*names, "instructions", "cycles", "milliseconds", "fits")}
        about = {"bits": row.bits, "compiled": "-Os" if found.small else "-O2", "change": row.change}
        rows.append({**about, **values, "measure": row.measure})
    published = [{"milliseconds": each.milliseconds, "source": each.source} for each in report.published]
    name = report.rows[0].found.chip.name
    print_json({"chip": name, "rows": rows, "published": published, "advice": report.advice})
