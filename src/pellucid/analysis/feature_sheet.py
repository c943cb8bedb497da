"""A sheet that shows what every layer makes of an image: one HTML file with its pictures inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.analysis.features import FeatureMap, Patch
from pellucid.analysis.figures import coloured, figure_png, image_png, mosaic, new_figure, photograph, plain
from pellucid.analysis.page import Page
from pellucid.ops.arrays import Array

OUTSIDE = (86, 180, 233)  # sky blue, which neither a grey image nor a colour map has
LARGEST_VECTOR = 64  # elements drawn as bars; more are drawn as a strip


def feature_sheet(
    title: str,
    image: Array,
    maps: Sequence[FeatureMap],
    filters: tuple[str, Array],
    patches: Mapping[str, Mapping[int, Sequence[Patch]]],
    gallery: Sequence[Array],
    class_names: Sequence[str] = (),
) -> bytes:
    """HTML of all that `features` finds for an image (C, H, W).

    patches: of convolutions by name and channel; their numbers count images (C, H, W) of `gallery`.
    class_names: of the last layer's outputs.
    """
    page = Page(title)
    page.text(
        "Each tile is one channel. Maps without a negative value run from dark blue (0) to yellow (the layer's "
        "largest value); others from purple (negative) over white (0) to orange (positive), on one scale a layer. "
        "Patches are what one unit sees; light blue lies beyond the image's border."
    )
    page.picture(image_png(mosaic(photograph(image)[None], width=280, side=224)), "What the network sees.")
    page.heading(f"Filters of the first convolution, layer {filters[0]}")
    _filters(page, filters[1])
    for found in maps:
        page.heading(f"Layer {found.layer}: {found.kind} {found.settings}")
        names = class_names if found is maps[-1] or len(found.values) == len(class_names) else ()
        _values(page, found, names)
        if found.layer in patches:
            _patches(page, patches[found.layer], gallery)
    return page.html()


def _filters(page: Page, weight: Array) -> None:
    """Filters (K, C, R, S): of 3 channels in colour, else one tile a pair of channels."""
    K, C, R, S = weight.shape
    if C == 3:
        most = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) + 1e-30
        tiles = ((weight / most / 2 + 0.5) * 255 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)
        page.picture(image_png(mosaic(tiles, width=600, side=48)), f"{K} filters of {R}x{S}; grey is 0.")
        return
    tiles = coloured(weight.reshape(K * C, R, S))
    columns = None if C == 1 else C
    caption = f"{K} filters of {C}x{R}x{S}" + ("." if C == 1 else ": a row a filter, a column an input channel.")
    page.picture(image_png(mosaic(tiles, columns=columns, width=600, side=48)), f"{caption} {_span(weight)}")


def _values(page: Page, found: FeatureMap, class_names: Sequence[str]) -> None:
    values = found.values
    if values.ndim == 3:
        C, H, W = values.shape
        page.picture(image_png(mosaic(coloured(values))), f"{C} maps of {H}x{W}. {_span(values)}")
    elif len(values) <= LARGEST_VECTOR:
        page.picture(_bars(values, class_names), f"{len(values)} values. {_span(values)}", width=640)
    else:
        strip = np.full(-(-len(values) // LARGEST_VECTOR) * LARGEST_VECTOR, 0.0)
        strip[: len(values)] = values
        rows = coloured(strip.reshape(1, -1, LARGEST_VECTOR))
        page.picture(image_png(mosaic(rows)), f"{len(values)} values, {LARGEST_VECTOR} a row. {_span(values)}")


def _span(values: Array) -> str:
    return f"From {values.min():.3g} to {values.max():.3g}."


def _bars(values: Array, names: Sequence[str]) -> bytes:
    """A bar an element."""
    figure = new_figure(7, 2.2)
    axes = figure.subplots()
    axes.bar(range(len(values)), values, color="#0072B2")
    axes.axhline(0, color="black", linewidth=0.8)
    if len(names) == len(values):
        axes.set_xticks(
            range(len(values)),
            [plain(name) for name in names],
            rotation=0 if max(map(len, names)) < 4 else 60,
            fontsize=8,
        )
    axes.tick_params(labelsize=8)
    return figure_png(figure)


def _patches(page: Page, patches: Mapping[int, Sequence[Patch]], gallery: Sequence[Array]) -> None:
    """One row of patches a channel."""
    for channel, found in patches.items():
        if found:
            tiles = np.stack([crop(gallery[patch.image], patch) for patch in found])
            values = ", ".join(f"{patch.value:.3g}" for patch in found[:3])
            side = f"{tiles.shape[1]}x{tiles.shape[2]} pixels"
            caption = f"Channel {channel}: the {side} that excite it most (strongest first: {values}, ...)."
            page.picture(image_png(mosaic(tiles, columns=len(tiles), width=430, side=48)), caption)


def crop(image: Array, patch: Patch) -> Array:
    """The patch of an image (C, H, W) as pixels uint8; what lies beyond the image's border is blue."""
    top, bottom, left, right = *patch.rows, *patch.columns
    tile = np.empty((bottom - top + 1, right - left + 1, 3), np.uint8)
    tile[...] = OUTSIDE
    pixels = photograph(image)
    rows, columns = slice(max(top, 0), bottom + 1), slice(max(left, 0), right + 1)
    seen = pixels[rows, columns]
    tile[max(-top, 0) :, max(-left, 0) :][: seen.shape[0], : seen.shape[1]] = seen
    return tile
