"""`pellucid predict` for networks that classify each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cli.answers import check_read, progress
from pellucid.cli.boxes import PICTURES
from pellucid.cli.output import print_table

if TYPE_CHECKING:
    from pellucid.cli.answers import Target
    from pellucid.recipes import AnyModel
    from pellucid.recipes.predict_masks import SegmentedFile


def draw_masks(model: AnyModel, images: Sequence[Path], target: Target, unread: list[str] | None) -> None:
    """Write each image's mask and overlay into a folder, and say what is where."""
    from pellucid.recipes.predict_masks import segment_files

    found = []
    with progress(len(images)) as advance:
        for file in segment_files(model, images, target.folder(model.path.parent / PICTURES), unread=unread):
            found.append(file)
            advance()
    check_read(found, unread or ())
    if target.is_text:
        rows = [(r.image, r.mask, *(round(r.shares.get(name, 0.0), 5) for name in model.class_names)) for r in found]
        target.write(("image", "mask", *model.class_names), rows, [_as_json(result) for result in found])
        return
    print_table(
        ("image", "classes", "mask", "overlay"),
        [(str(r.image), _shares(r), str(r.mask), str(r.overlay)) for r in found],
        wrapped="classes",
    )


def _as_json(result: SegmentedFile) -> dict[str, object]:
    files = {"image": str(result.image), "mask": str(result.mask), "overlay": str(result.overlay)}
    return {**files, "shares": result.shares}


def _shares(result: SegmentedFile) -> str:
    """The classes that are there, most pixels first."""
    order = sorted(result.shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in order)
