"""The effective receptive field: how much each pixel counts among those that a unit sees.

Of the pixels that a unit may see, those in the middle reach it by many more paths than those at the rim, so that its
gradient falls off towards the rim like a Gaussian. Luo, Li, Urtasun, Zemel 2016, "Understanding the Effective
Receptive Field in Deep Convolutional Neural Networks": a gradient of 1 is put on the middle unit of a layer, on all
its channels, and taken back to the image; its magnitude there is averaged over images. The field is where it is more
than 4.55 % of its largest: two standard deviations of a Gaussian (section 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.analysis.figures import PALETTE, SEQUENTIAL, figure_png, new_figure, photograph
from pellucid.analysis.receptive_field import find_view
from pellucid.errors import PellucidError
from pellucid.graph import Executor
from pellucid.layers import DIFFERENTIABLE
from pellucid.network import Network
from pellucid.ops.arrays import Array, Pair

THRESHOLD = 1 - 0.9545


@dataclass(frozen=True)
class EffectiveField:
    """What one unit of a layer sees of an image, (H, W) each.

    theoretical: true where it sees anything. magnitude: mean magnitude of the unit's gradient, its channels' sum, for
    each pixel, the pixel's channels' sum, over `images` images.
    """

    layer: str
    unit: Pair
    theoretical: Array
    magnitude: Array
    images: int

    @property
    def effective(self) -> Array:
        """True where a pixel counts more than 4.55 % of the one that counts most."""
        most = self.magnitude.max()
        counts: Array = (self.magnitude > THRESHOLD * most) & (most > 0)
        return counts

    @property
    def theoretical_area(self) -> int:
        """Pixels of the image that the unit sees."""
        return int(self.theoretical.sum())

    @property
    def effective_area(self) -> int:
        """Pixels of the image that count."""
        return int(self.effective.sum())

    @property
    def ratio(self) -> float:
        """Part of the theoretical area that counts."""
        return self.effective_area / self.theoretical_area


def effective_field(network: Network, layer: str, batches: Iterable[Array]) -> EffectiveField:
    """The field of the middle unit of the named layer, over batches of images (N, C, H, W) of the network's size.

    The network is not changed. Raises PellucidError, listing those there are, for a missing layer.
    """
    twin = network.astype(network.dtype, fuse=False)
    view = find_view(twin.nodes, twin.input_shape, layer)
    unit = view.extent[0] // 2, view.extent[1] // 2
    theoretical = view.region(unit).mask(*twin.input_shape[1:])
    if not theoretical.any():
        raise PellucidError(f"layer {layer}: its middle unit {unit} sees nothing of the image")
    way = Executor(view.nodes)
    total, images = np.zeros(twin.input_shape[1:]), 0
    for x in batches:
        y = way.forward(x, DIFFERENTIABLE)
        dy = np.zeros_like(y)
        dy[(slice(None), slice(None), *unit)[: y.ndim]] = 1
        dx = way.backward(dy, input_gradient=True)
        total += 0 if dx is None else np.abs(dx).sum(axis=(0, 1))
        images += len(x)
    if not images:
        raise PellucidError(f"layer {layer}: no image to look at")
    return EffectiveField(layer, unit, theoretical, total / images, images)


def draw_field(field: EffectiveField, image: Array) -> bytes:
    """PNG: an image (C, H, W) with the outlines of both fields, and the magnitudes."""
    figure = new_figure(9, 4.6)
    left, right = figure.subplots(1, 2)
    shown = [(left, photograph(image), None), (right, field.magnitude / (field.magnitude.max() or 1), SEQUENTIAL)]
    for axes, picture, colours in shown:
        drawn = axes.imshow(picture, cmap=colours, interpolation="nearest")
        _outline(axes, field.theoretical, PALETTE[1] if axes is left else "white", "-")
        _outline(axes, field.effective, PALETTE[5] if axes is left else PALETTE[1], "--")
        axes.tick_params(labelsize=8)
    left.set_title("theoretical field (solid) and effective field (dashed)", fontsize=9)
    right.set_title(f"mean magnitude of the gradient, {field.images} images", fontsize=9)
    figure.colorbar(drawn, ax=right, shrink=0.8, label="part of the largest")
    figure.suptitle(
        f"layer {field.layer}, unit {field.unit}: sees {field.theoretical_area} pixels, "
        f"{field.effective_area} of them count ({field.ratio:.0%})",
        fontsize=11,
    )
    return figure_png(figure)


def _outline(axes: Any, mask: Array, colour: str, style: str) -> None:
    """Lines along the edges between pixels inside a mask and outside."""
    from matplotlib.collections import LineCollection

    inside = np.pad(mask, 1)
    lines = [((c - 1.5, r - 0.5), (c - 0.5, r - 0.5)) for r, c in np.argwhere(inside[1:] != inside[:-1])]
    lines += [((c - 0.5, r - 1.5), (c - 0.5, r - 0.5)) for r, c in np.argwhere(inside[:, 1:] != inside[:, :-1])]
    axes.add_collection(LineCollection(lines, colors=colour, linestyles=style, linewidths=1.6))
