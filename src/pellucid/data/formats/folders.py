"""Image sets kept as folders of PNG and JPEG files, a folder a class."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pellucid.data.dataset import Dataset, Images
from pellucid.data.framing import Fit, Framing, Rule
from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import other_layout
from pellucid.data.pictures import SUFFIXES, picture_formats, wide_note, wide_range
from pellucid.data.text_files import readable
from pellucid.errors import PellucidError
from pellucid.ops import memory
from pellucid.ops.arrays import Array, Pair, Shape

_ENDINGS = ("", "_set", "-set", "set", " set", "_images", "_data", "_part")
_STEMS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
PARTS = {part: tuple(stem + end for end in _ENDINGS for stem in stems) for part, stems in _STEMS.items()}
_PART_NAMES = {name for names in PARTS.values() for name in names}
RULES: dict[Fit, Rule] = {"stretch": "stretch", "crop": "crop", "letterbox": "canvas"}
KEPT_BYTES = 1 << 28  # of pixels; larger sets stay on disk, and their images are read for each batch anew
READ_FIRST = 1 << 24  # bytes of files that are read before anything else, in about a second; others when needed


class Kept:
    """The pixels of files that have been read once, (N, C, H, W) uint8; memory is taken as they come."""

    def __init__(self, count: int, framing: Framing) -> None:
        H, W = framing.size
        self.pixels = np.empty((count, H, W, framing.channels), np.uint8).transpose(0, 3, 1, 2)
        self.there = np.zeros(count, bool)


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images (N, C, H, W) uint8 that stay in their files until `np.asarray` asks for the pixels.

    kept: the pixels of those that were read before, of which these are rows `rows`; None where memory has no room.
    """

    files: tuple[Path, ...]
    framing: Framing
    kept: Kept | None = None
    rows: Array | None = None

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> Shape:
        """(N, C, H, W)."""
        return len(self.files), self.framing.channels, *self.framing.size

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def __getitem__(self, indices: Array) -> "ImageFiles":
        """The images of those indices, still unread."""
        files = tuple(self.files[index] for index in indices)
        return ImageFiles(files, self.framing, self.kept, self._rows()[indices])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        """The pixels, stored channels last."""
        images, rows, kept = memory.empty_images(self.shape, self.dtype), self._rows(), self.kept

        def read(index: int) -> None:
            images[index] = self.framing.read(self.files[index]).pixels
            if kept is not None:
                kept.pixels[rows[index]] = images[index]
                kept.there[rows[index]] = True

        known = np.zeros(len(self), bool) if kept is None else kept.there[rows]
        if kept is not None:
            images[known] = kept.pixels[rows[known]]
        missing = np.flatnonzero(~known)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without holding the interpreter
            for _ in pool.map(read, missing):
                pass
        return images if dtype is None else images.astype(dtype, copy=False)

    def _rows(self) -> Array:
        return np.arange(len(self)) if self.rows is None else self.rows

    def fingerprint(self) -> bytes:
        """Hash of the files' contents."""
        state = hashlib.sha256(repr(self.shape).encode())
        for path in self.files:
            state.update(hashlib.sha256(path.read_bytes()).digest())
        return state.digest()


def read_folder(
    folder: Path, size: Pair | None, held_out: HeldOut, fit: Fit = "stretch"
) -> tuple[Dataset, Dataset | None, Dataset]:
    """(train, validation or None, test) of a directory of class folders.

    The class folders lie in sub-folders train/ and test/, with val/ beside them or in place of test/; or in the
    directory itself, and then a fifth of each class is kept for the test.
    held_out: how that is chosen. size: (H, W) the images are brought to; None where all have one size. fit: how they
    are. Images are grey where all files are, else in colour.
    """
    listed, names = class_files(folder)
    notes: dict[str, list[str]] = {part: [] for part in PARTS}
    if "test" not in listed:
        listed["train"], listed["test"] = _parted(folder, listed["train"], held_out)
        notes["test"] += held_out.missing("test", [relative(path, folder) for path, _ in listed["test"]])
    every = [path for files in listed.values() for path, _ in files]
    sizes, channels, common = common_format(every, size)
    white = wide_range(every) if channels == 1 else None
    framing = Framing(RULES[fit], channels, common, white=white)
    notes["train"] += wide_note(white)

    def dataset(part: str) -> Dataset:
        inputs = files_as_images([path for path, _ in listed[part]], framing)
        labels = np.array([label for _, label in listed[part]], np.int64)
        keys = tuple(relative(path, folder) for path, _ in listed[part])
        return Dataset(
            inputs,
            labels,
            tuple(map(readable, names)),
            f"{folder.name} {part}",
            framing,
            shown_parts(framing, [sizes[path] for path, _ in listed[part]]),
            keys=keys,
            notes=tuple(notes[part]),
        )

    return dataset("train"), dataset("validation") if "validation" in listed else None, dataset("test")


def files_as_images(files: Sequence[Path], framing: Framing) -> Images:
    """Pictures as images: read now where that is quick, else when they are needed; kept where memory has room."""
    images = ImageFiles(tuple(files), framing)
    if np.prod(images.shape, dtype=float) > KEPT_BYTES:
        return images
    if sum(path.stat().st_size for path in files) <= READ_FIRST:
        return np.asarray(images)
    return replace(images, kept=Kept(len(images), framing))


Listed = list[tuple[Path, int]]  # files with their classes


def class_files(folder: Path) -> tuple[dict[str, Listed], tuple[str, ...]]:
    """(the pictures of each part that is there, with their classes; the classes' names)."""
    parts = _find_parts(folder)
    names = tuple(path.name for path in _folders(parts["train"]))
    if wrong := other_layout(names, _PART_NAMES):
        raise PellucidError(
            f"{parts['train']}: {wrong}. Expected a folder a class; or for masks PASCAL VOC's JPEGImages, "
            "SegmentationClass and ImageSets/Segmentation/train.txt and val.txt; or for boxes Annotations and "
            "ImageSets/Main, or COCO's annotations/train.json and val.json"
        )
    return {part: _listed(path, names) for part, path in parts.items()}, names


def holds_classes(folder: Path) -> bool:
    """Whether a directory is one of class folders and of nothing else."""
    names = [path.name for path in _folders(_find_parts(folder)["train"])]
    return has_class_folders(folder) and other_layout(names, _PART_NAMES) is None


def has_class_folders(folder: Path) -> bool:
    """Whether images lie one folder below the directory, or below a train folder in it."""
    root = _find_parts(folder)["train"]
    return any(_pictures(path) for path in _folders(root))


def draws_test(folder: Path) -> bool:
    """Whether the test images of a directory of class folders have to be drawn."""
    return "test" not in _find_parts(folder)


def _find_parts(folder: Path) -> dict[str, Path]:
    """The folders of train, validation and test that are there; the directory itself is train where none is."""
    # one with pictures and without folders in it is a class, of trains perhaps
    present = {path.name.lower(): path for path in _folders(folder) if _folders(path) or not _pictures(path)}
    parts = {part: present[name] for part, names in PARTS.items() for name in reversed(names) if name in present}
    if "train" not in parts:
        return {"train": folder}
    if "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
    return parts


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower() in SUFFIXES and path.is_file())


def _listed(root: Path, names: Sequence[str]) -> Listed:
    """Every picture below a folder of class folders, with its class."""
    listed: Listed = []
    for folder in _folders(root):
        if folder.name not in names:
            raise PellucidError(f"{folder}: no such class among the training images, expected {', '.join(names)}")
        files = _pictures(folder)
        if not files:
            raise PellucidError(f"{folder}: no PNG or JPEG file in the folder of this class")
        listed += [(path, names.index(folder.name)) for path in files]
    if not listed:
        raise PellucidError(f"{root}: no folder of images, expected one a class")
    return listed


def _parted(folder: Path, files: Listed, held_out: HeldOut) -> tuple[Listed, Listed]:
    """(train, test)."""
    keys = [relative(path, folder) for path, _ in files]
    test = held_out.test(keys, np.array([label for _, label in files])).tolist()
    if not test:
        raise PellucidError(f"{folder}: one image a class leaves none for the test")
    out = set(test)
    return [file for index, file in enumerate(files) if index not in out], [files[index] for index in test]


def relative(path: Path, folder: Path) -> str:
    """The path of a file below a folder, with slashes on every system."""
    return path.relative_to(folder).as_posix()


def shown_parts(framing: Framing, sizes: Sequence[Pair]) -> Array | None:
    """Height and width of each picture's own part of its canvas; None where pictures fill it."""
    return np.array([framing.part(size) for size in sizes]) if framing.rule == "canvas" else None


def common_format(files: Sequence[Path], size: Pair | None) -> tuple[dict[Path, Pair], int, Pair]:
    """(size of each file, channels, size) of the images, from the files' headers only."""
    formats = picture_formats(files)
    sizes = {path: own for path, (own, _) in zip(files, formats, strict=True)}
    if size is None:
        size = formats[0][0]
        for path, (other, _) in zip(files, formats, strict=True):
            if other != size:
                raise PellucidError(
                    f"{path}: {other[0]}x{other[1]} pixels, but {files[0]} has {size[0]}x{size[1]}: "
                    "choose a size for all, such as --set data.size=[64,64]"
                )
    return sizes, 3 if any(colour for _, colour in formats) else 1, size
