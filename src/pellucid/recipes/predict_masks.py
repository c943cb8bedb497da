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
from pellucid.files import write_whole
from pellucid.graph import grid
from pellucid.ops.arrays import Array
from pellucid.recipes.model import AnyModel
from pellucid.recipes.predict import inputs
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
    model: AnyModel, paths: Sequence[Path], folder: Path, *, tile: int | None = None
) -> Iterator[SegmentedFile]:
    """For each image file, its mask NAME-mask.png and the overlay NAME-overlay.png in a folder.

    The network sees each image as it saw those it learnt from; the mask has the image's own size. What is longer than
    `tile` pixels then, by default as the network fits, is cut into tiles. All files are looked at before the first is
    computed.

    Raises PellucidError, naming the file, for one that is no image, or too small a one.
    """
    if not isinstance(model.task, Segment):
        raise PellucidError(f"{model.path}: its task, {model.recipe.task['name']}, has no classes of pixels")
    _check(model, paths)
    check_targets(paths, folder, ENDINGS)
    nodes = model.nodes
    for path in paths:
        picture = model.framing.open(path)
        framed = model.framing.frame(picture)
        seen = segment(model.network, inputs(model, framed.pixels[None])[0], tile, nodes)
        mask = enlarged_mask(seen[: framed.part[0], : framed.part[1]], framed.size)
        yield _written(path, folder, picture, mask, model.task.class_names)


def _check(model: AnyModel, paths: Sequence[Path]) -> None:
    names: dict[str, Path] = {}
    rows, columns = grid(model.nodes)
    for path in paths:
        H, W = model.framing.canvas(picture_format(path)[0])
        stride = f"{rows.period}x{columns.period}"
        if min(H - rows.period, W - columns.period) < 0:
            raise PellucidError(f"{path}: {H}x{W} pixels, smaller than the network's stride, {stride}")
        if names.setdefault(path.stem, path) != path:
            raise PellucidError(f"{path}: {names[path.stem]} has the same name, their masks would too")


def _written(path: Path, folder: Path, picture: Image, mask: Array, class_names: tuple[str, ...]) -> SegmentedFile:
    files = folder / f"{path.stem}{ENDINGS[0]}", folder / f"{path.stem}{ENDINGS[1]}"
    write_whole(files[0], mask_png(mask, len(class_names)))
    seen, _ = to_draw_on(picture)
    pixels = np.asarray(seen).reshape(seen.height, seen.width, -1).transpose(2, 0, 1)
    write_whole(files[1], encoded(overlay(pixels, enlarged_mask(mask, pixels.shape[1:]), class_names)))
    counts = np.bincount(mask.ravel(), minlength=len(class_names))
    shares = {name: float(count) / mask.size for name, count in zip(class_names, counts, strict=True) if count}
    return SegmentedFile(path, *files, shares)
