"""Segmentations as pictures: the mask as a palette PNG, and the image overlaid with its classes and a legend."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid.data.components import label_parts
from pellucid.errors import PellucidError
from pellucid.files import check_own, names_for
from pellucid.ops.arrays import Array, Pair

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

# Okabe, Ito 2008, three that differ from those in brightness too, then Tol 2021 ("muted"): told apart by people who
# confuse red and green. No grey among the first, for images may be grey.
_COLOURS = (
    *("000000", "e69f00", "56b4e9", "009e73", "f0e442", "0072b2", "d55e00", "cc79a7", "882255", "b8a1ff", "7a4a00"),
    *("44aa99", "ddcc77", "332288", "88ccee", "117733", "cc6677", "aa4499", "999933", "6699cc", "dddddd"),
)
MAKER = "Pellucid"
_SHORTEST = 640  # pixels: smaller images are enlarged by a whole number
_LONGEST = (
    1600  # pixels: larger photographs are drawn on smaller, by a whole number, so that lines and names are seen
)
_SQUEEZED = (
    1 << 20
)  # pixels of pictures that are packed as well as PNG can, which takes a second for each two million
_NAMED_FROM = 12  # pixels of the image: smaller parts get no name beside them
_OPAQUE = 0.65  # how much of its class's colour a pixel takes on


def palette(classes: int) -> Array:
    """(classes, 3) uint8: the colours of class 0, 1, ...; the first is black."""
    known = [tuple(bytes.fromhex(code)) for code in _COLOURS[:classes]]
    for k in range(len(known), classes):  # beyond those, hues by the golden ratio, in three brightnesses
        colour = colorsys.hsv_to_rgb(k * 0.618 % 1, 0.75, (0.95, 0.75, 0.55)[k % 3])
        known.append(tuple(round(255 * part) for part in colour))
    return np.array(known, np.uint8)


def mask_png(mask: Array, classes: int) -> bytes:
    """A palette PNG of a mask (H, W) uint8: the pixel values are the classes, white is 255, ignored."""
    from PIL import Image

    colours = np.full((256, 3), 255, np.uint8)
    colours[:classes] = palette(classes)
    picture = Image.fromarray(mask)
    picture.putpalette(colours.tobytes())
    return encoded(picture)


def encoded(picture: Image) -> bytes:
    """The picture as PNG, with a note of who made it, by which `predict` knows it again."""
    from PIL.PngImagePlugin import PngInfo

    stream, note = io.BytesIO(), PngInfo()
    note.add_text("Software", MAKER)
    small = picture.width * picture.height <= _SQUEEZED
    picture.save(stream, "PNG", optimize=small, compress_level=9 if small else 1, pnginfo=note)
    return stream.getvalue()


def to_draw_on(picture: Image) -> tuple[Image, int]:
    """(the picture, made smaller where it is large, by how much its sides were divided)."""
    factor = max(1, -(-max(picture.size) // _LONGEST))
    return (picture if factor == 1 else picture.reduce(factor)), factor


def check_targets(sources: Sequence[Path], folder: Path, endings: Sequence[str]) -> None:
    """Raise PellucidError, before anything is computed, where a picture would replace what isn't its forerunner.

    sources: the images. endings: what follows their names, see `names_for`, in the pictures' names.
    """
    taken = {path.resolve(): path for path in sources}
    for source, name in zip(sources, names_for(sources), strict=True):
        for ending in endings:
            target = folder / f"{name}{ending}"
            if target.resolve() in taken:
                raise PellucidError(
                    f"{target}: the picture of {source} would replace an image; expected another --out"
                )
            check_own(target, b"Software\0" + MAKER.encode(), "predict")


def overlay(image: Array, mask: Array, class_names: tuple[str, ...]) -> Image:
    """The image (C, H, W) uint8, one channel or three, with what isn't class 0 in its class's colour and named.

    Beside it stands a legend of the classes that are there, with their share of the pixels.
    """
    from PIL import Image, ImageDraw

    factor = max(1, -(-_SHORTEST // max(mask.shape)))
    pixels = np.broadcast_to(image.transpose(1, 2, 0), (*mask.shape, 3)).astype(np.float32)
    colours = np.vstack([palette(len(class_names)), np.zeros((256 - len(class_names), 3), np.uint8)])
    covered = ((mask != 0) & (mask < len(class_names)))[..., None] * _OPAQUE
    mixed = np.rint(pixels * (1 - covered) + colours[mask] * covered).astype(np.uint8)
    picture = Image.fromarray(_enlarged(mixed, factor))
    draw = ImageDraw.Draw(picture)
    _write_names(draw, mask, class_names, factor)
    return _with_legend(picture, mask, class_names)


def _enlarged(pixels: Array, factor: int) -> Array:
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


@cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _write_names(draw: ImageDraw, mask: Array, class_names: tuple[str, ...], factor: int) -> None:
    """Each part's class beside it: colours alone don't tell everyone."""
    size = int(np.clip(6 * factor, 14, 32))
    for k in np.setdiff1d(np.unique(mask), [0]):
        if k >= len(class_names):
            continue
        parts = label_parts(mask == k).ravel()
        of_parts = np.flatnonzero(parts)
        found, (rows, columns) = parts[of_parts], np.divmod(of_parts, mask.shape[1])
        counts, corner = np.bincount(found), np.full((2, found.max() + 1), max(mask.shape))
        for side, places in zip(corner, (rows, columns), strict=True):
            np.minimum.at(side, found, places)
        for top, left in corner[:, counts >= _NAMED_FROM].T.tolist():
            _write(draw, (left * factor, max(0, top * factor - size - 3)), class_names[k], size)


def _write(draw: ImageDraw, place: Pair, text: str, size: int) -> None:
    draw.text(place, text, fill="white", font=_font(size), stroke_width=2, stroke_fill="black")


def _with_legend(picture: Image, mask: Array, class_names: tuple[str, ...]) -> Image:
    """The picture, and right of it a line for each class that occurs."""
    from PIL import Image, ImageDraw

    size, gap = 18, 10
    counts = np.bincount(mask.ravel(), minlength=256)
    shown = [k for k in range(len(class_names)) if counts[k]]
    lines = [f"{class_names[k]}  {_percent(counts[k] / mask.size)}" for k in shown]
    font = _font(size)
    width = int(max((font.getlength(line) for line in lines), default=0)) + size + 4 * gap
    height = max(picture.height, len(lines) * (size + gap) + 2 * gap)
    sheet = Image.new("RGB", (picture.width + width, height), "white")
    sheet.paste(picture, (0, 0))
    draw, left = ImageDraw.Draw(sheet), picture.width + gap
    for row, (k, line) in enumerate(zip(shown, lines, strict=True)):
        top = gap + row * (size + gap)
        colour = tuple(palette(k + 1)[k].tolist())
        draw.rectangle((left, top, left + size, top + size), fill=colour, outline="black")
        draw.text((left + size + gap, top - 2), line, fill="black", font=font)
    return sheet


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"
