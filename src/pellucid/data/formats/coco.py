"""Boxes in the layout of COCO.

    annotations/instances_train2017.json   images, annotations and categories; likewise val and test, in any usual
                                           naming of the parts; or train/_annotations.coco.json; or one file for all,
                                           of which a fifth is drawn for the test
    train2017/FILE_NAME                    the images; or beside their annotations, in images/, in the folder itself
    classes.txt                            names of class 0, 1, ..., one a line; without it the categories by id

The words `instances_` and the year may be missing: annotations/train.json and train/ do as well. A box is
[x, y, width, height]; annotations with `iscrowd` = 1 are regions of many objects.

Source: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and the format's description at cocodataset.org.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.data.boxes import CROWD, PLAIN
from pellucid.data.dataset import Dataset
from pellucid.data.formats.box_files import (
    FLAGS,
    BoxChecker,
    BoxedFile,
    Outside,
    as_arrays,
    boxed_datasets,
    key_of,
    opened_image,
)
from pellucid.data.formats.folders import holds_classes
from pellucid.data.formats.voc_boxes import class_list
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import IMAGES
from pellucid.data.parts import PARTS, folders_in, part_named, with_test
from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.files import is_file, read_whole
from pellucid.ops.arrays import Pair

_FOLDERS = {"annotations", "annotation", "labels"}
_WORDS = re.compile(r"(?:instances|annotations|coco)[-_.]?|[-_.]?(?:annotations|instances|coco)|[-_. ]?\d{4}$")
_SECTIONS = (b'"images"', b'"annotations"', b'"categories"')
_NO_IMAGES = re.compile(rb'"images"\s*:\s*\[\s*\]')


def is_coco(folder: Path) -> bool:
    """Whether the folder has annotations of images as COCO names them, or a file of them for all."""
    return "train" in _annotations(folder)


def read_coco(
    folder: Path,
    size: Pair | None,
    held_out: HeldOut,
    *,
    outside: Outside = "refuse",
    framing: Framing | None = None,
) -> tuple[dict[str, Dataset], bool]:
    """(the data sets of a COCO folder by part, see `with_test`; whether the test was drawn), targets `Boxes`.

    size: (H, W) of the canvas, framing: a model's own instead; see box_files.boxed_datasets. held_out: how the test
    is drawn where there is none.
    outside: what happens to boxes that don't fit. Raises PellucidError, naming the file and the annotation, for what
    is missing or wrong.
    """
    paths = _annotations(folder)
    names = class_list(folder)
    checker = BoxChecker(outside)
    found, ids = {}, {}
    for part, path in paths.items():
        content = _Content(path, folder)
        names = names or content.class_names()
        found[part] = content.files(names, checker)
        ids.update(content.class_ids())
    parts, drawn = with_test(found, lambda file: key_of(file, folder), held_out, folder)
    datasets = boxed_datasets(parts, size, names or (), folder, checker.notes, framing)
    known = [ids.get(name) for name in names or ()]
    class_ids = tuple(key for key in known if isinstance(key, int))
    numbered = class_ids if len(class_ids) == len(known) else None
    return {part: replace(dataset, class_ids=numbered) for part, dataset in zip(parts, datasets, strict=True)}, drawn


def image_ids(folder: Path) -> dict[Path, int]:
    """The number that annotations have for each image file of a COCO folder; empty for another folder.

    Raises PellucidError, naming the file, for annotations that are wrong.
    """
    found = {}
    for path in _annotations(folder).values() if folder.is_dir() else ():
        content = _Content(path, folder)
        for key, entry in content.images.items():
            name = entry.get("file_name")
            if isinstance(key, int) and isinstance(name, str) and is_file(image := content.image(name)):
                found[image.resolve()] = key
    return found


def _annotations(folder: Path) -> dict[str, Path]:
    """The files of annotations by part; one for all as train. Of several that with the shortest name."""
    below = folders_in(folder)
    roots = [path for path in below if path.name.lower() in _FOLDERS]
    files = [path for root in roots for path in _json_files(root)] + _in_root(folder)
    found: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (len(path.name), path.name)):
        if part := part_named(_WORDS.sub("", path.stem.lower())):
            found.setdefault(part, path)
    for root in below:
        if (part := part_named(root.name)) is not None and (own := list(filter(_is_annotations, _json_files(root)))):
            found.setdefault(part, min(own, key=lambda path: (len(path.name), path.name)))
    if "train" in found:
        return {part: found[part] for part in PARTS if part in found}
    whole = [path for path in files if _is_annotations(path)]
    return {"train": whole[0]} if len(whole) == 1 and not found else {}


def _in_root(folder: Path) -> list[Path]:
    """The files of annotations in the folder itself; beside folders of classes one without any image is none."""
    found = filter(_is_annotations, _json_files(folder))
    return [path for path in found if not (_NO_IMAGES.search(read_whole(path)) and holds_classes(folder))]


def _json_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json" and path.is_file())


def _is_annotations(path: Path) -> bool:
    """Whether a file has all that annotations have, by the words in it."""
    content = read_whole(path)
    return all(section in content for section in _SECTIONS)


def _image_folder(folder: Path, annotations: Path) -> Path:
    """Where the images of a file of annotations lie, by its name and its place."""
    if annotations.parent != folder and annotations.parent.name.lower() not in _FOLDERS:
        return annotations.parent
    stem = annotations.stem.removeprefix("instances_")
    part = part_named(_WORDS.sub("", annotations.stem.lower()))
    images = [path for path in folders_in(folder) if path.name.lower() in IMAGES]
    roots = [folder, *images]
    named = [root / stem for root in roots]
    alike = [
        path for root in roots for path in folders_in(root) if part and part_named(_year_less(path.name)) == part
    ]
    return next((path for path in (*named, *alike, *images) if path.is_dir()), folder)


def _year_less(name: str) -> str:
    return re.sub(r"\d{4}$", "", name)


MOST = 1e9  # pixels; beyond it a number of a box is no place in an image


class _Content:
    """A file of annotations, its entries found and their ids told apart."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root, self.folder = path, root, _image_folder(root, path)
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

    def image(self, name: str) -> Path:
        """The file of that name; its folders may be written with it, and its ending in another case."""
        plain = name.replace("\\", "/")
        last = self.folder / plain.rpartition("/")[2]
        for path in (self.folder / name, self.folder / plain, self.root / plain, last):
            if is_file(path):
                return path
        return self._by_lower.get(last.name.lower(), self.folder / plain)

    @cached_property
    def _by_lower(self) -> dict[str, Path]:
        return {path.name.lower(): path for path in sorted(self.folder.iterdir(), reverse=True)}

    def files(self, names: Sequence[str], checker: BoxChecker) -> list[BoxedFile]:
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
        seen: dict[Path, Any] = {}
        for key, entry in self.images.items():
            image = self.image(self._text("images", entry, "file_name"))
            place = f"{self.path}: images id {key}"
            if (first := seen.setdefault(image, key)) != key:
                raise PellucidError(f"{place}: {image.name} is the image of id {first} too, expected one id an image")
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
    word = "" if given is None else str(given).strip().lower()
    if word in FLAGS:
        return FLAGS[word]
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
