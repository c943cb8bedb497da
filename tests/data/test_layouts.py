"""Folders as people have them: parts by every usual name and in every place, masks and labels as tools write them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from box_folders import coco_folder, voc_folder
from pellucid.data import Boxes, Data, load_boxed, load_data
from pellucid.data.formats.folders import class_files
from pellucid.data.masked import load_masked
from pellucid.data.survey import survey
from pellucid.data.text_files import class_list, listed_images, readable
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.recipes import load_recipe
from pellucid.recipes.data import build_data, training_data
from pellucid.recipes.look import look_at_data
from small_runs import write_digits

RNG = np.random.default_rng(18)
MASK = np.repeat(np.array([0, 1], np.uint8), 6).reshape(2, 6).repeat(2, axis=0)


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)).save(path)
    return path


def masked(folder: Path, images: str, masks: str, mask: Array | Image.Image = MASK, end: str = ".png") -> Path:
    """Six images with one mask, in the folders of those names."""
    (folder / masks).mkdir(parents=True, exist_ok=True)
    for i in range(6):
        photo(folder / images / f"p{i}.jpg")
        (mask if isinstance(mask, Image.Image) else Image.fromarray(mask)).save(folder / masks / f"p{i}{end}")
    return folder


@pytest.mark.parametrize(
    "places",
    [
        [("train", "trainannot"), ("val", "valannot"), ("test", "testannot")],
        [("images/training", "annotations/training"), ("images/valid", "annotations/valid"), ("images/tst", "x/tst")],
        [("Train/Images", "Train/Masks"), ("Test/Images", "Test/Masks")],
        [("train", "train_masks")],
        [("imgs", "labels")],
    ],
    ids=["SegNet", "parts below", "parts above", "beside", "whole"],
)
def test_masks_by_parts_in_every_place(tmp_path: Path, places: list[tuple[str, str]]) -> None:
    for images, masks in places:
        masked(tmp_path, images, masks)
    (tmp_path / "__MACOSX").mkdir()
    data = load_masked(tmp_path)
    found = survey(tmp_path)
    assert (found.kind, found.images) == ("masks", 6 * sum(1 + masks.startswith("x") for _, masks in places))
    three = len(places) == 3 and not places[2][1].startswith("x")
    assert (data.validation is not None, bool(data.lists)) == (three, len(places) == 1)
    np.testing.assert_array_equal(np.asarray(data.train.targets[[0]])[0], MASK)
    assert not set(data.train.keys or ()) & set(data.test.keys or ())


@pytest.mark.parametrize("end", [".png", "_L.png", "_seg.tif", ".jpg.bmp", "-labels.PNG"])
def test_what_masks_are_called(tmp_path: Path, end: str) -> None:
    assert len(load_masked(masked(tmp_path, "images", "masks", end=end)).train) == 5


GREY = np.repeat(MASK[..., None], 3, axis=2)


@pytest.mark.parametrize(
    "mask",
    [GREY * 255, GREY, np.dstack([GREY, MASK * 0 + 255]), Image.fromarray(MASK).convert("LA"),
     MASK.astype(np.uint16) * 65535, Image.fromarray(MASK.astype(np.float32))],
    ids=["RGB", "RGB of 0 and 1", "RGBA", "LA", "16 bits", "fractions"],
)  # fmt: skip
def test_masks_of_every_mode(tmp_path: Path, mask: Array | Image.Image) -> None:
    end = ".tif" if isinstance(mask, Image.Image) and mask.mode == "F" else ".png"
    data = load_masked(masked(tmp_path, "images", "masks", mask, end))
    np.testing.assert_array_equal(np.asarray(data.train.targets[[0]])[0], MASK)


@pytest.mark.parametrize("mask", [MASK * 255, Image.fromarray(MASK * 128)], ids=["white", "grey"])
def test_grey_masks_by_a_table_of_colours(tmp_path: Path, mask: Array | Image.Image) -> None:
    folder = masked(tmp_path, "images", "masks", mask)
    (folder / "classes.txt").write_text("ground\na thing\nother")
    (folder / "colours.txt").write_text("0,0,0,ground\n255, 255, 255, a thing\n128;128;128;a thing\n1\t1\t1\tother")
    np.testing.assert_array_equal(np.asarray(load_masked(folder).train.targets[[0]])[0], MASK)


def test_masks_of_indices_beside_a_table_of_colours_are_indices_one_and_all(tmp_path: Path) -> None:
    folder = masked(tmp_path, "images", "masks", MASK * 2)
    (folder / "classes.txt").write_text("sky\nroad\ncar\nvoid")
    (folder / "colours.txt").write_text("0 0 0 void\n1 2 3 sky\n4 5 6 road\n7 8 9 car")
    for i, mask in enumerate((MASK * 0, MASK + 1, MASK * 3)):
        Image.fromarray(mask).save(folder / f"masks/p{i}.png")
    data = load_masked(folder)
    for part in (data.train, data.test):
        for key, mask in zip(part.keys or (), np.asarray(part.targets[np.arange(len(part))]), strict=True):
            written = np.asarray(Image.open(folder / "masks" / Path(key).with_suffix(".png").name))
            np.testing.assert_array_equal(mask, np.where(written == 3, 255, written))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: photo(f / "images/p3.png"), r"p3\.png: called as p3\.jpg but for its ending, expected one"),
        (lambda f: shutil.copy(f / "masks/p3.png", f / "masks/p3.bmp"), r"called as p3\.bmp but for its ending"),
        (lambda f: (f / "masks/p3.png").rename(f / "masks/q3.png"), r"expected one for p3\.jpg; there is p4\.png"),
        (
            lambda f: masked(f, "images", "masks", MASK * 255, ".jpg"),
            "JPEG and WebP change values|but for its ending",
        ),
    ],
)
def test_masks_that_are_not_clear(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = masked(tmp_path, "images", "masks")
    damage(folder)
    with pytest.raises(PellucidError, match=message):
        load_masked(folder)


def test_jpeg_masks_and_masks_beside_class_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="JPEG and WebP change values"):
        load_masked(masked(tmp_path / "a", "images", "masks", MASK * 255, ".jpg"))
    with pytest.raises(PellucidError, match="train and trainannot are no classes"):
        class_files(masked(tmp_path / "b", "train", "trainannot"))


@pytest.mark.parametrize("value", [0, 1, 255])
def test_masks_of_one_class_are_nothing_to_learn(tmp_path: Path, value: int) -> None:
    folder = masked(tmp_path, "images", "masks", np.full_like(MASK, value))
    with pytest.raises(PellucidError, match=r"no pixel of any class.*: nothing to learn, expected some of"):
        training_data(load_recipe("fcn-scenes", {"data.source": str(folder)}))


def sizes(data: Data) -> tuple[int, int, int]:
    return len(data.train), len(data.validation) if data.validation else 0, len(data.test)


def coco(folder: Path, change: Callable[[dict[str, Any]], object] = lambda content: None) -> Path:
    path = coco_folder(folder) / "annotations/instances_train2017.json"
    shutil.rmtree(folder / "voc")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return folder


def renamed(*names: tuple[str, str]) -> Callable[[Path], object]:
    def move(folder: Path) -> None:
        for old, new in names:
            (folder / new).parent.mkdir(exist_ok=True)
            (folder / old).rename(folder / new)

    return move


TRAIN, VAL = "annotations/instances_train2017.json", "annotations/instances_val2017.json"


@pytest.mark.parametrize(
    ("move", "counts"),
    [
        (renamed(), (3, 0, 1)),
        (renamed((VAL, "annotations/valid.json")), (3, 0, 1)),
        (renamed((TRAIN, "annotations/Training.JSON"), ("val2017", "Val"), ("train2017", "images")), (3, 0, 1)),
        (
            renamed((TRAIN, "train2017/_annotations.coco.json"), (VAL, "val2017/_annotations.coco.json"),
                    ("train2017", "train"), ("val2017", "valid"), ("annotations", "more")), (3, 0, 1),
        ),
        (renamed((TRAIN, "annotations/all.json"), (VAL, "x.txt"), ("train2017", "images")), (2, 0, 1)),
        (renamed((TRAIN, "result.json"), (VAL, "x.txt"), ("train2017", "images")), (2, 0, 1)),
        (renamed((VAL, "annotations/test.json"), ("val2017", "testing")), (3, 0, 1)),
    ],
)  # fmt: skip
def test_coco_by_parts_in_every_place(
    tmp_path: Path, move: Callable[[Path], object], counts: tuple[int, int, int]
) -> None:
    move(coco(tmp_path))
    data = load_boxed(tmp_path)
    assert sizes(data) == counts and survey(tmp_path).kind == "boxes"
    assert isinstance(data.train.targets, Boxes) and len(data.train.targets.labels)


@pytest.mark.parametrize("text", ["[1, 2]", '{"images": [ ], "annotations": [], "categories": []}'])
@pytest.mark.parametrize("name", ["train.json", "all.json"])
def test_a_json_file_beside_class_folders_is_no_annotations(tmp_path: Path, name: str, text: str) -> None:
    for label in ("cat", "dog"):
        for i in range(3):
            photo(tmp_path / label / f"{i}.jpg")
    (tmp_path / name).write_text(text)
    found = survey(tmp_path)
    assert (found.kind, found.class_names) == ("classes", ("cat", "dog"))


@pytest.mark.parametrize("name", ["000002.PNG", "train2017/000002.png", "train2017\\000002.png", "x/y/000002.png"])
def test_names_in_coco(tmp_path: Path, name: str) -> None:
    assert len(load_boxed(coco(tmp_path, lambda c: c["images"][1].update(file_name=name))).train) == 3


def test_an_image_has_one_id(tmp_path: Path) -> None:
    folder = coco(tmp_path, lambda c: c["images"].append({**c["images"][0], "id": 77}))
    with pytest.raises(PellucidError, match=r"images id 77: 000001\.png is the image of id 1 too"):
        load_boxed(folder)


@pytest.mark.parametrize(
    ("move", "counts"),
    [
        (renamed(("ImageSets/Main/val.txt", "ImageSets/Main/valid.txt")), (3, 0, 1)),
        (renamed(("ImageSets/Main/train.txt", "ImageSets/Main/trainval.txt"),
                 ("ImageSets/Main/val.txt", "ImageSets/Main/test.txt")), (3, 0, 1)),
        (renamed(("ImageSets/Main/val.txt", "ImageSets/Main/other.txt")), (2, 0, 1)),
        (renamed(("ImageSets", "lists")), (3, 0, 1)),
        (renamed(("ImageSets", "lists"), ("JPEGImages", "images"), ("Annotations", "annotations")), (3, 0, 1)),
        (renamed(("ImageSets", "lists"), ("JPEGImages", "train/images"), ("Annotations", "train/annotations")),
         (3, 0, 1)),
        (renamed(("ImageSets", "lists"), ("JPEGImages", "train"), ("Annotations/000001.xml", "train/000001.xml"),
                 ("Annotations/000004.xml", "train/000004.xml")), (1, 0, 1)),
    ],
)  # fmt: skip
def test_voc_by_parts_in_every_place(
    tmp_path: Path, move: Callable[[Path], object], counts: tuple[int, int, int]
) -> None:
    move(voc_folder(tmp_path))
    data = load_boxed(tmp_path)
    assert sizes(data) == counts and survey(tmp_path).kind == "boxes"
    assert data.class_names == ("dog", "cat")


def test_voc_without_lists_names_what_has_no_partner(tmp_path: Path) -> None:
    folder = voc_folder(tmp_path)
    shutil.rmtree(folder / "ImageSets")
    (folder / "Annotations/000002.xml").unlink()
    targets = load_boxed(folder).train.targets
    assert isinstance(targets, Boxes) and "1 of 4 images have no annotations and are left out" in targets.notes[0]
    (folder / "JPEGImages/000001.png").unlink()
    with pytest.raises(PellucidError, match=r"000001\.xml: annotations without an image, 1 of 3 are"):
        load_boxed(folder)


def test_lists_with_paths_and_endings(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text("JPEGImages/a b.jpg 1\nc.JPG\n.\\x\\d.png\ne\n", encoding)
        assert listed_images(path, {"a b", "c", "d", "e"}.__contains__) == ["a b", "c", "d", "e"]


def test_yolo_by_lists_and_in_one_folder_a_part(tmp_path: Path) -> None:
    for i in range(4):
        photo(tmp_path / f"a/images/{i}.jpg")
        (tmp_path / "a/labels").mkdir(exist_ok=True)
        (tmp_path / f"a/labels/{i}.txt").write_text(f"{i % 2} .5 .5 .2 .2")
        photo(tmp_path / f"b/{'valid' if i == 3 else 'train'}/{i}.jpg").with_suffix(".txt").write_text(
            "1 .5 .5 .2 .2"
        )
    (tmp_path / "a/train.txt").write_text("./images/0.jpg\n/home/me/images/1.jpg\n")
    (tmp_path / "a/val.txt").write_text("images\\2.jpg\n")
    (tmp_path / "a/coco8.yaml").write_text("names:\n  - 'it''s'\n  - \"say \\\"x\\\"\"\n")
    data = load_boxed(tmp_path / "a")
    assert (data.train.keys, data.test.keys) == (("images/0.jpg", "images/1.jpg"), ("images/2.jpg",))
    assert data.class_names == ("it's", 'say "x"')
    assert (
        isinstance(data.train.targets, Boxes)
        and "1 images are in no list and left out" in data.train.targets.notes[0]
    )
    (tmp_path / "a/val.txt").write_text("images/9.jpg\n")
    with pytest.raises(PellucidError, match=r"val\.txt: no image '9\.jpg', the list's 1\., in"):
        load_boxed(tmp_path / "a")
    (tmp_path / "a/val.txt").write_text("\n")
    with pytest.raises(PellucidError, match=r"val\.txt: the list is empty, expected names of images, one a line"):
        load_boxed(tmp_path / "a")
    (tmp_path / "b/_darknet.labels").write_text("cat\ndog")
    assert sizes(load_boxed(tmp_path / "b")) == (3, 0, 1) and load_boxed(tmp_path / "b").class_names == ("cat", "dog")


def test_yolo_in_one_folder_with_lists_of_any_name(tmp_path: Path) -> None:
    for name in ("0", "1", "2", "dev"):
        photo(tmp_path / f"{name}.jpg").with_suffix(".txt").write_text("1 .5 .5 .2 .2")
    (tmp_path / "classes.txt").write_text("cat\ndog")
    (tmp_path / "training.txt").write_text("0.jpg\ndev.jpg\n")
    (tmp_path / "Validation.txt").write_text("1.jpg\n2.jpg\n")
    data = load_boxed(tmp_path)
    assert (data.train.keys, data.test.keys) == (("0.jpg", "dev.jpg"), ("1.jpg", "2.jpg"))
    assert isinstance(data.train.targets, Boxes) and data.train.targets.labels.tolist() == [1, 1]


def test_labels_for_other_images_are_named(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/b.txt").write_text("0 .5 .5 .2 .2")
    with pytest.raises(PellucidError, match=r"b\.txt: a text file without an image, 1 of 1 are"):
        load_boxed(tmp_path)


def test_no_box_is_nothing_to_learn(tmp_path: Path) -> None:
    folder = coco(tmp_path, lambda content: content["annotations"].clear())
    with pytest.raises(
        PellucidError, match="train: no box of any class: nothing to learn, expected some of dog, cat"
    ):
        training_data(load_recipe("detector-scenes", {"data.source": str(folder)}))
    recipe = load_recipe("detector-scenes", {"data.source": str(folder), "data.size": [64, 64]})
    assert len(build_data(recipe).test) == 1
    look = look_at_data(recipe, folder, {})
    assert look.counts == [("dog", [0, 1]), ("cat", [0, 0])] and look.sheet


def test_images_in_two_parts_are_said(tmp_path: Path) -> None:
    folder = voc_folder(tmp_path)
    (folder / "ImageSets/Main/val.txt").write_text("000003\n000001\n")
    notes = build_data(load_recipe("detector-scenes", {"data.source": str(folder)})).test.notes
    assert f"{tmp_path.name} test: 1 of 2 images are among the training images too" in notes


def labelled(folder: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    for i in range(8):
        photo(folder / "pics" / f"p{i}.JPG")
    (folder / name).write_text(text, encoding)
    return folder


LINES = "path,label\n" + "\n".join(f"P{i}.jpg,{'ab'[i % 2]}" for i in range(8))


@pytest.mark.parametrize("folder", ["pics", "images", "train"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_labels_beside_one_folder_are_what_is_learnt(tmp_path: Path, folder: str, encoding: str) -> None:
    """And the names' case is nobody's."""
    (labelled(tmp_path, LINES, encoding=encoding) / "pics").rename(tmp_path / folder)
    assert load_data(tmp_path).class_names == ("a", "b")
    assert survey(tmp_path).class_names == ("a", "b")


def test_one_class_alone_is_none_to_learn(tmp_path: Path) -> None:
    labelled(tmp_path, LINES)
    (tmp_path / "other.csv").write_text("x")
    with pytest.raises(
        PellucidError, match=r"one class alone, pics, .*; there are labels\.csv, other\.csv, one of wh"
    ):
        survey(tmp_path)


def test_line_breaks_in_names_of_classes_are_written_as_escapes(tmp_path: Path) -> None:
    for name in ("a\nb", "c\x1b[31m"):
        for i in range(4):
            photo(tmp_path / name / f"{i}.png")
    assert load_data(tmp_path).class_names == ("a\\nb", "c\\x1b[31m")
    assert readable("näme\u2028<b>") == "näme\\u2028<b>"


def test_text_in_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("größe\nb\n", "utf-16")
    assert class_list(path) == ("größe", "b")
    path.write_bytes(b"\xff\xfea")
    with pytest.raises(PellucidError, match="expected lines of text"):
        class_list(path)


@pytest.mark.parametrize("upper", [False, True])
def test_files_of_many_pictures_are_surveyed_too(tmp_path: Path, upper: bool) -> None:
    """IDX sets and CIFAR's binary files, called in any case."""
    for name in ("idx", "cifar"):
        (tmp_path / name).mkdir()
    write_digits(tmp_path / "idx", 20, 10)
    rows = RNG.integers(0, 256, (30, 3073)).astype(np.uint8)
    rows[:, 0] = np.arange(30) % 10
    for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"):
        (tmp_path / "cifar" / name).write_bytes(rows.tobytes())
    for path in list(tmp_path.glob("*/*")) if upper else ():
        path.rename(path.with_name(path.name.upper().replace(".GZ", ".gz")))
    digits, photos = survey(tmp_path / "idx"), survey(tmp_path / "cifar")
    assert digits.parts == {"train": 20, "test": 10} and not digits.colour and len(digits.class_names) == 10
    assert photos.lines()[0].endswith("90 pictures (60 train, 30 test), in colour, 32x32")
    assert sum(photos.counts["train"].values()) == 60 and photos.counts["test"]["0"] == 3
