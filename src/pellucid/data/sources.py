"""Data by name: the built-in sets, or a directory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.arguments import Checked, checked_but
from pellucid.data.dataset import Dataset
from pellucid.data.formats.cifar import find_cifar, read_cifar
from pellucid.data.formats.folders import draws_test, has_class_folders, holds_classes, read_folder
from pellucid.data.formats.idx_sets import find_idx_set, read_idx_set
from pellucid.data.formats.labelled import label_files, read_labelled
from pellucid.data.formats.mnist import mnist_dataset
from pellucid.data.framing import Fit, Framing, framed_arrays
from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.files import path_of
from pellucid.ops.arrays import Pair, Shape, pair


@dataclass(frozen=True, eq=False)
class Data(Checked):
    """What is learnt from (train), what choices are made by (validation, or None), what is reported (test).

    lists: the keys of the images that were held out of training, by part, of the parts that the data don't say.
    origin: where they were read from, as a recipe's [data] says it; nothing where they were given as arrays.

    >>> data = pl.data.arrays(np.zeros((10, 3)), [0, 1] * 5, test=2)
    >>> len(data.train), data.validation, len(data.test), data.class_names
    (8, None, 2, ('0', '1'))
    """

    train: Dataset
    validation: Dataset | None
    test: Dataset
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """Shape of one sample, for `Network`: (C, H, W), or (F,) of a table's row."""
        return self.train.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of class 0, 1, ...; of a regression, of each output."""
        return self.train.class_names


@checked_but("source", "size")
def load_data(
    source: str | Path = "mnist",
    size: Pair | int | None = None,
    validation: float = 0,
    seed: int = 0,
    held_out: HeldOut | None = None,
    fit: Fit = "stretch",
    framing: Framing | None = None,
) -> Data:
    """The data of a name ("mnist") or a directory: IDX files named as MNIST's are, folders of images, or CSV files of
    paths and labels.

    source: the name or the directory. size: (height, width) that a folder's images are brought to; one number for a
    square; None where all have one size. validation: fraction (below 1) or number of the training images kept apart
    for choices; 0 for none, or for those of the directory's own val/ folder. seed: of that split, and of the test
    images' where the directory has none apart; the same seed gives the same split. held_out: how they are drawn, by
    default by the hashes of seed and names; see HeldOut. fit: how pictures of another shape are brought to the size.
    framing: how a model sees pictures; by default as size, fit and the data suggest.

    Raises PellucidError, naming the file, where something is missing, damaged or does not fit together.

    >>> data = pl.data.load_data("mnist", validation=5000)
    >>> len(data.train), len(data.validation), len(data.test)
    (55000, 5000, 10000)
    """
    draw, shape = held_out or HeldOut(seed), pair(size, "size") if size is not None else None
    source = source if isinstance(source, str) else path_of(source, "source")
    if has_label_files(Path(source)):
        return with_validation(Data(*read_labelled(Path(source), shape, draw, fit, framing)), validation, draw)
    train, own, test = _read_parts(source, shape, draw, fit, framing)
    return with_validation(Data(train, own, test, drawn_test(source, test)), validation, draw)


def has_label_files(source: Path) -> bool:
    """Whether labels stand in CSV files: the source is one, or a folder with some and without two class folders."""
    if source.is_file():
        return source.suffix.lower() in {".csv", ".tsv"}
    return source.is_dir() and bool(label_files(source)) and not holds_classes(source, least=2)


def holds_digits(folder: Path) -> bool:
    """Whether a directory has images with a class each, of which scenes could be made."""
    return find_idx_set(folder) is not None or holds_classes(folder)


def with_validation(data: Data, part: float, held_out: HeldOut) -> Data:
    """The data with a part of the training images, a fraction or a number, kept apart; 0: as they are."""
    if not part:
        return data
    rest, kept = data.train.split(part, held_out.seed, held_out)
    kept = replace(kept, notes=(*kept.notes, *held_out.missing("validation", kept.keys or ())))
    return Data(rest, kept, data.test, {**data.lists, "validation": kept.keys or ()})


def drawn_test(source: str | Path, test: Dataset) -> dict[str, tuple[str, ...]]:
    """The list of test images, where the directory has none apart."""
    drawn = test.keys is not None and draws_test(Path(source))
    return {"test": test.keys} if drawn and test.keys is not None else {}


def _read_parts(
    source: str | Path, size: Pair | None, draw: HeldOut, fit: Fit, framing: Framing | None
) -> tuple[Dataset, Dataset | None, Dataset]:
    """(train, validation or None, test) of a name or a directory."""
    seen = None if draw.by_position else framing  # version 0.1 saw arrays as they are; its files leave that to guess
    if source == "mnist":
        train, test = mnist_dataset(train=True), mnist_dataset(train=False)
        return _sized(train, size, seen), None, _sized(test, size, seen)
    folder = Path(source)
    if not folder.exists():
        raise PellucidError(f"no data {str(source)!r}: expected mnist or a directory")
    if not folder.is_dir():
        raise PellucidError(f"{folder}: expected a directory of IDX files or of class folders of images, got a file")
    if version := find_cifar(folder):
        train, test = read_cifar(folder, version)
        return _sized(train, size, seen), None, _sized(test, size, seen)
    if files := find_idx_set(folder):
        train, test = read_idx_set(folder, files)
        return _sized(train, size, seen), None, _sized(test, size, seen)
    if has_class_folders(folder):
        return read_folder(folder, size, draw, fit, framing)
    raise PellucidError(
        f"{folder}: expected IDX files (train-images-idx3-ubyte, ...) or class folders of PNG or JPEG images, "
        "got neither"
    )


def _sized(dataset: Dataset, size: Pair | None, framing: Framing | None) -> Dataset:
    """The data set, if its images have the size that is asked for, or as a model's framing has them."""
    if framing is not None:
        return replace(
            dataset, inputs=framed_arrays(np.asarray(dataset.inputs), framing, dataset.framing), framing=framing
        )
    _, H, W = dataset.image_shape
    if size not in {None, (H, W)}:
        raise PellucidError(
            f"{dataset.name}: the images are {H}x{W}, only a folder's can be brought to {size[0]}x{size[1]}"
        )
    return dataset
