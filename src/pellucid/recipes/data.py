"""A recipe's data, and batches of it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from pellucid.data import Data, Dataset, Loader, load_data
from pellucid.data.absent import absent_classes, check_learnable
from pellucid.data.boxed import load_boxed
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.loader import IGNORED
from pellucid.data.masked import load_masked
from pellucid.errors import PellucidError
from pellucid.ops.formats import float_type
from pellucid.recipes.schema import Recipe

_NONE = (
    "expected --data FOLDER where the command takes it, as pellucid shrink does, or to train on some first "
    "(pellucid train --from)"
)
EVALUATION_BATCH = 128  # images at least, a training batch may be smaller; fewer of large ones:
EVALUATION_PIXELS = 1 << 22


def build_data(recipe: Recipe, held_out: HeldOut | None = None, framing: Framing | None = None) -> Data:
    """The recipe's images, with what its task wants to know of each.

    held_out: how what the data leave open is held out of training; by default drawn anew, as for a new run. framing:
    how a model sees pictures; by default as the recipe and the data suggest.
    """
    if without_data(recipe):
        raise PellucidError(f"no data: {recipe.data.source}, as the recipe calls them, is no folder; {_NONE}")
    data = _read(recipe, held_out, framing)
    drawn_whole = held_out is not None and held_out.whole and "test" in data.lists
    known = set() if drawn_whole else set(data.train.keys or ())
    return replace(
        data,
        train=_noted(data.train),
        validation=_noted(data.validation, known) if data.validation else None,
        test=_noted(data.test, known),
    )


def without_data(recipe: Recipe) -> bool:
    """Whether it is that of a model which came without data, and there are none by the name that it gives them."""
    return recipe.data.source == "pictures" and not Path(recipe.data.source).exists()


def training_data(recipe: Recipe, held_out: HeldOut | None = None) -> Data:
    """As `build_data`, to be trained on. Raises PellucidError where there is nothing to learn."""
    data = build_data(recipe, held_out)
    check_learnable(data.train)
    return data


def _noted(dataset: Dataset, known: Collection[str] = ()) -> Dataset:
    """The data set that also says which classes it has nothing of, and how many images training sees, those known."""
    seen = len({*(dataset.keys or ())} & {*known})
    also = [f"{dataset.name}: {seen:,} of {len(dataset):,} images are among the training images too"] if seen else []
    return replace(dataset, notes=(*dataset.notes, *also, *absent_classes(dataset)))


def _read(recipe: Recipe, held_out: HeldOut | None, framing: Framing | None) -> Data:
    settings = recipe.data
    if recipe.task["name"] == "segment":
        return load_masked(
            settings.source, settings.scenes, settings.size, settings.validation, settings.seed, held_out, framing
        )
    if recipe.task["name"] == "detect":
        return load_boxed(
            settings.source,
            settings.scenes,
            settings.size,
            settings.validation,
            settings.seed,
            settings.boxes,
            held_out,
            framing,
        )
    data = load_data(
        settings.source, settings.size, settings.validation, settings.seed, held_out, settings.fit, framing
    )
    return _with_labels(data, recipe.task["name"])


def _with_labels(data: Data, task: str) -> Data:
    """The data of a task of whole images: for several labels an image, 0 and 1 for each class.

    Raises PellucidError where the task is classification and images have several.
    """
    several = isinstance(data.train.targets, np.ndarray) and data.train.targets.ndim == 2
    if task == "classify" and several:
        raise PellucidError(f"{data.train.name}: images of several labels, expected --set task.name=labels")
    if task != "labels" or several:
        return data

    def flagged(dataset: Dataset) -> Dataset:
        labels = np.asarray(dataset.targets)
        return replace(dataset, targets=(labels[:, None] == np.arange(dataset.classes)).astype(np.uint8))

    kept = flagged(data.validation) if data.validation is not None else None
    return replace(data, train=flagged(data.train), validation=kept, test=flagged(data.test))


def build_loader(recipe: Recipe, dataset: Dataset, *, training: bool) -> Loader:
    """Batches of a data set: in random order and augmented for training, else as they lie."""
    settings, data = recipe.training, recipe.data
    channels = dataset.shape[0]
    for name, values in (("mean", data.mean), ("std", data.std)):
        if values and len(values) != channels:
            raise PellucidError(
                f"data.{name}: expected {channels} number{'s' * (channels > 1)}, one a channel of {dataset.name}, "
                f"got {len(values)}"
            )
    measured = max(settings.batch_size, EVALUATION_BATCH)
    if len(dataset.shape) == 3:
        measured = min(measured, max(1, EVALUATION_PIXELS // math.prod(dataset.shape[1:])))
    return Loader(
        dataset,
        settings.batch_size if training else measured,
        seed=settings.seed,
        shuffle=training,
        augment=recipe.augmentation if training and _augments(recipe) else None,
        crop=recipe.crop if training and recipe.crop.changes else None,
        colours=recipe.colours if training and recipe.colours.changes else None,
        dtype=float_type(settings.precision),
        mean=data.mean or None,
        std=data.std or None,
        ignored=IGNORED if (label := recipe.task.get("ignore_label")) is None else label,
    )


def _augments(recipe: Recipe) -> bool:
    return recipe.augmentation.moves or recipe.augmentation.erase > 0
