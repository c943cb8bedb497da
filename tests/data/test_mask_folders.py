"""Images and masks in folders beside each other: what is read, and one line for whatever is wrong with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import Data, load_masked
from pellucid.data.formats.mask_folders import is_mask_folders
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.recipes.settled import balanced_weights
from pellucid.tasks.mask_pictures import mask_png

RNG = np.random.default_rng(3)


def pair(root: Path, name: str, mask: Array, *, end: str = "", images: str = "images", masks: str = "masks") -> None:
    for folder in (images, masks):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*mask.shape, 3)).astype(np.uint8)).save(root / images / f"{name}.JPG")
    Image.fromarray(mask.astype(np.uint8)).save(root / masks / f"{name}{end}.png")


def mask_of(*values: int) -> Array:
    return np.repeat(np.array(values, np.uint8), 12).reshape(-1, 6).repeat(2, axis=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Streets in three parts, the class in the middle being none."""
    for part, names in (("train", "abc"), ("valid", "d"), ("Test", "ef")):
        for name in names:
            pair(tmp_path / part, name, mask_of(0, 2, 1))
    (tmp_path / "classes.txt").write_text("road\nvoid\nsky\n")
    return tmp_path


def test_parts_are_found_and_what_is_no_class_is_ignored(folder: Path) -> None:
    data = load_masked(folder)
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3, 1, 2]
    assert data.train.class_names == ("road", "sky") and data.train.shape == (3, 6, 12)
    np.testing.assert_array_equal(np.asarray(data.train.targets[[1]])[0], mask_of(0, 1, 255))
    assert data.train.notes == ("value 1 of the masks, void, counts nowhere",)
    assert data.train.keys == tuple(f"train/images/{name}.JPG" for name in "abc")
    assert not data.lists


def test_without_parts_a_fifth_is_drawn_by_name_and_kept_in_a_list(tmp_path: Path) -> None:
    for i in range(10):
        pair(tmp_path, f"n{i}", mask_of(0, 255), end="_mask", images="imgs", masks="Labels")
    data = load_masked(tmp_path)
    assert (len(data.train), len(data.test), data.train.class_names) == (8, 2, ("background", "object"))
    assert data.lists == {"test": data.test.keys}
    assert data.train.notes == ("masks of 0 and 255 only: 255 is taken for object",)
    np.testing.assert_array_equal(np.asarray(data.train.targets[[0]])[0], mask_of(0, 1))
    again = load_masked(tmp_path)
    assert again.test.keys == data.test.keys and again.train.digest == data.train.digest


def test_palettes_and_colours_are_classes_too(folder: Path) -> None:
    (folder / "train/masks/a.png").write_bytes(mask_png(mask_of(0, 2, 1), 3))
    assert load_masked(folder).train.class_names == ("road", "sky")
    (folder / "classes.txt").write_text("road\nsky\n")
    (folder / "colours.txt").write_text("10 20 30 road\n1 2 3 sky\n0 0 0 void\n")
    table = np.array([[10, 20, 30], [0, 0, 0], [1, 2, 3]], np.uint8)
    for path in folder.glob("*/masks/*.png"):
        Image.fromarray(table[mask_of(0, 2, 1)]).save(path)
    np.testing.assert_array_equal(np.asarray(load_masked(folder).train.targets[[0]])[0], mask_of(0, 1, 255))


def test_colours_name_the_classes_where_no_other_file_does(folder: Path) -> None:
    (folder / "classes.txt").unlink()
    (folder / "colours.txt").write_text("10 20 30 the road\n0 0 0 void\n1 2 3 sky\n4 5 6 the road\n")
    table = np.array([[10, 20, 30], [0, 0, 0], [1, 2, 3], [4, 5, 6]], np.uint8)
    for path in folder.glob("*/masks/*.png"):
        Image.fromarray(table[mask_of(3, 2, 1)]).save(path)
    data = load_masked(folder)
    assert data.train.class_names == ("the road", "sky")
    np.testing.assert_array_equal(np.asarray(data.train.targets[[0]])[0], mask_of(0, 1, 255))
    (folder / "colours.txt").write_text("1 2 3 object\n10 20 30 background\n0 0 0 void\n4 5 6 object\n")
    assert load_masked(folder).train.class_names == ("background", "object")  # as without it
    (folder / "colours.txt").write_text("10 20 30 road\n0 0 0 void\n")
    with pytest.raises(PellucidError, match=r"colours\.txt: expected 2 to 254 different class names, got 1"):
        load_masked(folder)
    (folder / "colours.txt").write_text("10 20 30 the road\n1 2 sky\n4 5 6 car\n")
    with pytest.raises(
        PellucidError, match=r"colours\.txt:2: expected red, green, blue and a class \(the road, car, "
    ):
        load_masked(folder)


def changed(path: str, mask: Array) -> Callable[[Path], object]:
    return lambda folder: Image.fromarray(mask).save(folder / path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "train/masks/b.png").unlink(), r"train/masks/b\.png: no such mask, expected one for b\.JPG"),
        (lambda f: (f / "Test/images/e.JPG").unlink(), r"Test/masks/e\.png: a mask without an image, 1 of 2 are"),
        (
            changed("valid/masks/d.png", mask_of(0, 7, 7)),
            r"d\.png: value 7 \(48 pixels, the first at row 2, column 0\), expected 0 to 2",
        ),
        (changed("train/masks/a.png", mask_of(0)), r"a\.png: the mask is 2x12 pixels, its image a\.JPG is 6x12"),
        (
            lambda f: (f / "classes.txt").unlink(),
            r"value 2 \(24.*, expected 0 to 1 or 255 \(ignore\); .*classes\.txt",
        ),
        (lambda f: (f / "classes.txt").write_text("road\nvoid\n"), r"classes\.txt: expected 2 to 254 different"),
        (lambda f: [path.unlink() for path in f.glob("Test/*/*")], r"^$"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    if message == "^$":  # an empty part is none
        assert len(load_masked(folder).test) == 1
        return
    with pytest.raises(PellucidError, match=message):
        load_masked(folder)


def test_every_wrong_mask_is_named_at_once(folder: Path) -> None:
    for place in ("train/masks/b", "valid/masks/d"):
        Image.fromarray(mask_of(0, 9, 1)).save(folder / f"{place}.png")
    with pytest.raises(PellucidError, match=r"b\.png: value 9 \(.*; .*d\.png: value 9 \("):
        load_masked(folder)


def test_class_folders_and_images_alone_are_something_else(tmp_path: Path) -> None:
    pair(tmp_path, "a", mask_of(0, 1), masks="cats")
    assert not is_mask_folders(tmp_path)


def test_balanced_pixels_weigh_by_the_root_of_the_median_share(folder: Path) -> None:
    data: Data = load_masked(folder)
    assert balanced_weights(data.train) == [1.0, 1.0]
    for name in "abc":
        Image.fromarray(mask_of(0, 0, 0, 2)[:6]).save(folder / f"train/masks/{name}.png")
    Image.fromarray(mask_of(0, 0, 2)).save(folder / "train/masks/a.png")
    counted = load_masked(folder).train
    masks = np.concatenate([np.asarray(counted.targets[[i]]) for i in range(3)])
    own = np.array([(masks == k).sum() for k in (0, 1)])
    beside = np.array([sum(m.size for m in masks if (m == k).any()) for k in (0, 1)])
    shares = own / beside
    np.testing.assert_allclose(balanced_weights(counted), np.sqrt(np.median(shares) / shares), atol=1e-6)
    assert balanced_weights(counted)[1] > balanced_weights(counted)[0]
