"""From a recipe to the objects it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import msgspec
import numpy as np

from pellucid.data import Boxes, Data, Dataset, Loader, load_data
from pellucid.data.boxed import load_boxed
from pellucid.data.loader import IGNORED
from pellucid.data.masked import load_masked
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.ops.formats import float_type
from pellucid.precision import quantization_aware, with_rounding
from pellucid.recipes.choices import check_choice, make
from pellucid.recipes.schema import Recipe
from pellucid.tasks import TASKS, Detect, Segment
from pellucid.training import OPTIMIZERS, SCHEDULES, Alone, Callback, Communicator, Task, Trainer, WeightAverage
from pellucid.zoo import NETWORKS
from pellucid.zoo.fcn import adopt

MOST = 1e12  # more than any sensible fraction of a recipe; a larger one is a slip
EVALUATION_BATCH = 128  # images at least; a training batch may be smaller


def check_choices(recipe: Recipe) -> None:
    """Check what a recipe chooses by name, before anything is made of it."""
    check_choice("network", recipe.network, NETWORKS, given=1)
    check_choice("task", recipe.task, TASKS, given=1)
    check_choice("optimizer", recipe.optimizer, OPTIMIZERS, given=0)
    check_choice("schedule", recipe.schedule, SCHEDULES, given=2)
    _check_numbers(recipe.training, "training", above=("epochs", "batch_size"))
    _check_numbers(recipe.data, "data")
    _check_name(recipe.name)
    for value in recipe.data.std:
        if not 0 < value < inf:
            raise PellucidError(f"data.std = {list(recipe.data.std)}: expected numbers above 0")
    make(recipe.optimizer, OPTIMIZERS)
    make(recipe.schedule, SCHEDULES, 1, 1)


def _check_numbers(settings: msgspec.Struct, section: str, above: Sequence[str] = ()) -> None:
    """Every number of a section is at least 0, those of `above` more than that; fractions may not be endless."""
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            least = "more than 0" if name in above else "0 or more"
            if not value >= 0 or (name in above and not value):
                raise PellucidError(f"{section}.{name} = {value}: expected {least}")
            if isinstance(value, float) and value >= MOST:
                raise PellucidError(f"{section}.{name} = {value}: expected {least}, below {MOST:.0e}")


def _check_name(name: str) -> None:
    """A run's folder is named after it."""
    if not name or name.startswith(".") or not set("/\\\0").isdisjoint(name):
        raise PellucidError(f"name = {name!r}: expected a plain name, which run folders may be called by")


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
    channels = dataset.image_shape[0]
    for name, values in (("mean", data.mean), ("std", data.std)):
        if values and len(values) != channels:
            raise PellucidError(
                f"data.{name}: expected {channels} number{'s' * (channels > 1)}, one a channel of {dataset.name}, "
                f"got {len(values)}"
            )
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
        ignored=IGNORED if (label := recipe.task.get("ignore_label")) is None else label,
    )


def _augments(recipe: Recipe) -> bool:
    return recipe.augmentation.moves or recipe.augmentation.erase > 0


def build_trainer(
    recipe: Recipe,
    data: Data | None = None,
    callbacks: Sequence[Callback] = (),
    communicator: Communicator | None = None,
    *,
    resumed: bool = False,
) -> Trainer:
    """Everything put together.

    data: by default the recipe's, read now. resumed: a checkpoint will be loaded, so that the run whose weights were
    taken over at the start is not needed, and may be gone.
    """
    data = data or build_data(recipe)
    settings = recipe.training
    network = build_network(recipe, data.train.image_shape, data.train.classes)
    if settings.start_from and not resumed:
        _take_over(network, Path(settings.start_from), settings.weight_bits)
    task = build_task(recipe, data.train.class_names)
    _check_outputs(recipe, network, task, data.train)
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


def _check_outputs(recipe: Recipe, network: Network, task: Task, dataset: Dataset) -> None:
    """Refuse a network whose outputs the task can't use, before anything is begun."""
    if isinstance(task, Detect):
        if isinstance(dataset.targets, Boxes):
            task.check_outputs(network.output_shape, dataset.targets)
        return
    K, size = dataset.classes, dataset.image_shape[1:]
    expected = (K, *size) if isinstance(task, Segment) else (K,)
    if network.output_shape != expected:
        task_name, network_name = recipe.task["name"], recipe.network["name"]
        got, wanted = ("x".join(map(str, shape)) for shape in (network.output_shape, expected))
        raise PellucidError(
            f"task {task_name}: expected outputs of {wanted} for an image, network {network_name} gives {got}"
        )


def _take_over(network: Network, path: Path, weight_bits: int) -> None:
    """Start from the weights of an earlier run: of the same network, or of the classifier that is its backbone.

    weight_bits: of the network, where it learns with rounding; the earlier one may have learnt without.
    """
    from pellucid.recipes.model import open_model

    model = open_model(path)
    given = model.network
    if weight_bits and not model.recipe.training.weight_bits:
        given = quantization_aware(given.astype("float32"), weight_bits)
    shapes = [{name: value.shape for name, value in side.state().items()} for side in (network, given)]
    if shapes[0] == shapes[1]:
        network.load_state(given.state(), str(model.path))
    else:
        adopt(network, given, str(model.path))


def _samples(evaluations: dict[str, Loader], count: int) -> dict[str, Loader]:
    """Loaders of `count` images each, drawn once and for all; none where all are wanted."""
    samples: dict[str, Loader] = {}
    for name, loader in evaluations.items():
        if 0 < count < len(loader.dataset):
            chosen = np.sort(generator(0, "sample").permutation(len(loader.dataset))[:count])
            samples[name] = replace(loader, dataset=loader.dataset.subset(chosen))
    return samples
