"""Changes of colours and sharpness, mixtures, and crops of another shape, against their definitions."""

import numpy as np
import pytest

from pellucid.data import Dataset, Loader, RandomCrop
from pellucid.data.colours import GREY, Colours, Mixed, blurred
from pellucid.errors import PellucidError
from pellucid.recipes import load_recipe, recipe_toml
from pellucid.recipes.load import parse_recipe

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 3, 9, 8)).astype(np.uint8)
UNIFORM = RNG.random((5, Colours.COLUMNS))


def test_nothing_changes_by_default() -> None:
    assert not Colours().changes
    assert Colours()(IMAGES, UNIFORM, 255) is IMAGES


def test_each_change_is_its_definition() -> None:
    x = IMAGES.astype(np.float64)
    factor = (1 + 0.4 * (2 * UNIFORM - 1))[:, :, None, None, None]
    grey = (x * GREY[:, None, None]).sum(1, keepdims=True)
    mean = grey.mean((2, 3), keepdims=True)
    expected = {
        "brightness": x * factor[:, 0],
        "contrast": mean + factor[:, 1] * (x - mean),
        "saturation": grey + factor[:, 2] * (x - grey),
    }
    for name, values in expected.items():
        found = Colours(**{name: 0.4})(IMAGES, UNIFORM, 255)
        np.testing.assert_allclose(found, values.clip(0, 255), atol=1e-3)


def test_a_blur_is_a_gaussian_that_keeps_sums_inside() -> None:
    x = np.zeros((2, 1, 41, 41), np.float32)
    x[:, 0, 20, 20] = 1
    soft = blurred(x, np.array([2.0, 0.0]))
    np.testing.assert_array_equal(soft[1], x[1])
    places = np.arange(41) - 20
    variance = (soft[0, 0].sum(0) * places**2).sum()
    assert soft[0].sum() == pytest.approx(1, abs=1e-5)
    assert variance == pytest.approx(4, rel=0.05)  # cut off at three deviations
    np.testing.assert_allclose(soft[0, 0], soft[0, 0].T, atol=1e-7)


def test_mixed_batches_are_sums_of_two() -> None:
    dataset = Dataset(IMAGES, np.arange(5) % 3, ("a", "b", "c"), "five")
    plain = next(Loader(dataset, 5).epoch(1))
    batch = next(Loader(dataset, 5, colours=Colours(mixup=1.0)).epoch(1))
    assert isinstance(batch.targets, Mixed) and 0.5 <= batch.targets.share <= 1
    np.testing.assert_array_equal(batch.targets.first, plain.targets)
    np.testing.assert_array_equal(batch.targets.second, plain.targets[::-1])
    share = batch.targets.share
    np.testing.assert_allclose(batch.inputs, share * plain.inputs + (1 - share) * plain.inputs[::-1], atol=1e-6)
    with pytest.raises(PellucidError, match="mixup"):
        Loader(dataset, 5, colours=Colours(mixup=1.0)).shard(0, 2)


def test_batches_of_parts_of_ranks_are_those_of_one() -> None:
    loader = Loader(
        Dataset(IMAGES, np.arange(5) % 3, ("a", "b", "c"), "five"), 4, colours=Colours(0.3, 0.3, 0.3, 1.0)
    )
    whole = list(loader.epoch(0))
    shares = [list(loader.shard(rank, 2).epoch(0)) for rank in range(2)]
    for batch, *parts in zip(whole, *shares, strict=True):
        np.testing.assert_allclose(batch.inputs, np.concatenate([part.inputs for part in parts]), atol=1e-5)


def test_aspects_are_drawn_up_to_the_most() -> None:
    crop = RandomCrop((6, 6), (0.5, 2.0), aspect=4 / 3)
    uniform = RNG.random((2000, crop.columns))
    matrix = crop.affine(uniform, (12, 12)).matrix
    ratio, size = matrix[:, 0, 0] / matrix[:, 1, 1], (matrix[:, 0, 0] * matrix[:, 1, 1]) ** -0.5
    assert 0.75 <= ratio.min() < 0.76 and 1.32 < ratio.max() <= 4 / 3
    np.testing.assert_allclose(size, 0.5 * 4 ** uniform[:, 0])
    assert RandomCrop((6, 6)).columns == 4  # what was drawn before is drawn still


def test_settings_that_are_none_are_refused() -> None:
    for wrong in ({"brightness": 1.5}, {"blur": -1.0}, {"mixup": float("nan")}):
        with pytest.raises(PellucidError, match=next(iter(wrong))):
            Colours(**wrong)
    with pytest.raises(PellucidError, match="aspect"):
        RandomCrop(aspect=0.5)


def test_a_recipe_has_them() -> None:
    recipe = load_recipe("pictures", {"colours.saturation": 0.3, "crop.aspect": 1.5, "training.parts": 2})
    assert parse_recipe(recipe_toml(recipe), "text") == recipe
    assert recipe.colours == Colours(saturation=0.3)
