"""Trained models: weights with all that is needed to use them, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.framing import Framing, Rule
from pellucid.data.held_out import HeldOut
from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.graph import Nodes
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.formats import float_type
from pellucid.plan import AnyNetwork
from pellucid.precision.storage import FORMATS as INTEGER_FORMATS
from pellucid.recipes.held_out import read_held_out
from pellucid.recipes.load import parse_recipe
from pellucid.recipes.network import build_network, build_task
from pellucid.recipes.schema import Recipe
from pellucid.recipes.write import recipe_toml
from pellucid.task import Task
from pellucid.training.folder import RunFolder, open_run_folder
from pellucid.weights import read_arrays

FORMAT = "pellucid model 1"
MOST_NUMBERS = 1 << 30  # of an image
LARGEST = float(np.finfo(np.float32).max)
FLOATS = tuple(float_type(name) for name in ("float64", "float32", "float16", "bfloat16"))


class About(NamedTuple):
    """What a model's file says beside its weights: see AnyModel."""

    recipe: Recipe
    image_shape: Shape
    class_names: tuple[str, ...]
    path: Path
    framing: Framing
    held_out: HeldOut
    class_ids: tuple[int, ...]


@dataclass(frozen=True)
class AnyModel:
    """A trained network, in floats or integers, and what it was trained by.

    image_shape: (C, H, W) it was trained on. class_names: of class 0, 1, ... framing: how pictures became those
    images, and become its input. held_out: how its test and validation images are told from those it learnt from.
    class_ids: what annotations call class 0, 1, ...; 1, 2, ... unless the training data's say so.
    """

    network: AnyNetwork
    task: Task
    recipe: Recipe
    image_shape: Shape
    class_names: tuple[str, ...]
    path: Path
    framing: Framing
    held_out: HeldOut
    class_ids: tuple[int, ...]

    @property
    def nodes(self) -> Nodes:
        """The network's nodes, of floats: of one in integers those it was made from."""
        if isinstance(self.network, Network):
            return self.network.nodes
        return build_network(self.recipe, self.image_shape, len(self.class_names)).nodes


@dataclass(frozen=True)
class Model(AnyModel):
    """A trained network that can be looked into, and trained on."""

    network: Network


def model_notes(
    recipe: Recipe,
    image_shape: Shape,
    class_names: tuple[str, ...],
    framing: Framing,
    class_ids: tuple[int, ...] | None = None,
) -> dict[str, str]:
    """What a model's file says beside its weights; see `weights.save_model`."""
    return {
        "format": FORMAT,
        "recipe": recipe_toml(recipe),
        "image_shape": json.dumps(list(image_shape)),
        "class_names": json.dumps(list(class_names)),
        "framing": framing_note(framing),
        **({"class_ids": json.dumps(list(class_ids))} if class_ids is not None else {}),
    }


def framing_note(framing: Framing) -> str:
    """How a file says how pictures become its network's input."""
    return json.dumps({"rule": framing.rule, "shrink": framing.shrink, "white": framing.white})


def dataset_notes(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """`model_notes` for a network trained on that data set."""
    if len(dataset.shape) == 1:
        return model_notes(recipe, dataset.shape, dataset.class_names, Framing("own", 1, (1, dataset.shape[0])))
    C, H, W = dataset.image_shape
    framing = dataset.framing or Framing(
        "stretch" if recipe.task["name"] in {"classify", "regress"} else "own", C, (H, W)
    )
    return model_notes(recipe, dataset.image_shape, dataset.class_names, framing, dataset.class_ids)


def open_saved(path: Path, *, best: bool = False) -> Model:
    """The model of a run folder (its last, or its best), or of a model file.

    Raises PellucidError where there is none, it's damaged, or its weights don't fit its recipe.
    """
    file = path if path.is_file() else _file(open_run_folder(path), best)
    arrays, notes = read_arrays(file)
    if notes.get("format") in INTEGER_FORMATS:
        raise PellucidError(f"{file}: integers, made for answers; expected the run that they were made from")
    if notes.get("format") != FORMAT:
        raise PellucidError(f"{file}: expected a {FORMAT!r}, got {notes.get('format', 'another file')!r}")
    about = parse_notes(notes, file)
    network = build_network(about.recipe, about.image_shape, len(about.class_names), seed=None)
    network.load_state(checked_floats(arrays, file), str(file))
    return Model(network, build_task(about.recipe, about.class_names), *about)


def parse_notes(notes: Mapping[str, str], file: Path) -> About:
    """What `model_notes` has written. Raises PellucidError, naming the file, where they are damaged."""
    try:
        recipe = parse_recipe(notes["recipe"], str(file))
        image_shape = _image_shape(notes, file)
        class_names = names_of_classes(notes, file)
        framing = _framing(notes, recipe, image_shape, file)
        class_ids = _class_ids(notes, len(class_names), file)
    except (KeyError, TypeError, ValueError) as error:
        raise PellucidError(f"{file}: damaged notes beside the weights ({error!r})") from error
    held_out = read_held_out(file.parent, recipe, before="framing" not in notes)
    return About(recipe, image_shape, class_names, file, framing, held_out, class_ids)


def _framing(notes: Mapping[str, str], recipe: Recipe, image_shape: Shape, file: Path) -> Framing:
    """How pictures become the model's input, by its notes, or as those of version 0.1 meant it.

    Raises ValueError, TypeError or KeyError for what is no framing.
    """
    C, H, W = image_shape if len(image_shape) == 3 else (1, 1, image_shape[0])
    if "framing" in notes:
        return read_framing(notes["framing"], (C, H, W), file)
    if recipe.task["name"] == "classify":
        pictures = C != 1 or H != W or parse_json(notes.get("pictures", "false"), str(file))
        return Framing("stretch" if pictures else "character", C, (H, W))
    # it learnt from scenes, unless a size was asked for, which those don't take, or nothing was said of scenes
    folder = recipe.data.source != "mnist" and (recipe.data.size is not None or recipe.data.scenes is None)
    return Framing("canvas" if folder else "own", C, (H, W), shrink=recipe.data.size is not None)


def read_framing(text: str, image_shape: tuple[int, int, int], file: Path) -> Framing:
    """What `framing_note` wrote. Raises ValueError, TypeError or KeyError for anything else."""
    said = parse_json(text, str(file))
    rule, shrink, white = said["rule"], said["shrink"], said["white"]
    number = type(white) in {int, float} and 0 < white <= LARGEST
    if rule not in get_args(Rule) or type(shrink) is not bool or not (white is None or number):
        raise ValueError(f"framing {said}")
    return Framing(rule, image_shape[0], image_shape[1:], shrink, white)


def _image_shape(notes: Mapping[str, str], file: Path) -> Shape:
    """(C, H, W), or (F,). Raises ValueError for anything else."""
    shape = parse_json(notes["image_shape"], str(file))
    sides = isinstance(shape, list) and len(shape) in {1, 3} and all(type(side) is int for side in shape)
    if not sides or min(shape) < 1 or prod(shape) > MOST_NUMBERS:
        raise ValueError(f"image_shape {shape}")
    return tuple(shape)


def _class_ids(notes: Mapping[str, str], classes: int, file: Path) -> tuple[int, ...]:
    """One for each class; 1, 2, ... where none are noted. Raises ValueError for anything else than whole numbers."""
    if "class_ids" not in notes:
        return tuple(range(1, classes + 1))
    ids = parse_json(notes["class_ids"], str(file))
    if not isinstance(ids, list) or len(ids) != classes or not all(type(key) is int for key in ids):
        raise ValueError("class_ids that are none")
    return tuple(ids)


def names_of_classes(notes: Mapping[str, str], file: Path) -> tuple[str, ...]:
    """Those that a model's or an integer network's notes tell. Raises ValueError for anything else than names."""
    names = parse_json(notes["class_names"], str(file))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("class_names that are none")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{len(names)} class names, {len(set(names))} of them different")
    return tuple(names)


def checked_floats(arrays: dict[str, Array], file: Path) -> dict[str, Array]:
    """The arrays themselves. Raises PellucidError for whole numbers, and for numbers that are not finite."""
    for name, array in arrays.items():
        if array.dtype not in FLOATS:
            raise PellucidError(f"{file}: {name} has the type {array.dtype}, expected floats")
        with np.errstate(invalid="ignore"):  # widening a NaN of 16 bits is no surprise here
            wrong = array.size - int(np.count_nonzero(np.abs(array.astype(np.float64, copy=False)) <= LARGEST))
        if wrong:
            raise PellucidError(
                f"{file}: {name} has {wrong:,} numbers that are not finite, so the network can't answer anything"
            )
    return arrays


def _file(folder: RunFolder, best: bool) -> Path:
    file = folder.best if best else folder.model
    if not file.exists():
        raise PellucidError(f"{folder.path}: no {file.name} yet (it is written when the first epoch is complete)")
    return file
