"""From a recipe to the objects it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pellucid.data import Boxes, Data, Dataset, Loader, load_data
from pellucid.data.boxed import load_boxed
from pellucid.data.masked import load_masked
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.precision import float_type, with_rounding
from pellucid.recipes.choices import check_choice, make
from pellucid.recipes.schema import Recipe
from pellucid.tasks import TASKS, Detect
from pellucid.training import OPTIMIZERS, SCHEDULES, Alone, Callback, Communicator, Task, Trainer, WeightAverage
from pellucid.zoo import NETWORKS
from pellucid.zoo.fcn import adopt

EVALUATION_BATCH = 128  # images at least; a training batch may be smaller


def check_choices(recipe: Recipe) -> None:
    """Check what a recipe chooses by name, before anything is made of it."""
    check_choice("network", recipe.network, NETWORKS, given=1)
    check_choice("task", recipe.task, TASKS, given=1)
    check_choice("optimizer", recipe.optimizer, OPTIMIZERS, given=0)
    check_choice("schedule", recipe.schedule, SCHEDULES, given=2)
    for place, value, least in (
        ("training.epochs", recipe.training.epochs, 0),
        ("training.batch_size", recipe.training.batch_size, 0),
    ):
        if value <= least:
            raise PellucidError(f"{place} = {value}: expected more than {least}")
    for place, value in (("training.seed", recipe.training.seed), ("data.seed", recipe.data.seed)):
        if value < 0:
            raise PellucidError(f"{place} = {value}: expected 0 or more")
    make(recipe.optimizer, OPTIMIZERS)
    make(recipe.schedule, SCHEDULES, 1, 1)


def build_data(recipe: Recipe) -> Data:
    """The recipe's images, with what its task wants to know of each."""
    settings = recipe.data
    if recipe.task["name"] == "segment":
        return load_masked(settings.source, settings.scenes, settings.size, settings.validation, settings.seed)
    if recipe.task["name"] == "detect":
        return load_boxed(
            settings.source, settings.scenes, settings.size, settings.validation, settings.seed, settings.boxes
        )
    return load_data(settings.source, settings.size, settings.validation, settings.seed)


def build_network(recipe: Recipe, image_shape: Shape, classes: int) -> Network:
    """The recipe's network with its first weights, for images (C, H, W) of so many classes."""
    settings = recipe.training
    layer = make(recipe.network, NETWORKS, classes)
    if settings.weight_bits:
        layer = with_rounding(layer, image_shape, settings.weight_bits)
    return Network(layer, image_shape, dtype=float_type(settings.precision), seed=settings.seed)


def build_task(recipe: Recipe, class_names: tuple[str, ...]) -> Task:
    """The recipe's task."""
    return make(recipe.task, TASKS, class_names)


def build_loader(recipe: Recipe, dataset: Dataset, *, training: bool) -> Loader:
    """Batches of a data set: in random order and augmented for training, else as they lie."""
    settings, data = recipe.training, recipe.data
    return Loader(
        dataset,
        settings.batch_size if training else max(settings.batch_size, EVALUATION_BATCH),
        seed=settings.seed,
        shuffle=training,
        augment=recipe.augmentation if training and _augments(recipe) else None,
        crop=recipe.crop if training and recipe.crop.changes else None,
        dtype=float_type(settings.precision),
        mean=data.mean or None,
        std=data.std or None,
    )


def _augments(recipe: Recipe) -> bool:
    return recipe.augmentation.moves or recipe.augmentation.erase > 0


def build_trainer(
    recipe: Recipe,
    data: Data | None = None,
    callbacks: Sequence[Callback] = (),
    communicator: Communicator | None = None,
) -> Trainer:
    """Everything put together. data: by default the recipe's, read now."""
    data = data or build_data(recipe)
    settings = recipe.training
    network = build_network(recipe, data.train.image_shape, data.train.classes)
    if settings.start_from:
        _take_over(network, Path(settings.start_from))
    task = build_task(recipe, data.train.class_names)
    if isinstance(task, Detect) and isinstance(data.train.targets, Boxes):
        task.check_outputs(network.output_shape, data.train.targets)
    loader = build_loader(recipe, data.train, training=True)
    parts = {"validation": data.validation, "test": data.test}
    evaluations = {
        name: build_loader(recipe, part, training=False) for name, part in parts.items() if part is not None
    }
    trainer = Trainer(
        network=network,
        task=task,
        loader=loader,
        optimizer=make(recipe.optimizer, OPTIMIZERS),
        schedule=make(recipe.schedule, SCHEDULES, round(settings.epochs * len(loader)), len(loader)),
        epochs=settings.epochs,
        evaluations=evaluations,
        samples=_samples(evaluations, settings.evaluate_samples),
        seed=settings.seed,
        clip=settings.clip,
        average=WeightAverage(network, settings.ema) if settings.ema else None,
        callbacks=callbacks,
        communicator=communicator or Alone(),
    )
    return trainer


def _take_over(network: Network, path: Path) -> None:
    """Start from the weights of an earlier run: of the same network, or of the classifier that is its backbone."""
    from pellucid.recipes.model import open_model

    model = open_model(path)
    shapes = [{name: value.shape for name, value in side.state().items()} for side in (network, model.network)]
    if shapes[0] == shapes[1]:
        network.load_state(model.network.state(), str(model.path))
    else:
        adopt(network, model.network, str(model.path))


def _samples(evaluations: dict[str, Loader], count: int) -> dict[str, Loader]:
    """Loaders of `count` images each, drawn once and for all; none where all are wanted."""
    samples: dict[str, Loader] = {}
    for name, loader in evaluations.items():
        if 0 < count < len(loader.dataset):
            chosen = np.sort(generator(0, "sample").permutation(len(loader.dataset))[:count])
            samples[name] = replace(loader, dataset=loader.dataset.subset(chosen))
    return samples
