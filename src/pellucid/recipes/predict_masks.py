"""What a trained model says of each pixel of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid.data.framing import enlarged_mask
from pellucid.data.pictures import picture_format
from pellucid.errors import PellucidError
from pellucid.files import names_for, write_whole
from pellucid.graph import grid
from pellucid.ops.arrays import Array
from pellucid.recipes.model import AnyModel
from pellucid.recipes.predict import inputs, opened
from pellucid.tasks.mask_pictures import check_targets, encoded, mask_png, overlay, to_draw_on
from pellucid.tasks.segment import Segment
from pellucid.tasks.tiles import segment

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = ("-mask.png", "-overlay.png")


@dataclass(frozen=True)
class SegmentedFile:
    """One image: what was written about it, and which share of its pixels each class has, those there are."""

    image: Path
    mask: Path
    overlay: Path
    shares: dict[str, float]


def segment_files(
    model: AnyModel,
    paths: Sequence[Path],
    folder: Path,
    *,
    tile: int | None = None,
    unread: list[str] | None = None,
) -> Iterator[SegmentedFile]:
    """For each image file, its mask NAME-mask.png and the overlay NAME-overlay.png in a folder; see `names_for`.

    The network sees each image as it saw those it learnt from; the mask has the image's own size. What is longer than
    `tile` pixels then, by default as the network fits, is cut into tiles. All files are looked at before the first is
    computed.

    unread: where errors of pictures go that turn out to be damaged; without it such a one is raised. Raises
    PellucidError, naming the file, for one that is no image, or too small a one.
    """
    if not isinstance(model.task, Segment):
        raise PellucidError(f"{model.path}: its task, {model.recipe.task['name']}, has no classes of pixels")
    paths = _large_enough(model, paths, unread)
    names = names_for(paths)
    check_targets(paths, folder, ENDINGS)
    nodes = model.nodes
    for path, name in zip(paths, names, strict=True):
        picture = opened(model, path, unread)
        if picture is None:
            continue
        framed = model.framing.frame(picture)
        seen = segment(model.network, inputs(model, framed.pixels[None])[0], tile, nodes)
        mask = enlarged_mask(seen[: framed.part[0], : framed.part[1]], framed.size)
        yield _written(path, folder / name, picture, mask, model.task.class_names)


def _large_enough(model: AnyModel, paths: Sequence[Path], unread: list[str] | None) -> list[Path]:
    """Those of the pictures that are as large as the network's stride. unread: see `segment_files`."""
    rows, columns = grid(model.nodes)
    large = []
    for path in paths:
        H, W = model.framing.canvas(picture_format(path)[0])
        if min(H - rows.period, W - columns.period) >= 0:
            large.append(path)
            continue
        stride = f"{rows.period}x{columns.period}"
        error = f"{path}: {H}x{W} pixels, smaller than the network's stride, {stride}"
        if unread is None:
            raise PellucidError(error)
        unread.append(error)
    return large


def _written(path: Path, target: Path, picture: Image, mask: Array, class_names: tuple[str, ...]) -> SegmentedFile:
    files = target.with_name(target.name + ENDINGS[0]), target.with_name(target.name + ENDINGS[1])
    write_whole(files[0], mask_png(mask, len(class_names)))
    seen, _ = to_draw_on(picture)
    pixels = np.asarray(seen).reshape(seen.height, seen.width, -1).transpose(2, 0, 1)
    write_whole(files[1], encoded(overlay(pixels, enlarged_mask(mask, pixels.shape[1:]), class_names)))
    counts = np.bincount(mask.ravel(), minlength=len(class_names))
    shares = {name: float(count) / mask.size for name, count in zip(class_names, counts, strict=True) if count}
    return SegmentedFile(path, *files, shares)
