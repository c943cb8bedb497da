"""A picture with lines of text below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST, SHORTEST = 640, 240
"""Pixels of the longer side of a picture with a caption: larger ones are made smaller, smaller ones larger."""

_SIZE = 16  # of the letters, pixels
_GAP = 4


def captioned(picture: Image, lines: Sequence[str]) -> Image:
    """The picture in colour, of a size to look at, with the lines below it, black on white."""
    from PIL import Image, ImageDraw, ImageFont

    longer = max(picture.size)
    factor = min(1.0, LONGEST / longer) if longer >= SHORTEST else SHORTEST / longer
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    shown = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    font = ImageFont.load_default(_SIZE)
    width = max(shown.width, *(int(font.getlength(line)) + 2 * _GAP for line in lines)) if lines else shown.width
    sheet = Image.new("RGB", (width, shown.height + len(lines) * (_SIZE + _GAP) + 2 * _GAP), "white")
    sheet.paste(shown, (0, 0))
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((_GAP, shown.height + _GAP + i * (_SIZE + _GAP)), line, fill="black", font=font)
    return sheet
