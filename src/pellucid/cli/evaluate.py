"""`pellucid evaluate`: a trained network on the whole test set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_json, print_table
from pellucid.cli.subject import LAST, RUN_HELP, data_for


def evaluate(
    run: Annotated[str, Parameter(help=RUN_HELP)] = LAST,
    /,
    *,
    data: Annotated[str | None, Parameter(help="Other data than the run's: a directory, or mnist.")] = None,
    best: Annotated[bool, Parameter(negative="", help="The run's best model instead of its last.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print JSON.")] = False,
    machine: Machine = DEFAULT,
) -> None:
    """Measure loss and accuracy over every image of the test set."""
    from pellucid import training
    from pellucid.recipes import build_loader, open_model

    machine.use()
    model = open_model(Path(run), best=best)
    test = data_for(model, data).test
    measured = training.evaluate(model.network, model.task, build_loader(model.recipe, test, training=False))
    if json:
        print_json({"model": str(model.path), "data": test.name, "images": len(test), **measured})
        return
    print_table(
        ("measure", "value"),
        [(name, _shown(name, value)) for name, value in measured.items()],
        title=f"{model.path} on {test.name}, {len(test):,} images",
        right=("value",),
    )


def _shown(name: str, value: float) -> str:
    """A loss as a number, any other measure as a percentage."""
    return f"{value:.4f}" if name == "loss" else f"{100 * value:.2f} %"
