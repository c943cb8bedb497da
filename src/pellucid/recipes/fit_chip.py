"""A run's network on a chip: does it fit, how long does it take, and what each number of bits would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from pellucid.data import Data, normalized
from pellucid.data.absent import check_learnable
from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.export.chips import Chip, Published
from pellucid.export.fit import Fit, fit, shares
from pellucid.layers import INFERENCE
from pellucid.plan import IntegerNetwork
from pellucid.plan.scale import Scale
from pellucid.plan.weight_levels import WIDTHS, checked_bits
from pellucid.precision import calibrate, quantize, rounded_to
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.model import Model
from pellucid.recipes.network import build_network, build_task
from pellucid.recipes.opened import open_model
from pellucid.recipes.schema import Recipe
from pellucid.recipes.shrink import calibration_images, integer_files, open_shrunk
from pellucid.recipes.smaller import narrower, on_smaller_images
from pellucid.recipes.trainer import build_trainer
from pellucid.training import Callback

LEAST_SHARE = 0.1
"""Of the width of layers or the side of images that is tried."""

SMALLER = 0.93
"""Share that is tried next where one doesn't fit."""


@dataclass(frozen=True)
class ChipRow:
    """One network of a run on a chip. small: compiled for size. measure: of the task, over the test set; None unless
    it was asked for. change: what was made smaller, and trained anew; empty for the run's own network."""

    bits: int
    found: Fit
    measure: float | None
    change: str = ""


@dataclass(frozen=True)
class ChipReport:
    """rows: as the run is, for time and for size; then, where it doesn't fit, fewer bits, quantised and measured, and
    what was made smaller, trained and measured.

    measure: its name. advice: what else would help. published: what others measured of that network on that chip.
    """

    rows: list[ChipRow]
    measure: str
    advice: list[str]
    published: Sequence[Published] = ()


def fit_run(
    run: Path,
    chip: Chip,
    bits: int | None = None,
    *,
    data: Data | None = None,
    source: str | None = None,
    rows: bool = False,
    train: bool = False,
    callbacks: Sequence[Callback] = (),
) -> ChipReport:
    """A run's integer network on a chip.

    bits: which one; by default the one last shrunk, else made now, of the bits it was trained for or 8. rows: images
    come row by row. Where neither way to compile fits, fewer bits are tried and measured on the test set. train:
    where these don't fit either, narrower layers and smaller images are trained by the run's recipe, and measured.
    data, source: other data than the run's, and where they lie, as the smaller ones read them in their own size.
    callbacks: of these trainings. What is far too large for the chip is only counted, of the fewest bits, without
    data. Raises PellucidError for a network without integer form or without form in C, naming the layer.
    """
    model = open_model(run)
    trained_for = model.recipe.training.weight_bits
    if bits is not None and 0 < trained_for < checked_bits(bits):
        raise PellucidError(f"{model.path}: trained with rounding to {trained_for} bits, not {bits}")
    if too_large := _too_large(model, chip, rows=rows):
        return too_large
    mean, std = model.recipe.data.mean, model.recipe.data.std
    made = _Integers(model, data)
    network = open_shrunk(run, bits).network if integer_files(run, bits) else made.of(bits or trained_for or 8)
    fits = [fit(network, chip, small=small, mean=mean, std=std, rows=rows) for small in (False, True)]
    found_rows = [ChipRow(network.bits, found, None) for found in fits]
    if any(found.fits for found in fits):
        return ChipReport(found_rows, model.task.primary, [], _published(model, chip))
    networks = [network, *(made.of(bits) for bits in WIDTHS if bits < network.bits)]
    found_rows = []
    if source is not None:
        settings = msgspec.structs.replace(model.recipe.data, source=source, validation=0)
        recipe = msgspec.structs.replace(model.recipe, data=settings)
        model = replace(model, recipe=recipe, held_out=HeldOut(settings.seed))
    for one in networks:
        found = fit(one, chip, small=True, mean=mean, std=std, rows=rows)
        found_rows.append(ChipRow(one.bits, found, _measured(one, model.recipe, made.data)))
    best = _best(found_rows)
    if train and not best.found.fits:
        smaller, advice = _smaller(model, best, callbacks, rows=rows)
        found_rows += smaller
    else:
        advice = _advice(best.found, best.bits)
    if not (rows or best.found.fits) and (text := _by_rows(networks[found_rows.index(best)], chip, model)):
        advice.append(text)
    return ChipReport(found_rows, model.task.primary, advice, _published(model, chip))


def _published(model: Model, chip: Chip) -> list[Published]:
    """What others measured on the chip, of this network on images of this size."""
    network = model.recipe.network
    return [
        each
        for each in chip.published
        if each.size == model.image_shape[1:]
        and all(network.get(name) == value for name, value in each.network.items())
    ]


class _Integers:
    """A model's integer networks: data are read, and the ranges of its values measured, when first asked for."""

    def __init__(self, model: Model, data: Data | None) -> None:
        self.model, self.given = model, data

    @cached_property
    def data(self) -> Data:
        """What the recipe says, where nothing was given."""
        return self.given or build_data(self.model.recipe, self.model.held_out, self.model.framing)

    @cached_property
    def ranges(self) -> dict[str, Scale]:
        """Of each value, the same for all bits."""
        return calibrate(self.model.network, calibration_images(self.model.recipe, self.data))

    def of(self, bits: int) -> IntegerNetwork:
        """That with weights of so many bits."""
        return quantize(rounded_to(self.model.network, bits), self.ranges, bits)


def _too_large(model: Model, chip: Chip, *, rows: bool) -> ChipReport | None:
    """What is said at once, without data, where even the fewest bits take so much more than the chip has that neither
    narrower layers nor smaller images would be the same network any more; None elsewhere.

    What isn't known without data, how many bytes a bias takes, doesn't matter there.
    """
    bits, mean, std = min(WIDTHS), model.recipe.data.mean, model.recipe.data.std
    black_and_white = np.zeros((2, *model.image_shape), np.uint8)
    black_and_white[1] = 255
    seen = normalized(black_and_white, np.float32, 255, mean or None, std or None)
    network = quantize(rounded_to(model.network, bits), seen, bits)
    found = fit(network, chip, small=True, mean=mean, std=std, rows=rows)
    try:
        if found.fits or max(shares(found)) >= LEAST_SHARE or (not rows and _by_rows(network, chip, model)):
            return None
        said = (
            f"even with weights of {bits} bits, layers or images less than {LEAST_SHARE:g} times as large would be "
            "needed: take a smaller network, or a larger chip"
        )
    except PellucidError as error:
        said = str(error)
    return ChipReport([ChipRow(bits, found, None)], model.task.primary, [said])


def _best(rows: Sequence[ChipRow]) -> ChipRow:
    """The most bits that fit; else those that flash has room for, since fewer don't help RAM; else the fewest."""
    of_flash = [row for row in rows if row.found.flash <= row.found.chip.flash]
    return next((row for row in rows if row.found.fits), (of_flash or rows[-1:])[0])


def _by_rows(network: IntegerNetwork, chip: Chip, model: Model) -> str:
    """What images that come row by row would save, where it is enough; empty where it isn't."""
    mean, std = model.recipe.data.mean, model.recipe.data.std
    try:
        found = fit(network, chip, small=True, mean=mean, std=std, rows=True)
    except PellucidError:  # of a first layer that needs the whole image
        return ""
    return f"with --rows, images row by row, {found.ram:,} bytes of RAM would do" if found.fits else ""


def _smaller(
    model: Model, row: ChipRow, callbacks: Sequence[Callback], *, rows: bool
) -> tuple[list[ChipRow], list[str]]:
    """What was made smaller, trained and measured, and why what wasn't was not."""
    try:
        found = shares(row.found)
    except PellucidError as error:
        return [], [str(error)]
    made: list[ChipRow] = []
    said: list[str] = []
    for what, share in zip(("layers", "images"), found, strict=True):
        try:
            made.append(_trained(model, row, what, share, callbacks, rows=rows))
        except PellucidError as error:
            said.append(f"{what} were not made smaller: {error}")
    return made, said


def _trained(
    model: Model, row: ChipRow, what: str, share: float, callbacks: Sequence[Callback], *, rows: bool
) -> ChipRow:
    """The run's recipe with "layers" or "images" so much smaller that it fits, trained, shrunk and measured.

    share: by cost; a little less of it where that doesn't fit yet. Raises PellucidError where no share would do, or
    the recipe says nothing of it.
    """
    chip, size = row.found.chip, (model.image_shape[1], model.image_shape[2])
    while share >= LEAST_SHARE:
        recipe = narrower(model.recipe, share) if what == "layers" else on_smaller_images(model.recipe, size, share)
        if recipe.training.weight_bits:
            learnt = msgspec.structs.replace(recipe.training, weight_bits=row.bits)
            recipe = msgspec.structs.replace(recipe, training=learnt)
        data = build_data(recipe, model.held_out)
        images = calibration_images(recipe, data)
        mean, std = recipe.data.mean, recipe.data.std
        plain = quantize(build_network(recipe, data.train.shape, data.train.classes), images, row.bits)
        found = fit(plain, chip, small=True, mean=mean, std=std, rows=rows)
        if found.fits:
            check_learnable(data.train)
            trainer = build_trainer(recipe, data, callbacks)
            trainer.fit()
            with trainer.final_weights() as network:
                shrunk = quantize(network, images, row.bits)
            return ChipRow(row.bits, found, _measured(shrunk, recipe, data), f"{what} x {share:.2f}")
        share *= SMALLER
    raise PellucidError(f"no share of {LEAST_SHARE} or more would fit")


def _measured(network: IntegerNetwork, recipe: Recipe, data: Data) -> float:
    """The task's primary measure over the test set."""
    task = build_task(recipe, data.train.class_names)
    metrics = task.metrics()
    for batch in build_loader(recipe, data.test, training=False).epoch(0):
        metrics.update(network.forward(batch.inputs.astype(network.dtype), INFERENCE), batch.targets)
    return float(metrics.result()[task.primary])


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
