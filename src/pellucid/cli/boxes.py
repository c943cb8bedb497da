"""`pellucid predict` for networks that find objects."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cli.answers import check_read, progress
from pellucid.cli.output import print_table

if TYPE_CHECKING:
    from pellucid.cli.answers import Target
    from pellucid.recipes import AnyModel
    from pellucid.recipes.predict_boxes import DetectedFile

PICTURES = "predictions"
"""Folder beside the model for pictures of what was found."""


def draw_detections(model: AnyModel, images: Sequence[Path], target: Target, unread: list[str] | None) -> None:
    """Draw what is found on each image into a folder, and say what is there, or as CSV or JSON what is where."""
    from pellucid.data.formats.coco import image_ids
    from pellucid.recipes.predict_boxes import detect_files

    found = []
    with progress(len(images)) as advance:
        for file in detect_files(model, images, target.folder(model.path.parent / PICTURES), unread=unread):
            found.append(file)
            advance()
    check_read(found, unread or ())
    if target.is_text:
        ids = numbered([file.image for file in found], image_ids(Path(model.recipe.data.source)))
        objects = [row for file, key in zip(found, ids, strict=True) for row in coco_results(file, key, model)]
        rows = [[row["file_name"], row["category"], row["score"], *_edges(row)] for row in objects]
        target.write(("image", "class", "score", "x", "y", "width", "height"), rows, objects)
        return
    print_table(
        ("image", "objects", "picture"),
        [(str(file.image), _counted(file, model.class_names), str(file.picture)) for file in found],
        wrapped="objects",
    )


def numbered(images: Sequence[Path], known: Mapping[Path, int]) -> list[int]:
    """A number for each image, no two alike: the annotations' own, or the number that the file's name is, as COCO's
    names are, or its place among the images; the next free one where that is taken.
    """
    own = [known.get(image.resolve(), int(image.stem) if image.stem.isdecimal() else None) for image in images]
    taken = {key for key in own if key is not None}
    ids: list[int] = []
    for i, key in enumerate(own):
        free = key is not None and key not in ids
        ids.append(key if free and key is not None else next(n for n in itertools.count(i + 1) if n not in taken))
        taken.add(ids[-1])
    return ids


def coco_results(file: DetectedFile, image_id: int, model: AnyModel) -> list[dict[str, object]]:
    """What was found on an image as COCO's results have it: bbox is [x, y, width, height], categories have the ids
    that the training data's annotations gave them, or count from 1.
    """
    rows: list[dict[str, object]] = []
    found = file.found
    for box, label, score in zip(found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True):
        x0, y0, x1, y1 = (round(edge, 2) for edge in box)
        rows.append(
            {
                "image_id": image_id,
                "file_name": str(file.image),
                "category_id": model.class_ids[label],
                "category": model.class_names[label],
                "bbox": [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)],
                "score": round(score, 5),
            }
        )
    return rows


def _edges(row: Mapping[str, object]) -> list[object]:
    box = row["bbox"]
    return list(box) if isinstance(box, list) else []


def _counted(file: DetectedFile, class_names: tuple[str, ...]) -> str:
    """How many of each class are drawn, in the order of the classes."""
    counts = Counter(file.shown.labels.tolist())
    return ", ".join(class_names[k] + (f" x{n}" if n > 1 else "") for k, n in sorted(counts.items())) or "none"
