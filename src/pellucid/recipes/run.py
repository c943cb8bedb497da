"""A training run in its folder: begun, or gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pellucid.data import Data
from pellucid.errors import PellucidError
from pellucid.files import write_whole
from pellucid.recipes.build import build_data, build_trainer
from pellucid.recipes.load import load_recipe
from pellucid.recipes.model import dataset_notes
from pellucid.recipes.schema import Recipe
from pellucid.recipes.write import recipe_toml
from pellucid.training import Callback, Communicator, Trainer, load_checkpoint
from pellucid.training.callbacks import Checkpoint, Curve, History, Models
from pellucid.training.folder import RunFolder, create_run_folder, open_run_folder


def start_run(
    recipe: Recipe,
    folder: Path | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    communicator: Communicator | None = None,
    data: Data | None = None,
) -> tuple[Trainer, RunFolder]:
    """A new run: its folder (by default runs/<date-time>-<recipe>), and the trainer whose `fit` does the work.

    callbacks: further ones, such as a progress bar. Data are read before the folder is made, so that a
    mistake there leaves nothing behind.
    """
    data = data or build_data(recipe)
    trainer = build_trainer(recipe, data, communicator=communicator)
    run = create_run_folder(recipe.name, folder)
    write_whole(run.recipe, recipe_toml(recipe).encode())
    trainer.callbacks = [*_keepers(recipe, run, data), *callbacks]
    return trainer, run


def resume_run(
    path: Path,
    *,
    callbacks: Sequence[Callback] = (),
    communicator: Communicator | None = None,
    data: Data | None = None,
) -> tuple[Trainer, RunFolder]:
    """An earlier run, to go on where its last checkpoint was taken, bit for bit as without the break.

    Raises PellucidError where there is no such run, or it is finished.
    """
    run = open_run_folder(path)
    recipe = load_recipe(run.recipe)
    data = data or build_data(recipe)
    trainer = build_trainer(recipe, data, communicator=communicator)
    if run.checkpoint.exists():
        load_checkpoint(run.checkpoint, trainer)
    if trainer.state.epoch >= trainer.total_epochs:
        raise PellucidError(f"{run.path}: nothing to resume, all {trainer.total_epochs} epochs are done")
    trainer.callbacks = [*_keepers(recipe, run, data), *callbacks]
    return trainer, run


def _keepers(recipe: Recipe, run: RunFolder, data: Data) -> list[Callback]:
    """What every run writes into its folder. The checkpoint comes last: it vouches for all the rest."""
    settings = recipe.training
    return [
        History(run.history, settings.log_every),
        Curve(run.curve),
        Models(run.model, run.best, dataset_notes(recipe, data.train)),
        Checkpoint(run.checkpoint, settings.checkpoint_seconds),
    ]
