"""Folders in VOC's layout: what is read, and one line for whatever is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import Loader
from pellucid.data.formats.voc import VOC_CLASSES, read_voc
from pellucid.data.geometry import warp_masks
from pellucid.data.masked import load_masked
from pellucid.data.paired_augmentation import COLUMNS, RandomCrop
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.tasks.mask_pictures import mask_png

NAMES = ("background", "square", "disc")
RNG = np.random.default_rng(8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pairs of various sizes; the images' red is 80 times the class."""
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    for i, (H, W) in enumerate([(20, 30), (30, 20), (24, 24), (60, 40)]):
        mask = np.zeros((H, W), np.uint8)
        mask[5:15, 4:18] = 1 + i % 2
        mask[5:15, 18] = 255
        write(tmp_path, f"pair{i}", mask)
    listed(tmp_path, "train", ["pair0", "pair1", "pair3"])
    listed(tmp_path, "val", ["pair2"])
    (tmp_path / "classes.txt").write_text("\n".join(NAMES) + "\n")
    return tmp_path


def write(folder: Path, name: str, mask: Array) -> None:
    pixels = np.zeros((*mask.shape, 3), np.uint8)
    pixels[..., 0] = np.where(mask == 255, 0, mask) * 80
    Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.png")
    (folder / "SegmentationClass" / f"{name}.png").write_bytes(mask_png(mask, len(NAMES)))


def listed(folder: Path, part: str, names: list[str]) -> None:
    (folder / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))


def test_pairs_on_one_canvas(folder: Path) -> None:
    train, val = read_voc(folder, (30, 32))
    assert (len(train), len(val), train.class_names, train.image_shape) == (3, 1, NAMES, (3, 30, 32))
    pixels, masks = np.asarray(train.inputs[np.array([0, 2])]), train.targets[np.array([0, 2])]
    assert pixels.shape == (2, 3, 30, 32) and masks.shape == (2, 30, 32)
    assert masks[0, 5, 4] == 1 and masks[0, 5, 18] == 255 and (masks[0, 20:] == 255).all()
    np.testing.assert_array_equal(pixels[0, 0, :20, :30], np.where(masks[0] == 255, 0, masks[0] * 80)[:20, :30])
    assert masks[1, 6, 5] == 2 and (masks[1, :, 20:] == 255).all()  # 60x40 became 30x20
    assert train.digest == read_voc(folder, (30, 32))[0].digest != val.digest


def test_loaded_by_its_layout(folder: Path) -> None:
    data = load_masked(folder, size=(32, 32))
    assert (len(data.train), data.validation, len(data.test)) == (3, None, 1)
    listed(folder, "test", ["pair2", "pair3"])
    data = load_masked(folder, size=(32, 32))
    assert data.validation is not None and (len(data.validation), len(data.test)) == (1, 2)
    batch = next(iter(Loader(data.train, 2, crop=RandomCrop((16, 12), (0.5, 2.0), 0.5)).epoch(0)))
    assert batch.inputs.shape == (2, 3, 16, 12) and batch.targets.shape == (2, 16, 12)


def test_classes_of_voc_where_none_are_named(folder: Path) -> None:
    (folder / "classes.txt").unlink()
    assert read_voc(folder, (64, 64))[0].class_names == VOC_CLASSES


def missing_mask(folder: Path) -> None:
    (folder / "SegmentationClass" / "pair1.png").unlink()


def missing_image(folder: Path) -> None:
    (folder / "JPEGImages" / "pair1.png").unlink()


def another_size(folder: Path) -> None:
    Image.new("P", (21, 30)).save(folder / "SegmentationClass" / "pair1.png")


def unknown_class(folder: Path) -> None:
    (folder / "SegmentationClass" / "pair1.png").write_bytes(mask_png(np.full((30, 20), 7, np.uint8), 3))


def no_mask_but_a_photo(folder: Path) -> None:
    Image.new("RGB", (20, 30), "red").save(folder / "SegmentationClass" / "pair1.png")


def no_picture(folder: Path) -> None:
    (folder / "SegmentationClass" / "pair1.png").write_bytes(b"mask")


def empty_list(folder: Path) -> None:
    listed(folder, "train", [])


def no_list(folder: Path) -> None:
    (folder / "ImageSets" / "Segmentation" / "train.txt").unlink()


def one_class(folder: Path) -> None:
    (folder / "classes.txt").write_text("background\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing_mask, r"SegmentationClass/pair1.png: no such mask, expected one for pair1.png"),
        (missing_image, r"JPEGImages/pair1.jpg: no such image"),
        (another_size, r"SegmentationClass/pair1.png: the mask is 30x21 pixels, its image pair1.png is 30x20"),
        (
            unknown_class,
            r"SegmentationClass/pair1.png: value 7 \(600 pixels, the first at row 0, column 0\), expected 0 to 2",
        ),
        (no_mask_but_a_photo, r"SegmentationClass/pair1.png: expected a palette or grey PNG of 8 bits, got mode RGB"),
        (no_picture, r"SegmentationClass/pair1.png: not an image"),
        (empty_list, r"ImageSets/Segmentation/train.txt: the list is empty"),
        (no_list, r"ImageSets/Segmentation/train.txt: no such file"),
        (one_class, r"classes.txt: expected 2 to 254 different class names, got 1"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, damage: object, message: str) -> None:
    damage(folder)  # type: ignore[operator]
    with pytest.raises(PellucidError, match=message):
        load_masked(folder, size=(32, 32))


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="expected the folders JPEGImages, SegmentationClass, ImageSets"):
        load_masked(tmp_path)


def test_image_and_mask_move_together() -> None:
    """A mask that follows from the image's pixels still does after the crop, away from edges and interpolation."""
    masks = RNG.integers(0, 3, (6, 5, 7)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    images = (masks * 100).astype(np.uint8)[:, None]
    crop = RandomCrop((30, 44), (0.6, 1.8), 0.5)
    pixels, moved = crop(RNG.random((6, COLUMNS)), images, masks, 255)
    assert moved is not None and pixels.shape == (6, 1, 30, 44)
    clear = np.isin(pixels[:, 0], (100, 200)) & (moved != 255)
    assert clear.mean() > 0.3
    np.testing.assert_array_equal(moved[clear] * 100, pixels[:, 0][clear])
    assert (moved == 255).any() and (pixels[:, 0][moved == 255] <= 200).all()


def test_mirrored_and_cut_exactly() -> None:
    images = RNG.integers(0, 256, (4, 2, 9, 11)).astype(np.uint8)
    mirrored, _ = RandomCrop(flip=1.0)(RNG.random((4, COLUMNS)), images, None, 255)
    np.testing.assert_allclose(mirrored, images[..., ::-1], atol=1e-3)
    turned, _ = RandomCrop(flip=0.5, upside_down=1.0)(
        np.array([[0, 0.2, 0, 0], [0, 0.7, 0, 0]] * 2), images, None, 255
    )
    np.testing.assert_allclose(turned[1], images[1, :, ::-1], atol=1e-5)
    np.testing.assert_allclose(turned[2], images[2, :, ::-1, ::-1], atol=1e-5)
    drawn = np.random.default_rng(0).random((4000, COLUMNS))
    matrix = RandomCrop(flip=0.3, upside_down=0.5).affine(drawn, (8, 9)).matrix
    mirrored, upside = matrix[:, 1, 1] < 0, matrix[:, 0, 0] < 0
    assert abs(mirrored.mean() - 0.3) < 0.03 and abs(upside.mean() - 0.5) < 0.03
    assert abs(upside[mirrored].mean() - upside[~mirrored].mean()) < 0.06  # one doesn't depend on the other
    windows, _ = RandomCrop((4, 5))(RNG.random((4, COLUMNS)), images, None, 255)
    for window, image in zip(windows, images, strict=True):
        places = [(i, j) for i in range(6) for j in range(7)]
        assert any(np.allclose(window, image[:, i : i + 4, j : j + 5], atol=1e-3) for i, j in places)


def test_points_follow_the_inverse_map() -> None:
    crop = RandomCrop((40, 40), (0.7, 1.6), 0.5)
    affine = crop.affine(RNG.random((20, COLUMNS)), (40, 40))
    masks = np.zeros((20, 40, 40), np.uint8)
    masks[:, 18:23, 10:15] = 1
    moved = warp_masks(masks, affine, 0, (40, 40))
    inverse = affine.inverse()
    centre = np.einsum("nij,j->ni", inverse.matrix, [20.0, 12.0]) + inverse.offset
    for mask, place in zip(moved, centre, strict=True):
        rows, columns = np.nonzero(mask)
        if len(rows) and place.min() > 4 and place.max() < 35:
            np.testing.assert_allclose((rows.mean(), columns.mean()), place, atol=0.6)


@pytest.mark.parametrize("settings", [{"size": (0, 4)}, {"scale": (2.0, 1.0)}, {"flip": 1.5}])
def test_bad_crops_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(PellucidError, match=f"crop {next(iter(settings))} = "):
        RandomCrop(**settings)  # type: ignore[arg-type]
