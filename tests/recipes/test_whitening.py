"""A first convolution that whitens, and the recipe that begins with one."""

from collections.abc import Iterator

import numpy as np
import pytest

from pellucid.data import Data, Dataset
from pellucid.errors import PellucidError
from pellucid.layers import INFERENCE, Layer
from pellucid.ops.arrays import Array
from pellucid.recipes import build_trainer, load_recipe
from pellucid.recipes.whitening import whitening_filters
from small_runs import one_thread_of_numpy

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


def pictures(count: int = 24) -> Data:
    """Smooth ones, whose neighbours are alike."""
    coarse = RNG.integers(0, 256, (count, 3, 8, 8)).astype(np.float64).repeat(4, axis=2).repeat(4, axis=3)
    images = (coarse + np.roll(coarse, 1, 2) + np.roll(coarse, 1, 3)) / 3
    dataset = Dataset(images.astype(np.uint8), np.arange(count) % 10, tuple("abcdefghij"), "smooth")
    return Data(dataset, None, dataset)


def test_whitened_patches_are_uncorrelated() -> None:
    images = np.asarray(pictures().train.inputs) / 255 - 0.5
    filters = whitening_filters(images, (2, 2))
    patches = np.lib.stride_tricks.sliding_window_view(images, (2, 2), (2, 3)).transpose(0, 2, 3, 1, 4, 5)
    seen = patches.reshape(-1, 12) @ filters.reshape(12, 12).T
    moments = seen.T @ seen / len(seen)
    np.testing.assert_allclose(moments, np.diag(np.diag(moments)), atol=1e-10)
    assert np.diag(moments)[0] == pytest.approx(1, abs=0.05) and (np.diag(moments) <= 1).all()


def test_the_recipe_begins_so_and_leaves_those_filters_alone() -> None:
    data = pictures()
    small = {"network.widths": [4, 6, 6], "training.epochs": 1, "training.batch_size": 12, "optimizer.rate": 0.5}
    trainer = build_trainer(load_recipe("cifar10", small), data)
    first = next(iter(trainer.network.state().values())).copy()
    np.testing.assert_array_equal(first[:12], -first[12:])
    outputs: dict[str, Array] = {}

    def watch(layer: Layer, output: Array) -> None:
        outputs[layer.kind] = output

    batch = next(trainer.evaluations["test"].epoch(0))
    trainer.network.forward(batch.inputs, INFERENCE.watched_by(watch))
    assert outputs["MaxPool2d"].shape[2:] == (1, 1)
    before = trainer.network.vector.copy()
    trainer.fit()
    np.testing.assert_array_equal(next(iter(trainer.network.state().values())), first)
    assert not np.array_equal(trainer.network.vector, before)
    with pytest.raises(PellucidError, match="27 or 54 filters"):
        build_trainer(
            load_recipe("pictures", {"training.whiten": True, "network.widths": [5], "data.size": 32}), data
        )
