"""Folders that look like class folders and are something else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

IMAGES = {"images", "image", "imgs", "img", "jpegimages", "photos", "pictures"}
BESIDE_THEM = {
    *("masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "segmentationobject"),
    *("groundtruth", "ground_truth", "gt", "segmentation", "segmentations", "targets", "annot", "labels_png", "seg"),
}
_SHOWN = 6


def other_layout(names: Iterable[str], parts: Iterable[str]) -> str | None:
    """What folders of these names are, where they are no classes; None where they may be.

    parts: names of the folders of training, validation and test images.
    """
    lower = {name.lower(): name for name in names}
    images, beside = sorted(lower.keys() & IMAGES), sorted(lower.keys() & BESIDE_THEM)
    if images and beside:
        return f"{lower[images[0]]} and {lower[beside[0]]} are no classes, but images and what is on them"
    if images and len(lower) == 1:
        return f"{lower[images[0]]} is no class, but all images"
    for part in sorted(lower.keys() & set(parts)):
        for other in sorted({part + between + other for between in ("", "_", "-") for other in BESIDE_THEM}):
            if other in lower:
                return f"{lower[part]} and {lower[other]} are no classes, but images and what is on them"
    if len(lower) > 1 and lower.keys() <= set(parts):
        return f"{', '.join(sorted(lower.values()))} are no classes; expected a folder a class inside each of them"
    return None


def listing(folder: Path) -> str:
    """The names of what is in a folder, the first few."""
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir() if not path.name.startswith("."))
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "") or "nothing"
