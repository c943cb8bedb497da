"""A contact sheet of what a network is to learn from, as it will see it, and what is doubtful about the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.analysis.contact_sheet import strips
from pellucid.analysis.figures import image_png
from pellucid.analysis.page import Page
from pellucid.data import Batch, Boxes, Dataset
from pellucid.data.colours import Mixed
from pellucid.data.doubtful import Doubt, FileLook, Listed, doubtful, looked_at, unreadable
from pellucid.data.randomness import generator
from pellucid.ops.arrays import Array
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.predict_files import pictures_in
from pellucid.recipes.schema import Recipe
from pellucid.recipes.settled import settled
from pellucid.tasks.box_pictures import draw_boxes
from pellucid.tasks.mask_pictures import overlay

AUGMENTED = 2
"""Views of each picture beside the first, which is unchanged."""

_DOUBTS = 200  # on the page


@dataclass(frozen=True)
class Look:
    """What was seen. counts: (class, its number in each part). sheet: a PNG, or None where files can't be read."""

    title: str
    parts: tuple[str, ...]
    counts: list[tuple[str, list[int]]]
    doubts: list[Doubt]
    notes: list[str]
    sheet: bytes | None

    def page(self, folder: Path) -> bytes:
        """All of it as HTML."""
        page = Page(self.title)
        for note in self.notes:
            page.text(note)
        if self.sheet is not None:
            page.heading("As the network will see them")
            text = f"Each picture first as it is, then {AUGMENTED} times as it may be changed in training."
            page.picture(self.sheet, text)
        page.heading("Counts")
        page.table(("class", *self.parts), [(name, *map("{:,}".format, row)) for name, row in self.counts])
        page.heading(f"Doubtful files: {len(self.doubts):,}")
        page.table(("file", "why"), [(relative(one.file, folder), one.why) for one in self.doubts[:_DOUBTS]])
        if len(self.doubts) > _DOUBTS:
            page.text(f"and {len(self.doubts) - _DOUBTS:,} more")
        return page.html()


def relative(file: Path, folder: Path) -> str:
    """The path below the folder, where it is there."""
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def look_at_files(folder: Path) -> tuple[dict[Path, FileLook], Look | None]:
    """(every picture file below a folder, read whole; what is to be said where some can't be read).

    Training would refuse those, and nothing can be shown as long as they are there.
    """
    looks = looked_at(pictures_in([folder]))
    bad = unreadable(looks)
    said = [f"{len(bad):,} of {len(looks):,} files can't be read"]
    return looks, Look(f"{folder}", (), [], bad, said, None) if bad else None


def look_at_data(recipe: Recipe, folder: Path | None, looks: Mapping[Path, FileLook], count: int = 24) -> Look:
    """What a recipe's network is to learn from.

    folder: of picture files, and looks: what is in each; None where the data are others. count: pictures on the
    sheet, evenly of all classes.
    """
    data = build_data(recipe)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    there = {name: part for name, part in parts.items() if part is not None}
    notes = list(dict.fromkeys(line for part in there.values() for line in notes_of(part)))
    numbers = [_per_class(part) for part in there.values()]
    counts = [(name, [int(number[k]) for number in numbers]) for k, name in enumerate(data.train.class_names)]
    doubts = doubtful(_listed(there, folder, looks), looks, folder) if folder is not None else []
    sheet = contact_sheet(settled(recipe, data), data.train, count)
    return Look(f"{folder or data.train.name}", tuple(there), counts, doubts, notes, sheet)


def _listed(parts: Mapping[str, Dataset], folder: Path, looks: Mapping[Path, FileLook]) -> list[Listed]:
    """The files of data that have paths."""
    listed = []
    for name, part in parts.items():
        labels = part.targets if isinstance(part.targets, np.ndarray) and part.targets.ndim == 1 else None
        for i, key in enumerate(part.keys or ()):
            label = part.class_names[labels[i]] if labels is not None else ""
            if folder / key in looks:
                listed.append(Listed(folder / key, name, label))
    return listed


def notes_of(dataset: Dataset) -> list[str]:
    """What is to be said of a data set and of what is known about its images."""
    return [*dataset.notes, *getattr(dataset.targets, "notes", ())]


def _per_class(dataset: Dataset) -> Array:
    """Images of each class or label; of boxes, how many there are; of masks, images on which a class is."""
    targets, K = dataset.targets, dataset.classes
    if isinstance(targets, Boxes):
        return np.bincount(targets.labels, minlength=K)
    if isinstance(targets, np.ndarray) and targets.ndim == 1:
        return np.bincount(targets[targets >= 0], minlength=K)
    if isinstance(targets, np.ndarray) and targets.ndim == 2:
        each: Array = (targets > 0).sum(axis=0, dtype=np.int64)
        return each
    counts = np.zeros(K, np.int64)
    for i in range(len(dataset)):
        counts += np.bincount(np.unique(targets[np.array([i])]), minlength=256)[:K] > 0
    return counts


def contact_sheet(recipe: Recipe, dataset: Dataset, count: int) -> bytes:
    """PNG of some pictures of a data set, as they are and as they may be changed in training, with what is known."""
    chosen = _evenly(dataset, count)
    some = dataset.subset(chosen)
    still = build_loader(recipe, some, training=False)
    moving = replace(build_loader(recipe, some, training=True), shuffle=False, batch_size=len(some), drop_last=False)
    views = [next(replace(still, batch_size=len(some)).epoch(0))]
    views += [next(moving.epoch(epoch)) for epoch in range(AUGMENTED)]
    columns = []
    for batch in views:
        pixels = _pixels(batch.inputs, recipe)
        columns.append([_drawn(pixels[i], batch.targets, i, dataset) for i in range(len(some))])
    names = [_caption(dataset, i) + _mixed_with(dataset, views, place) for place, i in enumerate(chosen)]
    return image_png(strips([list(row) for row in zip(*columns, strict=True)], names))


def _caption(dataset: Dataset, i: int) -> str:
    """What stands below an image: its class or its labels, or the file's name where what is known is drawn."""
    targets = dataset.targets
    if isinstance(targets, np.ndarray) and targets.ndim == 1:
        return dataset.class_names[int(targets[i])]
    if isinstance(targets, np.ndarray) and targets.ndim == 2:
        return ", ".join(dataset.class_names[k] for k in np.flatnonzero(targets[i] > 0)) or "no label"
    return dataset.keys[i] if dataset.keys else ""


def _mixed_with(dataset: Dataset, views: Sequence[Batch], place: int) -> str:
    """What other classes the image in that place of each view is mixed with, and how much of them there is."""
    others = [
        f"{dataset.class_names[int(of.second[place])]} {100 * (1 - of.share):.0f} %"
        for of in (view.targets for view in views)
        if isinstance(of, Mixed)
    ]
    return f" (with {', '.join(others)})" if others else ""


def _evenly(dataset: Dataset, count: int) -> list[int]:
    """Indices of so many images, of each class in turn, drawn once and for all."""
    order = generator(0, "contact sheet").permutation(len(dataset)).tolist()
    targets = dataset.targets
    if not (isinstance(targets, np.ndarray) and targets.ndim == 1):
        return sorted(order[:count])
    waiting: dict[int, list[int]] = {}
    for i in order:
        waiting.setdefault(int(targets[i]), []).append(i)
    chosen: list[int] = []
    while len(chosen) < min(count, len(order)):
        for label in sorted(waiting):
            if waiting[label] and len(chosen) < count:
                chosen.append(waiting[label].pop())
    return sorted(chosen, key=lambda i: (int(targets[i]), i))


def _pixels(inputs: Array, recipe: Recipe) -> Array:
    """What a network sees, as (n, C, H, W) uint8 again."""
    x = inputs.astype(np.float32)
    if recipe.data.std:
        x *= np.array(recipe.data.std, np.float32)[:, None, None]
    if recipe.data.mean:
        x += np.array(recipe.data.mean, np.float32)[:, None, None]
    pixels: Array = np.rint(x.clip(0, 1) * 255).astype(np.uint8)
    return pixels


def _drawn(image: Array, targets: Any, i: int, dataset: Dataset) -> Array:
    """One picture (h, w, 3) uint8, with its boxes or its mask."""
    if isinstance(targets, Boxes):
        boxes, labels, kinds = targets.of(i)
        return np.asarray(draw_boxes(image, boxes, labels, dataset.class_names, dashed=kinds > 0))
    if isinstance(targets, np.ndarray) and targets.ndim == 3:
        return np.asarray(overlay(image, targets[i], dataset.class_names))
    return np.broadcast_to(image.transpose(1, 2, 0), (*image.shape[1:], 3))
