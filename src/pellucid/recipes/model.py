"""Trained models: weights with all that is needed to use them, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pellucid.data.dataset import Dataset
from pellucid.data.formats.folders import has_class_folders
from pellucid.errors import PellucidError
from pellucid.graph import Nodes
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.plan import AnyNetwork
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
    pictures: bool


@dataclass(frozen=True)
class AnyModel:
    """A trained network, in floats or integers, and what it was trained by.

    image_shape: (C, H, W) it was trained on. class_names: of class 0, 1, ... pictures: whether its images were
    picture files as they are, and not prepared characters as MNIST's.
    """

    network: AnyNetwork
    task: Task
    recipe: Recipe
    image_shape: Shape
    class_names: tuple[str, ...]
    path: Path
    pictures: bool

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
    recipe: Recipe, image_shape: Shape, class_names: tuple[str, ...], pictures: bool = False
) -> dict[str, str]:
    """What a model's file says beside its weights; see `weights.save_model`."""
    return {
        "format": FORMAT,
        "recipe": recipe_toml(recipe),
        "image_shape": json.dumps(list(image_shape)),
        "class_names": json.dumps(list(class_names)),
        "pictures": json.dumps(pictures),
    }


def dataset_notes(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """`model_notes` for a network trained on that data set."""
    source = Path(recipe.data.source)
    pictures = source.is_dir() and has_class_folders(source)
    return model_notes(recipe, dataset.image_shape, dataset.class_names, pictures)


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
        pictures = bool(json.loads(notes.get("pictures", "false")))
    except (KeyError, TypeError, ValueError) as error:
        raise PellucidError(f"{file}: damaged notes beside the weights ({error!r})") from error
    return About(recipe, image_shape, class_names, file, pictures)


def _file(folder: RunFolder, best: bool) -> Path:
    file = folder.best if best else folder.model
    if not file.exists():
        raise PellucidError(f"{folder.path}: no {file.name} yet (it is written when the first epoch is complete)")
    return file
