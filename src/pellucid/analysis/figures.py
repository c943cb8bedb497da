"""How pictures are drawn: one look, and colours that the colour-blind can tell apart."""

from __future__ import annotations

import io
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from pellucid.ops.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe, Ito 2008, "Color Universal Design", in an order in which neighbours differ most."""

MARKERS = "osD^vPX*"
"""One a line, so that lines can be told apart without their colour."""

SEQUENTIAL, DIVERGING = "viridis", "PuOr_r"
"""Colour maps: for values from 0 upwards, and for values on both sides of 0."""

_GAP = 1  # background pixels between the tiles of a mosaic, before it is enlarged
_GROUND = 205  # grey between them, so that white tiles have edges


def new_figure(width: float, height: float, dpi: int = 120) -> Figure:
    """An empty figure of so many inches, which belongs to no window. dpi: pixels an inch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(text: str) -> str:
    """A text that is drawn as it stands, also where a name in it has dollar signs: no formula is meant."""
    return text.replace("$", r"\$")


def figure_png(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # of signs that the font lacks, in the names of classes
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def image_png(pixels: Array) -> bytes:
    """Pixels (H, W, 3) uint8 as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def coloured(values: Array) -> Array:
    """Numbers (..., H, W) as colours (..., H, W, 3) uint8, all on one scale.

    From 0 to the largest where none is negative; else from the largest magnitude below 0 to as much above, so that 0
    has one colour, the map's middle.
    """
    from matplotlib import colormaps

    most = float(np.abs(values).max(initial=0)) or 1.0
    signed = bool((values < 0).any())
    scaled = values / most / 2 + 0.5 if signed else values / most
    colours: Array = colormaps[DIVERGING if signed else SEQUENTIAL](scaled)[..., :3]
    return (colours * 255 + 0.5).astype(np.uint8)


def photograph(image: Array) -> Array:
    """An image (C, H, W) as a network sees it, as pixels (H, W, 3) uint8: stretched so that it spans black to white.

    Of a number of channels other than 3 the mean is shown, in grey.
    """
    shown = image.astype(np.float64) if image.shape[0] == 3 else image.mean(axis=0, keepdims=True)
    low, high = float(shown.min()), float(shown.max())
    low = min(low, 0.0) if high <= 1 else low
    scaled = (shown - low) / (max(high, 1.0 if low >= 0 else high) - low or 1.0)
    return np.broadcast_to((scaled * 255 + 0.5).astype(np.uint8), (3, *image.shape[1:])).transpose(1, 2, 0)


def mosaic(tiles: Array, *, columns: int | None = None, width: int = 900, side: int = 112) -> Array:
    """Pictures (K, H, W, 3) uint8 side by side, as one picture, every pixel enlarged to a square.

    columns: a row; about twice as many as rows, unless given. width: pixels that it should not be wider than.
    side: pixels that a tile should be high.
    """
    count, height, wide = tiles.shape[:3]
    columns = min(count, columns or max(1, math.ceil(math.sqrt(count * 2 * height / wide))))
    rows = -(-count // columns)
    sheet = np.full((rows, height + _GAP, columns, wide + _GAP, 3), _GROUND, np.uint8)
    for i, tile in enumerate(tiles):
        sheet[i // columns, :height, i % columns, :wide] = tile
    flat = sheet.reshape(rows * (height + _GAP), columns * (wide + _GAP), 3)[:-_GAP, :-_GAP]
    enlarged = max(1, min(width // flat.shape[1], round(side / height)))
    return flat.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
