"""A recipe's trainer: everything put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pellucid.data import Data, Dataset, Loader
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.recipes.choices import make
from pellucid.recipes.data import build_loader, training_data
from pellucid.recipes.network import build_network, build_task, check_outputs
from pellucid.recipes.schema import Recipe
from pellucid.recipes.settled import settled
from pellucid.recipes.starting_weights import groups_of, head_first, start_weights
from pellucid.recipes.teacher import build_teacher
from pellucid.recipes.whitening import whiten
from pellucid.training import OPTIMIZERS, SCHEDULES, Alone, Callback, Communicator, Trainer, WeightAverage


def _built(recipe: Recipe, train: Dataset) -> Network:
    """The recipe's network for the training images. Raises PellucidError; for images that are too small for it, with
    the option that helps.
    """
    try:
        return build_network(recipe, train.shape, train.classes)
    except PellucidError as error:
        if "expected an image of at least" not in str(error) or train.keys is None:
            raise
        (H, W), larger = train.shape[1:], ",".join(str(max(64, 2 * side)) for side in train.shape[1:])
        small = f"images of {H}x{W} are too small for network {recipe.network['name']}"
        raise PellucidError(f"{small}: choose a larger size, such as --set data.size=[{larger}] ({error})") from None


def build_trainer(
    recipe: Recipe,
    data: Data | None = None,
    callbacks: Sequence[Callback] = (),
    communicator: Communicator | None = None,
    *,
    resumed: bool = False,
    network: Network | None = None,
) -> Trainer:
    """A trainer of the recipe's network on its data.

    network: the network itself, where it is there already; it is trained on from its present weights.
    data: by default the recipe's, read now. resumed: a checkpoint will be loaded, so that the run whose weights were
    taken over at the start is not needed, and may be gone.
    """
    data = data or training_data(recipe)
    recipe = settled(recipe, data)
    settings = recipe.training
    if network is None:
        network = _built(recipe, data.train)
        if not resumed:
            start_weights(network, recipe)
            if settings.whiten and not settings.start_from:
                whiten(network, recipe, data.train)
        network.set_groups(groups_of(network, recipe))
    task = build_task(recipe, data.train.class_names)
    check_outputs(recipe, network, task, data.train)
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
        parts=settings.parts,
        average=WeightAverage(network, settings.ema) if settings.ema else None,
        groups=head_first(network, recipe),
        teacher=build_teacher(recipe, data.train),
        callbacks=callbacks,
        communicator=communicator or Alone(),
    )
    return trainer


def _samples(evaluations: dict[str, Loader], count: int) -> dict[str, Loader]:
    """Loaders of `count` images each, drawn once and for all; none where all are wanted."""
    samples: dict[str, Loader] = {}
    for name, loader in evaluations.items():
        if 0 < count < len(loader.dataset):
            chosen = np.sort(generator(0, "sample").permutation(len(loader.dataset))[:count])
            samples[name] = replace(loader, dataset=loader.dataset.subset(chosen))
    return samples
