"""Boxes in YOLO's layout: a text file an image, a line an object.

    images/train/NAME.jpg, labels/train/NAME.txt     likewise val and test; or the folders the other way round,
    train/images/NAME.jpg, train/labels/NAME.txt     in any usual naming of the parts;
    images/NAME.jpg, labels/NAME.txt                 or without parts, or all in one folder: then train.txt and
                                                     val.txt list images, or a fifth is drawn for the test
    classes.txt, obj.names, any YAML file            names of class 0, 1, ...; where all are missing, their numbers

A line is `class x y width height`: the box's middle and size, fractions of the image's width and height. One of more
numbers is a polygon x1 y1 x2 y2 ..., for which the box around it is taken. An image without a text file, or with an
empty one, has nothing on it.

Source: the darknet repository's README and docs.ultralytics.com/datasets/detect.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from pellucid.data.boxes import PLAIN
from pellucid.data.dataset import Dataset
from pellucid.data.formats.box_files import BoxChecker, BoxedFile, Outside, as_arrays, boxed_datasets, key_of
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.parts import Roots, find_roots, part_named, with_test
from pellucid.data.pictures import SUFFIXES, picture_formats
from pellucid.data.text_files import class_list, text_lines
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Pair

_LABELS = {"labels", "label", "annotations", "annotation"}
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "data.yaml", "data.yml", "dataset.yaml")
_NO_LABELS = {"classes.txt", "readme.txt", "notes.txt"}
MOST_CLASSES = 100_000
"""Where only the numbers in the lines tell how many there are."""

_DECIMALS = 1e-5  # of a side: what edges may lie outside, as six decimals of middle and size don't say it better
_DIGITS = 10  # of a class's number
_LOOKED_AT = 20  # text files
_NAME = re.compile(r"""\s*(?:-\s+)?(?:(\d+)\s*:\s*)?('(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^,\[\]{}\n]+)""")


def is_yolo(folder: Path) -> bool:
    """Whether the folder holds images, and text files that say what is on them."""
    return bool(_roots(folder))


def read_yolo(
    folder: Path,
    size: Pair | None,
    held_out: HeldOut,
    *,
    outside: Outside = "refuse",
    framing: Framing | None = None,
) -> tuple[dict[str, Dataset], bool]:
    """(the data sets by part, see `with_test`; whether the test was drawn), targets `Boxes`.

    size: (H, W) of the canvas, framing: a model's own instead; see box_files.boxed_datasets. held_out: how the test
    is drawn where there is none.
    outside: what happens to boxes that don't fit. Raises PellucidError, naming file and line, for what is wrong.
    """
    roots, checker = _roots(folder), BoxChecker(outside)
    names = _class_names(folder, [labels for _, labels in roots.values()])
    found = {part: _Part(*pair, names) for part, pair in roots.items()}
    if names is None:
        count = max((int(line[0]) for part in found.values() for _, line in part.lines), default=-1) + 1
        if not count:
            raise PellucidError(f"{folder}: no box in any text file")
        names = tuple(map(str, range(count)))
        checker.notes.append(f"{folder}: no {', '.join(_NAMES[:3])}: the classes are called by their numbers")
    listed = {part: content.files(checker) for part, content in found.items()}
    if len(found) == 1 and (lists := _listed(folder, found["train"])):
        whole = listed.pop("train")
        listed = {part: [file for file in whole if file.image.stem in stems] for part, stems in lists.items()}
        if left := len(whole) - len({file.image for files in listed.values() for file in files}):
            checker.notes.append(f"{folder}: {left:,} images are in no list and left out")
    listed, drawn = with_test(listed, lambda file: key_of(file, folder), held_out, folder)
    datasets = boxed_datasets(listed, size, names, folder, checker.notes, framing)
    return dict(zip(listed, datasets, strict=True)), drawn


class _Part:
    """The images of one part with their lines, read and checked against the names where these are known."""

    def __init__(self, images: Path, labels: Path, names: Sequence[str] | None) -> None:
        self.images: dict[str, Path] = {}
        for path in _pictures(images):
            if self.images.setdefault(path.stem, path) != path:
                raise PellucidError(
                    f"{path}: {self.images[path.stem].name} has the same text file, expected one image"
                )
        if not self.images:
            raise PellucidError(f"{images}: no images")
        self.texts = {path.stem: path for path in _texts(labels, self.images)}
        alone = [path for stem, path in self.texts.items() if stem not in self.images]
        if alone:
            raise PellucidError(f"{alone[0]}: a text file without an image, {len(alone)} of {len(self.texts)} are")
        self.without = len(self.images.keys() - self.texts.keys())
        self.folder = images
        self.by_stem = {stem: _lines(path, names) for stem, path in self.texts.items()}
        self.lines = [line for lines in self.by_stem.values() for line in lines]

    def files(self, checker: BoxChecker) -> list[BoxedFile]:
        """Every image with its boxes."""
        if self.without:
            checker.notes.append(
                f"{self.folder}: nothing on {self.without} of {len(self.images)} images, no text file"
            )
        formats = picture_formats(list(self.images.values()))
        files = []
        for (stem, image), (size, colour) in zip(self.images.items(), formats, strict=True):
            found = []
            for place, (label, *numbers) in self.by_stem.get(stem, ()):
                box = checker.check(_box(numbers, size), size, place)
                if box is not None:
                    found.append((box, int(label), PLAIN))
            files.append(BoxedFile(image, size, colour, *as_arrays(found)))
        return files


def _lines(path: Path, names: Sequence[str] | None) -> list[tuple[str, list[float]]]:
    """(place, numbers) of each line. Raises PellucidError for one that says no box of a known class."""
    found = []
    for number, line in enumerate(text_lines(path), 1):
        place = f"{path}:{number}"
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError:
            numbers = [np.nan]
        if not numbers:
            continue
        polygon = len(numbers) >= 7 and len(numbers) % 2
        if not np.isfinite(numbers).all() or not (len(numbers) == 5 or polygon):
            raise PellucidError(f"{place}: expected class, x, y, width and height, got {line.strip()[:60]!r}")
        label = numbers[0]
        if label < 0 or label != int(label) or label >= (MOST_CLASSES if names is None else len(names)):
            known = (
                f"a whole number below {MOST_CLASSES:,}"
                if names is None
                else f"0 to {len(names) - 1}, {', '.join(names)}"
            )
            raise PellucidError(f"{place}: unknown class {label:g}, expected {known}")
        if max(numbers[1:]) > 2 or min(numbers[1:]) < -1:
            far = max(numbers[1:], key=abs)
            raise PellucidError(f"{place}: expected fractions of the image's width and height, got {far:g}")
        found.append((place, numbers))
    return found


def _box(numbers: Sequence[float], size: Pair) -> list[float]:
    """The box in pixels, of an image of size (H, W), of its middle and size or of a polygon's points."""
    H, W = size
    if len(numbers) == 4:
        x, y, width, height = numbers
        edges = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    else:
        points = np.reshape(numbers, (-1, 2))
        edges = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
    nearest = [min(max(edge, 0.0), 1.0) for edge in edges]
    fitted = [near if abs(near - edge) < _DECIMALS else edge for near, edge in zip(nearest, edges, strict=True)]
    return [fitted[0] * W, fitted[1] * H, fitted[2] * W, fitted[3] * H]


def _roots(folder: Path) -> dict[str, Roots]:
    """The folders of images and of text files by part; none where there are no text files of images."""

    def together(root: Path) -> bool:
        named = any((place / name).is_file() for place in (root, folder) for name in _NAMES)
        return named and bool(_alike(root, root))

    found = find_roots(folder, _LABELS, lambda root: bool(_texts(root)), together)
    if len(found) == 1 and (whole := found["train"])[0].parent == folder:
        return found if _alike(*whole) or any(map(_says_boxes, _texts(whole[1])[:_LOOKED_AT])) else {}
    return found


def _alike(images: Path, labels: Path) -> set[str]:
    """The names, without ending, of images that have a text file."""
    stems = {path.stem for path in _pictures(images)}
    return stems & {path.stem for path in _texts(labels, stems)}


def _says_boxes(path: Path) -> bool:
    """Whether a text file begins as those here do."""
    words = path.read_bytes()[:200].split(b"\n")[0].split()
    return len(words) >= 5 and all(re.fullmatch(rb"-?[\d.]+(e-?\d+)?", word) for word in words)


def _listed(folder: Path, whole: _Part) -> dict[str, set[str]]:
    """The images of each part by train.txt and val.txt or test.txt; nothing where there are no such lists.

    whole: all images. Raises PellucidError for an empty list, and for a line that names none of them.
    """
    texts = whole.texts.values()
    lists = [path for path in sorted(folder.glob("*.txt")) if path.is_file() and path not in texts]
    files = {part: path for path in lists if (part := part_named(path.stem))}
    if "train" not in files or len(files) == 1:
        return {}
    listed: dict[str, set[str]] = {}
    for part, path in files.items():
        names = [line.strip().replace("\\", "/").rpartition("/")[2] for line in text_lines(path) if line.strip()]
        if not names:
            raise PellucidError(f"{path}: the list is empty, expected names of images, one a line")
        stems = [Path(name).stem for name in names]
        for number, (name, stem) in enumerate(zip(names, stems, strict=True), 1):
            if stem not in whole.images:
                raise PellucidError(f"{path}: no image {name!r}, the list's {number}., in {folder}")
        listed[part] = set(stems)
    return listed


def _pictures(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return [path for path in files if not path.name.startswith(".")]


def _texts(folder: Path, images: Container[str] = ()) -> list[Path]:
    """The text files of images. One called like a part is a list, unless it's among the images' names (images)."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".txt" and path.is_file())
    shown = [path for path in files if path.name.lower() not in _NO_LABELS and not path.name.startswith(".")]
    return [path for path in shown if part_named(path.stem) is None or path.stem in images]


def _class_names(folder: Path, labels: Sequence[Path]) -> tuple[str, ...] | None:
    """The names of the classes from the first file that has them; None where there is none."""
    named = [root / name for root in (folder, *labels) for name in _NAMES]
    others = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".yaml", ".yml", ".names"})
    for path in dict.fromkeys([*named, *others]):
        if path.is_file():
            names = _yaml_names(path) if path.suffix.lower() in {".yaml", ".yml"} else class_list(path)
            if names is not None:
                return names
    return None


def _yaml_names(path: Path) -> tuple[str, ...] | None:
    """`names` of a data.yaml: a list, or a mapping from 0, 1, ..., in one line or many; None where there is none."""
    lines = [re.sub(r"(^|\s)#.*", "", line) for line in text_lines(path)]
    first = next((i for i, line in enumerate(lines) if line.startswith("names:")), None)
    if first is None:
        return None
    rest = takewhile(lambda line: not re.match(r"[A-Za-z_]", line), lines[first + 1 :])
    body = "\n".join((lines[first].removeprefix("names:"), *rest)).replace("[", " ").replace("{", " ")
    found = [(key, _unquoted(name.strip())) for key, name in _NAME.findall(body) if name.strip()]
    numbers = [int(key) for key, _ in found if key and len(key) < _DIGITS]
    names = tuple(name for _, name in found)
    counted = any(key for key, _ in found)
    if not names or len(set(names)) < len(names) or (counted and numbers != list(range(len(names)))):
        raise PellucidError(f"{path}: expected names of class 0, 1, ..., all different, got {len(names)}")
    return names


def _unquoted(name: str) -> str:
    """A text of YAML without its quotes."""
    if name[:1] == "'":
        return name[1:-1].replace("''", "'")
    return re.sub(r'\\(["\\])', r"\1", name[1:-1]) if name[:1] == '"' else name
