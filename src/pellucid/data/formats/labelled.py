"""Pictures whose labels stand in a CSV file: a line a picture, one label or several, or a column of 0 and 1 for each.

    path,label            path,labels            path,red,round
    a/1.jpg,apple         a/1.jpg,red|round      a/1.jpg,1,1
    a/2.jpg,pear          a/2.jpg,               a/2.jpg,0,0

Separators are commas, semicolons or tabs. Paths are relative to the file, and may leave out folders and endings where
that leaves no choice. A column `split` (or part, set, subset) may say which part of the data a picture is of; or the
files themselves do, called train.csv, val.csv and test.csv.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.formats.folders import framed_files, relative, shown_parts
from pellucid.data.formats.image_files import files_as_images
from pellucid.data.framing import Fit, Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.parts import part_named
from pellucid.data.pictures import SUFFIXES
from pellucid.data.text_files import readable, text_lines
from pellucid.errors import PellucidError, at_once
from pellucid.ops.arrays import Array, Pair

_PATHS = ("path", "file", "filename", "file_name", "image", "image_path", "img", "image_id", "id", "name")
_LABELS = ("label", "labels", "class", "classes", "tag", "tags", "category", "categories", "target")
_PLURAL = {"labels", "classes", "tags", "categories"}
_PARTS = ("split", "part", "set", "subset")
_EDGES = {"xmin", "ymin", "xmax", "ymax"}
_BETWEEN = re.compile(r"[|;,]")


@dataclass(frozen=True)
class Line:
    """A picture that is named, the part that it is of ("" where nobody says), and its labels."""

    file: Path
    part: str
    labels: tuple[str, ...]


def label_files(folder: Path) -> dict[str, Path]:
    """The CSV files of a folder with labels: by part, or one for all as ""; none where there are none."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".csv", ".tsv"} and path.is_file())
    parts = {part: path for path in files if (part := part_named(path.stem)) is not None}
    if "train" in parts:
        return parts
    return {"": files[0]} if len(files) == 1 else {}


def read_labelled(
    source: Path, size: Pair | None, held_out: HeldOut, fit: Fit = "stretch", framing: Framing | None = None
) -> tuple[Dataset, Dataset | None, Dataset, Mapping[str, tuple[str, ...]]]:
    """(train, validation or None, test, the test's list where it was drawn) of a CSV file, or a folder with some.

    framing: a model's own, which leaves nothing to choose.

    Targets are labels (N,) where every picture has one, else (N, K) of 0 and 1. Raises PellucidError that names every
    line with a picture that isn't there, up to a number.
    """
    root = source if source.is_dir() else source.parent
    lines, notes = read_lines(source)
    names = tuple(sorted({label for line in lines for label in line.labels}))
    several = any(len(line.labels) != 1 for line in lines)
    if not names:
        raise PellucidError(f"{source}: no label in it")
    parts = parted(lines, root, held_out)
    sizes, framing, wide = framed_files([line.file for line in lines], size, fit, framing)

    def dataset(part: str) -> Dataset:
        own = parts[part]
        targets = _targets(own, names, several)
        keys = tuple(relative(line.file, root) for line in own)
        said = (*notes, *wide) if part == "train" else ()
        inputs = files_as_images([line.file for line in own], framing)
        shown = shown_parts(framing, [sizes[line.file] for line in own])
        classes = tuple(map(readable, names))
        return Dataset(inputs, targets, classes, f"{source.stem} {part}", framing, shown, keys, said)

    test = dataset("test")
    drawn = {} if any(line.part == "test" for line in lines) or _only_validation(lines) else {"test": test.keys or ()}
    return dataset("train"), dataset("validation") if parts.get("validation") else None, test, drawn


def parted(lines: Sequence[Line], root: Path, held_out: HeldOut) -> dict[str, list[Line]]:
    """The lines by part; a fifth of those nobody gave to one are the test, of each label (the first one's) its share.

    Where there is no test, the validation part is.
    """
    parts: dict[str, list[Line]] = {"train": [], "validation": [], "test": []}
    for line in lines:
        parts[line.part or "train"].append(line)
    if _only_validation(lines):
        parts["test"], parts["validation"] = parts["validation"], []
    if not parts["test"]:
        train = parts["train"]
        firsts = [line.labels[0] if line.labels else "" for line in train]
        codes = np.unique(firsts, return_inverse=True)[1]
        drawn = held_out.parted([relative(line.file, root) for line in train], codes)
        parts |= {part: [train[i] for i in rows] for part, rows in zip(("train", "test"), drawn, strict=True)}
    for part in ("train", "test"):
        if not parts[part]:
            raise PellucidError(f"{root}: no picture for {part}")
    return parts


def _only_validation(lines: Sequence[Line]) -> bool:
    given = {line.part for line in lines}
    return "validation" in given and "test" not in given


def read_lines(source: Path) -> tuple[list[Line], list[str]]:
    """(every line of the files, what is to be said of them)."""
    root = source if source.is_dir() else source.parent
    files = label_files(source) if source.is_dir() else {"": source}
    if not files:
        raise PellucidError(f"{source}: expected one CSV file with labels, or train.csv and test.csv")
    known = _Pictures(root)
    lines: list[Line] = []
    wrong: list[str] = []
    for part, file in files.items():
        lines += _lines(file, part, known, wrong)
    if wrong:
        raise PellucidError(at_once(wrong))
    seen: dict[Path, Line] = {}
    for line in lines:
        if seen.setdefault(line.file, line) != line:
            raise PellucidError(f"{source}: {relative(line.file, root)} is named twice, with other labels or parts")
    left = len(known.files) - len(seen)
    notes = [f"{left:,} pictures without a line are left out"] if left else []
    return list(seen.values()), notes


def _lines(file: Path, part: str, known: _Pictures, wrong: list[str]) -> list[Line]:
    """The lines of one file; what is wrong with others goes to `wrong`."""
    text = [line for line in text_lines(file) if line.strip()]
    if not text:
        raise PellucidError(f"{file}: empty, expected a line a picture")
    between = max(",;\t", key=text[0].count)
    rows = list(csv.reader(text, delimiter=between, skipinitialspace=True))
    head = [cell.strip() for cell in rows[0]]
    has_head = known.find(head[0]) is None or head[0].lower() in _PATHS
    columns = _Columns.of(head if has_head else ["path", *(["label"] if len(head) == 2 else head[1:])], rows, file)
    lines: list[Line] = []
    bare: list[str] = []
    for number, row in enumerate(rows[has_head:], 1 + has_head):
        if len(row) != len(head):
            wrong.append(f"{file}:{number}: expected {len(head)} columns, got {len(row)}")
            continue
        path = known.find(row[columns.path].strip())
        if path is None:
            wrong.append(f"{file}:{number}: no picture {row[columns.path].strip()!r} below {known.root}")
            continue
        own = _part(row[columns.part].strip(), f"{file}:{number}") if columns.part is not None else part
        lines.append(Line(path, own, columns.labels(row)))
        if not lines[-1].labels:
            bare.append(f"{file}:{number}: no label; where pictures may have none, the column is called labels")
    if columns.label is not None and head[columns.label].lower() not in _PLURAL:
        wrong += bare if all(len(line.labels) < 2 for line in lines) else []
    return lines


def _part(name: str, place: str) -> str:
    part = part_named(name)
    if part is None:
        raise PellucidError(f"{place}: part {name!r}, expected train, val or test")
    return part


@dataclass(frozen=True)
class _Columns:
    """Which columns are the path's, the part's and the labels'; flags: names of columns of 0 and 1."""

    path: int
    part: int | None
    label: int | None
    flags: Mapping[int, str]

    @classmethod
    def of(cls, head: Sequence[str], rows: Sequence[Sequence[str]], file: Path) -> _Columns:
        """By their names, else by what stands in them."""
        lower = [name.lower() for name in head]
        if set(lower) >= _EDGES:
            raise PellucidError(f"{file}: boxes in a CSV file are not read, expected VOC's, COCO's or YOLO's files")
        path = next((i for i, name in enumerate(lower) if name in _PATHS), 0)
        part = next((i for i, name in enumerate(lower) if name in _PARTS), None)
        rest = [i for i in range(len(head)) if i not in {path, part}]
        flags = {
            i: head[i] for i in rest if all(len(r) <= i or r[i].strip() in {"0", "1", "0.0", "1.0"} for r in rows[1:])
        }
        label = next((i for i in rest if lower[i] in _LABELS), rest[0] if len(rest) == 1 else None)
        if label is not None:
            return cls(path, part, label, {})
        if len(flags) == len(rest) > 1:
            return cls(path, part, None, flags)
        raise PellucidError(f"{file}: which column has the labels? expected one called label, got {', '.join(head)}")

    def labels(self, row: Sequence[str]) -> tuple[str, ...]:
        """Those of a picture."""
        if self.label is None:
            return tuple(name for i, name in self.flags.items() if float(row[i]) == 1)
        found = (part.strip() for part in _BETWEEN.split(row[self.label]))
        return tuple(dict.fromkeys(label for label in found if label))


class _Pictures:
    """The pictures below a folder, found by path, by name, or by name without ending; else by either in any case."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        self.known: dict[str, Path | None] = {}
        for path in self.files:
            for name in {path.name, path.stem, path.relative_to(root).with_suffix("").as_posix()}:
                self.known[name] = None if name in self.known else path
        self.paths = {path.relative_to(root).as_posix(): path for path in self.files}
        self.lower: dict[str, Path | None] = {}
        for path in self.files:
            for name in {path.name.lower(), path.relative_to(root).as_posix().lower()}:
                self.lower[name] = None if name in self.lower else path

    def find(self, name: str) -> Path | None:
        """The picture of that name; None where there is none, or more than one."""
        plain = os.path.normpath(name.replace("\\", "/")).replace(os.sep, "/")
        found = self.paths.get(plain) or self.known.get(plain) or self.known.get(plain.rpartition("/")[2])
        return found or self.lower.get(plain.lower()) or self.lower.get(plain.lower().rpartition("/")[2])


def _targets(lines: Sequence[Line], names: Sequence[str], several: bool) -> Array:
    index = {name: k for k, name in enumerate(names)}
    if not several:
        return np.array([index[line.labels[0]] for line in lines], np.int64)
    targets = np.zeros((len(lines), len(names)), np.uint8)
    for row, line in zip(targets, lines, strict=True):
        row[[index[label] for label in line.labels]] = 1
    return targets
