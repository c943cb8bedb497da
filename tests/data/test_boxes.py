"""Boxes: kept, moved with their images, read from folders; and one line for whatever is wrong with those."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from box_folders import coco_folder, voc_folder
from pellucid.cli import main
from pellucid.data import Boxes, Dataset, Loader, RandomCrop, load_boxed, load_scenes
from pellucid.data.augmentation import Augmentation
from pellucid.data.boxed import boxed_scenes
from pellucid.data.boxes import CROWD, DIFFICULT, PLAIN
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return boxed_scenes(load_scenes("mnist", {"preset": "detection", "train": 24, "test": 1})[0])


def test_a_subset_keeps_each_images_boxes(scenes: Dataset) -> None:
    whole = scenes.targets
    assert isinstance(whole, Boxes) and len(whole) == 24 and whole.canvas == (128, 128)
    some = whole[np.array([5, 2, 2, 23])]
    for new, old in enumerate((5, 2, 2, 23)):
        for part, expected in zip(some.of(new), whole.of(old), strict=True):
            np.testing.assert_array_equal(part, expected)
    assert some.fingerprint() != whole.fingerprint() == whole[np.arange(24)].fingerprint()
    assert len(whole[:0]) == 0 and len(whole[:0].images) == 0
    np.testing.assert_array_equal(np.bincount(whole.images, minlength=24), np.diff(whole.starts))


def blank_but_for(boxes: Array, size: int) -> Array:
    """One image with that box of whole pixels filled."""
    image = np.zeros((1, 1, size, size), np.uint8)
    x0, y0, x1, y1 = boxes.astype(int)
    image[0, 0, y0:y1, x0:x1] = 255
    return image


@pytest.mark.parametrize(
    ("augment", "crop"),
    [
        (None, RandomCrop((40, 52), (0.7, 1.6), 0.5)),
        (None, RandomCrop(flip=1.0)),
        (None, RandomCrop((40, 52), (0.7, 1.6), 0.5, 0.5)),
        (None, RandomCrop(flip=1.0, upside_down=1.0)),
        (Augmentation(shift=6, scale=0.2), None),
        (Augmentation(shift=3), RandomCrop((56, 56), (0.8, 1.2))),
    ],
)
def test_boxes_move_with_the_image(augment: Augmentation | None, crop: RandomCrop | None) -> None:
    """What an image shows stays in its box, however both are moved; upright maps keep it tight."""
    boxes = np.array([[10 + i % 9, 14 + i % 5, 32 + i % 11, 30 + i % 7] for i in range(40)], np.float32)
    images = np.concatenate([blank_but_for(box, 64) for box in boxes])
    targets = Boxes.gathered(
        [(box[None], np.array([3]), np.array([PLAIN])) for box in boxes], np.tile([[64, 64]], (40, 1)), (64, 64)
    )
    loader = Loader(Dataset(images, targets, ("a",) * 4, "blocks"), 40, augment=augment, crop=crop)
    batch = next(iter(loader.epoch(0)))
    assert batch.targets.canvas == batch.inputs.shape[2:]
    seen = 0
    for i in range(40):
        found, labels, kinds = batch.targets.of(i)
        rows, columns = np.nonzero(batch.inputs[i, 0] > 0.5)
        if len(found) and len(rows) and (kinds == PLAIN).all():
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(found[0], edges, atol=1.01)
            assert labels.tolist() == [3]
            seen += 1
    assert seen > 25


def test_boxes_that_are_mostly_cut_off_need_not_be_found() -> None:
    targets = Boxes.gathered(
        [(np.array([[0, 0, 10, 10], [0, 4, 8, 16], [30, 30, 40, 40], [2, 0, 9, 30.0]]), np.arange(4), np.zeros(4))],
        np.array([[40, 40]]),
        (40, 40),
    )
    cut = targets.window((12, 12))
    np.testing.assert_array_equal(cut.boxes, [[0, 0, 10, 10], [0, 4, 8, 12], [2, 0, 9, 12]])
    assert cut.labels.tolist() == [0, 1, 3] and cut.kinds.tolist() == [PLAIN, PLAIN, DIFFICULT]


@pytest.mark.parametrize("upside_down", [0.0, 0.5])
def test_windows_are_laid_around_objects(upside_down: float) -> None:
    """One small object on a large image, and one larger than the window: both windows show them."""
    boxes = np.array([[30 * (i % 6) + 2, 17 * (i % 10), 30 * (i % 6) + 12, 17 * (i % 10) + 9] for i in range(30)])
    boxes[-1] = [20, 30, 150, 160]
    images = np.concatenate([blank_but_for(box, 180) for box in boxes])
    targets = Boxes.gathered(
        [(box[None], np.array([0]), np.array([PLAIN])) for box in boxes], np.tile([[180, 180]], (30, 1)), (180, 180)
    )
    crop = RandomCrop((32, 40), (0.8, 1.3), 0.5, upside_down=upside_down, objects=1.0)
    batch = next(iter(Loader(Dataset(images, targets, ("a",), "blocks"), 30, shuffle=False, crop=crop).epoch(0)))
    for i in range(29):
        (found,), _, (kind,) = batch.targets.of(i)
        rows, columns = np.nonzero(batch.inputs[i, 0] > 0.5)
        np.testing.assert_allclose(found, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], atol=1.01)
        assert kind == PLAIN and found[2] - found[0] > 7
    assert (batch.inputs[29] > 0.5).all()
    with pytest.raises(PellucidError, match=r"crop\.objects: for images with boxes or masks"):
        next(iter(Loader(Dataset(images, np.zeros(30, int), ("a",), "blocks"), 30, crop=crop).epoch(0)))


def test_windows_are_laid_around_what_is_rare_in_a_mask() -> None:
    masks = np.zeros((40, 120, 90), np.uint8)
    for i, mask in enumerate(masks):
        mask[2 * i, i] = 1
    masks[0] = 255
    images = (masks[:, None] == 1).astype(np.uint8) * 255
    crop = RandomCrop((16, 16), (1.0, 1.0), 0.5, upside_down=0.5, objects=1.0)
    loader = Loader(Dataset(images, masks, ("a", "b"), "dots"), 40, shuffle=False, crop=crop)
    batch = next(iter(loader.epoch(0)))
    seen = (batch.targets == 1).any(axis=(1, 2))
    assert 10 < seen.sum() < 30  # half of them, by chance, as two classes are drawn alike
    np.testing.assert_array_equal(batch.targets == 1, batch.inputs[:, 0] > 0.5)


def test_a_mosaic_shows_four_images_with_what_is_on_them() -> None:
    """Every image is of its own shade and full of blocks; each pixel of a mosaic has the shade of its quarter."""
    boxes = np.array([[x, y, x + 8, y + 8] for x in range(0, 64, 8) for y in range(0, 48, 8)])
    shades = np.arange(1, 21) * 12
    images = np.broadcast_to(shades[:, None, None, None], (20, 1, 48, 64)).astype(np.uint8)
    targets = Boxes.gathered(
        [(boxes, np.full(48, i), np.zeros(48, np.uint8)) for i in range(20)], np.tile([[48, 64]], (20, 1)), (48, 64)
    )
    loader = Loader(
        Dataset(images, targets, tuple("abcdefghijklmnopqrst"), "shades"), 20, crop=RandomCrop(flip=0.5, mosaic=0.5)
    )
    batch = next(iter(loader.epoch(3)))
    assert batch.inputs.shape == (20, 1, 48, 64) and len(batch.targets) == len(batch.samples) == 20
    quarters = []
    for i in range(20):
        found, labels, kinds = batch.targets.of(i)
        np.testing.assert_allclose((found[:, 2:] - found[:, :2]).prod(axis=1).sum(), 48 * 64)
        assert set(np.unique(batch.inputs[i])) == {np.float32(shades[label] / 255) for label in labels}
        for (x0, y0, x1, y1), label, kind in zip(found.astype(int), labels, kinds, strict=True):
            assert (batch.inputs[i, 0, y0:y1, x0:x1] == np.float32(shades[label] / 255)).all()
            assert (kind == DIFFICULT) == ((x1 - x0) * (y1 - y0) < 32)
        quarters.append(len(set(labels)))
    assert 1 in quarters and 4 in quarters
    shares = [next(iter(loader.shard(rank, 2).epoch(3))) for rank in range(2)]
    np.testing.assert_array_equal(np.concatenate([share.inputs for share in shares]), batch.inputs)
    np.testing.assert_array_equal(np.concatenate([share.targets.boxes for share in shares]), batch.targets.boxes)


def test_masks_share_a_mosaic_and_classes_do_not() -> None:
    masks = np.arange(200).reshape(10, 4, 5).astype(np.uint8)
    images = masks[:, None].copy()
    mosaic = RandomCrop(mosaic=1.0)
    batch = next(iter(Loader(Dataset(images, masks, ("a",), "each its own"), 10, crop=mosaic).epoch(0)))
    np.testing.assert_array_equal(np.rint(batch.inputs[:, 0] * 255), batch.targets)
    assert all(len(np.unique(mask // 20)) > 1 for mask in batch.targets)
    with pytest.raises(PellucidError, match=r"crop\.mosaic is for images with boxes or masks"):
        next(iter(Loader(Dataset(images, np.zeros(10, int), ("a",), "blocks"), 10, crop=mosaic).epoch(0)))


@pytest.mark.parametrize(("make", "kind"), [(voc_folder, DIFFICULT), (coco_folder, CROWD)])
def test_folders(make: Callable[[Path], Path], kind: int, tmp_path: Path) -> None:
    data = load_boxed(make(tmp_path))
    assert data.train.class_names == ("dog", "cat") and data.validation is None
    assert data.train.image_shape == (3, 64, 64) and (len(data.train), len(data.test)) == (3, 1)  # multiples of 32
    targets = data.train.targets
    assert isinstance(targets, Boxes)
    np.testing.assert_array_equal(targets.of(0)[0], [[0, 0, 30, 20], [4, 5, 12, 17]])
    assert targets.of(0)[1].tolist() == [1, 0] and targets.of(0)[2].tolist() == [PLAIN, kind]
    assert len(targets.of(1)[0]) == 0
    assert targets.sizes.tolist() == [[20, 30], [24, 24], [48, 64]]
    pixels = np.asarray(data.train.inputs[np.array([0])])
    assert pixels[:, :, :20, :30].any() and not pixels[:, :, 20:].any() and not pixels[:, :, :, 30:].any()
    smaller = load_boxed(tmp_path, size=(24, 32)).train
    assert smaller.image_shape == (3, 24, 32) and isinstance(smaller.targets, Boxes)
    np.testing.assert_array_equal(smaller.targets.of(2)[0], [[5, 5, 10, 10]])
    assert data.train.digest == load_boxed(tmp_path).train.digest != smaller.digest


def test_grey_folders_and_own_tests(tmp_path: Path) -> None:
    voc_folder(tmp_path, grey=True)
    (tmp_path / "ImageSets/Main/test.txt").write_text("000004\n")
    data = load_boxed(tmp_path)
    assert data.train.image_shape[0] == 1 and data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 1, 1)
    rest = load_boxed(tmp_path, validation=1)
    assert rest.validation is not None and (len(rest.train), len(rest.validation)) == (2, 1)


def text(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / path).read_text()
        assert old in content
        (folder / path).write_text(content.replace(old, new, 1))

    return change


def gone(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


ONE, TRAIN = "Annotations/000001.xml", "annotations/instances_train2017.json"
OF_VOC = [
    (text(ONE, "<xmax>30", "<xmax>31"), r"object 1 \(cat\): box 0, 0, 31, 20 .* isn't inside the image of 20x30"),
    (text(ONE, "<xmin>1", "<xmin>40"), r"object 1 \(cat\): box 39, 0, 30, 20 \(x0, y0, x1, y1\) has no area"),
    (text(ONE, "<xmin>1", "<xmin>nan"), r"object 1 \(cat\): box nan, .*: expected four finite numbers"),
    (text(ONE, "<xmin>5<", "<xmin>five<"), r"object 2 \(dog\): expected a number for <xmin> in <bndbox>, got 'five'"),
    (text(ONE, "<xmin>5</xmin>", ""), r"object 2 \(dog\): expected a number for <xmin> in <bndbox>, got none"),
    (text(ONE, "cat", "cow"), r"000001.xml: object 1: unknown class 'cow', expected one of dog, cat"),
    (text(ONE, "<difficult>1", "<difficult>maybe"), r"object 2: <difficult> is 'maybe', expected 0 or 1"),
    (text(ONE, "</object>", "</objekt>"), r"000001.xml:1:\d+: not XML \(mismatched tag\)"),
    (gone(ONE), r"000001.xml: no such file, expected the annotations of 000001"),
    (gone("JPEGImages/000004.png"), r"000004.xml: no image .*JPEGImages/000004.jpg"),
    (gone("ImageSets/Main/train.txt"), r"train.txt: no such file, expected a list of images"),
    (text("ImageSets/Main/train.txt", "000002", "000001"), r"train.txt: 000001 is listed twice"),
    (text("ImageSets/Main/val.txt", "000003 1", " "), r"val.txt: the list is empty"),
    (text("classes.txt", "cat", "dog"), r"classes.txt: expected different class names"),
]
OF_COCO = [
    (text(TRAIN, '"bbox": [0, 0, 30', '"bbox": [0, 0, 31'), r"annotations id 0: box 0, 0, 31, 20 .* isn't inside"),
    (text(TRAIN, '"bbox": [0, 0, 30', '"bbox": [0, 0, 0'), r"annotations id 0: box 0, 0, 0, 20 .* has no area"),
    (text(TRAIN, '"bbox": [0, 0, 30', '"bbox": [0, 30'), r"annotations id 0: bbox is \[0, 30, 20\], expected \[x, y"),
    (text(TRAIN, '{"images"', '{\n  "images" 5'), r"train2017.json:2:12: not JSON"),
    (text(TRAIN, '"images"', '"pictures"'), r"train2017.json: expected a list of images"),
    (text(TRAIN, '"id": 2', '"id": 1'), r"images\[1\]: the id 1 occurs twice"),
    (text(TRAIN, '"id": 1, "image_id": 1', '"id": 0, "image_id": 1'), r"annotations\[1\]: the id 0 occurs twice"),
    (text(TRAIN, '"id": 9', '"id": 7'), r"categories\[1\]: the id 7 occurs twice"),
    (text(TRAIN, '"name": "cat"', '"name": "dog"'), r"expected categories of different names, got dog, dog"),
    (text(TRAIN, '"category_id": 9', '"category_id": 8'), r"annotations id 0: unknown category_id 8"),
    (text(TRAIN, '"image_id": 1', '"image_id": 77'), r"annotations id 0: unknown image_id 77"),
    (text(TRAIN, "000004.png", "000005.png"), r"images id 4: no image .*train2017/000005.png"),
    (text("annotations/instances_val2017.json", '"cat"', '"cow"'), r"categories id 9: unknown class 'cow', expected"),
    (text(TRAIN, "{", "[{"), r"train2017.json:1:\d+: not JSON"),
]


@pytest.mark.parametrize(("damage", "message"), OF_VOC)
def test_what_is_wrong_with_voc_is_named(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    damage(voc_folder(tmp_path))
    with pytest.raises(PellucidError, match=message) as caught:
        load_boxed(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("damage", "message"), OF_COCO)
def test_what_is_wrong_with_coco_is_named(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    damage(coco_folder(tmp_path))
    with pytest.raises(PellucidError, match=message) as caught:
        load_boxed(tmp_path)
    assert "\n" not in str(caught.value)


def test_boxes_are_clipped_where_the_recipe_says_so(tmp_path: Path) -> None:
    voc_folder(tmp_path)
    text(ONE, "<xmax>30", "<xmax>31")(tmp_path)
    text(ONE, "<xmin>5<", "<xmin>90<")(tmp_path)
    targets = load_boxed(tmp_path, outside="clip").train.targets
    assert isinstance(targets, Boxes)
    np.testing.assert_array_equal(targets.of(0)[0], [[0, 0, 30, 20]])
    assert [note.rpartition(": ")[2] for note in targets.notes] == ["cut", "left out"]
    assert all("000001.xml: object" in note for note in targets.notes)


@pytest.mark.parametrize(("damage", "message"), [OF_VOC[0], OF_VOC[7]])
def test_nothing_is_begun_with_bad_boxes(
    damage: Callable[[Path], None], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(voc_folder(tmp_path / "data"))
    command = ["train", "detector-scenes", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "000001.xml" in said.err and not said.out
    assert not (tmp_path / "run").exists()


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="expected the folders JPEGImages, Annotations, ImageSets, or an"):
        load_boxed(tmp_path)
