"""Data as people have them: taken for what they are, or refused with what is missing."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from box_folders import coco_folder, voc_folder
from pellucid.cli import main
from pellucid.cli.boxes import numbered
from pellucid.data import load_boxed, load_data
from pellucid.data.boxes import CROWD, PLAIN, Boxes
from pellucid.data.formats.coco import image_ids
from pellucid.data.formats.idx import write_idx
from pellucid.data.formats.voc import read_voc
from pellucid.data.layouts import BESIDE_THEM
from pellucid.errors import PellucidError
from pellucid.recipes import build_data, build_trainer, load_recipe
from pellucid.recipes.data import training_data
from png_files import png

RNG = np.random.default_rng(2)
SCENES = {"train": 4, "test": 2}


def noise(path: Path, size: tuple[int, ...] = (8, 8), **options: Any) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, size).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def pairs(folder: Path, *places: str) -> Path:
    for place in places:
        for i in range(5):
            noise(folder / place / f"{i}.png")
    return folder


LAYOUTS: dict[str, tuple[str, ...]] = {
    "images and masks": ("images", "masks"),
    "VOC without lists": ("JPEGImages", "SegmentationClass"),
    "parts of images and masks": ("train/images", "train/masks", "val/images", "val/masks"),
    "images only": ("images",),
    "parts without classes": ("train", "valid", "test"),
    "YOLO": ("images/train", "images/val", "labels/train", "labels/val"),
}


@pytest.mark.parametrize("places", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("recipe", ["fcn-scenes", "detector-scenes", "deep-convnet"])
def test_other_layouts_are_no_classes(tmp_path: Path, places: tuple[str, ...], recipe: str) -> None:
    """Masks of noise beside images are read as such, and their values are no classes' without a list of these."""
    changes = {"data.source": str(pairs(tmp_path, *places))}
    scenes = {} if recipe == "deep-convnet" else {"data.scenes": SCENES}
    with pytest.raises(PellucidError, match=r"[eE]xpected ") as caught:
        build_data(load_recipe(recipe, {**changes, **scenes}))
    wanted = {"fcn-scenes": "ImageSets/Segmentation/train.txt", "detector-scenes": "annotations/train.json"}
    masked = recipe == "fcn-scenes" and {part.lower() for place in places for part in place.split("/")} & BESIDE_THEM
    said = "classes.txt" if masked else wanted.get(recipe, "folder")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_classes_of_odd_names(tmp_path: Path) -> None:
    """Trains, masks of two kinds; a folder named as a file; Latin-1 bytes."""
    odd = os.fsdecode(b"caf\xe9")
    for name in ("train", "car", "mask", "no_mask", odd):
        for i in range(5):
            noise(tmp_path / name / f"{i}.png")
    (tmp_path / "car" / "x.png").mkdir()
    data = load_data(tmp_path)
    assert data.train.class_names == ("café", "car", "mask", "no_mask", "train")
    assert len(data.train) + len(data.test) == 25


def voc_masks(folder: Path, save: Callable[[Path], None], names: tuple[str, ...], encoding: str = "utf-8") -> Path:
    """Two images of 4x8 with the masks that `save` writes."""
    for name in ("a", "b"):
        noise(folder / "JPEGImages" / f"{name}.png", (4, 8))
        (folder / "SegmentationClass").mkdir(exist_ok=True)
        save(folder / "SegmentationClass" / f"{name}.png")
    (folder / "ImageSets/Segmentation").mkdir(parents=True)
    for part, name in (("train", "a"), ("val", "b")):
        (folder / f"ImageSets/Segmentation/{part}.txt").write_text(f"{name}\n\n", encoding)
    (folder / "classes.txt").write_text("\n".join(names) + "\n\n", encoding)
    return folder


def masks(folder: Path) -> np.ndarray:
    found: np.ndarray = np.asarray(read_voc(folder)[0].targets[[0]])[0]
    return found


CLASSES = RNG.integers(0, 2, (4, 8)).astype(np.uint8)
CLASSES[0, :2] = 0, 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", [0, 3], ids=["grey", "palette"])
def test_masks_of_few_bits_mean_their_samples(tmp_path: Path, bits: int, kind: int) -> None:
    import struct
    import zlib

    def save(path: Path) -> None:
        rows = b""
        for row in CLASSES:
            value = 0
            for sample in row.tolist():
                value = value << bits | sample
            rows += b"\0" + value.to_bytes(bits, "big")
        header = struct.pack(">IIBBBBB", 8, 4, bits, kind, 0, 0, 0)
        palette = [(b"PLTE", bytes(6))] if kind == 3 else []
        path.write_bytes(png([(b"IHDR", header), *palette, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]))

    np.testing.assert_array_equal(masks(voc_masks(tmp_path, save, ("ground", "thing", "other"))), CLASSES)


def test_masks_of_16_bits(tmp_path: Path) -> None:
    wide = CLASSES.astype(np.uint16)
    folder = voc_masks(tmp_path / "a", lambda path: Image.fromarray(wide).save(path), ("ground", "thing"))
    np.testing.assert_array_equal(masks(folder), CLASSES)
    with pytest.raises(PellucidError, match=r"a\.png: value 300, expected classes from 0 to 254"):
        masks(voc_masks(tmp_path / "b", lambda path: Image.fromarray(wide * 300).save(path), ("ground", "thing")))


def test_masks_of_black_and_white(tmp_path: Path) -> None:
    folder = voc_masks(tmp_path / "two", lambda path: Image.fromarray(CLASSES * 255).save(path), ("ground", "thing"))
    np.testing.assert_array_equal(masks(folder), CLASSES)
    recipe = {"data.source": str(folder), "data.scenes": SCENES}
    notes = build_data(load_recipe("fcn-scenes", recipe)).train.notes
    assert notes == ("masks of 0 and 255 only: 255 is taken for thing",)
    names = ("ground", "thing", "other")
    folder = voc_masks(tmp_path / "three", lambda path: Image.fromarray(CLASSES * 255).save(path), names)
    with pytest.raises(
        PellucidError, match="no pixel of any class but ground; the masks' 255 counts nowhere: nothing"
    ):
        training_data(load_recipe("fcn-scenes", {**recipe, "data.source": str(folder)}))


def test_masks_in_colours(tmp_path: Path) -> None:
    colours = np.array([[10, 20, 30], [255, 0, 0]], np.uint8)

    def save(path: Path) -> None:
        Image.fromarray(colours[CLASSES]).save(path)

    folder = voc_masks(tmp_path, save, ("ground", "red thing"))
    with pytest.raises(PellucidError, match=r"got mode RGB; where colours are classes, colours\.txt"):
        masks(folder)
    (folder / "colours.txt").write_text("\ufeff10 20 30 ground\n255 0 0 red thing\n\n0 0 0 ignored\n")
    np.testing.assert_array_equal(masks(folder), CLASSES)
    (folder / "colours.txt").write_text("10 20 30 ground\n255 0 0 ignored\n")
    np.testing.assert_array_equal(masks(folder), CLASSES.astype(int) * 255)
    (folder / "colours.txt").write_text("10 20 30 ground\n")
    with pytest.raises(PellucidError, match=r"a\.png: the colour 255, 0, 0 isn't in colours\.txt"):
        masks(folder)
    for line in ("1 2 ground", "1 2 300 ground", "1 2 3 sky", "red"):
        (folder / "colours.txt").write_text(line)
        with pytest.raises(PellucidError, match=r"colours\.txt:1: expected red, green, blue and a class"):
            masks(folder)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_text_files_of_any_editor(tmp_path: Path, encoding: str) -> None:
    folder = voc_masks(tmp_path, lambda path: Image.fromarray(CLASSES).save(path), ("Gelände", "ding"), encoding)
    assert read_voc(folder)[0].class_names == ("Gelände", "ding")
    recipe = Path("r.toml")
    recipe.write_text('[network]\nname = "deep-convnet"\n[optimizer]\nname = "adam"\nrate = 0.1\n', "utf-8-sig")
    assert load_recipe(recipe).network["name"] == "deep-convnet"


def test_names_in_voc(tmp_path: Path) -> None:
    """Suffixes in capitals, spaces, flags behind a name, a folder beside a file."""
    folder = voc_folder(tmp_path)
    images, boxes = folder / "JPEGImages", folder / "Annotations"
    (images / "000001.png").rename(images / "000001.PNG")
    (images / "000003.png").rename(images / "my own 3.png")
    (boxes / "000003.xml").rename(boxes / "my own 3.xml")
    (images / "000002.jpg").mkdir()
    (folder / "ImageSets/Main/val.txt").write_text("\ufeffmy own 3 -1\r\n\r\n", "utf-8")
    data = load_boxed(folder)
    assert len(data.train) == 3 and data.test.keys == ("JPEGImages/my own 3.png",)


def test_a_list_is_not_needed_where_no_object_is_vocs(tmp_path: Path) -> None:
    (voc_folder(tmp_path) / "classes.txt").unlink()
    for path in (tmp_path / "Annotations").iterdir():
        path.write_text(path.read_text().replace("dog", "RBC").replace("cat", "Platelets"))
    data = load_boxed(tmp_path)
    assert data.train.class_names == ("Platelets", "RBC")
    assert isinstance(data.train.targets, Boxes)
    assert data.train.targets.labels.tolist() == [0, 1, 0]
    assert data.train.targets.notes == (
        f"{tmp_path}: no classes.txt, the objects' own names are taken: Platelets, RBC",
    )


def test_other_classes_than_vocs_need_a_list(tmp_path: Path) -> None:
    (voc_folder(tmp_path) / "classes.txt").unlink()
    path = tmp_path / "Annotations/000001.xml"
    path.write_text(path.read_text().replace("dog", "RBC"))
    with pytest.raises(PellucidError, match=r"unknown class 'RBC', .*; .*/classes\.txt would name others"):
        load_boxed(tmp_path)


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "annotations/instances_train2017.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content), "utf-8-sig")
    return folder


def boxes_of(folder: Path) -> Boxes:
    targets = load_boxed(folder).train.targets
    assert isinstance(targets, Boxes)
    return targets


def test_boxes_that_end_a_rounding_error_outside(tmp_path: Path) -> None:
    folder = edited(coco_folder(tmp_path), lambda c: c["annotations"][0].update(bbox=[-1e-9, 0, 30 + 2e-9, 20.0005]))
    np.testing.assert_array_equal(boxes_of(folder).of(0)[0][0], [0, 0, 30, 20])


@pytest.mark.parametrize(("given", "kind"), [("0", PLAIN), ("1", CROWD), (True, CROWD), (0, PLAIN), (None, PLAIN)])
def test_crowds_as_text(tmp_path: Path, given: object, kind: int) -> None:
    folder = edited(coco_folder(tmp_path), lambda c: c["annotations"][0].update(iscrowd=given))
    assert boxes_of(folder).of(0)[2][0] == kind


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["annotations"][0].update(iscrowd="maybe"),
            "iscrowd is 'maybe', expected 0 or 1",
        ),
        (lambda c: c["annotations"][0].update(bbox=[True, 0, 5, 5]), r"bbox is \[True, 0, 5, 5\]"),
        (lambda c: c["annotations"][0].update(image_id=True), "unknown image_id True"),
        (lambda c: c["images"][0].update(id=True), r"images\[0\]: expected an object with an id"),
    ],
)
def test_what_is_no_number(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(PellucidError, match=message):
        load_boxed(edited(coco_folder(tmp_path), change))


def test_images_of_another_size_than_annotated(tmp_path: Path) -> None:
    folder = edited(coco_folder(tmp_path / "coco"), lambda c: c["images"][0].update(height=10, width="15"))
    assert [note.partition(": ")[2] for note in boxes_of(folder).notes] == [
        "images id 1: the image is 20x30 pixels, the annotations say 10x15"
    ]
    folder = voc_folder(tmp_path / "voc")
    path = folder / "Annotations/000001.xml"
    path.write_text(path.read_text().replace("<height>20", "<height>40"))
    targets = load_boxed(folder).train.targets
    assert isinstance(targets, Boxes) and "the image is 20x30 pixels, the annotations say 40x30" in targets.notes[0]


def test_ids_of_annotations(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path)
    assert load_boxed(folder).train.class_ids == (7, 9)
    assert image_ids(folder)[(folder / "train2017/000004.png").resolve()] == 4 and image_ids(tmp_path / "no") == {}
    names = [Path(name) for name in ("2.png", "x.png", "002.png", "y.png", "17.png")]
    assert numbered(names, {Path("17.png").resolve(): 4}) == [2, 3, 5, 6, 4]


def test_classes_without_anything_are_said(tmp_path: Path) -> None:
    folder = edited(coco_folder(tmp_path), lambda c: c["categories"].append({"id": 3, "name": "cow"}))
    recipe = load_recipe("detector-scenes", {"data.source": str(folder)})
    (folder / "classes.txt").write_text("\n".join(["dog", "cat", "cow", *"abcdefg"]))
    data = build_data(recipe)
    assert data.train.notes[0].endswith("train: no box of class cow, a, b, c, d and 3 more")
    assert data.test.notes[0].endswith("test: no box of class cat, cow, a, b, c and 4 more")


def idx(folder: Path, labels: list[int]) -> Path:
    folder.mkdir()
    for prefix in ("train", "t10k"):
        images = RNG.integers(0, 256, (len(labels), 28, 28)).astype(np.uint8)
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", np.array(labels, np.uint8))
    return folder


def test_names_of_the_classes_of_idx_sets(tmp_path: Path) -> None:
    folder = idx(tmp_path / "idx", [0, 1, 1, 0])
    (folder / "train-images-idx3-ubyte").mkdir()  # as some archives unpack
    assert load_data(folder).train.class_names == ("0", "1")
    (folder / "classes.txt").write_text("T-shirt/top\nTrouser\nPullover\n\n")
    data = build_data(load_recipe("deep-convnet", {"data.source": str(folder)}))
    assert data.train.class_names == ("T-shirt/top", "Trouser", "Pullover")
    assert data.train.notes == ("idx train: no image of class Pullover",)
    (folder / "classes.txt").write_text("one")
    with pytest.raises(PellucidError, match=r"classes\.txt: 1 class names, but the labels go up to 1"):
        load_data(folder)


def test_messages_name_the_option_that_helps(tmp_path: Path) -> None:
    noise(tmp_path / "ant/a.png")
    noise(tmp_path / "ant/b.png", (9, 8))
    noise(tmp_path / "bee/a.png")
    with pytest.raises(PellucidError, match=r"choose a size for all, such as --set data\.size=\[64,64\]"):
        load_data(tmp_path)


def test_images_too_small_for_the_network_name_the_option_that_helps(tmp_path: Path) -> None:
    pairs(tmp_path, "ant", "bee")
    recipe = load_recipe("deep-convnet", {"data.source": str(tmp_path), "network.name": "alexnet"})
    said = r"too small for network alexnet: choose a larger size, such as --set data\.size=\[64,64\]"
    with pytest.raises(PellucidError, match=said):
        build_trainer(recipe)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_folders_of_any_name_are_no_classes_where_one_has_masks_of_the_other(tmp_path: Path, ending: str) -> None:
    for number in range(5):
        noise(tmp_path / f"frames/{number}.png")
        (tmp_path / "binary").mkdir(exist_ok=True)
        Image.fromarray(RNG.integers(0, 2, (8, 8), np.uint8) * 255).save(tmp_path / f"binary/{number}.{ending}")
    with pytest.raises(PellucidError, match=r"binary looks like masks of what is in frames, and no class"):
        load_data(tmp_path)
    (tmp_path / f"binary/4.{ending}").unlink()  # not called alike: two classes
    assert load_data(tmp_path).class_names == ("binary", "frames")


def test_pictures_of_one_shade_each_may_be_a_class(tmp_path: Path) -> None:
    for number in range(5):
        noise(tmp_path / f"full/{number}.png")
        (tmp_path / "empty").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number, 90, 90)).save(tmp_path / f"empty/{number}.png")
    assert load_data(tmp_path).class_names == ("empty", "full")


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("data.mean", "[.5,.5]", (0.5, 0.5)),
        ("data.mean", "[.5, -.5, 1.]", (0.5, -0.5, 1.0)),
        ("data.mean", "(.25,1.)", (0.25, 1.0)),
        ("data.size", "64", (64, 64)),
        ("data.size", "(32, 48)", (32, 48)),
        ("data.source", "a.b/.5", "a.b/.5"),
        ("data.validation", ".1", 0.1),
    ],
)
def test_numbers_as_people_write_them(key: str, text: str, expected: object) -> None:
    assert getattr(load_recipe("deep-convnet", {key: text}).data, key.partition(".")[2]) == expected


ODD = ("$5 and $x^$", "<b>&amp;", 'back\\slash "', "what??/", "æøå", "a$b")


def test_names_that_mean_something_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pellucid.analysis.confusion import draw_matrix
    from pellucid.analysis.figures import plain
    from pellucid.export.c import _quoted

    assert draw_matrix(np.eye(6, dtype=int), ODD)[:4] == b"\x89PNG"
    from matplotlib.cbook import is_math_text

    assert not any(is_math_text(plain(name)) for name in ODD)
    assert _quoted("what??/") == '"what\\?\\?/"' and _quoted('a"\\') == '"a\\"\\\\"'
    assert main(["predict", "nowhere", "x.png"]) == 2
    capsys.readouterr()


def test_pictures_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for i in range(5):
            noise(tmp_path / name / f"{i}.png")
    for place in ("cat/x.GIF", "dog/y.heic", "dog/.z.heic", "dog/about.txt"):
        (tmp_path / place).write_bytes(b"GIF89a")
    assert any("2 files" in note and "cat/x.GIF" in note for note in load_data(tmp_path).train.notes)
    for i in range(5):
        (tmp_path / "dog" / f"{i}.png").unlink()
    with pytest.raises(PellucidError, match=r"TIFF.* in the folder of this class, but about\.txt, y\.heic"):
        load_data(tmp_path)
