"""What a command is about: a recipe, or a run with the network that came out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.data import Data
    from pellucid.network import Network
    from pellucid.recipes import Model, Recipe
    from pellucid.task import Task

LAST = "runs/last"
FEW = 64
NAME_HELP = "A recipe's name or file, or a run folder."
RUN_HELP = "A run folder, or a model file."


@dataclass(frozen=True)
class Subject:
    """A recipe's network with its first weights, or a run's with its trained ones. classes: how many it knows."""

    title: str
    recipe: Recipe
    network: Network
    task: Task
    classes: int


def open_subject(name: str) -> Subject:
    """What that name stands for. Raises PellucidError where it's neither a recipe nor a run."""
    from pellucid.recipes import build_data, build_network, build_task, load_recipe, open_model
    from pellucid.training.folder import RunFolder

    if RunFolder(Path(name)).model.exists():
        model = open_model(Path(name))
        return Subject(name, model.recipe, model.network, model.task, len(model.class_names))
    recipe = load_recipe(name)
    train = build_data(few_scenes(recipe)).train
    network = build_network(recipe, train.image_shape, train.classes)
    return Subject(name, recipe, network, build_task(recipe, train.class_names), train.classes)


def few_scenes(recipe: Recipe) -> Recipe:
    """The recipe with the first few of its scenes, where it has some: enough to look at, and there at once."""
    import msgspec

    if recipe.data.scenes is None:
        return recipe
    scenes = recipe.data.scenes | {"train": FEW, "validation": FEW, "test": FEW}
    return msgspec.structs.replace(recipe, data=msgspec.structs.replace(recipe.data, scenes=scenes))


def data_for(model: Model, source: str | None) -> Data:
    """The data that a model was trained on, or other data of the same classes.

    Raises PellucidError where the classes are others.
    """
    import msgspec

    from pellucid.recipes import build_data

    recipe = model.recipe
    if source is not None:
        recipe = msgspec.structs.replace(recipe, data=msgspec.structs.replace(recipe.data, source=source))
    data = build_data(recipe)
    if data.test.class_names != model.class_names:
        raise PellucidError(
            f"{data.test.name} has {_listed(data.test.class_names)}, "
            f"but {model.path} was trained on {_listed(model.class_names)}"
        )
    return data


def _listed(names: tuple[str, ...]) -> str:
    some = ", ".join(names if len(names) <= 4 else (*names[:3], "...", names[-1]))
    return f"{len(names)} classes ({some})"
