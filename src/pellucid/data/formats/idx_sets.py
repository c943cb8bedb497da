"""Image sets kept as four IDX files, as MNIST, Fashion-MNIST, KMNIST and EMNIST are."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.formats.idx import read_idx
from pellucid.data.framing import Framing
from pellucid.data.prepare import BOX, SIDE
from pellucid.data.text_files import class_list, text_lines
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

_NAME = re.compile(r"(?P<prefix>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx\d-ubyte(?:\.gz)?", re.I)
CLASSES = "classes.txt"
_MOST_CLASSES = 65536
_LOOKED_AT, _ALIKE = 500, 0.9  # images by which a set is judged, and the share of them that has to be alike

Part = tuple[str, str]  # ("train" or "test", "images" or "labels")


def find_idx_set(folder: Path) -> dict[Part, Path] | None:
    """The four files of the IDX set in a folder, or None where there is no file of that naming.

    Raises PellucidError where some of the four are missing, or files of several sets are there.
    """
    sets: dict[str, dict[Part, Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # so that an uncompressed file wins over its .gz
        if (match := _NAME.fullmatch(path.name)) and path.is_file():
            part = "train" if match["part"].lower() == "train" else "test"
            sets.setdefault(match["prefix"], {})[part, match["kind"].lower()] = path
    if not sets:
        return None
    if len(sets) > 1:
        names = ", ".join(sorted(prefix + "..." for prefix in sets))
        raise PellucidError(f"{folder}: expected the files of one IDX set, got several: {names}")
    [(prefix, files)] = sets.items()
    for part in ("train", "test"):
        for kind in ("images", "labels"):
            if (part, kind) not in files:
                stem = (
                    f"{prefix}{'train' if part == 'train' else 't10k'}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
                )
                raise PellucidError(f"{folder}: no {part} {kind}, expected a file {stem} or {stem}.gz")
    return files


def read_idx_set(folder: Path, files: dict[Part, Path]) -> tuple[Dataset, Dataset]:
    """(train, test) of the four files of an IDX set in a folder.

    EMNIST keeps its images with rows and columns exchanged (Cohen et al. 2017: they were written in MATLAB's
    order); in files named so they are set upright, and classes take their names from its `mapping.txt`. A file
    classes.txt in the folder names the classes of any set, one a line.
    """
    emnist = files["train", "images"].name.lower().startswith("emnist-")
    labels = _read_labels(files["train", "labels"], _MOST_CLASSES)
    names = tuple(str(number) for number in range(int(labels.max(initial=0)) + 1))
    if emnist:
        names = _emnist_names(files["train", "labels"], names)
    if (folder / CLASSES).is_file():
        names = _named(folder / CLASSES, len(names))
    train = _paired(files, "train", labels, names, f"{folder.name} train", emnist)
    test_labels = _read_labels(files["test", "labels"], len(names))
    test = _paired(files, "test", test_labels, names, f"{folder.name} test", emnist)
    characters = emnist or are_characters(np.asarray(train.inputs))
    return _framed(train, characters), _framed(test, characters)


def read_idx_pair(images: Path, labels: Path, class_names: tuple[str, ...], name: str) -> Dataset:
    """The data set of a file of MNIST's images and the file of their labels."""
    files = {("part", "images"): images, ("part", "labels"): labels}
    found = _paired(files, "part", _read_labels(labels, len(class_names)), class_names, name, transposed=False)
    return _framed(found, characters=True)


def _named(path: Path, least: int) -> tuple[str, ...]:
    """The names of the classes in a file, of at least so many."""
    names = class_list(path)
    if len(names) < least:
        raise PellucidError(f"{path}: {len(names)} class names, but the labels go up to {least - 1}")
    return names


def _framed(dataset: Dataset, characters: bool) -> Dataset:
    """The data set with the way in which pictures become such images."""
    C, H, W = dataset.image_shape
    return replace(dataset, framing=Framing("character" if characters else "stretch", C, (H, W)))


def are_characters(images: Array) -> bool:
    """Whether images (N, C, H, W) uint8 are what MNIST's are, by the first few hundred of them.

    They are where nine tenths have ink on 0 whose longer side is that of a box of MNIST's share of the image, give or
    take a pixel, and whose centre of mass is the image's middle.
    """
    _, C, H, W = images.shape
    if C != 1 or H != W:
        return False
    ink, places = images[:_LOOKED_AT, 0].astype(np.float64), np.arange(H)
    sides, middles = [], []
    for axis in (1, 2):
        mass = ink.sum(3 - axis)
        inked = mass > 0
        sides.append(H - inked.argmax(1) - inked[:, ::-1].argmax(1))
        middles.append((mass @ places) / np.maximum(mass.sum(1), 1))
    box = np.abs(np.maximum(*sides) - BOX * H / SIDE) <= 1
    centred = (np.abs(np.array(middles) - H / 2) <= 1).all(axis=0)
    return float((box & centred).mean()) >= _ALIKE


def _paired(
    files: dict[Part, Path], part: str, labels: Array, names: tuple[str, ...], name: str, transposed: bool
) -> Dataset:
    path = files[part, "images"]
    images = _read_images(path)
    if len(images) != len(labels):
        raise PellucidError(f"{path}: {len(images)} images, but {files[part, 'labels']} has {len(labels)} labels")
    if transposed:
        images = np.ascontiguousarray(images.swapaxes(1, 2))
    return Dataset(images.transpose(0, 3, 1, 2), labels, names, name)


def _read_images(path: Path) -> Array:
    """Images (N, H, W, C) of a file (N, H, W) or (N, H, W, C)."""
    images = read_idx(path)
    shape = "x".join(map(str, images.shape))
    if images.dtype != np.uint8:
        raise PellucidError(f"{path}: expected images of unsigned bytes, got {images.dtype}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in {1, 3}:
        raise PellucidError(f"{path}: expected images, N x height x width (x 1 or 3 channels), got {shape}")
    if images.size == 0:
        raise PellucidError(f"{path}: no images, the shape is {shape}")
    return images


def _read_labels(path: Path, classes: int) -> Array:
    """Labels (N,) int64, each checked to be one of 0 .. classes - 1."""
    labels = read_idx(path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        shape = "x".join(map(str, labels.shape))
        raise PellucidError(f"{path}: expected a list of whole numbers, got {labels.dtype} of shape {shape}")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        place = int(wrong[0])
        raise PellucidError(f"{path}: label {labels[place]} at place {place}, expected 0 .. {classes - 1}")
    return labels.astype(np.int64)


def _emnist_names(labels: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """The characters that each class stands for, from EMNIST's mapping file where it lies beside the labels.

    A line of it is a label and the codes of its characters.
    """
    path = labels.with_name(labels.name.split("-train-")[0] + "-mapping.txt")
    if not path.is_file():
        return names
    characters = dict(enumerate(names))
    try:
        for line in filter(str.strip, text_lines(path)):
            label, *codes = map(int, line.split())
            characters[label] = "".join(map(chr, codes))
        return tuple(characters[label] for label in range(len(characters)))
    except (ValueError, KeyError, OverflowError):
        raise PellucidError(f"{path}: expected lines of a label and character codes, labels from 0 on") from None
