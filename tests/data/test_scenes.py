"""Scenes: masks and boxes are exact, and everything follows from the seed."""

import numpy as np
import pytest

from pellucid.data.dataset import Dataset
from pellucid.data.formats.mnist import mnist_dataset
from pellucid.data.masked import load_masked, load_scenes
from pellucid.data.scenes import PRESETS, SceneSettings, make_scenes, scene_settings
from pellucid.data.scenes.patches import inked_boxes
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array


def blocks(*sizes: tuple[int, int]) -> Dataset:
    """A source of filled rectangles in the middle of 28x28, one class a size."""
    images = np.zeros((len(sizes), 1, 28, 28), np.uint8)
    for image, (h, w) in zip(images[:, 0], sizes, strict=True):
        image[14 - h // 2 : 14 + h // 2, 14 - w // 2 : 14 + w // 2] = 255
    names = tuple(f"{h}x{w}" for h, w in sizes)
    return Dataset(images, np.arange(len(sizes)), names, "blocks")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return mnist_dataset(train=False)


def test_plain_scenes_hold_whole_digits(digits: Dataset) -> None:
    """Without warp, overlap or noise, what a scene shows in a box is the digit's ink as it was, and nothing else."""
    scenes = make_scenes(SceneSettings((64, 84), (2, 2)), digits, 40, seed=1)
    assert set(np.diff(scenes.starts)) == {2}
    images, labels = np.asarray(digits.inputs)[:, 0], np.asarray(digits.targets)
    edges, _ = inked_boxes(images, 127.5)
    cuts = {
        k: [images[i][slice(*edges[i, ::2]), slice(*edges[i, 1::2])] for i in np.flatnonzero(labels == k)]
        for k in range(10)
    }
    for i in range(len(scenes)):
        for (x0, y0, x1, y1), label in zip(*scenes.digits(i), strict=True):
            seen = scenes.images[i, 0, int(y0) : int(y1), int(x0) : int(x1)]
            mask = scenes.masks[i, int(y0) : int(y1), int(x0) : int(x1)]
            np.testing.assert_array_equal(mask == label + 1, seen >= 127.5)
            assert all(line.any() for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
            assert any(np.array_equal(seen, cut) for cut in cuts[int(label)])
        assert (scenes.masks[i] > 0).sum() == (scenes.images[i, 0] >= 127.5).sum()


def test_boxes_are_tight_before_occlusion() -> None:
    source = blocks((10, 6), (4, 12))
    scenes = make_scenes(SceneSettings((30, 30), (6, 6), overlap=1.0), source, 200, seed=2)
    sizes = {0: (10, 6), 1: (4, 12)}
    covered = 0
    for i in range(len(scenes)):
        expected = np.zeros((30, 30), np.uint8)
        for (x0, y0, x1, y1), label in zip(*scenes.digits(i), strict=True):
            assert (y1 - y0, x1 - x0) == sizes[int(label)]
            assert 0 <= x0 < x1 <= 30 and 0 <= y0 < y1 <= 30
            covered += bool(expected[int(y0) : int(y1), int(x0) : int(x1)].any())
            expected[int(y0) : int(y1), int(x0) : int(x1)] = label + 1  # later ones lie on top
        np.testing.assert_array_equal(scenes.masks[i], expected)
    assert covered > 100


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.0])
def test_magnified_and_turned(scale: float) -> None:
    source = blocks((10, 10))
    upright = make_scenes(SceneSettings((96, 96), (1, 1), (scale, scale)), source, 20, seed=3)
    sides = upright.boxes[:, 2:] - upright.boxes[:, :2]
    np.testing.assert_allclose(sides, 10 * scale, atol=0)
    turned = make_scenes(SceneSettings((96, 96), (1, 1), (scale, scale), rotate=45), source, 200, seed=3)
    areas = (turned.masks > 0).sum(axis=(1, 2))
    np.testing.assert_allclose(areas, (10 * scale) ** 2, rtol=0.12)
    wide = (turned.boxes[:, 2] - turned.boxes[:, 0]).max()
    assert 1.3 * 10 * scale < wide <= 1.4143 * 10 * scale + 1


def overlaps(boxes: Array) -> Array:
    """Intersection of each pair over the smaller box."""
    corner = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    sides = np.maximum(np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - corner, 0)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    shared: Array = np.prod(sides, axis=2) / np.minimum(area[:, None], area)
    return shared[~np.eye(len(boxes), dtype=bool)]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset: str, digits: Dataset) -> None:
    settings = PRESETS[preset]
    scenes = make_scenes(settings, digits, 300, seed=0)
    counts = np.diff(scenes.starts)
    assert counts.min() >= settings.digits[0] and counts.max() == settings.digits[1]
    H, W = settings.size
    assert scenes.images.shape == (300, 1, H, W) and scenes.masks.shape == (300, H, W)
    assert (scenes.boxes >= 0).all() and (scenes.boxes <= [W, H, W, H]).all()
    worst = max(overlaps(scenes.digits(i)[0]).max(initial=0) for i in range(300))
    assert worst <= settings.overlap
    assert set(np.unique(scenes.masks)) == set(range(11))
    heights = scenes.boxes[:, 3] - scenes.boxes[:, 1]
    assert heights.max() > 17 * settings.scale[1]


def test_clutter_and_noise_are_background(digits: Dataset) -> None:
    only = make_scenes(SceneSettings((64, 64), (0, 0), clutter=(6, 6), noise=0.1), digits, 50, seed=4)
    assert not only.masks.any() and len(only.boxes) == 0 and only.digits(7)[0].shape == (0, 4)
    assert (only.images >= 200).mean() > 0.01
    quiet = make_scenes(SceneSettings((64, 64), (0, 0), noise=0.1), digits, 50, seed=4)
    assert abs(quiet.images.astype(float).mean() / 255 - 0.1 / np.sqrt(2 * np.pi)) < 0.002


def test_a_scene_follows_from_seed_and_number(digits: Dataset) -> None:
    settings = PRESETS["detection"]
    few, many, other = (make_scenes(settings, digits, n, seed) for n, seed in ((5, 9), (300, 9), (5, 10)))
    np.testing.assert_array_equal(few.images, many.images[:5])
    np.testing.assert_array_equal(few.boxes, many.boxes[: len(few.boxes)])
    assert not np.array_equal(few.images, other.images)


def test_train_and_test_scenes_share_no_digit_and_no_layout() -> None:
    train, held_out, test = load_scenes("mnist", {"train": 64, "validation": 64, "test": 64}, 1000)
    assert held_out is not None and [len(s) for s in (train, held_out, test)] == [64, 64, 64]
    assert not np.array_equal(train.boxes[:20], test.boxes[:20])
    data = load_masked("mnist", {"train": 64, "test": 64})
    assert data.train.class_names == ("background", *"0123456789")
    np.testing.assert_array_equal(data.test.targets, load_scenes("mnist", {"train": 1, "test": 64})[2].masks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "m3nist"}, "unknown scenes 'm3nist': expected one of m2nist, detection"),
        ({"nois": 1}, r"unknown setting 'nois' \(nearest: noise\)"),
        ({"digits": [3, 1]}, r"digits = \(3, 1\): expected \(least, most\)"),
        ({"overlap": 2.0}, "overlap = 2.0: expected 0 .. 1"),
    ],
)
def test_bad_settings_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PellucidError, match=message):
        scene_settings(**changes)  # type: ignore[arg-type]
    with pytest.raises(PellucidError, match="at least 1 scene"):
        make_scenes(PRESETS["m2nist"], blocks((4, 4)), 0, 0)
