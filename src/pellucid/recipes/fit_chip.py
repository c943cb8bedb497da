"""A run's network on a chip: does it fit, how long does it take, and what each number of bits would change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pellucid.data import Data
from pellucid.errors import PellucidError
from pellucid.export.chips import Chip
from pellucid.export.fit import Fit, fit, shares
from pellucid.layers import INFERENCE
from pellucid.plan import IntegerNetwork
from pellucid.plan.weight_levels import WIDTHS, checked_bits
from pellucid.precision import quantize
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.model import Model
from pellucid.recipes.opened import open_model
from pellucid.recipes.shrink import calibration_images, open_shrunk


@dataclass(frozen=True)
class ChipRow:
    """One network of a run on a chip. small: compiled for size. measure: of the task, over the test set; None unless
    it was asked for."""

    bits: int
    found: Fit
    measure: float | None


@dataclass(frozen=True)
class ChipReport:
    """rows: as the run is, for time and for size; then fewer bits, quantised and measured, where it doesn't fit.

    measure: its name. advice: what else would help.
    """

    rows: list[ChipRow]
    measure: str
    advice: list[str]


def fit_run(run: Path, chip: Chip, bits: int | None = None, *, data: Data | None = None) -> ChipReport:
    """A run's integer network on a chip.

    bits: which one; by default the one last shrunk, else made now, of the bits it was trained for or 8. Where neither
    way to compile fits, fewer bits are tried and measured on the test set. Raises PellucidError for a network without
    integer form or without form in C, naming the layer.
    """
    model = open_model(run)
    trained_for = model.recipe.training.weight_bits
    if bits is not None and trained_for and checked_bits(bits) != trained_for:
        raise PellucidError(f"{model.path}: trained with rounding to {trained_for} bits, not {bits}")
    network = _present(run, model, bits, data)
    mean, std = model.recipe.data.mean, model.recipe.data.std
    fits = [fit(network, chip, small=small, mean=mean, std=std) for small in (False, True)]
    rows = [ChipRow(network.bits, found, None) for found in fits]
    if any(found.fits for found in fits):
        return ChipReport(rows, model.task.primary, [])
    data = data or build_data(model.recipe, model.held_out)
    rows = [ChipRow(network.bits, fits[1], _measured(network, model, data))]
    images = calibration_images(model.recipe, data)
    for fewer in WIDTHS if not trained_for else ():
        if fewer < network.bits:
            other = quantize(model.network, images, fewer)
            found = fit(other, chip, small=True, mean=mean, std=std)
            rows.append(ChipRow(fewer, found, _measured(other, model, data)))
    return ChipReport(rows, model.task.primary, _advice(rows[-1].found, rows[-1].bits))


def _present(run: Path, model: Model, bits: int | None, data: Data | None) -> IntegerNetwork:
    """The network that was shrunk before, or one that is made now."""
    widths = WIDTHS if bits is None else (checked_bits(bits),)
    if any((run / f"int{width}.safetensors").exists() for width in widths):
        return open_shrunk(run, bits).network
    data = data or build_data(model.recipe, model.held_out)
    images = calibration_images(model.recipe, data)
    return quantize(model.network, images, bits or model.recipe.training.weight_bits or 8)


def _measured(network: IntegerNetwork, model: Model, data: Data) -> float:
    """The task's primary measure over the test set."""
    metrics = model.task.metrics()
    for batch in build_loader(model.recipe, data.test, training=False).epoch(0):
        metrics.update(network.forward(batch.inputs.astype(network.dtype), INFERENCE), batch.targets)
    return float(metrics.result()[model.task.primary])


def _advice(found: Fit, bits: int) -> list[str]:
    """What narrower layers or smaller images would do, by cost."""
    if found.fits:
        return [f"weights of {bits} bits fit: pellucid shrink --bits {bits} --epochs 1 learns them with rounding"]
    try:
        width, side = shares(found)
    except PellucidError as error:
        return [str(error)]
    advice = []
    if 0 < width < 1:
        advice.append(
            f"layers {width:.2f} times as wide would fit, at {bits} bits (by cost; to be trained and measured)"
        )
    if 0 < side < 1:
        advice.append(f"images {side:.2f} times as high and wide would fit (by cost; to be trained and measured)")
    return advice
