"""A run's network in every number format, over the whole test set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pellucid.data import Data
from pellucid.errors import PellucidError
from pellucid.ops.formats import FORMATS
from pellucid.plan import AnyNetwork, IntegerNetwork
from pellucid.plan.weight_levels import WIDTHS
from pellucid.precision import quantize
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.format_report import FormatRow, compare_formats, in_formats
from pellucid.recipes.model import Model
from pellucid.recipes.opened import open_model
from pellucid.recipes.shrink import calibration_images, open_shrunk


@dataclass(frozen=True)
class Comparison:
    """A row a format; the measure's name; a title; and what is to be said where there are no integers."""

    rows: list[FormatRow]
    measure: str
    title: str
    note: str


def compare_run(run: Path, data: Data | None = None) -> Comparison:
    """The float formats, integers of 8, 4 and 2 bits, and what `shrink_run` has trained, of a run's network.

    A network with a layer without integer form is compared in floats only, and the note names the layer.
    """
    model = open_model(run)
    data = data or build_data(model.recipe, model.held_out)
    networks: dict[str, AnyNetwork] = in_formats(model.network, FORMATS)
    note = ""
    try:
        networks |= _integers(model, run, data)
    except PellucidError as error:
        note = f"no integers: {error}"
    rows = compare_formats(networks, model.task, build_loader(model.recipe, data.test, training=False))
    return Comparison(rows, model.task.primary, f"{run} on {data.test.name}, {len(data.test):,} images", note)


def _integers(model: Model, run: Path, data: Data) -> dict[str, IntegerNetwork]:
    """The integer networks by name."""
    images, trained_for = calibration_images(model.recipe, data), model.recipe.training.weight_bits
    if trained_for:
        return {f"int{trained_for}, trained": quantize(model.network, images, trained_for)}
    networks = {}
    for bits in WIDTHS:
        networks[f"int{bits}"] = quantize(model.network, images, bits)
        if (run / f"int{bits}.safetensors").exists() and (shrunk := open_shrunk(run, bits)).epochs:
            networks[shrunk.title] = shrunk.network
    return networks
