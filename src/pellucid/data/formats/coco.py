"""Boxes in the layout of COCO.

    annotations/instances_train2017.json   images, annotations and categories; likewise val, and test if there is one
    train2017/FILE_NAME                    the images; or in images/, or in the folder itself
    classes.txt                            names of class 0, 1, ..., one a line; without it the categories by id

The words `instances_` and the year may be missing: annotations/train.json and train/ do as well. A box is
[x, y, width, height]; annotations with `iscrowd` = 1 are regions of many objects.

Source: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and the format's description at cocodataset.org.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pellucid.data.boxes import CROWD, PLAIN
from pellucid.data.dataset import Dataset
from pellucid.data.formats.box_files import BoxChecker, BoxedFile, Outside, as_arrays, boxed_datasets, opened_image
from pellucid.data.formats.voc_boxes import class_list
from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.files import is_file, read_whole
from pellucid.ops.arrays import Pair

_PREFIX = "instances_"
_PARTS = ("train", "val", "test")


def is_coco(folder: Path) -> bool:
    """Whether the folder has annotations of training images as COCO names them."""
    return _annotations(folder, "train") is not None


def read_coco(folder: Path, size: Pair | None = None, *, outside: Outside = "refuse") -> dict[str, Dataset]:
    """The data sets of a COCO folder by name (train, val, and test where it is), targets `Boxes`.

    size: (H, W) of the canvas; see box_files.boxed_datasets. outside: what happens to boxes that don't fit.
    Raises PellucidError, naming the file and the annotation, for what is missing or wrong.
    """
    paths = {part: path for part in _PARTS if (path := _annotations(folder, part)) is not None}
    for part in ("train", "val"):
        if part not in paths:
            raise PellucidError(f"{folder / 'annotations' / f'{part}.json'}: no such file, expected annotations")
    names = class_list(folder)
    checker = BoxChecker(outside)
    parts, ids = {}, {}
    for part, path in paths.items():
        content = _Content(path)
        names = names or content.class_names()
        parts[part] = content.files(_image_folder(folder, path), names, checker)
        ids.update(content.class_ids())
    datasets = boxed_datasets(parts, size, names or (), folder, checker.notes)
    known = [ids.get(name) for name in names or ()]
    class_ids = tuple(key for key in known if isinstance(key, int))
    numbered = class_ids if len(class_ids) == len(known) else None
    return {part: replace(dataset, class_ids=numbered) for part, dataset in zip(parts, datasets, strict=True)}


def image_ids(folder: Path) -> dict[Path, int]:
    """The number that annotations have for each image file of a COCO folder; empty for another folder.

    Raises PellucidError, naming the file, for annotations that are wrong.
    """
    found = {}
    for part in _PARTS:
        if (path := _annotations(folder, part)) is not None:
            content, images = _Content(path), _image_folder(folder, path)
            for key, entry in content.images.items():
                name = entry.get("file_name")
                if isinstance(key, int) and isinstance(name, str) and is_file(images / name):
                    found[(images / name).resolve()] = key
    return found


def _annotations(folder: Path, part: str) -> Path | None:
    """The file of one part; the one with the shortest name where there are several."""
    found = [
        path
        for path in (folder / "annotations").glob("*.json")
        if path.is_file() and path.stem.removeprefix(_PREFIX).rstrip("0123456789") == part
    ]
    return min(found, key=lambda path: (len(path.name), path.name), default=None)


def _image_folder(folder: Path, annotations: Path) -> Path:
    stem = annotations.stem.removeprefix(_PREFIX)
    candidates = [folder / stem, folder / "images" / stem, folder / "images"]
    return next((path for path in candidates if path.is_dir()), folder)


MOST = 1e9  # pixels; beyond it a number of a box is no place in an image


class _Content:
    """A file of annotations, its entries found and their ids told apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        content = parse_json(read_whole(path), str(path))
        if not isinstance(content, dict):
            raise PellucidError(f"{path}: expected an object with images, annotations and categories")
        self.images = self._by_id(content, "images")
        self.annotations = self._by_id(content, "annotations")
        self.categories = self._by_id(content, "categories")
        if not self.images:
            raise PellucidError(f"{path}: no images")

    def _by_id(self, content: dict[str, Any], section: str) -> dict[Any, dict[str, Any]]:
        entries = content.get(section)
        if not isinstance(entries, list):
            raise PellucidError(f"{self.path}: expected a list of {section}")
        found: dict[Any, dict[str, Any]] = {}
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict) or not is_id(entry.get("id")):
                raise PellucidError(f"{self.path}: {section}[{number}]: expected an object with an id")
            if entry["id"] in found:
                raise PellucidError(f"{self.path}: {section}[{number}]: the id {entry['id']} occurs twice")
            found[entry["id"]] = entry
        return found

    def _text(self, section: str, entry: dict[str, Any], key: str) -> str:
        value = entry.get(key)
        if not isinstance(value, str) or not value:
            raise PellucidError(f"{self.path}: {section} id {entry['id']}: expected a {key}, got {value!r}")
        return value

    def class_ids(self) -> dict[str, Any]:
        """The categories' ids by their names."""
        return {self._text("categories", entry, "name"): key for key, entry in self.categories.items()}

    def class_names(self) -> tuple[str, ...]:
        """The categories' names, by their ids."""
        names = tuple(
            self._text("categories", entry, "name")
            for _, entry in sorted(self.categories.items(), key=lambda item: (str(type(item[0])), item[0]))
        )
        if not names or len(set(names)) < len(names):
            raise PellucidError(
                f"{self.path}: expected categories of different names, got {', '.join(names) or 'none'}"
            )
        return names

    def files(self, folder: Path, names: Sequence[str], checker: BoxChecker) -> list[BoxedFile]:
        """Every image with its annotations, by the images' order; one without any has none on it."""
        labels = {}
        for key, entry in self.categories.items():
            name = self._text("categories", entry, "name")
            if name not in names:
                raise PellucidError(
                    f"{self.path}: categories id {key}: unknown class {name!r}, expected one of {', '.join(names)}"
                )
            labels[key] = names.index(name)
        formats = {}
        for key, entry in self.images.items():
            image = folder / self._text("images", entry, "file_name")
            place = f"{self.path}: images id {key}"
            formats[key] = (image, *opened_image(image, place))
            checker.compare(formats[key][1], [entry.get("height"), entry.get("width")], place)
        found: dict[Any, list[tuple[list[float], int, int]]] = {key: [] for key in self.images}
        for key, entry in self.annotations.items():
            place = f"{self.path}: annotations id {key}"
            for name, known in (("image_id", self.images), ("category_id", labels)):
                value = entry.get(name)
                if not is_id(value) or value not in known:
                    raise PellucidError(f"{place}: unknown {name} {value!r}")
            box = checker.check(_box(entry.get("bbox"), place), formats[entry["image_id"]][1], place)
            if box is not None:
                kind = CROWD if _flag(entry.get("iscrowd", 0), place) else PLAIN
                found[entry["image_id"]].append((box, labels[entry["category_id"]], kind))
        return [BoxedFile(*formats[key], *as_arrays(rows)) for key, rows in found.items()]


def is_id(value: Any) -> bool:
    """Whether a value can be an id: a whole number or a text."""
    return isinstance(value, int | str) and not isinstance(value, bool)


def _flag(given: Any, place: str) -> bool:
    """Whether `iscrowd` is set: 0 or 1, as a number or as text."""
    if given is None or str(given).lower() in {"0", "false", "0.0", ""}:
        return False
    if str(given).lower() in {"1", "true", "1.0"}:
        return True
    raise PellucidError(f"{place}: iscrowd is {given!r}, expected 0 or 1")


def _box(given: Any, place: str) -> list[float]:
    numbers = (
        isinstance(given, list)
        and len(given) == 4
        and all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < MOST for n in given)
    )
    if not numbers:
        raise PellucidError(f"{place}: bbox is {given!r}, expected [x, y, width, height]")
    x, y, width, height = map(float, given)
    return [x, y, x + width, y + height]
