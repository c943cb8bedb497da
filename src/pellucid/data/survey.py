"""A look at a folder of pictures: what lies in it, and how, by names and the files' headers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from pellucid.data.boxed import has_boxes
from pellucid.data.formats.cifar import find_cifar
from pellucid.data.formats.folders import class_files, has_class_folders
from pellucid.data.formats.idx_sets import find_idx_set
from pellucid.data.formats.labelled import label_files, read_lines
from pellucid.data.formats.mask_folders import is_mask_folders, mask_roots
from pellucid.data.formats.voc import is_voc
from pellucid.data.layouts import BESIDE_THEM, listing
from pellucid.data.parts import PARTS
from pellucid.data.pictures import SUFFIXES, picture_formats
from pellucid.data.sources import has_label_files, load_data
from pellucid.data.text_files import readable
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair

Kind = Literal["classes", "labels", "masks", "boxes"]

HEADERS = 2000  # files whose header is read, evenly spaced
_NAMED = 12  # classes that are counted one by one
_FEW = 5  # images of a class


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    kind: what is known of each image: its class, several labels, a mask or boxes. counts: images of each class by
    part; one class "" where nothing was counted. parts: number of images in each. sizes: ((H, W), number of images
    looked at of that size), the most frequent first. colour: whether any of them has colours. unread: files of labels
    beside folders of classes, which are not what is learnt. arrays: whether files hold many pictures each, as IDX's
    and CIFAR's do, which stay at their size.
    """

    folder: Path
    kind: Kind
    counts: dict[str, dict[str, int]]
    parts: dict[str, int]
    sizes: tuple[tuple[Pair, int], ...]
    colour: bool
    unread: tuple[Path, ...] = ()
    arrays: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the training images."""
        return tuple(self.counts["train"])

    @property
    def images(self) -> int:
        """Number of images in all parts."""
        return sum(self.parts.values())

    @property
    def shorter_side(self) -> int:
        """The median of the images' shorter sides, pixels."""
        return int(np.median(np.repeat([min(size) for size, _ in self.sizes], [count for _, count in self.sizes])))

    def sides(self, part: float) -> Pair:
        """The least height and the least width that this part of the images doesn't go beyond, pixels."""
        sizes, counts = zip(*self.sizes, strict=True)
        H, W = np.quantile(np.repeat(sizes, counts, axis=0), part, axis=0, method="inverted_cdf").tolist()
        return H, W

    def lines(self) -> list[str]:
        """What is to be said of it."""
        found = {"classes": "", "labels": " of several labels"}.get(self.kind, f" with {self.kind}")
        parts = ", ".join(f"{count:,} {part}" for part, count in self.parts.items())
        shade = "in colour" if self.colour else "grey"
        lines = [
            f"{self.folder}: {self.images:,} pictures{found}"
            + (f" ({parts})" if len(self.counts) > 1 else "")
            + f", {shade}, {self._sizes()}"
        ]
        lines += self._classes() if self.kind in {"classes", "labels"} else []
        return lines + [
            f"the folders are the classes, {path} is not read: pellucid train {path}" for path in self.unread
        ]

    def _sizes(self) -> str:
        (H, W), _ = self.sizes[0]
        if len(self.sizes) == 1:
            return f"{H}x{W}"
        least, most = (pick(self.sizes, key=lambda one: one[0][0] * one[0][1])[0] for pick in (min, max))
        return f"{least[0]}x{least[1]} to {most[0]}x{most[1]}, the shorter side {self.shorter_side} in the middle"

    def _classes(self) -> list[str]:
        train = self.counts["train"]
        shown = [f"{readable(name)} {count:,}" for name, count in train.items()]
        if len(shown) > _NAMED:
            shown = [*shown[: _NAMED - 1], f"... ({min(train.values()):,} to {max(train.values()):,} each)"]
        unit = self.kind if len(train) != 1 else {"classes": "class", "labels": "label"}[self.kind]
        lines = [f"{len(train)} {unit}: {', '.join(shown)}"]
        few = [readable(name) for name, count in train.items() if count < _FEW]
        if few:
            lines.append(f"fewer than {_FEW} pictures, too few to learn or to test: {', '.join(few[:_NAMED])}")
        return lines


def survey(folder: Path) -> Survey:
    """What a folder holds.

    Raises PellucidError where it holds nothing that could be learnt from, or both masks and boxes; and one that names
    every file that is no picture, of those looked at.
    """
    if not folder.is_dir():
        if has_label_files(folder):
            return _labelled(folder)
        raise PellucidError(f"{folder}: no such folder")
    kinds = [name for name, there in (("masks", _has_masks(folder)), ("boxes", has_boxes(folder))) if there]
    if len(kinds) > 1:
        raise PellucidError(
            f"{folder}: both masks and boxes: expected a recipe that says which are to be learnt, and --data {folder}"
        )
    if kinds:
        masks = set(mask_roots(folder))
        below = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and _is_image(path))
        files = [path for path in below if not masks & {*path.parents}]
        return _surveyed(folder, "masks" if kinds == ["masks"] else "boxes", {"train": {"": len(files)}}, files)
    if find_idx_set(folder) is not None or find_cifar(folder) is not None:
        return _of_arrays(folder)
    if has_label_files(folder):
        return _labelled(folder)
    if not has_class_folders(folder):
        raise PellucidError(
            f"{folder}: expected a folder of pictures a class, or pictures with masks or boxes; got {listing(folder)}"
        )
    listed, names = class_files(folder)
    if len(names) == 1:
        tables = [path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in {".csv", ".tsv"}]
        beside = f"; there are {', '.join(tables)}, one of which would have to be named itself" if tables else ""
        raise PellucidError(f"{folder}: one class alone, {readable(names[0])}, expected a folder for each{beside}")
    counts = {
        part: dict.fromkeys(names, 0) | Counter(names[label] for _, label in listed[part])
        for part in PARTS
        if part in listed
    }
    found = _surveyed(folder, "classes", counts, [path for files in listed.values() for path, _ in files])
    return replace(found, unread=tuple(path for path in label_files(folder).values() if _says_labels(path)))


def _labelled(source: Path) -> Survey:
    """Of pictures with a CSV file."""
    lines, _ = read_lines(source)
    names = sorted({label for line in lines for label in line.labels})
    parts = [
        part for part in ("train", "validation", "test") if any((line.part or "train") == part for line in lines)
    ]
    counts = {
        part: dict.fromkeys(names, 0)
        | Counter(label for line in lines if (line.part or "train") == part for label in line.labels)
        for part in parts
    }
    kind: Kind = "labels" if any(len(line.labels) != 1 for line in lines) else "classes"
    sizes = Counter(line.part or "train" for line in lines)
    found = _surveyed(source, kind, counts, [line.file for line in lines])
    return replace(found, parts={part: sizes[part] for part in parts})


def _of_arrays(folder: Path) -> Survey:
    """Of files that hold many pictures each."""
    data = load_data(folder)
    counts = {}
    for part, found in (("train", data.train), ("test", data.test)):
        labels: Array = np.asarray(found.targets[np.arange(len(found))])
        counts[part] = dict(
            zip(found.class_names, np.bincount(labels, minlength=found.classes).tolist(), strict=True)
        )
    C, H, W = data.train.image_shape
    parts = {part: sum(of.values()) for part, of in counts.items()}
    return Survey(folder, "classes", counts, parts, (((H, W), sum(parts.values())),), C == 3, arrays=True)


def _says_labels(path: Path) -> bool:
    """Whether a CSV file says what is on pictures beside it."""
    try:
        return bool(read_lines(path)[0])
    except PellucidError:
        return False


def _has_masks(folder: Path) -> bool:
    return is_voc(folder) or is_mask_folders(folder)


def _is_image(path: Path) -> bool:
    """Whether a picture's file is not one of masks, by the name of its folder."""
    return path.parent.name.lower() not in BESIDE_THEM and path.is_file()


def _surveyed(folder: Path, kind: Kind, counts: dict[str, dict[str, int]], files: Sequence[Path]) -> Survey:
    if not files:
        raise PellucidError(f"{folder}: no picture in it")
    chosen = np.unique(np.linspace(0, len(files) - 1, min(len(files), HEADERS)).round().astype(int))
    formats = picture_formats([files[i] for i in chosen])
    sizes = Counter(size for size, _ in formats).most_common()
    parts = {part: sum(of.values()) for part, of in counts.items()}
    return Survey(folder, kind, counts, parts, tuple(sizes), any(colour for _, colour in formats))
