"""A run's layers in integers: ranges, and rounding error by layer, as rows and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pellucid.analysis.figures import figure_png, new_figure, plain
from pellucid.data import Data
from pellucid.plan.weight_levels import WIDTHS
from pellucid.precision.layer_errors import LayerError, layer_errors
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.opened import open_model
from pellucid.recipes.shrink import calibration_images

COMPARED_IMAGES = 200
COLOURS = {8: "#0072B2", 4: "#D55E00", 2: "#009E73"}  # told apart by every kind of colour vision (Okabe, Ito 2008)
MARKERS = {8: "o", 4: "s", 2: "^"}


def run_layer_errors(run: Path, data: Data | None = None) -> dict[int, list[LayerError]]:
    """Of a run's network, by bits of a weight: those that it was trained for, else 8, 4 and 2.

    Over the first test images. Raises PellucidError, naming the layer, where one has no integer form.
    """
    model = open_model(run)
    data = data or build_data(model.recipe, model.held_out, model.framing)
    chosen = data.test.subset(np.arange(min(COMPARED_IMAGES, len(data.test))))
    images = np.concatenate([b.inputs for b in build_loader(model.recipe, chosen, training=False).epoch(0)])
    calibration, trained_for = calibration_images(model.recipe, data), model.recipe.training.weight_bits
    widths = (trained_for,) if trained_for else WIDTHS
    return {bits: layer_errors(model.network, calibration, images, bits) for bits in widths}


def draw_layer_errors(found: Mapping[int, Sequence[LayerError]], title: str) -> bytes:
    """A PNG file: the layers from top to bottom; at the left their ranges, at the right their errors by bits."""
    layers = next(iter(found.values()))
    figure = new_figure(10, 0.28 * len(layers) + 1.6, dpi=110)
    figure.suptitle(plain(title))
    ranges, errors = figure.subplots(1, 2, sharey=True)
    places = range(len(layers))
    lows, highs = [layer.low for layer in layers], [layer.high for layer in layers]
    ranges.barh(places, np.subtract(highs, lows), left=lows, color="#999999")
    ranges.set_xlabel("range of the values")
    for bits, rows in found.items():
        percent = [100 * layer.error for layer in rows]
        errors.plot(percent, places, color=COLOURS[bits], marker=MARKERS[bits], label=f"{bits} bits")
    errors.set_xscale("log")
    errors.set_xlabel("error, % of the values' deviation")
    errors.grid(axis="x", alpha=0.3)
    errors.legend()
    for axes in (ranges, errors):
        axes.spines[["top", "right"]].set_visible(False)
    ranges.set_yticks(places, [plain(layer.name) for layer in layers])
    ranges.invert_yaxis()
    return figure_png(figure)
