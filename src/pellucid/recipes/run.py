"""A training run in its folder: begun, or gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pellucid.data import Data
from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.files import write_whole
from pellucid.network import Network
from pellucid.recipes.data import training_data
from pellucid.recipes.held_out import held_out_json, held_out_text, parse_held_out
from pellucid.recipes.load import load_recipe, parse_recipe
from pellucid.recipes.model import dataset_notes
from pellucid.recipes.schema import Recipe
from pellucid.recipes.settled import settled
from pellucid.recipes.trainer import build_trainer
from pellucid.recipes.write import recipe_toml
from pellucid.training import AgreedError, Alone, Callback, Communicator, Trainer, load_checkpoint
from pellucid.training.agreement import agree, from_first, together, versions
from pellucid.training.callbacks import (
    Alive,
    AloneInFolder,
    Checkpoint,
    Curve,
    EarlyStopping,
    History,
    SameWeights,
    SaveModels,
)
from pellucid.training.folder import RunFolder, new_run_folder, open_run_folder


def start_run(
    recipe: Recipe,
    folder: Path | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    communicator: Communicator | None = None,
    data: Data | None = None,
    network: Network | None = None,
) -> tuple[Trainer, RunFolder]:
    """A new run: its folder (by default runs/<date-time>-<recipe>), and the trainer whose `fit` does the work.

    callbacks: further ones, such as a progress bar. communicator: the ranks that call this together, of which rank 0
    writes. data, network: where they are there already. Data are read before the folder is made, so that a
    mistake there leaves nothing behind.
    """
    talk = communicator or Alone()
    trainer, data, recipe = _prepared(recipe, data, talk, network=network)

    def make() -> bytes:
        with new_run_folder(recipe.name, folder) as run:
            if data.lists:
                write_whole(run.held_out, held_out_json(recipe, data.lists))
            write_whole(run.recipe, recipe_toml(recipe).encode())
        return str(run.path).encode()

    run = RunFolder(Path(from_first(talk, make).decode()))
    trainer.callbacks = [AloneInFolder(run), *_keepers(recipe, run, data), *callbacks]
    return trainer, run


def resume_run(
    path: Path,
    *,
    callbacks: Sequence[Callback] = (),
    communicator: Communicator | None = None,
    data: Data | None = None,
) -> tuple[Trainer, RunFolder]:
    """An earlier run, to go on where its last checkpoint was taken, bit for bit as without the break.

    The number of ranks may be another one than before; then it goes on equal up to rounding. Only rank 0 has to see
    the folder. Raises PellucidError where there is no such run, or it is finished.
    """
    talk = communicator or Alone()
    run = RunFolder(Path(from_first(talk, lambda: str(open_run_folder(path).path).encode()).decode()))
    text = from_first(talk, lambda: recipe_toml(load_recipe(run.recipe)).encode()).decode()
    recipe = parse_recipe(text, str(run.recipe))
    listed = from_first(talk, lambda: held_out_text(run.held_out))
    held_out = parse_held_out(listed, run.held_out, recipe, before=not listed)
    alone = AloneInFolder(run)
    begun = bool(from_first(talk, lambda: _begun(run)))
    trainer, data, recipe = _prepared(recipe, data, talk, held_out, resumed=begun)
    if begun:
        load_checkpoint(run.checkpoint, trainer)
    if trainer.state.epoch >= trainer.total_epochs:
        raise AgreedError(f"{run.path}: nothing to resume, all {trainer.total_epochs} epochs are done")
    if talk.rank == 0 and data.lists and not listed:  # of version 0.1; from now on its models no longer tell it
        write_whole(run.held_out, held_out_json(recipe, data.lists))
    trainer.callbacks = [alone, *_keepers(recipe, run, data), *callbacks]
    return trainer, run


def _begun(run: RunFolder) -> bytes:
    """Something, where the run has a checkpoint. Raises PellucidError where it has a model only, to be lost."""
    if not run.checkpoint.exists() and run.model.exists():
        raise PellucidError(
            f"{run.path}: a model but no checkpoint to go on from; to train on from its weights: "
            f"pellucid train --set training.start_from={run.path}"
        )
    return b"yes" if run.checkpoint.exists() else b""


def _prepared(
    recipe: Recipe,
    data: Data | None,
    communicator: Communicator,
    held_out: HeldOut | None = None,
    *,
    resumed: bool = False,
    network: Network | None = None,
) -> tuple[Trainer, Data, Recipe]:
    """Trainer, data and the recipe in full, once every rank has the same and nothing has gone wrong on any."""

    def prepare() -> tuple[Trainer, Data, Recipe]:
        found = data or training_data(recipe, held_out)
        whole = settled(recipe, found)
        trainer = build_trainer(whole, found, communicator=communicator, resumed=resumed, network=network)
        return trainer, found, whole

    if communicator.ranks > 1:
        agree(communicator, {**versions(), "recipe": recipe_toml(recipe)})
    trainer, found, whole = together(communicator, prepare)
    if communicator.ranks > 1:
        agree(communicator, {**_contents(found), "first weights": trainer.network.digest()})
    return trainer, found, whole


def _contents(data: Data) -> dict[str, str]:
    """What the images are, for comparison."""
    parts = {"training": data.train, "validation": data.validation, "test": data.test}
    return {
        f"{name} images": f"{part.name} ({len(part)} images, SHA-256 {part.digest[:12]}...)"
        for name, part in parts.items()
        if part is not None
    }


def _keepers(recipe: Recipe, run: RunFolder, data: Data) -> list[Callback]:
    """What every run checks, and writes into its folder. The checkpoint comes last: it vouches for all the rest."""
    settings = recipe.training
    return [
        SameWeights(),
        Alive(),
        *([EarlyStopping(settings.patience, restore=False)] if settings.patience else []),  # the best has its file
        History(run.history, settings.log_every),
        Curve(run.curve),
        SaveModels(run.model, run.best, dataset_notes(recipe, data.train)),
        Checkpoint(run.checkpoint, settings.checkpoint_seconds),
    ]
