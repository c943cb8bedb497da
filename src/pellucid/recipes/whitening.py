"""A first convolution whose filters see patches of the training images as uncorrelated numbers."""

from __future__ import annotations

import numpy as np

from pellucid.data import Dataset
from pellucid.errors import PellucidError
from pellucid.layers import Conv2d
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.recipes.data import build_loader
from pellucid.recipes.schema import Recipe

IMAGES = 2000
"""By which patches are known; evenly spaced."""

_EPSILON = 5e-4  # added to variances, so that directions of hardly any don't become noise


def whiten(network: Network, recipe: Recipe, dataset: Dataset) -> None:
    """Set the first layer's filters to the directions in which patches vary, each and its negative, of variance 1.

    Raises PellucidError where the first layer is no convolution of that many filters.
    """
    first = next((node.layer for node in network.nodes), None)
    if not isinstance(first, Conv2d) or first.groups != 1:
        raise PellucidError("training.whiten: expected a network that begins with a convolution")
    weight = first.built_weight.value
    filters, size = weight.shape[0], int(np.prod(weight.shape[1:]))
    if filters not in {size, 2 * size}:
        raise PellucidError(
            f"training.whiten: expected {size} or {2 * size} filters of the first layer, got {filters}"
        )
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(IMAGES, len(dataset))).round().astype(np.intp))
    loader = build_loader(recipe, dataset.subset(chosen), training=False)
    images = np.concatenate([np.asarray(batch.inputs, np.float64) for batch in loader.epoch(0)])
    directions = whitening_filters(images, weight.shape[2:])
    weight[...] = np.concatenate([directions, -directions])[:filters].reshape(weight.shape).astype(weight.dtype)


def whitening_filters(images: Array, kernel: tuple[int, ...]) -> Array:
    """(C R S, C, R, S): eigenvectors of the patches' second moments over the root of their eigenvalues, the largest
    first.
    """
    patches = np.lib.stride_tricks.sliding_window_view(images, kernel, (2, 3)).transpose(0, 2, 3, 1, 4, 5)
    shape = patches.shape[3:]
    rows = patches.reshape(-1, int(np.prod(shape)))
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    order = np.argsort(-values)
    filters: Array = (vectors / np.sqrt(values + _EPSILON)).T[order].reshape(-1, *shape)
    return filters
