"""The trained network that a recipe's network learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid.data import Dataset
from pellucid.errors import PellucidError
from pellucid.layers import Distillation
from pellucid.ops.arrays import Array
from pellucid.recipes.opened import open_model
from pellucid.recipes.schema import DataSettings, Recipe
from pellucid.training import Teacher


def build_teacher(recipe: Recipe, train: Dataset) -> Teacher | None:
    """The recipe's teacher for those training images; None where it names none.

    Raises PellucidError where it is no classifier of the same classes, in their order, and of images of the same
    size, or where the network that learns from it isn't one.
    """
    settings = recipe.teacher
    if not settings.source:
        return None
    if recipe.task["name"] != "classify":
        raise PellucidError(f"teacher: is for task classify, got {recipe.task['name']}")
    try:
        model = open_model(Path(settings.source))
    except PellucidError as error:
        raise PellucidError(f"teacher: {error}") from error
    if model.recipe.task["name"] != "classify":
        raise PellucidError(f"teacher {model.path}: expected a classifier, got task {model.recipe.task['name']}")
    if model.class_names != train.class_names:
        known, here = (", ".join(names[:5]) for names in (model.class_names, train.class_names))
        expected = f"expected the data's {train.classes} classes {here} ..."
        raise PellucidError(f"teacher {model.path}: {expected}, got {len(model.class_names)}: {known} ...")
    if model.image_shape != train.shape:
        raise PellucidError(f"teacher {model.path}: expected images of shape {train.shape}, got {model.image_shape}")
    (mean, std), (own_mean, own_std) = (_scale(data, train.shape[0]) for data in (recipe.data, model.recipe.data))
    factor, shift = std / own_std, (mean - own_mean) / own_std
    return Teacher(model.network, settings.share, Distillation(settings.temperature), factor, shift)


def _scale(data: DataSettings, channels: int) -> tuple[Array, Array]:
    """(mean, deviation) of each channel, 0 and 1 where pixels stay 0 .. 1: float32."""
    mean = np.array(data.mean or [0.0] * channels, np.float32)
    return mean, np.array(data.std or [1.0] * channels, np.float32)
