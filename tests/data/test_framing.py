"""How pictures become inputs: one way for training and for whatever answers, on each image's own part."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import photographs
from pellucid.data import Augmentation, Dataset, Loader, RandomCrop, load_data, mnist_dataset
from pellucid.data.boxed import load_boxed
from pellucid.data.formats.idx import write_idx
from pellucid.data.formats.idx_sets import are_characters
from pellucid.data.formats.voc import read_voc
from pellucid.data.framing import FramedImages, Framing, enlarged_mask, fitted_size, framed_arrays
from pellucid.data.held_out import HeldOut
from pellucid.data.prepare import prepare_character
from pellucid.errors import PellucidError
from pellucid.recipes import load_recipe, model_notes
from pellucid.recipes.model import parse_notes

RNG = np.random.default_rng(4)
DIGITS = np.asarray(mnist_dataset(train=False).inputs)[:600]


def picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    pixels = RNG.integers(0, 256, size).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.mark.parametrize(
    ("size", "part", "canvas"),
    [((40, 48), (40, 48), (40, 48)), ((20, 30), (20, 30), (40, 48)), ((80, 96), (40, 48), (40, 48)),
     ((80, 48), (40, 24), (40, 48)), ((7, 960), (1, 48), (40, 48))],
)  # fmt: skip
def test_a_canvas(tmp_path: Path, size: tuple[int, int], part: tuple[int, int], canvas: tuple[int, int]) -> None:
    pixels = picture(tmp_path / "x.png", size)
    framed = Framing("canvas", 1, (40, 48)).read(tmp_path / "x.png")
    assert (framed.size, framed.part, framed.pixels.shape) == (size, part, (1, *canvas))
    outside = framed.pixels[0].copy()
    outside[: part[0], : part[1]] = 0
    assert not outside.any()
    if part == size:
        np.testing.assert_array_equal(framed.pixels[0, : size[0], : size[1]], pixels)
    still = Framing("canvas", 1, (40, 48), shrink=False).read(tmp_path / "x.png")
    assert still.part == size and still.pixels.shape == (1, max(40, size[0]), max(48, size[1]))
    np.testing.assert_array_equal(still.pixels[0, : size[0], : size[1]], pixels)


def test_other_rules(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "x.png", (30, 50))
    assert Framing("stretch", 3, (16, 8)).read(tmp_path / "x.png").pixels.shape == (3, 16, 8)
    np.testing.assert_array_equal(Framing("own", 1, (16, 8)).read(tmp_path / "x.png").pixels[0], pixels)
    with pytest.raises(PellucidError, match="framing 'tile': expected one of stretch, crop, canvas, character, own"):
        Framing("tile", 1, (16, 8))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(9, 13), (40, 47), (100, 61)])
def test_a_mask_grown_back_is_the_one_that_was_seen(size: tuple[int, int]) -> None:
    small = fitted_size(size, (32, 32))
    mask = RNG.integers(0, 5, small).astype(np.uint8)
    grown = Image.fromarray(enlarged_mask(mask, size))
    assert (grown.height, grown.width) == size
    again = grown.resize((small[1], small[0]), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(np.asarray(again), mask)


def test_characters_that_are_prepared_stay_as_they_are(tmp_path: Path) -> None:
    framing = Framing("character", 1, (28, 28))
    for i, digit in enumerate(DIGITS[:40, 0]):
        Image.fromarray(digit).save(tmp_path / f"{i}.png")
        np.testing.assert_array_equal(framing.read(tmp_path / f"{i}.png").pixels[0], digit)
    for name, pixels in (("dark", 255 - DIGITS[0, 0]), ("large", DIGITS[0, 0].repeat(4, 0).repeat(4, 1))):
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
        np.testing.assert_array_equal(framing.read(path).pixels, prepare_character(path))


def test_which_sets_are_characters() -> None:
    assert are_characters(DIGITS)
    assert not are_characters(255 - DIGITS)
    assert not are_characters(np.roll(DIGITS, 4, axis=3))
    assert not are_characters(DIGITS[..., 2:])
    assert not are_characters(RNG.integers(0, 256, (100, 1, 28, 28)).astype(np.uint8))
    assert not are_characters(np.zeros((10, 1, 28, 28), np.uint8))


def test_what_a_models_file_says_of_it() -> None:
    framing = Framing("canvas", 3, (40, 48), shrink=False)
    notes = model_notes(load_recipe("fcn-scenes"), (3, 40, 48), ("a", "b"), framing)
    assert parse_notes(notes, Path("x")).framing == framing
    for damage in ('{"rule": "fold"}', "[]", '{"size": 3}', "3"):
        with pytest.raises(PellucidError, match="x: "):
            parse_notes({**notes, "framing": damage}, Path("x"))


@pytest.mark.parametrize(
    ("recipe", "changes", "shape", "pictures", "expected"),
    [
        ("deep-convnet", {}, (1, 28, 28), False, Framing("character", 1, (28, 28))),
        ("deep-convnet", {}, (1, 28, 28), True, Framing("stretch", 1, (28, 28))),
        ("deep-convnet", {}, (3, 28, 28), False, Framing("stretch", 3, (28, 28))),
        ("fcn-scenes", {}, (1, 64, 84), False, Framing("own", 1, (64, 84), shrink=False)),
        ("fcn-scenes", {"data.source": "some/idx"}, (1, 64, 84), False, Framing("own", 1, (64, 84), shrink=False)),
        ("detector-scenes", {"data.source": "det", "data.size": [40, 48]}, (1, 40, 48), False,
         Framing("canvas", 1, (40, 48))),
    ],
)  # fmt: skip
def test_files_of_version_0_1_mean_what_they_meant(
    recipe: str, changes: dict[str, object], shape: tuple[int, ...], pictures: bool, expected: Framing
) -> None:
    notes = model_notes(load_recipe(recipe, changes), shape, ("a", "b"), expected)
    del notes["framing"]
    assert parse_notes({**notes, "pictures": json.dumps(pictures)}, Path("x")).framing == expected


PARTS = {"train": photographs.shots(5, 2), "val": photographs.shots(6)}
SMALL_ONES = {"tiny", "smaller", "equal"}


@pytest.mark.parametrize("layout", ["masks", "boxes"])
def test_windows_lie_on_the_images_own_part(tmp_path: Path, layout: str) -> None:
    if layout == "masks":
        data = read_voc(photographs.masked_folder(tmp_path / "d", PARTS))[0]
    else:
        data = load_boxed(photographs.boxed_folder(tmp_path / "d", PARTS)).train
    assert data.parts is not None
    loader = Loader(data, 8, crop=RandomCrop(size=(16, 16)))
    for epoch in range(5):
        for batch in loader.epoch(epoch):
            shown = batch.inputs.max(axis=1) > 0
            assert (shown.mean(axis=(1, 2)) > 0.8).all()  # noise from 0 on: few pixels of an image are black
            if layout == "masks":
                assert (batch.targets != 255).all()


def test_mirrored_and_turned_about_the_images_own_middle(tmp_path: Path) -> None:
    data = read_voc(photographs.masked_folder(tmp_path / "d", PARTS))[0]
    plain = next(iter(Loader(data, 16, shuffle=False).epoch(0)))
    mirrored = next(iter(Loader(data, 16, shuffle=False, crop=RandomCrop(flip=1.0)).epoch(0)))
    assert data.parts is not None
    for i, (h, w) in enumerate(data.parts):
        np.testing.assert_allclose(
            mirrored.inputs[i, :, :h, :w], plain.inputs[i, :, :h, w - 1 :: -1][..., :w], atol=1e-6
        )
        np.testing.assert_array_equal(mirrored.targets[i, :h, :w], plain.targets[i, :h, :w][:, ::-1])
        assert not mirrored.inputs[i, :, h:].any() and (mirrored.targets[i, :, w:] == 255).all()
    half = Augmentation(rotate=180)
    uniform = np.full((16, Augmentation.COLUMNS), 0.5)
    uniform[:, 2] = 1.0  # by 180 degrees: each image lies where it lay
    y, x = half.affine(uniform, data.parts).sources((97, 100))
    for i, (h, w) in enumerate(data.parts):
        assert (y[i, 0, 0], x[i, 0, 0]) == pytest.approx((h - 1, w - 1), abs=1e-3)
        assert (y[i, h - 1, w - 1], x[i, h - 1, w - 1]) == pytest.approx((0, 0), abs=1e-3)


def test_rectangles_are_erased_from_the_image_and_not_beside_it() -> None:
    images = np.ones((4000, 1, 40, 40))
    parts = np.tile([[10, 12]], (4000, 1))
    Augmentation(erase=4).erase_from(images, RNG.random((4000, Augmentation.COLUMNS)), parts)
    share = 1 - images.mean(axis=(0, 1))
    assert share[:10, :12].std() < 0.01 and share[:10, :12].min() > 0.01
    assert not share[14:].any() and not share[:, 16:].any()


def test_images_of_another_size_are_made_for_a_model_when_they_are_asked_for() -> None:
    """A test set of small images needs no room for the training set's at a photograph network's size."""
    few = RNG.integers(0, 256, (3, 3, 8, 6)).astype(np.uint8)
    many = np.broadcast_to(few[0], (100_000, 3, 8, 6))
    framing = Framing("stretch", 1, (1000, 1000))  # 100 GB of all
    seen = framed_arrays(many, framing, None)
    data = Dataset(seen, np.arange(len(many)) % 2, ("a", "b"), "many", framing)
    assert data.image_shape == (1, 1000, 1000)
    chosen = np.asarray(data.subset([7, 99_999]).inputs)
    expected = framing.see(Image.fromarray(few[0].transpose(1, 2, 0)), "").pixels
    np.testing.assert_array_equal(chosen, [expected, expected])
    marks = {
        FramedImages(few[:n], size).fingerprint() for n in (2, 3) for size in (framing, Framing("stretch", 1, (9, 9)))
    }
    assert len(marks) == 4
    assert framed_arrays(few, Framing("stretch", 3, (8, 6)), None) is few


def test_a_run_of_version_0_1_is_measured_on_its_arrays_as_it_saw_them(tmp_path: Path) -> None:
    """Its file doesn't say whether they were characters, and is taken to mean it: of clothes they weren't."""
    clothes = np.zeros((4, 28, 28), np.uint8)
    clothes[:, 6:] = 200
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", clothes)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", np.arange(4, dtype=np.uint8) % 2)
    guessed = Framing("character", 1, (28, 28))
    own = load_data(tmp_path, held_out=HeldOut(0, by_position=True), framing=guessed)
    np.testing.assert_array_equal(np.asarray(own.test.inputs)[:, 0], clothes)
    others = load_data(tmp_path, held_out=HeldOut(0), framing=guessed)
    assert not np.array_equal(np.asarray(others.test.inputs)[:, 0], clothes)
