"""Parts of data, to learn from, to choose by and to report, by what people call them and where they put them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import IMAGES
from pellucid.errors import PellucidError

_ENDINGS = ("", "_set", "-set", "set", " set", "_images", "_data", "_part")
_STEMS = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "test": ("test", "testing", "tst"),
}
PARTS = {part: tuple(stem + end for end in _ENDINGS for stem in stems) for part, stems in _STEMS.items()}
PART_NAMES = {name for names in PARTS.values() for name in names}
_BETWEEN = ("", "_", "-", " ")
SYSTEM_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information"}
"""What systems leave beside people's folders."""

Roots = tuple[Path, Path]
"""The folder of images, and that of what is on them."""
Entry = TypeVar("Entry")


def part_named(name: str) -> str | None:
    """The part that is called so, in any case; None for another name."""
    return next((part for part, names in PARTS.items() if name.lower() in names), None)


def part_folders(folders: Mapping[str, Path]) -> dict[str, Path]:
    """The folder of each part that is there, of folders by their names in lower case.

    They are called as parts are; or so behind one word, as seg_train and seg_test, where two parts are. Nothing where
    no training images are found so.
    """
    for before in ("", *(prefix for name in folders for prefix in _before_train(name))):
        found = {
            part: folders[before + name]
            for part, names in PARTS.items()
            for name in reversed(names)
            if before + name in folders
        }
        if "train" in found and (not before or len(found) > 1):
            return found
    return {}


def _before_train(name: str) -> list[str]:
    """What stands before a training part's name in another, with what parts the two."""
    ends = [between + train for between in _BETWEEN if between for train in PARTS["train"]]
    return [name[: len(name) - len(end) + 1] for end in ends if name.endswith(end) and name != end]


def folders_in(folder: Path) -> list[Path]:
    """The folders in one by name, without hidden ones and those that systems leave."""
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for path in found if path.name.lower() not in SYSTEM_FOLDERS]


def find_roots(
    folder: Path,
    others: Collection[str],
    holds: Callable[[Path], bool],
    together: Callable[[Path], bool] = lambda root: False,
) -> dict[str, Roots]:
    """The folders of images and of what is on them by part, all of them as train where there are no parts.

        images/train, masks/train      train/images, train/masks      train, train_masks      images, masks

    others: what people call the second ones; holds: whether a folder has files of that kind. together: whether one
    folder has both, itself. Nothing where no training images are found so.
    """
    present = {path.name.lower(): path for path in folders_in(folder)}
    whole = _beside(folder, others, holds)
    found: dict[str, Roots] = {}
    for part, names in PARTS.items():
        pairs = (pair for name in names for pair in _pairs(present, name, others, holds, together))
        if (pair := next(pairs, None)) is not None:
            found[part] = pair
    if "train" in found:
        return found
    if whole is not None and holds(whole[1]):
        return {"train": whole}
    return {"train": (folder, folder)} if together(folder) else {}


def _pairs(
    present: Mapping[str, Path],
    name: str,
    others: Collection[str],
    holds: Callable[[Path], bool],
    together: Callable[[Path], bool],
) -> Iterator[Roots]:
    """The folders of a part of that name, in each way in which they may lie."""
    below = [
        {path.name.lower(): path for path in folders_in(present[root])} | {"": present[root]}
        for root in sorted(present.keys() & {*IMAGES, *others})
    ]
    images = [folders[name] for folders in below if folders[""].name.lower() in IMAGES and name in folders]
    beside = [folders[name] for folders in below if folders[""].name.lower() in others and name in folders]
    yield from ((one, other) for one in images[:1] for other in beside if holds(other))
    if name not in present:
        return
    root = present[name]
    if (pair := _beside(root, others, holds)) is not None and holds(pair[1]):
        yield pair
    for other in sorted({name + between + other for between in _BETWEEN for other in others} & present.keys()):
        if holds(present[other]):
            yield root, present[other]
    if together(root):
        yield root, root


def _beside(folder: Path, others: Collection[str], holds: Callable[[Path], bool]) -> Roots | None:
    """The folders of images and of what is on them in one, which holds it where any does; None without both."""
    present = {path.name.lower(): path for path in folders_in(folder)}
    images, beside = sorted(present.keys() & IMAGES), sorted(present.keys() & {*others})
    if not images or not beside:
        return None
    return present[images[0]], present[next((name for name in beside if holds(present[name])), beside[0])]


def with_test(
    parts: Mapping[str, Sequence[Entry]], key: Callable[[Entry], str], held_out: HeldOut, folder: Path
) -> tuple[dict[str, list[Entry]], bool]:
    """(the parts, a test part among them; whether it was drawn).

    Where there is none the validation part is it, else a fifth of the training images by their keys. Raises
    PellucidError, naming the folder, where that leaves nothing for one of them.
    """
    listed = {part: list(entries) for part, entries in parts.items()}
    if "test" in listed:
        return listed, False
    if "validation" in listed:
        listed["test"] = listed.pop("validation")
        return listed, False
    whole = listed["train"]
    train, test = held_out.parted([key(entry) for entry in whole], np.zeros(len(whole), np.int64))
    if not len(test):
        raise PellucidError(f"{folder}: one image leaves none for the test")
    listed |= {"train": [whole[i] for i in train], "test": [whole[i] for i in test]}
    return listed, True
