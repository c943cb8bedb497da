"""What a recipe leaves to its training images, written out: so a run, and its model's file, say it in numbers."""

from __future__ import annotations

import msgspec
import numpy as np

from pellucid.data import Data, Dataset
from pellucid.data.formats.voc import MaskFiles
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.recipes.schema import Recipe

LOOKED_AT = 2000
"""Images that mean and deviation are measured on, evenly spaced; so many say it to a thousandth."""

_LEAST_STD = 1e-3  # of a channel, which may be of one shade


def settled(recipe: Recipe, data: Data) -> Recipe:
    """The recipe with the data's mean and deviation, and the weights of its classes, where it asks for them.

    Raises PellucidError where there is nothing of that kind to be measured.
    """
    settings = recipe.data
    if settings.normalize and not settings.mean:
        mean, std = mean_and_std(data.train)
        recipe = msgspec.structs.replace(recipe, data=msgspec.structs.replace(settings, mean=mean, std=std))
    if recipe.task.get("class_weights") == "balanced":
        task = {**recipe.task, "class_weights": balanced_weights(data.train)}
        recipe = msgspec.structs.replace(recipe, task=task)
    return recipe


def mean_and_std(dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, standard deviation) of each channel, in units where white is 1.

    Of images that fill a part of their canvas only that part counts.
    """
    N = len(dataset)
    chosen = np.linspace(0, N - 1, min(N, LOOKED_AT)).round().astype(np.intp)
    some = dataset.subset(np.unique(chosen))
    images = np.asarray(some.inputs)
    if images.ndim != 4:
        raise PellucidError(f"{dataset.name}: data.normalize is for images, got rows of a table")
    white = float(np.iinfo(images.dtype).max) if images.dtype.kind in "iu" else 1.0
    sums, squares, count = np.zeros(images.shape[1]), np.zeros(images.shape[1]), 0
    for i, image in enumerate(images):
        shown = image if some.parts is None else image[:, : some.parts[i][0], : some.parts[i][1]]
        values = shown.reshape(len(shown), -1).astype(np.float64) / white
        sums, squares, count = sums + values.sum(1), squares + (values**2).sum(1), count + values.shape[1]
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, _LEAST_STD**2))
    return tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())


def balanced_weights(dataset: Dataset) -> list[float]:
    """What an image, or a pixel of a mask, of each class counts so that rare classes count more.

    Images: N / (K N_k), so that all classes count alike. Pixels: median over classes of f / f_k, f_k the class's
    share of the pixels of the images that it is on (Eigen, Fergus 2015, section 6.3.2), to the power of a half:
    whole, it makes small classes swallow what is around them. 0 for a class without any.
    """
    labels = dataset.targets
    if is_masks(dataset):
        return [round(weight, 6) for weight in _of_pixels(dataset).tolist()]
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise PellucidError(f'{dataset.name}: class_weights = "balanced" is for a class an image, or masks')
    counts: Array = np.bincount(labels[labels >= 0], minlength=dataset.classes)
    weights = np.divide(counts.sum(), dataset.classes * counts, out=np.zeros(len(counts)), where=counts > 0)
    return [round(weight, 6) for weight in weights.tolist()]


def _of_pixels(dataset: Dataset) -> Array:
    own, beside = np.zeros(dataset.classes), np.zeros(dataset.classes)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), LOOKED_AT)).round().astype(np.intp))
    for i in chosen:
        mask = np.asarray(dataset.targets[[i]])[0]
        counts = np.bincount(mask.ravel(), minlength=256)[: dataset.classes]
        own += counts
        beside += counts.sum() * (counts > 0)
    shares = np.divide(own, beside, out=np.zeros(len(own)), where=own > 0)
    there = shares > 0
    median = np.median(shares[there]) if there.any() else 0.0
    found: Array = np.sqrt(np.divide(median, shares, out=np.zeros(len(own)), where=there))
    return found


def is_masks(dataset: Dataset) -> bool:
    """Whether a data set's targets are masks, in memory or in files."""
    targets = dataset.targets
    return getattr(targets, "ndim", 0) == 3 or isinstance(targets, MaskFiles)
