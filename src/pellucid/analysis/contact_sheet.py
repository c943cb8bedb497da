"""Pictures of a data set on one sheet: of each some views side by side, with what is written below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.ops.arrays import Array

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_WIDTH = 1600  # pixels that the sheet should not be wider than
_SIDE = 128  # that a small view is enlarged to, whole pixels
_MOST = 400  # that a view may be wide
_TEXT, _GAP = 15, 6  # height of letters, space around


def strips(views: Sequence[Sequence[Array]], names: Sequence[str]) -> Array:
    """The sheet, (H, W, 3) uint8. views: of each picture (h, w, 3) uint8, its views. names: below each picture."""
    from PIL import Image, ImageDraw, ImageFont

    tiles = [[_tile(view) for view in of_one] for of_one in views]
    height = max(tile.height for of_one in tiles for tile in of_one)
    width = max(sum(tile.width for tile in of_one) for of_one in tiles)
    columns = max(1, min(len(tiles), _WIDTH // (width + 2 * _GAP)))
    rows = -(-len(tiles) // columns)
    step = width + 2 * _GAP, height + _TEXT + 3 * _GAP
    page = Image.new("RGB", (columns * step[0], rows * step[1]), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    for i, (of_one, name) in enumerate(zip(tiles, names, strict=True)):
        x, y = (i % columns) * step[0] + _GAP, (i // columns) * step[1] + _GAP
        draw.text((x, y + height + 2), name, fill="black", font=font)
        for tile in of_one:
            page.paste(tile, (x, y))
            x += tile.width
    return np.asarray(page)


def _tile(view: Array) -> Picture:
    from PIL import Image

    H, W, _ = view.shape
    picture = Image.fromarray(np.ascontiguousarray(view))
    if max(H, W) < _SIDE:
        factor = -(-_SIDE // max(H, W))
        return picture.resize((W * factor, H * factor), Image.Resampling.NEAREST)
    if W > _MOST:
        return picture.resize((_MOST, max(1, round(H * _MOST / W))), Image.Resampling.BILINEAR)
    return picture
