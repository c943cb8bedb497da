"""Trained models: weights with all that is needed to use them, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

from pellucid.data.dataset import Dataset
from pellucid.data.framing import Framing, Rule
from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.graph import Nodes
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.plan import AnyNetwork
from pellucid.recipes.held_out import read_held_out
from pellucid.recipes.load import parse_recipe
from pellucid.recipes.network import build_network, build_task
from pellucid.recipes.schema import Recipe
from pellucid.recipes.write import recipe_toml
from pellucid.task import Task
from pellucid.training.folder import RunFolder, open_run_folder
from pellucid.weights import read_arrays

FORMAT = "pellucid model 1"


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
        "framing": json.dumps({"rule": framing.rule, "shrink": framing.shrink, "white": framing.white}),
        **({"class_ids": json.dumps(list(class_ids))} if class_ids is not None else {}),
    }


def dataset_notes(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """`model_notes` for a network trained on that data set."""
    C, H, W = dataset.image_shape
    framing = dataset.framing or Framing("stretch" if recipe.task["name"] == "classify" else "own", C, (H, W))
    return model_notes(recipe, dataset.image_shape, dataset.class_names, framing, dataset.class_ids)


def open_model(path: Path, *, best: bool = False) -> Model:
    """The model of a run folder (its last, or its best), or of a model file.

    Raises PellucidError where there is none, it's damaged, or its weights don't fit its recipe.
    """
    file = path if path.is_file() else _file(open_run_folder(path), best)
    arrays, notes = read_arrays(file)
    if notes.get("format") != FORMAT:
        raise PellucidError(f"{file}: expected a {FORMAT!r}, got {notes.get('format', 'another file')!r}")
    about = parse_notes(notes, file)
    network = build_network(about.recipe, about.image_shape, len(about.class_names))
    network.load_state(arrays, str(file))
    return Model(network, build_task(about.recipe, about.class_names), *about)


def parse_notes(notes: Mapping[str, str], file: Path) -> About:
    """What `model_notes` has written. Raises PellucidError, naming the file, where they are damaged."""
    try:
        recipe = parse_recipe(notes["recipe"], str(file))
        image_shape = tuple(json.loads(notes["image_shape"]))
        class_names = tuple(json.loads(notes["class_names"]))
        framing = _framing(notes, recipe, image_shape)
        counted = list(range(1, len(class_names) + 1))
        class_ids = tuple(int(key) for key in json.loads(notes.get("class_ids", json.dumps(counted))))
        if len(class_ids) != len(class_names):
            raise ValueError("class_ids")
    except (KeyError, TypeError, ValueError) as error:
        raise PellucidError(f"{file}: damaged notes beside the weights ({error!r})") from error
    held_out = read_held_out(file.parent, recipe, before="framing" not in notes)
    return About(recipe, image_shape, class_names, file, framing, held_out, class_ids)


def _framing(notes: Mapping[str, str], recipe: Recipe, image_shape: Shape) -> Framing:
    """How pictures become the model's input, by its notes, or as those of version 0.1 meant it."""
    C, H, W = image_shape
    if "framing" in notes:
        said = json.loads(notes["framing"])
        if said["rule"] not in get_args(Rule):
            raise ValueError(f"framing {said['rule']!r}")
        return Framing(said["rule"], C, (H, W), bool(said["shrink"]), said["white"])
    if recipe.task["name"] == "classify":
        pictures = C != 1 or H != W or json.loads(notes.get("pictures", "false"))
        return Framing("stretch" if pictures else "character", C, (H, W))
    # it learnt from scenes, unless a size was asked for, which those don't take, or nothing was said of scenes
    folder = recipe.data.source != "mnist" and (recipe.data.size is not None or recipe.data.scenes is None)
    return Framing("canvas" if folder else "own", C, (H, W), shrink=recipe.data.size is not None)


def _file(folder: RunFolder, best: bool) -> Path:
    file = folder.best if best else folder.model
    if not file.exists():
        raise PellucidError(f"{folder.path}: no {file.name} yet (it is written when the first epoch is complete)")
    return file
