"""Maps of what counts, laid over the photograph that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pellucid.analysis.figures import DIVERGING, SEQUENTIAL, figure_png, new_figure, plain
from pellucid.ops.arrays import Array, Pair

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

_OPAQUE = 0.7  # how much of its colour a map's largest value has; what counts nothing shows the photograph alone
_PANEL = 4.6  # inches of a photograph's longer side
_LONGEST = 640  # pixels of a photograph's longer side in the picture


@dataclass(frozen=True, eq=False)
class Heat:
    """A map (h, w), of the photograph's whole area, and what is written above it."""

    title: str
    values: Array


def draw_explanation(photograph: Array, title: str, heats: Sequence[Heat], outline: Array | None = None) -> bytes:
    """PNG: a photograph (H, W, 3) uint8, and beside it the photograph under each map.

    outline: (h, w) bool, what of the photograph the maps explain, drawn as a line on the first picture.
    """
    shown = _shrunk(photograph)
    H, W = shown.shape[:2]
    side = _PANEL / max(H, W)  # inches a pixel
    figure = new_figure((1 + 1.2 * len(heats)) * side * W, side * H + 0.8)
    axes = np.atleast_1d(figure.subplots(1, 1 + len(heats)))
    figure.suptitle(plain(title), fontsize=11)
    axes[0].imshow(shown)
    axes[0].set_title("what is asked about" if outline is not None else "the image", fontsize=9)
    if outline is not None and outline.any() and not outline.all():
        rows, columns = ((np.arange(n) + 0.5) * size / n - 0.5 for n, size in zip(outline.shape, (H, W), strict=True))
        axes[0].contour(columns, rows, outline, levels=[0.5], colors="white", linewidths=2.2)
        axes[0].contour(columns, rows, outline, levels=[0.5], colors="black", linewidths=1.0)
    for one, heat in zip(axes[1:], heats, strict=True):
        picture, scale = laid_over(shown, heat.values)
        one.imshow(picture)
        one.set_title(plain(heat.title), fontsize=9)
        figure.colorbar(scale, ax=one, shrink=0.75).ax.tick_params(labelsize=7)
    for one in axes:
        one.set_xticks([])
        one.set_yticks([])
    return figure_png(figure)


def laid_over(photograph: Array, values: Array) -> tuple[Array, ScalarMappable]:
    """The photograph (H, W, 3) uint8 with a map (h, w) in colours over it, and the scale of those colours.

    The larger a value's magnitude, the more its colour covers; so what counts nothing stays as it is.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    grown = grown_map(values, (photograph.shape[0], photograph.shape[1]))
    most = float(np.abs(values).max(initial=0)) or 1.0
    signed = bool((values < -0.05 * most).any())
    scale = ScalarMappable(Normalize(-most if signed else 0, most), colormaps[DIVERGING if signed else SEQUENTIAL])
    colours = scale.to_rgba(grown)[..., :3] * 255
    cover = (np.abs(grown) / most).clip(0, 1)[..., None] ** 0.7 * _OPAQUE
    mixed: Array = np.rint(photograph * (1 - cover) + colours * cover).astype(np.uint8)
    return mixed, scale


def grown_map(values: Array, size: Pair) -> Array:
    """A map (h, w) at size (H, W), between the middles of its places linearly, beyond the outer ones as those."""
    found = values.astype(np.float64)
    for axis, (old, new) in enumerate(zip(values.shape, size, strict=True)):
        place = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
        low = np.minimum(place.astype(np.intp), max(0, old - 2))
        part = (place - low).reshape((-1, 1) if axis == 0 else (1, -1))
        found = found.take(low, axis) * (1 - part) + found.take(np.minimum(low + 1, old - 1), axis) * part
    return found


def _shrunk(photograph: Array) -> Array:
    from PIL import Image

    H, W = photograph.shape[:2]
    if max(H, W) <= _LONGEST:
        return photograph
    factor = _LONGEST / max(H, W)
    return np.asarray(Image.fromarray(photograph).resize((round(W * factor), round(H * factor))))
