"""`pellucid predict` for networks that find objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cli.output import print_json, print_table

if TYPE_CHECKING:
    from pellucid.recipes import AnyModel
    from pellucid.recipes.predict_boxes import DetectedFile


def draw_detections(model: AnyModel, images: Sequence[Path], folder: Path, json: bool) -> None:
    """Draw what is found on each image into the folder, and say what is there, or with `json` what is where."""
    from pellucid.recipes.predict_boxes import detect_files

    found = list(detect_files(model, images, folder))
    if json:
        print_json([row for number, file in enumerate(found, 1) for row in coco_results(file, number, model)])
        return
    print_table(
        ("image", "objects", "picture"),
        [(str(file.image), _counted(file, model.class_names), str(file.picture)) for file in found],
        wrapped="objects",
    )


def coco_results(file: DetectedFile, number: int, model: AnyModel) -> list[dict[str, object]]:
    """What was found on an image as COCO's results have it: bbox is [x, y, width, height], categories count from 1.

    image_id is the number that the file's name is, as COCO's names are, else its place among the images.
    """
    image_id = int(file.image.stem) if file.image.stem.isdecimal() else number
    rows: list[dict[str, object]] = []
    found = file.found
    for box, label, score in zip(found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True):
        x0, y0, x1, y1 = (round(edge, 2) for edge in box)
        rows.append(
            {
                "image_id": image_id,
                "file_name": str(file.image),
                "category_id": label + 1,
                "category": model.class_names[label],
                "bbox": [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)],
                "score": round(score, 5),
            }
        )
    return rows


def _counted(file: DetectedFile, class_names: tuple[str, ...]) -> str:
    """How many of each class are drawn, in the order of the classes."""
    counts = Counter(file.shown.labels.tolist())
    return ", ".join(class_names[k] + (f" x{n}" if n > 1 else "") for k, n in sorted(counts.items())) or "none"
