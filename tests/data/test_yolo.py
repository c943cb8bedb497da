"""Text files of boxes beside images: the boxes are VOC's, however the folders lie; one line for what is wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from box_folders import ON_IMAGES, SIZES, voc_folder
from pellucid.data import Boxes, Data, Dataset
from pellucid.data.boxed import load_boxed
from pellucid.data.survey import survey
from pellucid.errors import PellucidError

NAMES = ("dog", "cat")
NAMED = (
    "data.yaml",
    "train: ../train/images\nnc: 2\nnames: ['dog', \"cat\"]  # by number\nroboflow:\n  version: 1\n",
)


def boxes_of(dataset: Dataset) -> Boxes:
    assert isinstance(dataset.targets, Boxes)
    return dataset.targets


def line(label: str, box: tuple[int, ...], size: tuple[int, int]) -> str:
    (x0, y0, x1, y1), (H, W) = box, size
    middle, sides = ((x0 - 1 + x1) / 2 / W, (y0 - 1 + y1) / 2 / H), ((x1 - x0 + 1) / W, (y1 - y0 + 1) / H)
    return " ".join([str(NAMES.index(label)), *(f"{number:.6f}" for number in (*middle, *sides))])


def yolo_folder(folder: Path, image: str, text: str, named: tuple[str, str] = NAMED) -> Path:
    """The images of `voc_folder`, the third for validation. image, text: where those of a part lie."""
    voc = voc_folder(folder / "voc")
    for name, objects in ON_IMAGES.items():
        part = "valid" if name == "000003" else "train"
        for root in (image, text):
            (folder / root.format(part)).mkdir(parents=True, exist_ok=True)
        (voc / "JPEGImages" / f"{name}.png").rename(folder / image.format(part) / f"{name}.PNG")
        lines = [line(label, tuple(box), SIZES[name]) for label, *box, _ in objects]
        if lines:
            (folder / text.format(part) / f"{name}.txt").write_text("\n".join(lines))
    (folder / named[0]).write_text(named[1])
    return folder


@pytest.mark.parametrize(
    ("image", "text", "named"),
    [
        ("{}/images", "{}/labels", NAMED),
        ("images/{}", "labels/{}", ("data.yaml", "names:\n  0: dog\n  1: cat\nnc: 2")),
        ("images/{}", "labels/{}", ("classes.txt", "dog\ncat\n")),
        ("{}/images", "{}/labels", ("data.yaml", "names:\n- dog\n- 'cat'\n")),
    ],
)
def test_the_boxes_are_those_of_voc(tmp_path: Path, image: str, text: str, named: tuple[str, str]) -> None:
    expected = boxes_of(load_boxed(voc_folder(tmp_path / "other")).train)
    data = load_boxed(yolo_folder(tmp_path / "yolo", image, text, named))
    assert data.train.class_names == NAMES and (len(data.train), len(data.test)) == (3, 1)
    found = boxes_of(data.train)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=2e-5)
    for part in ("labels", "starts", "sizes"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
    assert found.notes[0].endswith("nothing on 1 of 3 images, no text file")


def flat(folder: Path, named: tuple[str, str]) -> Data:
    return load_boxed(yolo_folder(folder, "", "", named))


def test_without_parts_a_fifth_is_drawn_and_without_names_classes_are_numbers(tmp_path: Path) -> None:
    data = flat(tmp_path / "all", ("obj.names", "dog\ncat"))
    assert (len(data.train), len(data.test)) == (3, 1) and data.lists == {"test": data.test.keys}
    numbered = load_boxed(yolo_folder(tmp_path / "beside", "images", "labels", ("other", "")))
    assert numbered.class_names == ("0", "1") and "by their numbers" in " ".join(boxes_of(numbered.train).notes)
    assert survey(tmp_path / "beside").kind == "boxes"


def test_a_polygon_is_the_box_around_it(tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path, *("{}/images", "{}/labels"))
    (folder / "train/labels/000002.txt").write_text("1 0.25 0.5 0.5 0.25 0.75 0.5 0.5 1.000004\n")
    boxes, labels, _ = boxes_of(load_boxed(folder).train).of(1)
    np.testing.assert_allclose(boxes, [[6, 6, 18, 24]])
    assert labels.tolist() == [1]


def written(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (written("train/labels/000002.txt", "\n0 .5 .5 .5\n"), "000002.txt:2: expected class, x, y, width"),
        (written("train/labels/000002.txt", "dog .5 .5 .5 .5"), "000002.txt:1: expected class, x, y"),
        (written("train/labels/000002.txt", "2 .5 .5 .5 .5"), "unknown class 2, expected 0 to 1, dog, cat"),
        (written("train/labels/000002.txt", "1 15 8 4 4"), "expected fractions of the image's width .*, got 15"),
        (written("train/labels/000002.txt", "1 .9 .5 .5 .5"), "000002.txt:1: box 15.6, 6, 27.6, 18 .* isn't inside"),
        (written("train/labels/elsewhere.txt", ""), "elsewhere.txt: a text file without an image, 1 of 3 are"),
        (written("data.yaml", "names: [cat, cat]"), "expected names of class 0, 1, ..., all different"),
        (written("data.yaml", "names: {1: cat, 2: dog}"), "expected names of class 0, 1"),
        (lambda folder: [path.unlink() for path in (folder / "valid/images").iterdir()], "images: no images"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = yolo_folder(tmp_path, "{}/images", "{}/labels")
    damage(folder)
    with pytest.raises(PellucidError, match=message):
        load_boxed(folder)


def test_odd_files_are_named(tmp_path: Path) -> None:
    """Numbers of classes beyond all use, two pictures of one text file; a folder called like a picture is none."""
    folder = yolo_folder(tmp_path, "images/{}", "labels/{}")
    picture, text = folder / "images/train/000001.PNG", folder / "labels/train/000001.txt"
    (folder / "images/train/more.jpg").mkdir()
    (folder / "labels/train/more.txt").mkdir()
    assert len(load_boxed(folder).train) == 3
    (folder / "images/train/000001.jpg").write_bytes(picture.read_bytes())
    with pytest.raises(PellucidError, match="has the same text file"):
        load_boxed(folder)
    (folder / "images/train/000001.jpg").unlink()
    names = folder / "data.yaml"
    names.write_text("names:\n  " + "9" * 5000 + ": dog\n")
    with pytest.raises(PellucidError, match="expected names of class 0, 1"):
        load_boxed(folder)
    names.unlink()
    text.write_text("1000000000 0.5 0.5 0.1 0.1\n")
    with pytest.raises(PellucidError, match=r"000001\.txt:1: unknown class 1e\+09, expected a whole number below"):
        load_boxed(folder)
