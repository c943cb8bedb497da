"""`pellucid evaluate`: a trained network on the whole test set."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pellucid.cli.flags import switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_json, print_note, print_notes, print_table
from pellucid.cli.subject import DATA_HELP, LAST, RUN_HELP, data_for, same_data, trained
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.data import Loader
    from pellucid.recipes import AnyModel
    from pellucid.training import Communicator


def evaluate(
    run: Annotated[str, Parameter(help=RUN_HELP)] = LAST,
    /,
    *,
    data: Annotated[str | None, Parameter(help=DATA_HELP)] = None,
    best: Annotated[bool, switch("The run's best model instead of its last.")] = False,
    report: Annotated[
        bool, switch("Write report.html into the run: confusion, calibration, misclassified images.")
    ] = False,
    json: Annotated[bool, switch("Print JSON.")] = False,
    machine: Machine = DEFAULT,
) -> int:
    """Measure loss and accuracy over every image of the test set; under mpiexec, each process a share of them."""
    from pellucid.cli.ranks import on_every_rank

    return on_every_rank(
        lambda talk: _evaluate(run, data=data, best=best, report=report, json=json, machine=machine, talk=talk)
    )


def _evaluate(
    run: str, *, data: str | None, best: bool, report: bool, json: bool, machine: Machine, talk: Communicator
) -> int:
    """The command's work on one of the processes; the first of them says what all have measured."""
    from pellucid import training
    from pellucid.recipes import build_loader
    from pellucid.recipes.shrink import open_any

    machine.use(talk.local_rank)
    model = open_any(trained(run), best=best)
    test = data_for(model, data).test
    loader = build_loader(model.recipe, test, training=False)
    loss, metrics = training.measure(model.network, model.task, loader, talk)
    if not isfinite(loss):
        raise PellucidError(f"{model.path}: a loss of {loss} on {test.name}, its weights can't be used")
    if talk.rank:
        return 0
    written = _write_report(model, loader) if report else None
    measured = {"loss": loss, **metrics.result()}
    per_class = [asdict(score) for score in metrics.per_class()] if hasattr(metrics, "per_class") else []
    if json:
        about = {"model": str(model.path), "data": test.name, "images": len(test), **measured}
        if not same_data(model, data):
            about["trained_on"] = model.recipe.data.source
        print_json({**about, "classes": per_class} if per_class else about)
        return 0
    print_table(
        ("measure", "value"),
        [(name, _shown(name, value)) for name, value in measured.items()],
        title=f"{model.path} on {test.name}, {len(test):,} images" + _others(model, data),
        right=("value",),
    )
    if per_class:
        _show_classes(per_class)
    print_notes(test.notes)
    if written:
        print_note(str(written))
    return 0


def _others(model: AnyModel, data: str | None) -> str:
    """What is to be said where the model is measured on other data than it learnt from."""
    return "" if same_data(model, data) else f"; other data than the run's, {model.recipe.data.source}"


def _write_report(model: AnyModel, loader: Loader) -> Path:
    """The page's path. Raises PellucidError for a task that has none."""
    from pellucid.analysis.confusion import confusion, confusion_page
    from pellucid.files import write_whole
    from pellucid.recipes.scene_report import scene_report
    from pellucid.tasks import Classify

    path = model.path.parent / "report.html"
    if not isinstance(model.task, Classify):
        write_whole(path, scene_report(model, loader))
        return path
    title = f"{model.path} on {loader.dataset.name}"
    write_whole(path, confusion_page(title, confusion(model.network, loader), loader.dataset))
    return path


def _show_classes(scores: list[dict[str, Any]]) -> None:
    """A line a class; what is a fraction as a percentage."""
    columns = list(scores[0])
    print_table(columns, [list(map(_cell, score.values())) for score in scores], right=columns[1:])


def _cell(value: Any) -> str:
    """A name, a number of things, a fraction as a percentage, or none where nothing was there to be measured."""
    if isinstance(value, float):
        return "-" if isnan(value) else f"{100 * value:.2f} %"
    return value if isinstance(value, str) else f"{value:,}"


def _shown(name: str, value: float) -> str:
    """A loss as a number, any other measure as a percentage."""
    return f"{value:.4f}" if name == "loss" else f"{100 * value:.2f} %"
