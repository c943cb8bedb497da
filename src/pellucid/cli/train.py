"""`pellucid train`: a recipe becomes a run folder with a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Whole, switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_note, print_notes
from pellucid.cli.overrides import NONE, Overrides
from pellucid.errors import PellucidError, PictureError

if TYPE_CHECKING:
    from pellucid.recipes import Recipe
    from pellucid.training import Communicator, Trainer
    from pellucid.training.callbacks.progress import Progress
    from pellucid.training.folder import RunFolder

INTERRUPTED = 130


def train(
    recipe: Annotated[
        str | None,
        Parameter(
            help="A recipe's name (see pellucid recipes) or a TOML file, or a folder of pictures, written with a "
            "separator, as photos/; by default the recipe of --from's model, or deep-convnet."
        ),
    ] = None,
    /,
    *,
    overrides: Overrides = NONE,
    out: Annotated[
        Path | None,
        Parameter(help="Run folder to make; by default runs/<time>-<recipe>. runs/last then points to it."),
    ] = None,
    resume: Annotated[Path | None, Parameter(help="Go on with this run where its last checkpoint was taken.")] = None,
    verbosity: Annotated[Whole, Parameter(help="0: nothing; 1: a line an epoch; 2: ten lines an epoch.")] = 1,
    quiet: Annotated[bool, switch("Print nothing: --verbosity 0.")] = False,
    restarts: Annotated[
        Whole, Parameter(help="How often to go on by itself from the last checkpoint when training was killed.")
    ] = 0,
    launcher: Annotated[str, Parameter(help="With --restarts: what starts the processes, as 'mpiexec -n 4'.")] = "",
    machine: Machine = DEFAULT,
) -> int:
    """Train, measure after each epoch, and keep recipe, history, curve, weights and checkpoint in a run folder.

    Of a folder of pictures it says what is in it, and chooses recipe, image size and epochs; flags change that.

    Under mpiexec or srun, the processes share each batch. Ctrl-C ends after the current step and keeps a checkpoint.
    Exit code 130 then.
    """
    order = Order(recipe, overrides, out, resume, 0 if quiet else verbosity, machine)
    order.check()
    if restarts or launcher:
        return _supervised(order, launcher, restarts)
    from pellucid.cli.ranks import on_every_rank

    return on_every_rank(lambda communicator: _train(order, communicator))


@dataclass(frozen=True)
class Order:
    """What the command line asks for."""

    recipe: str | None
    overrides: Overrides
    out: Path | None
    resume: Path | None
    verbosity: int
    machine: Machine

    def check(self) -> None:
        """Raise PellucidError where a run is to go on, but as another than it was."""
        given = [self.recipe] if self.recipe else list(self.overrides.by_key()) + (["--out"] if self.out else [])
        if self.resume and given:
            raise PellucidError(
                f"--resume {self.resume} goes on with that run's own recipe: {given[0]} can't be given with it"
            )

    def load(self) -> tuple[Recipe, list[str]]:
        """The recipe of a new run, and what is to be said of how it was chosen."""
        return chosen_recipe(self.recipe, self.overrides)


def chosen_recipe(name: str | None, overrides: Overrides) -> tuple[Recipe, list[str]]:
    """The recipe of that name, or the one for the folder that is so called, with changes; and what is to be said."""
    from pellucid.recipes import DEFAULT, load_recipe
    from pellucid.recipes.for_folder import folder_recipe, is_folder
    from pellucid.recipes.from_model import recipe_from

    subject, changes = name or DEFAULT, overrides.by_key()
    if name is None and (start := changes.get("training.start_from")):
        return recipe_from(start, changes), []
    if is_folder(subject, changes.get("data.source")):
        return folder_recipe(Path(subject), changes)
    return load_recipe(subject, changes), []


def _train(order: Order, communicator: Communicator) -> int:
    from pellucid.training.agreement import together
    from pellucid.training.callbacks.progress import Progress

    backend = together(communicator, lambda: order.machine.use(communicator.local_rank))
    trainer, run = _trainer(order, Progress(order.verbosity), communicator)
    if order.verbosity:
        print_notes(_notes(trainer))
        print_note(_headline(trainer, run, backend))
    try:
        finished = trainer.fit()
    except PictureError as error:
        if not run.checkpoint.exists():
            raise
        raise PictureError(f"{error}; when it is back as it was: pellucid train --resume {run.path}") from error
    if order.verbosity or not finished:
        print_note(_farewell(run, finished, trainer.state.step))
    return 0 if finished else INTERRUPTED


def _notes(trainer: Trainer) -> list[str]:
    """What is to be said of the data, once each."""
    datasets = [trainer.loader.dataset, *(loader.dataset for loader in trainer.evaluations.values())]
    lines = [line for data in datasets for line in (*data.notes, *getattr(data.targets, "notes", ()))]
    return list(dict.fromkeys(lines))


def _trainer(order: Order, progress: Progress, communicator: Communicator) -> tuple[Trainer, RunFolder]:
    """The run that is begun, or goes on."""
    from pellucid.recipes import resume_run, start_run
    from pellucid.training.agreement import agree, together

    agree(communicator, {"--resume": str(order.resume)})
    if order.resume:
        return resume_run(order.resume, callbacks=[progress], communicator=communicator)
    recipe, lines = together(communicator, order.load)
    if order.verbosity:
        for line in lines:
            print_note(line)
    return start_run(recipe, order.out, callbacks=[progress], communicator=communicator)


def _supervised(order: Order, launcher: str, restarts: int) -> int:
    """Let other processes do it, and see to it that it gets done."""
    from pellucid.cli.restarts import supervise
    from pellucid.training.folder import RunFolder, open_run_folder

    common = ["--verbosity", str(order.verbosity), *order.machine.flags()]
    run = open_run_folder(order.resume) if order.resume else RunFolder(order.out or _new_path(order))
    go_on = ["--resume", str(run.path), *common]
    settings = [f"--set={key}={value}" for key, value in order.overrides.by_key().items()]
    begin = [*([order.recipe] if order.recipe else []), *settings, "--out", str(run.path), *common]
    return supervise(go_on if order.resume else begin, go_on, run, launcher, restarts)


def _new_path(order: Order) -> Path:
    from pellucid.training.folder import new_run_path

    return new_run_path(order.load()[0].name)


def _headline(trainer: Trainer, run: RunFolder, backend: str) -> str:
    from pellucid import ops

    dataset, threads, ranks = trainer.loader.dataset, ops.threads(), trainer.communicator.ranks
    processes = f"{ranks} processes, each " if ranks > 1 else ""
    return (
        f"{trainer.network.vector.size:,} parameters, {len(dataset):,} images ({dataset.name}), "
        f"{processes}{backend}, {threads} thread{'s' * (threads > 1)}\nrun folder {run.path}"
    )


def _farewell(run: RunFolder, finished: bool, step: int) -> str:
    if finished:
        return f"done: pellucid evaluate {run.path}"
    return f"stopped after step {step}; to go on: pellucid train --resume {run.path}"
