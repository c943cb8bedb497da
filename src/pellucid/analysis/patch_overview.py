"""One picture of what excites the layers, from the first convolution to the last: edges, strokes, parts, wholes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.analysis.feature_sheet import crop
from pellucid.analysis.features import Patch
from pellucid.analysis.figures import figure_png, mosaic, new_figure
from pellucid.ops.arrays import Array

CHANNELS = 4  # of each convolution
_COLUMNS = 2  # in which they stand


def patch_overview(patches: Mapping[str, Mapping[int, Sequence[Patch]]], gallery: Sequence[Array]) -> bytes:
    """PNG: a row a convolution, in it the patches of its first four channels found, as `exciting_patches` gives them.

    gallery: the images (C, H, W) that the patches' numbers count.
    """
    rows = {
        name: [(channel, found) for channel, found in channels.items() if found][:CHANNELS]
        for name, channels in patches.items()
    }
    rows = {name: channels for name, channels in rows.items() if channels}
    figure = new_figure(9.5, 0.4 + 1.2 * len(rows))
    grid = figure.subplots(len(rows), _COLUMNS, squeeze=False)
    for axes, (name, channels) in zip(grid, rows.items(), strict=True):
        per_column = -(-len(channels) // _COLUMNS)
        for i, part in enumerate(axes):
            part.axis("off")
            shown = channels[i * per_column : (i + 1) * per_column]
            if shown:
                tiles = [crop(gallery[patch.image], patch) for _, found in shown for patch in found]
                sheet = mosaic(_alike(tiles), columns=max(len(found) for _, found in shown), side=64)
                part.imshow(sheet, interpolation="nearest")
                part.set_title(_named([channel for channel, _ in shown]), fontsize=8, loc="left", pad=2)
        first = channels[0][1][0]
        height, width = (end - start + 1 for start, end in (first.rows, first.columns))
        label = f"layer {name}\n{height}x{width}"
        axes[0].text(-0.02, 0.5, label, transform=axes[0].transAxes, ha="right", va="center", fontsize=9)
    return figure_png(figure)


def _alike(tiles: Sequence[Array]) -> Array:
    """Patches (N, H, W, 3) of one size: a field that layers enlarged has one more or less, by its place."""
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    sheet = np.full((len(tiles), height, width, 3), 255, np.uint8)
    for place, tile in zip(sheet, tiles, strict=True):
        place[: tile.shape[0], : tile.shape[1]] = tile
    return sheet


def _named(channels: Sequence[int]) -> str:
    """Which channels stand there, from above: a row each."""
    return f"channel{'s' * (len(channels) > 1)} " + ", ".join(map(str, channels))
