"""Segmentation data as most people have them: images in one folder, masks in another, of the same names.

    train/images/NAME.jpg, train/masks/NAME.png      likewise val/ and test/, in any usual naming of the parts;
    images/NAME.jpg, masks/NAME.png                  or without parts: then a fifth is drawn for the test
    classes.txt                                      names of class 0, 1, ..., one a line; where it is missing,
                                                     background and object
    colours.txt                                      of masks in colour: see data.mask_files

A class called unlabelled, void or ignored is none: its pixels count nowhere. Masks are PNG, BMP or TIFF files, called
as their image, or with _mask, -mask or _label behind that.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.formats.folders import PARTS
from pellucid.data.formats.voc import VocPair, checked_pair, mask_datasets
from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import BESIDE_THEM, IMAGES
from pellucid.data.mask_files import IGNORED, IGNORED_NAMES, MaskRule, read_colours
from pellucid.data.pictures import SUFFIXES
from pellucid.data.text_files import class_list
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Pair

DEFAULT_NAMES = ("background", "object")
_LOSSY = {".jpg", ".jpeg", ".webp"}
_ENDINGS = ("", "_mask", "-mask", "_label")


def is_mask_folders(folder: Path) -> bool:
    """Whether images and masks lie beside each other in the folder, or in its folder of training images."""
    return _beside(_parts(folder).get("train", folder)) is not None


def read_mask_folders(
    folder: Path, size: Pair | None, held_out: HeldOut
) -> tuple[Dataset, Dataset | None, Dataset, bool]:
    """(train, validation or None, test, whether the test was drawn) of a folder of images and masks.

    size: (H, W) of the canvas, by default one on which all fit. Targets are masks (N, H, W) uint8. Raises
    PellucidError, naming the file, for an image without a mask, a mask without an image, one of another size, and a
    value that is no class.
    """
    path = folder / "classes.txt"
    written = class_list(path) if path.is_file() else DEFAULT_NAMES
    void = [k for k, name in enumerate(written) if name.lower() in IGNORED_NAMES]
    names = tuple(name for k, name in enumerate(written) if k not in void)
    if not 2 <= len(names) < IGNORED:
        raise PellucidError(f"{path}: expected 2 to {IGNORED - 1} different class names, got {len(names)}")
    rule = MaskRule(read_colours(folder, names), lookup=_lookup(len(written), void))
    hint = "" if path.is_file() else f"; {path} would name the classes"
    listed = {part: _pairs(root, names, rule, hint) for part, root in (_parts(folder) or {"train": folder}).items()}
    if "test" not in listed and "validation" in listed:
        listed["test"] = listed.pop("validation")
    drawn = "test" not in listed
    if drawn:
        keys = [pair.image.relative_to(folder).as_posix() for pair in listed["train"]]
        test = set(held_out.test(keys, np.zeros(len(keys), np.int64)).tolist())
        if not test:
            raise PellucidError(f"{folder}: one image leaves none for the test")
        whole = listed["train"]
        listed = {
            "train": [pair for i, pair in enumerate(whole) if i not in test],
            "test": [pair for i, pair in enumerate(whole) if i in test],
        }
    notes = [f"value {k} of the masks, {written[k]}, counts nowhere" for k in void]
    found = dict(zip(listed, mask_datasets(folder, listed, names, rule, size), strict=True))
    found["train"] = replace(found["train"], notes=(*notes, *found["train"].notes))
    return found["train"], found.get("validation"), found["test"], drawn


def _lookup(count: int, void: list[int]) -> tuple[int, ...]:
    """The class of value 0, 1, ... of a mask, where some names stand for no class; else nothing."""
    if not void:
        return ()
    kept = iter(range(count))
    return tuple(IGNORED if k in void else next(kept) for k in range(count))


def _parts(folder: Path) -> dict[str, Path]:
    """The folders of training, validation and test that have images and masks in them."""
    present = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    parts = {part: present[name] for part, names in PARTS.items() for name in reversed(names) if name in present}
    parts = {part: root for part, root in parts.items() if _beside(root) is not None}
    return parts if "train" in parts else {}


def _beside(root: Path) -> tuple[Path, Path] | None:
    """The folders of images and of masks in one; None where there aren't both, or it's VOC's, which has lists."""
    present = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    images, masks = sorted(present.keys() & IMAGES), sorted(present.keys() & BESIDE_THEM)
    if not images or not masks or "imagesets" in present:
        return None
    if not any(path.suffix.lower() in SUFFIXES - _LOSSY for path in present[masks[0]].iterdir()):
        return None
    return present[images[0]], present[masks[0]]


def _pairs(root: Path, names: tuple[str, ...], rule: MaskRule, hint: str) -> list[VocPair]:
    """The images and masks of one part, all checked."""
    found = _beside(root)
    assert found is not None
    images, masks = (_by_stem(folder, mask) for folder, mask in zip(found, (False, True), strict=True))
    pairs = []
    for stem, image in images.items():
        mask = next((masks.pop(stem + end) for end in _ENDINGS if stem + end in masks), None)
        if mask is None:
            raise PellucidError(f"{found[1] / stem}.png: no such mask, expected one for {image.name}")
        try:
            pairs.append(checked_pair(image, mask, names, rule))
        except PellucidError as error:
            raise PellucidError(f"{error}{hint}") from None
    if masks:
        first = next(iter(masks.values()))
        raise PellucidError(f"{first}: a mask without an image, {len(masks)} of {len(pairs) + len(masks)} are")
    if not pairs:
        raise PellucidError(f"{found[0]}: no images")
    return pairs


def _by_stem(folder: Path, mask: bool) -> dict[str, Path]:
    suffixes = SUFFIXES - _LOSSY if mask else SUFFIXES
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file())
    return {path.stem: path for path in files if not path.name.startswith(".")}
