"""What a trained model says of image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid import ops
from pellucid.data import normalized
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.plan import answering
from pellucid.recipes.model import AnyModel
from pellucid.tasks import Classify, Guess, Labels

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 256


def guess(model: AnyModel, paths: Sequence[Path], top: int = 3) -> list[list[Guess]]:
    """The likeliest classes of each image file, likeliest first.

    Every file is read before anything is computed. Raises PellucidError that names a file which is no image.
    """
    return guess_pixels(model, np.stack([read_image(model, path) for path in paths]), top)


def guess_pixels(model: AnyModel, pixels: Array, top: int = 3) -> list[list[Guess]]:
    """As `guess`, of images (N, C, H, W) uint8 as the network sees them, before they are normalised."""
    if not isinstance(model.task, Classify | Labels):
        raise PellucidError(f"{model.path}: its task, {model.recipe.task['name']}, has no classes of whole images")
    answer, found = answering(model.network), []
    for start in range(0, len(pixels), BATCH):
        with np.errstate(over="ignore", invalid="ignore"):
            logits = ops.host(answer(inputs(model, pixels[start : start + BATCH])))
            if not np.isfinite(logits.astype(np.float32)).all():
                raise PellucidError(f"{model.path}: the network's outputs are not finite, its weights can't be used")
            found += model.task.decode(logits, top)
    return found


def read_image(model: AnyModel, path: Path) -> Array:
    """The pixels of a file as the model's training images were, by its framing: (C, H, W) uint8."""
    return model.framing.read(path).pixels


def read_at_size(model: AnyModel, path: Path) -> Array:
    """As `read_image`, but always of the size of the training images: (C, H, W) uint8."""
    framing = model.framing
    if framing.rule in {"own", "canvas"}:
        framing = replace(framing, rule="canvas", shrink=True)
    return framing.read(path).pixels


def opened(model: AnyModel, path: Path, unread: list[str] | None) -> Image | None:
    """The picture of a file as the model opens it. None where it is damaged and there is a list of what is."""
    try:
        return model.framing.open(path)
    except PellucidError as error:
        if unread is None:
            raise
        unread.append(str(error))
        return None


def inputs(model: AnyModel, pixels: Array) -> Array:
    """What the network sees of pixels (N, C, H, W) uint8: normalised as in training."""
    data = model.recipe.data
    return normalized(pixels, model.network.dtype, 255, data.mean or None, data.std or None)
