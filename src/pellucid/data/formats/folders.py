"""Image sets kept as folders of PNG and JPEG files, a folder a class."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.formats.image_files import files_as_images
from pellucid.data.framing import Fit, Framing, Rule
from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import listing, other_layout
from pellucid.data.mask_files import masks_of
from pellucid.data.parts import PART_NAMES, PARTS, folders_in, part_folders
from pellucid.data.pictures import OTHER_SUFFIXES, READ, SUFFIXES, picture_formats, wide_note, wide_range
from pellucid.data.text_files import readable
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair

RULES: dict[Fit, Rule] = {"stretch": "stretch", "crop": "crop", "letterbox": "canvas"}


def read_folder(
    folder: Path, size: Pair | None, held_out: HeldOut, fit: Fit = "stretch", framing: Framing | None = None
) -> tuple[Dataset, Dataset | None, Dataset]:
    """(train, validation or None, test) of a directory of class folders.

    The class folders lie in sub-folders train/ and test/, with val/ beside them or in place of test/; or in the
    directory itself, and then a fifth of each class is kept for the test.
    held_out: how that is chosen. size: (H, W) the images are brought to; None where all have one size. fit: how they
    are. Images are grey where all files are, else in colour. framing: a model's own, which leaves nothing to choose.
    """
    listed, names = class_files(folder)
    notes: dict[str, list[str]] = {part: [] for part in PARTS}
    if "test" not in listed:
        listed["train"], listed["test"] = _parted(folder, listed["train"], held_out)
        notes["test"] += held_out.missing("test", [relative(path, folder) for path, _ in listed["test"]])
    every = [path for files in listed.values() for path, _ in files]
    sizes, framing, said = framed_files(every, size, fit, framing)
    notes["train"] += [*said, *_left_out({path.parent for path in every}), *_no_part(folder)]

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


Listed = list[tuple[Path, int]]  # files with their classes


def class_files(folder: Path) -> tuple[dict[str, Listed], tuple[str, ...]]:
    """(the pictures of each part that is there, with their classes; the classes' names)."""
    parts = _find_parts(folder)
    names = tuple(path.name for path in folders_in(parts["train"]))
    if wrong := other_layout(names, PART_NAMES):
        raise PellucidError(
            f"{parts['train']}: {wrong}. Expected a folder a class; masks and boxes are learnt by recipes for them, "
            f"such as pellucid train {folder.name}/ chooses: masks beside images, or PASCAL VOC's JPEGImages, "
            "SegmentationClass and ImageSets/Segmentation/train.txt and val.txt; boxes as Annotations and "
            "ImageSets/Main, as COCO's annotations/train.json and val.json, or as YOLO's labels"
        )
    listed = {part: _listed(path, names) for part, path in parts.items()}
    if len(names) == 2 and (wrong := masks_of(*([file for file, k in listed["train"] if k == c] for c in (0, 1)))):
        raise PellucidError(f"{parts['train']}: {wrong}")
    return listed, names


def holds_classes(folder: Path, least: int = 1) -> bool:
    """Whether a directory is one of class folders, of at least so many, and of nothing else."""
    names = [path.name for path in folders_in(_find_parts(folder)["train"])]
    return len(names) >= least and has_class_folders(folder) and other_layout(names, PART_NAMES) is None


def has_class_folders(folder: Path) -> bool:
    """Whether images lie one folder below the directory, or below a train folder in it."""
    root = _find_parts(folder)["train"]
    return any(_pictures(path) for path in folders_in(root))


def draws_test(folder: Path) -> bool:
    """Whether the test images of a directory of class folders have to be drawn."""
    return "test" not in _find_parts(folder)


def _find_parts(folder: Path) -> dict[str, Path]:
    """The folders of train, validation and test that are there; the directory itself is train where none is."""
    # one with pictures and without folders in it is a class, of trains perhaps
    present = {path.name.lower(): path for path in folders_in(folder) if folders_in(path) or not _pictures(path)}
    parts = part_folders(present)
    if not parts and "trainval" in present and not present.keys() & {*PARTS["validation"]}:
        parts = part_folders({**present, "train": present["trainval"]})
    if not parts:
        return {"train": folder}
    if "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
    return {part: _inner(path) for part, path in parts.items()}


def _inner(folder: Path) -> Path:
    """The folder that lies alone in one called alike, as archives are unpacked; the folder itself where none does."""
    below = folders_in(folder)
    alike = len(below) == 1 and below[0].name.lower() == folder.name.lower() and not _pictures(folder)
    return below[0] if alike and folders_in(below[0]) else folder


def _no_part(folder: Path) -> list[str]:
    """What is to be said of folders of pictures beside those of the parts."""
    used = set(_find_parts(folder).values())
    if folder in used:
        return []
    others = [path for path in folders_in(folder) if not used & {path, *folders_in(path)}]
    left = [path for path in others if _pictures(path) or any(map(_pictures, folders_in(path)))]
    taken = ", ".join(sorted(readable(path.name) for path in used))
    return [f"{readable(path.name)} is left out, as the parts are {taken}" for path in left]


def _pictures(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower() in SUFFIXES and path.is_file())


def _left_out(folders: Iterable[Path]) -> list[str]:
    """What is to be said of pictures in formats that are not read."""
    others = sorted(
        path
        for folder in folders
        for path in folder.iterdir()
        if path.suffix.lower() in OTHER_SUFFIXES and not path.name.startswith(".")
    )
    if not others:
        return []
    shown = readable(f"{others[0].parent.name}/{others[0].name}")
    return [f"{len(others):,} files that are no {READ} are left out, such as {shown}"]


def _listed(root: Path, names: Sequence[str]) -> Listed:
    """Every picture below a folder of class folders, with its class."""
    listed: Listed = []
    for folder in folders_in(root):
        if folder.name not in names:
            raise PellucidError(f"{folder}: no such class among the training images, expected {', '.join(names)}")
        files = _pictures(folder)
        if not files:
            there = f", but {listing(folder)}" if any(folder.iterdir()) else ""
            raise PellucidError(f"{folder}: no {READ} file in the folder of this class{there}")
        listed += [(path, names.index(folder.name)) for path in files]
    if not listed:
        raise PellucidError(f"{root}: no folder of images, expected one a class")
    return listed


def _parted(folder: Path, files: Listed, held_out: HeldOut) -> tuple[Listed, Listed]:
    """(train, test)."""
    keys = [relative(path, folder) for path, _ in files]
    train, test = held_out.parted(keys, np.array([label for _, label in files]))
    if not len(test):
        raise PellucidError(f"{folder}: one image a class leaves none for the test")
    return [files[i] for i in train], [files[i] for i in test]


def relative(path: Path, folder: Path) -> str:
    """The path of a file below a folder, with slashes on every system."""
    return path.relative_to(folder).as_posix()


def shown_parts(framing: Framing, sizes: Sequence[Pair]) -> Array | None:
    """Height and width of each picture's own part of its canvas; None where pictures fill it."""
    return np.array([framing.part(size) for size in sizes]) if framing.rule == "canvas" else None


def framed_files(
    files: Sequence[Path], size: Pair | None, fit: Fit, framing: Framing | None
) -> tuple[dict[Path, Pair], Framing, list[str]]:
    """(size of each file, how all become images, what is to be said of that). framing: see `read_folder`."""
    sizes, channels, common = _common_format(files, framing.size if framing else size)
    if framing is not None:
        return sizes, framing.of_all(sizes.values()), []
    white = wide_range(files) if channels == 1 else None
    return sizes, Framing(RULES[fit], channels, common, white=white), wide_note(white)


def _common_format(files: Sequence[Path], size: Pair | None) -> tuple[dict[Path, Pair], int, Pair]:
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
