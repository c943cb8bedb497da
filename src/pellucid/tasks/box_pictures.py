"""Detections as pictures: the image, enlarged if small, with each box in its class's colour, named and scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.tasks.mask_pictures import palette

if TYPE_CHECKING:
    from PIL.Image import Image

_SHORTEST = 640  # pixels: smaller images are enlarged by a whole number
_DASH = 6  # pixels of a dashed line that are drawn, and as many that aren't


def draw_boxes(
    image: Array,
    boxes: Array,
    labels: Array,
    class_names: tuple[str, ...],
    scores: Array | None = None,
    dashed: Array | None = None,
) -> Image:
    """The image (C, H, W) uint8, one channel or three, with boxes (D, 4) and their names.

    scores: (D,) written behind the names. dashed: (D,) bool, boxes whose lines are broken.
    """
    from PIL import Image, ImageDraw, ImageFont

    _, H, W = image.shape
    factor = max(1, -(-_SHORTEST // max(H, W)))
    pixels = np.broadcast_to(image.transpose(1, 2, 0), (H, W, 3)).repeat(factor, axis=0).repeat(factor, axis=1)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    draw = ImageDraw.Draw(picture)
    size = int(np.clip(4 * factor, 13, 24))
    font = ImageFont.load_default(size)
    colours = [tuple(colour) for colour in palette(len(class_names) + 1)[1:].tolist()]  # black is no class's
    width = max(2, size // 8)
    texts: list[tuple[float, float, str, tuple[int, ...]]] = []
    for i in range(len(boxes)):
        edges = (boxes[i] * factor).tolist()
        colour = colours[labels[i]]
        _outline(draw, edges, colour, width, dashed is not None and bool(dashed[i]))
        text = class_names[labels[i]] + (f" {scores[i]:.2f}" if scores is not None else "")
        texts.append((edges[0], edges[1] if edges[1] < size + 6 else edges[1] - size - 5, text, colour))
    for x, y, text, colour in texts:  # over all lines
        left = max(0, min(x, picture.width - font.getlength(text) - 4))
        draw.rectangle((left, y, left + font.getlength(text) + 3, y + size + 4), fill=colour)
        dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 128
        draw.text((left + 2, y), text, fill="white" if dark else "black", font=font)
    return picture


def _outline(draw: object, edges: list[float], colour: tuple[int, ...], width: int, dashed: bool) -> None:
    from PIL import ImageDraw

    assert isinstance(draw, ImageDraw.ImageDraw)
    x0, y0, x1, y1 = edges
    if not dashed:
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=width)
        return
    for start in np.arange(x0, x1, 2 * _DASH):
        for y in (y0, y1 - 1):
            draw.line((start, y, min(start + _DASH, x1), y), fill=colour, width=width)
    for start in np.arange(y0, y1, 2 * _DASH):
        for x in (x0, x1 - 1):
            draw.line((x, start, x, min(start + _DASH, y1)), fill=colour, width=width)
