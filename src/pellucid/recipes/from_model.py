"""How a training goes on from a model: its own network and recipe; where classes are others, its last layer anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import PRETRAINED
from pellucid.recipes.load import RUN_RECIPE, load_recipe, parse_recipe
from pellucid.recipes.opened import open_model
from pellucid.recipes.schema import Recipe
from pellucid.recipes.write import recipe_toml

TRANSFER = "transfer"
_OF_IMAGES = {"classify", "labels"}  # tasks that change into each other: a number for each class or label
_OLD_RATE = 0.15  # of the rate, for what was there, as in the recipe `transfer`


def is_pretrained(start: str) -> bool:
    """Whether what a training starts from is a network's name, whose weights come as a package."""
    return start in PRETRAINED and not Path(start).exists()


def recipe_from(start: str, overrides: Mapping[str, Any], class_names: Sequence[str] = ()) -> Recipe:
    """The recipe for training on from a pretrained network, a run or a model's file, also an ONNX file.

    A teacher, which the model had for its own data, isn't taken over.

    overrides: see `load_recipe`. class_names: of the new pictures, where they are known: of a model with others, only
    the new last layer learns in the first epoch, then what was there at a small part of its rate. Raises
    PellucidError where there is no such model, or it answers something else than one class or labels an image and
    another task is to be learnt.
    """
    if is_pretrained(start):
        return load_recipe(TRANSFER, {"network.name": start, **overrides})
    path = Path(start)
    model = open_model(path)
    own = model.recipe.task
    task = overrides.get("task.name", own["name"])
    if task != own["name"] and not {task, own["name"]} <= _OF_IMAGES:
        expected = f"a model of {' or '.join(sorted(_OF_IMAGES))} to learn {task}"
        raise PellucidError(f"{start}: its task is {own['name']}, expected {expected}")
    other = bool(class_names) and tuple(class_names) != model.class_names
    if other and task == own["name"]:  # those of its own classes, where it has some, are for no others
        weights = {"class_weights": "balanced", "positive_weights": [1.0] * len(class_names)}
        overrides = {**{f"task.{name}": of for name, of in weights.items() if name in own}, **overrides}
    if other and not model.recipe.groups:
        trained = [name for name, parameter in model.network.parameters.items() if parameter.trained]
        head = trained[-1].rpartition(".")[0]
        groups = [{"names": "*", "rate": _OLD_RATE}, {"names": head}]
        overrides = {"training.head_epochs": 1, "groups": groups, **overrides}
    overrides = {"teacher.source": "", **overrides}
    if (path / RUN_RECIPE).exists():
        return load_recipe(path, overrides)
    return parse_recipe(recipe_toml(model.recipe), str(path), overrides)
