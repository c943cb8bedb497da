from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import Loader, load_data
from pellucid.data.formats import image_files
from pellucid.data.pictures import flattened, open_picture, picture_format, read_picture
from pellucid.data.survey import survey
from pellucid.errors import PellucidError

RNG = np.random.default_rng(0)


def _picture(path: Path, shade: int, size: tuple[int, ...] = (6, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, shade, np.uint8)).save(path)


def _classes(root: Path, count: int = 5, size: tuple[int, ...] = (6, 8)) -> Path:
    for label, name in enumerate(("ant", "bee", "cat")):
        for index in range(count):
            _picture(root / name / f"{index}.png", 100 * label + index, size)
    return root


def test_train_and_test_folders(tmp_path: Path) -> None:
    _classes(tmp_path / "train")
    _classes(tmp_path / "test", count=2)
    (tmp_path / "train" / "ant" / "notes.txt").write_text("no picture, and none meant")
    (tmp_path / "train" / ".cache").mkdir()
    data = load_data(tmp_path)
    assert data.train.class_names == ("ant", "bee", "cat")
    assert (len(data.train), data.validation, len(data.test)) == (15, None, 6)
    assert data.train.image_shape == (1, 6, 8)
    shades = np.asarray(data.train.inputs).mean((1, 2, 3))
    assert np.array_equal(shades // 100, np.asarray(data.train.targets))


def test_val_is_the_test_unless_there_is_one(tmp_path: Path) -> None:
    _classes(tmp_path / "train")
    _classes(tmp_path / "val", count=1)
    data = load_data(tmp_path)
    assert (data.validation, len(data.test)) == (None, 3)
    _classes(tmp_path / "test", count=2)
    data = load_data(tmp_path)
    assert data.validation is not None
    assert (len(data.validation), len(data.test)) == (3, 6)


@pytest.mark.parametrize(("train", "test"), [("trainval", "test"), ("Train", "eval"), ("train_set", "evaluation")])
def test_parts_by_other_names(train: str, test: str, tmp_path: Path) -> None:
    _classes(tmp_path / train)
    _classes(tmp_path / test, count=2)
    data = load_data(tmp_path)
    assert (len(data.train), data.validation, len(data.test), data.train.notes) == (15, None, 6, ())


@pytest.mark.parametrize(("train", "test"), [("seg_train", "seg_test"), ("Train", "Test"), ("my-Training", "my-val")])
@pytest.mark.parametrize("nested", [False, True])
def test_parts_behind_a_word_and_in_folders_called_alike(train: str, test: str, nested: bool, tmp_path: Path) -> None:
    _classes(tmp_path / train / train if nested else tmp_path / train)
    _classes(tmp_path / test / test if nested else tmp_path / test, count=2)
    _picture(tmp_path / "seg_pred" / "seg_pred" / "1.png", 1)
    data = load_data(tmp_path)
    assert (data.train.class_names, len(data.train), len(data.test)) == (("ant", "bee", "cat"), 15, 6)
    assert data.train.notes == (f"seg_pred is left out, as the parts are {', '.join(sorted((train, test)))}",)
    found = survey(tmp_path)
    assert found.parts == {"train": 15, "test": 6}


def test_classes_that_are_called_as_parts_behind_a_word_are_classes(tmp_path: Path) -> None:
    """And so is a folder of one class that is called as the part around it."""
    for name in ("bullet_train", "bullet_test", "train"):
        for index in range(5):
            _picture(tmp_path / "a" / name / f"{index}.png", index)
            _picture(tmp_path / "b" / "train" / name / f"{index}.png", index)
    assert load_data(tmp_path / "a").train.class_names == ("bullet_test", "bullet_train", "train")
    assert load_data(tmp_path / "b").train.class_names == ("bullet_test", "bullet_train", "train")


def test_folders_of_pictures_that_are_no_part_are_said(tmp_path: Path) -> None:
    for name, count in (("train", 5), ("test", 2), ("unsorted", 1), ("docs", 0)):
        _classes(tmp_path / name, count)
    (tmp_path / "docs").mkdir()
    assert load_data(tmp_path).train.notes == ("unsorted is left out, as the parts are test, train",)


def test_one_folder_is_split_by_seed_class_by_class(tmp_path: Path) -> None:
    _classes(tmp_path, count=10)
    data = load_data(tmp_path, seed=1)
    assert np.bincount(np.asarray(data.train.targets)).tolist() == [8, 8, 8]
    assert np.bincount(np.asarray(data.test.targets)).tolist() == [2, 2, 2]
    together = np.concatenate([np.asarray(data.train.inputs), np.asarray(data.test.inputs)])[:, 0, 0, 0]
    assert len(set(together.tolist())) == 30
    assert load_data(tmp_path, seed=1).test.digest == data.test.digest
    assert load_data(tmp_path, seed=2).test.digest != data.test.digest


def test_colour_and_size(tmp_path: Path) -> None:
    _classes(tmp_path)
    _picture(tmp_path / "ant" / "colour.JPG", 9, (6, 8, 3))
    data = load_data(tmp_path, size=(4, 5))
    assert data.train.image_shape == (3, 4, 5)
    assert load_data(tmp_path, size=7).train.image_shape == (3, 7, 7)
    _picture(tmp_path / "bee" / "0.png", 9, (6, 9))
    with pytest.raises(PellucidError, match=r"bee/0\.png: 6x9 pixels, but .*png has 6x8: choose a size"):
        load_data(tmp_path)


def test_a_large_set_stays_on_disk_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _classes(tmp_path, size=(6, 8, 3))
    kept = load_data(tmp_path).train
    monkeypatch.setattr(image_files, "KEPT_BYTES", 0)
    lazy = load_data(tmp_path).train
    assert isinstance(lazy.inputs, image_files.ImageFiles)
    assert isinstance(lazy.subset([1, 0]).inputs, image_files.ImageFiles)
    for one, other in zip(Loader(kept, 5).epoch(0), Loader(lazy, 5).epoch(0), strict=True):
        assert np.array_equal(one.inputs, other.inputs)
        assert np.array_equal(one.targets, other.targets)
    digest = lazy.digest
    _picture(lazy.inputs.files[0], 77, (6, 8, 3))
    assert load_data(tmp_path).train.digest != digest


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    _classes(tmp_path / "train")
    _classes(tmp_path / "test")
    fake = tmp_path / "train" / "bee" / "x.png"
    fake.write_text("no picture")
    with pytest.raises(PellucidError, match=r"x\.png: not an image, expected a PNG or JPEG file"):
        load_data(tmp_path)
    Image.fromarray(RNG.integers(0, 256, (6, 8), np.uint8)).save(fake)
    fake.write_bytes(fake.read_bytes()[:70])
    with pytest.raises(PellucidError, match=r"x\.png: cannot be read as an image"):
        load_data(tmp_path)
    fake.unlink()
    (tmp_path / "test" / "dog").mkdir()
    with pytest.raises(PellucidError, match=r"test/dog: no such class among .* expected ant, bee, cat"):
        load_data(tmp_path)
    (tmp_path / "train" / "dog").mkdir()
    with pytest.raises(PellucidError, match=r"train/dog: no PNG, JPEG, TIFF, WebP or BMP file"):
        load_data(tmp_path)


def test_one_image_a_class_leaves_no_test(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="leaves none for the test"):
        load_data(_classes(tmp_path, count=1))


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    values = np.array([[0, 257 * 100], [257 * 7, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png", 1, (2, 2))[..., 0].tolist() == [[0, 100], [7, 255]]


@pytest.mark.parametrize(("ink", "ground"), [(0, 255), (255, 0)])
def test_transparency_stands_on_a_contrasting_ground(ink: int, ground: int) -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[1:3, 1:3] = (ink, ink, ink, 255)
    flat = np.asarray(flattened(Image.fromarray(pixels)).convert("L"))
    assert flat[0, 0] == ground
    assert flat[1, 1] == ink


def test_palettes_and_bilevel_are_grey_or_colour(tmp_path: Path) -> None:
    grey = Image.fromarray(RNG.integers(0, 256, (5, 5), np.uint8))
    for name, picture, colour in (
        ("bilevel", grey.convert("1"), False),
        ("grey palette", grey.convert("P"), False),
        ("colour palette", Image.fromarray(RNG.integers(0, 256, (5, 5, 3), np.uint8)).convert("P"), True),
    ):
        picture.save(tmp_path / f"{name}.png")
        assert picture_format(tmp_path / f"{name}.png") == ((5, 5), colour)


def test_exif_turns_a_photograph_upright(tmp_path: Path) -> None:
    photograph = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    exif = photograph.getexif()
    exif[0x0112] = 6
    photograph.save(tmp_path / "turned.png", exif=exif)
    assert picture_format(tmp_path / "turned.png") == ((8, 6), False)
    turned = np.asarray(open_picture(tmp_path / "turned.png"))
    assert np.array_equal(turned, np.rot90(np.asarray(photograph), -1))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match=r"none\.png: cannot be read as an image \(No such file"):
        open_picture(tmp_path / "none.png")
