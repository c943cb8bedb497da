"""A run's network in every number format, over the whole test set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data import Data
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.ops.formats import FORMATS
from pellucid.plan import AnyNetwork, IntegerNetwork
from pellucid.plan.weight_levels import WIDTHS
from pellucid.precision import quantize
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.format_report import REFERENCE, FormatRow, compare_formats, in_formats
from pellucid.recipes.model import Model
from pellucid.recipes.opened import open_model
from pellucid.recipes.shrink import calibration_images, open_shrunk

TRAINED = ", trained"  # behind the name of integers that were trained with rounding
ALL = (*FORMATS, *(f"int{bits}" for bits in WIDTHS))
"""Names of the formats."""


@dataclass(frozen=True)
class Comparison:
    """A row a format; the measure's name; a title; and what is to be said where there are no integers."""

    rows: list[FormatRow]
    measure: str
    title: str
    note: str


def compare_run(
    run: Path,
    data: Data | None = None,
    *,
    formats: Sequence[str] = (),
    samples: int | None = None,
    started: Callable[[int], Callable[[], None]] = lambda images: lambda: None,
) -> Comparison:
    """The float formats, integers of 8, 4 and 2 bits, and what `shrink_run` has trained, of a run's network.

    run: a run's folder, or a model's file. formats: those wanted, such as "float16" or "int4"; none: all. samples:
    test images, drawn once and for all; None: all. started: called with their number, gives what is
    called after each.

    A network with a layer without integer form is compared in floats only, and the note names the layer.
    Raises PellucidError for the name of no format.
    """
    for name in formats:
        if name not in ALL:
            raise PellucidError(f"formats: expected some of {', '.join(ALL)}, got {name}")
    model = open_model(run)
    data = data or build_data(model.recipe, model.held_out, model.framing)
    wanted = set(formats or ALL)
    floats = [name for name in FORMATS if name in wanted | {REFERENCE}]
    networks: dict[str, AnyNetwork] = in_formats(model.network, floats)
    note = ""
    try:
        networks |= _integers(model, model.path.parent, data, [bits for bits in WIDTHS if f"int{bits}" in wanted])
    except PellucidError as error:
        note = f"no integers: {error}"
    shown = [name for name in networks if name.removesuffix(TRAINED) in wanted]
    if not shown:
        raise PellucidError(f"{model.path}: none of {', '.join(formats)} to compare" + (f"; {note}" if note else ""))
    test = data.test if samples is None else data.test.subset(_drawn(len(data.test), samples))
    loader = build_loader(model.recipe, test, training=False)
    rows = compare_formats(networks, model.task, loader, shown=shown, advance=started(len(test)))
    part = f"{len(test):,} images" if len(test) == len(data.test) else f"{len(test):,} of {len(data.test):,} images"
    return Comparison(rows, model.task.primary, f"{run} on {data.test.name}, {part}", note)


def _drawn(images: int, samples: int) -> Array:
    """Numbers of so many of the images, the same each time, in order."""
    return np.sort(generator(0, "precision").permutation(images)[:samples])


def _integers(model: Model, run: Path, data: Data, widths: Sequence[int]) -> dict[str, IntegerNetwork]:
    """The integer networks of these widths by name."""
    trained_for = model.recipe.training.weight_bits
    widths = [bits for bits in widths if not trained_for or bits <= trained_for]
    if not widths:
        return {}
    images = calibration_images(model.recipe, data)
    networks = {}
    for bits in widths:
        if not trained_for or bits == trained_for:
            networks[f"int{bits}{TRAINED if trained_for else ''}"] = quantize(model.network, images, bits)
        if (
            bits != trained_for
            and (run / f"int{bits}.safetensors").exists()
            and (shrunk := open_shrunk(run, bits)).epochs
        ):
            networks[shrunk.title] = shrunk.network
    return networks
