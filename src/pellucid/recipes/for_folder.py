"""What to train on a folder of pictures where nobody says: recipe, image size, epochs, fitting changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import ceil, prod, sqrt
from pathlib import Path
from typing import Any

from pellucid.data.survey import Survey, survey
from pellucid.errors import PellucidError
from pellucid.recipes.from_model import recipe_from
from pellucid.recipes.load import RUN_RECIPE, list_recipes, load_recipe
from pellucid.recipes.schema import Recipe

RECIPES = {"classes": "pictures", "labels": "pictures", "masks": "streets", "boxes": "cells"}
"""The recipe for each kind of folder."""

SIDE = 64  # pixels of the square that pictures are brought to, where they are larger
_LEAST_SIDE = 32
_SEEN = 20_000  # pictures, all epochs together: about a minute of 64x64 on two cores
_EPOCHS = (6, 100)
_STRIDE = 32  # pixels, the least side of a canvas; what detectors see is whole ones of them
_MOST = 0.95  # of the pictures with boxes or masks are no higher than the canvas, and as many no wider
_FROM = 0.5  # of the epochs, where a model is started from
_FEW_IMAGES = 400
_LABEL_FILES = {".csv", ".tsv"}
_SIDES = {"left", "right"}


def is_folder(name: str, data: str | None) -> bool:
    """Whether what is to be trained is a folder of pictures: it is written with a separator, as in photos/.

    data: what else was said to be learnt from; then a plain name is a recipe's. Raises PellucidError for a name that
    is a recipe's and a folder's, and for a folder that is not there.
    """
    path, separated = Path(name), any(mark in name for mark in (os.sep, "/"))
    if separated and not path.exists() and path.suffix != ".toml":
        raise PellucidError(f"{name}: no such folder")
    if separated and path.suffix.lower() in _LABEL_FILES:
        return True
    if not path.is_dir() or (path / RUN_RECIPE).exists() or (data is not None and not separated):
        return False
    if separated:
        if data is not None:
            raise PellucidError(f"{name} is what is to be learnt from, --data {data} can't be given with it")
        return True
    if name in list_recipes():
        raise PellucidError(
            f"{name}: a recipe and a folder ({path.resolve()}): write {name}/ for the folder, or --data FOLDER for "
            "what the recipe is to learn from"
        )
    raise PellucidError(f"{name}: a folder ({path.resolve()}), which is written {name}/; there is no recipe {name!r}")


def folder_recipe(folder: Path, overrides: Mapping[str, Any]) -> tuple[Recipe, list[str]]:
    """(the recipe for a folder of pictures, what is to be said of the folder and of what was chosen).

    overrides: keys that somebody has chosen himself; a model that classes are to be learnt from,
    `training.start_from`, brings its network and recipe. Raises PellucidError as `survey` does, and where there is no
    such model.
    """
    found = survey(folder)
    source, start = {"data.source": str(folder.resolve())}, str(overrides.get("training.start_from", ""))
    if found.kind not in {"classes", "labels"}:
        chosen = {} if "data.size" in overrides else _scene_sizes(found, load_recipe(RECIPES[found.kind]))
        recipe = load_recipe(RECIPES[found.kind], {**chosen, **overrides, **source})
    elif start and "network.name" not in overrides:
        recipe = recipe_from(start, {**_choices_from(found), **overrides, **source}, found.class_names)
    else:
        recipe = load_recipe(RECIPES[found.kind], {**_choices(found), **overrides, **source})
    return recipe, [*found.lines(), _said(recipe, found)]


def _choices_from(found: Survey) -> dict[str, Any]:
    """What a recipe is to be for such a folder that starts from a model: pictures stay as large as it is used to; the
    task, and whether they may be mirrored, is the folder's own.
    """
    chosen = {"task.name": "classify", "crop.flip": 0.0, **_choices(found)}
    if not found.arrays:
        del chosen["data.size"]
    chosen["training.epochs"] = round(_FROM * chosen["training.epochs"])
    return chosen


def _choices(found: Survey) -> dict[str, Any]:
    """What the recipe `pictures` is to be for such a folder, by key."""
    train = found.parts["train"]
    learnt = train if "test" in found.counts or "validation" in found.counts else round(0.8 * train)
    least, most = _EPOCHS
    choices: dict[str, Any] = {
        "data.size": _size(found),
        "training.epochs": min(max(round(_SEEN / max(learnt, 1)), least), most),
    }
    if found.kind == "labels":
        choices["task.name"] = "labels"
    if learnt < _FEW_IMAGES:
        choices["training.batch_size"] = 16
    held = sum(count for part, count in found.parts.items() if part != "train") or train - learnt
    if held * choices["training.epochs"] > _SEEN:  # measuring would take longer than learning
        choices["training.evaluate_samples"] = max(100, _SEEN // (4 * choices["training.epochs"]))
    if _may_be_mirrored(found):
        choices["crop.flip"] = 0.5
    return choices


def _scene_sizes(found: Survey, recipe: Recipe) -> dict[str, Any]:
    """The canvas for pictures with boxes or masks: room for all but the few largest, up to as many pixels as the
    recipe has, else that many in the usual shape; in whole strides, but for masks of their own size. Training's
    windows are no larger.
    """
    assert recipe.data.size is not None and recipe.crop.size is not None
    most, room = prod(recipe.data.size), found.sides(_MOST)
    if prod(room) > most:
        usual = found.sides(0.5)
        scale = sqrt(most / prod(usual))
        size = [max(1, round(scale * side / _STRIDE)) * _STRIDE for side in usual]
    else:
        whole = [ceil(side / _STRIDE) * _STRIDE for side in room]
        size = [max(_STRIDE, side) for side in room] if found.kind == "masks" else whole
    least = [max(_STRIDE, side // _STRIDE * _STRIDE) for side in size]
    window = [min(pair) for pair in zip(recipe.crop.size, least, strict=True)]
    return {"data.size": size, "crop.size": window}


def _size(found: Survey) -> list[int]:
    """The pictures' own size where all have it and it is small, else a square."""
    (H, W), _ = found.sizes[0]
    if len(found.sizes) == 1 and max(H, W) <= SIDE and min(H, W) >= _LEAST_SIDE // 2:
        return [H, W]
    side = min(max(found.shorter_side // 8 * 8, _LEAST_SIDE), SIDE)
    return [side, side]


def _may_be_mirrored(found: Survey) -> bool:
    """Whether a picture's mirror image is of the same class: not of characters, nor of what points somewhere."""
    names = [name.lower() for name in found.class_names]
    characters = all(len(name) == 1 or name.isdecimal() for name in names)
    sided = any(side in name.replace("-", "_").split("_") for name in names for side in _SIDES)
    return found.colour and not characters and not sided


def _said(recipe: Recipe, found: Survey) -> str:
    """What was chosen, in a line."""
    size = recipe.data.size
    parts = [f"recipe {recipe.name}"]
    if size is not None:
        parts.append(f"pictures at {size[0]}x{size[1]}")
    parts.append(f"{recipe.training.epochs:g} epochs")
    if recipe.crop.flip:
        parts.append("mirrored at random")
    if found.kind in {"classes", "labels"} and not {"test", "validation"} & found.counts.keys():
        parts.append("a fifth of each class kept for the test")
    return ", ".join(parts)
