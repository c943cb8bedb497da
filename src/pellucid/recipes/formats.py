"""A run's network in every number format, over the whole test set."""

from __future__ import annotations

from pathlib import Path

from pellucid.data import Data
from pellucid.precision import FORMATS, quantize
from pellucid.precision.levels import WIDTHS
from pellucid.precision.report import AnyNetwork, FormatRow, compare_formats, in_formats
from pellucid.recipes.build import build_data, build_loader
from pellucid.recipes.model import open_model
from pellucid.recipes.shrink import calibration_images, open_shrunk


def compare_run(run: Path, data: Data | None = None) -> tuple[list[FormatRow], str, str]:
    """(rows, name of the measure, title): the float formats, integers of 8, 4 and 2 bits, and what was shrunk.

    Raises PellucidError for a run whose network has a layer, which it names, without integer form.
    """
    model = open_model(run)
    data = data or build_data(model.recipe)
    networks: dict[str, AnyNetwork] = in_formats(model.network, FORMATS)
    trained_for = model.recipe.training.weight_bits
    images = calibration_images(model.recipe, data)
    if trained_for:
        networks[f"int{trained_for}, trained"] = quantize(model.network, images, trained_for)
    for bits in () if trained_for else WIDTHS:
        networks[f"int{bits}"] = quantize(model.network, images, bits)
        if (run / f"int{bits}.safetensors").exists() and (shrunk := open_shrunk(run, bits)).epochs:
            networks[shrunk.title] = shrunk.network
    rows = compare_formats(networks, model.task, build_loader(model.recipe, data.test, training=False))
    return rows, model.task.primary, f"{run} on {data.test.name}, {len(data.test):,} images"
