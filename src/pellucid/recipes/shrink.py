"""A run's network in integers: made, kept in the run's folder, found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import msgspec
import numpy as np

from pellucid.data import Data
from pellucid.data.absent import check_learnable
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import IntegerNetwork
from pellucid.plan.weight_levels import WIDTHS, checked_bits
from pellucid.precision import quantization_aware, quantize, rounded_to
from pellucid.precision.storage import is_integer, load_integer, save_integer
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.load import parse_recipe
from pellucid.recipes.model import AnyModel, Model, model_notes, names_of_classes, parse_notes
from pellucid.recipes.network import build_task
from pellucid.recipes.opened import open_model
from pellucid.recipes.schema import Recipe, TeacherSettings
from pellucid.recipes.trainer import build_trainer
from pellucid.training import Callback
from pellucid.training.folder import RunFolder
from pellucid.weights import read_arrays

CALIBRATION_IMAGES = 500
FINE_TUNING_RATE = 0.1  # of the recipe's learning rate, falling as a cosine


@dataclass(frozen=True)
class Shrunk:
    """An integer network and where it is kept.

    epochs: of training with rounding that it had. mean, std: of its images' channels, empty for 0 and 1.
    """

    network: IntegerNetwork
    path: Path
    class_names: tuple[str, ...]
    epochs: float
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """Such as "int4, trained"."""
        return f"int{self.network.bits}" + (", trained" if self.epochs else "")


def shrink_run(
    run: Path, bits: int | None = None, *, epochs: float = 0.0, data: Data | None = None,
    callbacks: Sequence[Callback] = (),
) -> Shrunk:  # fmt: skip
    """The run's last model in integers, written into its folder as int<bits>.safetensors.

    bits: of the weights: 8, 4 or 2; by default what the run was trained for, else 8. epochs: of training with
    rounding that go before it, from the trained weights on. data: by default the recipe's.
    Raises PellucidError for other bits, for more than the run was trained for, and for a layer, which it names,
    without integer form.
    """
    model = open_model(run)
    trained_for = model.recipe.training.weight_bits
    bits = checked_bits(bits if bits is not None else trained_for or 8)
    if 0 < trained_for < bits:
        raise PellucidError(f"{model.path}: trained with rounding to {trained_for} bits, cannot be shrunk to {bits}")
    data = data or build_data(model.recipe, model.held_out, model.framing)
    if not 0 <= epochs < inf:
        raise PellucidError(f"epochs = {epochs}: expected 0 or more")
    images = calibration_images(model.recipe, data)
    network = rounded_to(model.network, bits)
    quantize(network, images, bits)  # what cannot be converted says so before it is trained
    network = _fine_tuned(model, data, bits, epochs, callbacks) if epochs else network
    shrunk = quantize(network, images, bits)
    epochs = epochs + (model.recipe.training.epochs if trained_for == bits else 0)
    path = model.path.parent / f"int{bits}.safetensors"
    notes = model_notes(model.recipe, model.image_shape, model.class_names, model.framing, model.class_ids)
    save_integer(path, shrunk, {**notes, "epochs": str(epochs)})
    settings = model.recipe.data
    return Shrunk(shrunk, path, model.class_names, epochs, settings.mean, settings.std)


def open_any(path: Path, *, best: bool = False) -> AnyModel:
    """The model of a run folder (its last, or its best), of a model file, or of an integer network's file.

    Raises PellucidError where there is none, or it is damaged.
    """
    if not path.is_file() or path.suffix == ".onnx" or not is_integer(path):
        return open_model(path, best=best)
    network, notes = load_integer(path)
    about = parse_notes(_whole_notes(notes, path), path)
    training = msgspec.structs.replace(about.recipe.training, precision="float32")  # of its input
    about = about._replace(recipe=msgspec.structs.replace(about.recipe, training=training))
    return AnyModel(network, build_task(about.recipe, about.class_names), *about)


def integer_files(run: Path, bits: int | None = None) -> list[Path]:
    """The integer networks in a run's folder: those of so many bits, else all."""
    files = [run / f"int{width}.safetensors" for width in (WIDTHS if bits is None else (checked_bits(bits),))]
    return [file for file in files if file.exists()]


def open_or_shrink(path: Path, bits: int | None = None) -> Shrunk:
    """As `open_shrunk`; a run's folder that has no such network yet is shrunk, and keeps it."""
    return shrink_run(path, bits) if path.is_dir() and not integer_files(path, bits) else open_shrunk(path, bits)


def open_shrunk(path: Path, bits: int | None = None) -> Shrunk:
    """The integer network of a file, or of a run's folder: that of so many bits, else the one last written."""
    if path.is_file():
        file = path
    else:
        there = integer_files(path, bits)
        if not there:
            raise PellucidError(f"{path}: no integer network yet: pellucid shrink {path} --bits {bits or 8}")
        file = max(there, key=lambda file: file.stat().st_mtime_ns)
    network, notes = load_integer(file)
    try:
        names, epochs = names_of_classes(notes, file), float(notes["epochs"])
        settings = parse_recipe(_whole_notes(notes, file)["recipe"], str(file)).data
    except (KeyError, ValueError) as error:
        raise PellucidError(f"{file}: damaged notes beside an integer network ({error})") from error
    return Shrunk(network, file, names, epochs, settings.mean, settings.std)


def _whole_notes(notes: Mapping[str, str], file: Path) -> Mapping[str, str]:
    """With the recipe; of a file of version 0.1, the run's model, which it was made from, says it."""
    return notes if "recipe" in notes else {**notes, **read_arrays(RunFolder(file.parent).model)[1]}


def calibration_images(recipe: Recipe, data: Data) -> Array:
    """Training images, drawn once and for all, as the network sees them: (n, C, H, W)."""
    chosen = generator(0, "calibration").permutation(len(data.train))[:CALIBRATION_IMAGES]
    loader = build_loader(recipe, data.train.subset(chosen), training=False)
    return np.concatenate([batch.inputs for batch in loader.epoch(0)])


def _fine_tuned(model: Model, data: Data, bits: int, epochs: float, callbacks: Sequence[Callback]) -> Network:
    """The network after some epochs of training with rounding, at a low rate, without a teacher, who may be gone."""
    training = msgspec.structs.replace(
        model.recipe.training, weight_bits=bits, epochs=epochs, precision="float32", start_from=""
    )
    optimizer = {**model.recipe.optimizer, "rate": FINE_TUNING_RATE * model.recipe.optimizer["rate"]}
    recipe = msgspec.structs.replace(
        model.recipe,
        training=training,
        optimizer=optimizer,
        schedule={"name": "cosine"},
        teacher=TeacherSettings(),
    )
    check_learnable(data.train)
    trainer = build_trainer(recipe, data, callbacks)
    if model.recipe.training.weight_bits:
        trainer.network.load_state(model.network.state())
    else:
        trainer.network.load_state(quantization_aware(model.network.astype("float32"), bits).state())
    if not trainer.fit():
        raise KeyboardInterrupt
    with trainer.final_weights() as network:
        return network.astype(network.dtype)
