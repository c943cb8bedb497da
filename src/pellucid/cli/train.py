"""`pellucid train`: a recipe becomes a run folder with a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.kinds import Whole, switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_note
from pellucid.cli.overrides import NONE, Overrides
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.training import Trainer
    from pellucid.training.callbacks.progress import Progress
    from pellucid.training.folder import RunFolder

INTERRUPTED = 130


def train(
    recipe: Annotated[
        str | None, Parameter(help="A recipe's name (see pellucid recipes) or a TOML file; by default deep-convnet.")
    ] = None,
    /,
    *,
    overrides: Overrides = NONE,
    out: Annotated[Path | None, Parameter(help="Run folder to make; by default runs/<time>-<recipe>.")] = None,
    resume: Annotated[Path | None, Parameter(help="Go on with this run where its last checkpoint was taken.")] = None,
    verbosity: Annotated[Whole, Parameter(help="0: nothing; 1: a line an epoch; 2: ten lines an epoch.")] = 1,
    quiet: Annotated[bool, switch("Print nothing: --verbosity 0.")] = False,
    machine: Machine = DEFAULT,
) -> int:
    """Train, measure after each epoch, and keep recipe, history, curve, weights and checkpoint in a run folder.

    Ctrl-C ends after the current step and keeps a checkpoint. Exit code 130 then.
    """
    from pellucid.training.callbacks.progress import Progress

    backend = machine.use()
    shown = 0 if quiet else verbosity
    progress = Progress(shown)
    trainer, run = (
        _resumed(resume, recipe, overrides, out, progress) if resume else _new(recipe, overrides, out, progress)
    )
    if shown:
        print_note(_headline(trainer, run, backend))
    finished = trainer.fit()
    if shown or not finished:
        print_note(_farewell(run, finished, trainer.state.step))
    return 0 if finished else INTERRUPTED


def _new(recipe: str | None, overrides: Overrides, out: Path | None, progress: Progress) -> tuple[Trainer, RunFolder]:
    from pellucid.recipes import DEFAULT, load_recipe, start_run

    return start_run(load_recipe(recipe or DEFAULT, overrides.by_key()), out, callbacks=[progress])


def _resumed(
    run: Path, recipe: str | None, overrides: Overrides, out: Path | None, progress: Progress
) -> tuple[Trainer, RunFolder]:
    """The run that goes on. Raises PellucidError where something else is asked for than what it was."""
    from pellucid.recipes import resume_run

    given = [recipe] if recipe else list(overrides.by_key()) + (["--out"] if out else [])
    if given:
        raise PellucidError(f"--resume {run} goes on with that run's own recipe: {given[0]} can't be given with it")
    return resume_run(run, callbacks=[progress])


def _headline(trainer: Trainer, run: RunFolder, backend: str) -> str:
    from pellucid import ops

    dataset, threads = trainer.loader.dataset, ops.threads()
    return (
        f"{trainer.network.vector.size:,} parameters, {len(dataset):,} images ({dataset.name}), "
        f"{backend}, {threads} thread{'s' * (threads > 1)}\nrun folder {run.path}"
    )


def _farewell(run: RunFolder, finished: bool, step: int) -> str:
    if finished:
        return f"done: pellucid evaluate {run.path}"
    return f"stopped after step {step}; to go on: pellucid train --resume {run.path}"
