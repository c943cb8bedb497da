"""Data for people who write Python: one short function for each kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pellucid.arguments import checked, checked_but
from pellucid.data.boxed import load_boxed
from pellucid.data.masked import load_masked
from pellucid.data.sources import Data, load_data
from pellucid.files import path_of
from pellucid.ops.arrays import Pair, pair


@checked
def mnist(*, validation: float = 0, seed: int = 0) -> Data:
    """The 70,000 handwritten digits that come along: images (1, 28, 28), 60,000 to learn from, 10,000 for the test.

    validation: fraction (below 1) or number of the training images kept apart for choices, drawn by `seed`.

    >>> data = pl.data.mnist(validation=5000)
    >>> data.shape, len(data.train), len(data.validation), len(data.test)
    ((1, 28, 28), 55000, 5000, 10000)
    """
    return _of(load_data("mnist", None, validation, seed), source="mnist", validation=validation, seed=seed)


@checked_but("path", "size")
def folder(path: str | Path, size: Pair | int | None = None, *, validation: float = 0, seed: int = 0) -> Data:
    """A folder with a folder of PNG or JPEG images for each class, or IDX files named as MNIST's are.

    path: perhaps with train/, val/ and test/ above the classes; else the test images are drawn by `seed`. size:
    (height, width) that images are brought to, one number for a square. validation: see `mnist`.
    Raises PellucidError that names the file that is missing, damaged or of another size.

    >>> try:
    ...     pl.data.folder("nowhere")
    ... except pl.PellucidError as error:
    ...     print(error)
    no data 'nowhere': expected mnist or a directory
    """
    size = None if size is None else pair(size, "size")
    data = load_data(path, size, validation, seed)
    return _of(data, source=str(path_of(path, "path")), size=size, validation=validation, seed=seed)


@checked_but("path", "size")
def voc(
    path: str | Path,
    size: Pair | int | None = None,
    *,
    targets: Literal["masks", "boxes"] = "masks",
    validation: float = 0,
    seed: int = 0,
) -> Data:
    """A folder in the layout of PASCAL VOC, with a mask or with boxes for each image.

    path: of the folder. size: (height, width) of the canvas that images fit in, one number for a square. targets:
    which of them. validation, seed: see `mnist`.
    Raises PellucidError that names what is missing or damaged.

    >>> try:
    ...     pl.data.voc("nowhere", 64)
    ... except pl.PellucidError as error:
    ...     print(error)
    no data 'nowhere': expected mnist or a directory
    """
    size = None if size is None else pair(size, "size")
    load = load_masked if targets == "masks" else load_boxed
    data = load(path, None, size, validation, seed)
    return _of(data, source=str(path_of(path, "path")), size=size, validation=validation, seed=seed)


@checked_but("path", "size")
def coco(path: str | Path, size: Pair | int | None = None, *, validation: float = 0, seed: int = 0) -> Data:
    """A folder in the layout of COCO: images with boxes, annotations/train.json and val.json.

    path: of the folder. size: (height, width) of the canvas that images fit in, one number for a square. validation,
    seed: see `mnist`.
    Raises PellucidError that names what is missing or damaged.

    >>> try:
    ...     pl.data.coco("nowhere", 64)
    ... except pl.PellucidError as error:
    ...     print(error)
    no data 'nowhere': expected mnist or a directory
    """
    size = None if size is None else pair(size, "size")
    data = load_boxed(path, None, size, validation, seed)
    return _of(data, source=str(path_of(path, "path")), size=size, validation=validation, seed=seed)


@checked_but("path", "size")
def yolo(path: str | Path, size: Pair | int | None = None, *, validation: float = 0, seed: int = 0) -> Data:
    """A folder in YOLO's layout: images, a text file of boxes for each, and the classes' names.

    path: of the folder. size: (height, width) of the canvas that images fit in, one number for a square. validation,
    seed: see `mnist`; where there is no test part, a fifth is drawn by the seed as well.
    Raises PellucidError that names what is missing or damaged.

    >>> try:
    ...     pl.data.yolo("nowhere", 64)
    ... except pl.PellucidError as error:
    ...     print(error)
    no data 'nowhere': expected mnist or a directory
    """
    return coco(path, size, validation=validation, seed=seed)


def _of(data: Data, **origin: Any) -> Data:
    """The data that know how a recipe would call them."""
    return replace(data, origin=origin)
