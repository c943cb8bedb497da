"""A recipe's network and task, and whether they fit each other."""

from __future__ import annotations

import numpy as np

from pellucid.data import Boxes, Dataset
from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import pretrained_name
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.ops.formats import float_type
from pellucid.precision import with_rounding
from pellucid.recipes.choices import make
from pellucid.recipes.own_network import networks_with
from pellucid.recipes.schema import Choice, Recipe
from pellucid.recipes.settled import is_masks
from pellucid.recipes.written import KNOWN_NETWORKS
from pellucid.task import Task
from pellucid.tasks import TASKS, Detect, Segment


def build_network(recipe: Recipe, image_shape: Shape, classes: int, *, seed: int | None = -1) -> Network:
    """The recipe's network for images (C, H, W) of so many classes.

    seed: of its first weights, by default the recipe's; None leaves them 0, for weights that come from elsewhere.
    Raises PellucidError where the options make no network, or one that no memory holds.
    """
    settings, name = recipe.training, recipe.network["name"]
    try:
        layer = make(own_options(recipe.network), networks_with(name, KNOWN_NETWORKS), classes)
        if settings.weight_bits:
            layer = with_rounding(layer, settings.weight_bits)
        first = settings.seed if seed == -1 else seed
        return Network(layer, image_shape, dtype=float_type(settings.precision), seed=first)
    except (MemoryError, OverflowError, RecursionError) as error:
        raise PellucidError(f"network {name}: larger than memory ({error or type(error).__name__})") from error
    except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        raise PellucidError(f"network {name}: its options make no network ({error})") from error


def own_options(choice: Choice) -> Choice:
    """A choice of a network, without what says where its weights come from."""
    return {key: value for key, value in choice.items() if key != "pretrained" or pretrained_name(choice) is None}


def build_task(recipe: Recipe, class_names: tuple[str, ...]) -> Task:
    """The recipe's task."""
    return make(recipe.task, TASKS, class_names)


def check_outputs(recipe: Recipe, network: Network, task: Task, dataset: Dataset) -> None:
    """Refuse targets, or a network whose outputs, the task can't use, before anything is begun."""
    name, targets = recipe.task["name"], dataset.targets
    boxes = isinstance(targets, Boxes)
    if isinstance(task, Segment) != is_masks(dataset) or isinstance(task, Detect) != boxes:
        others = "no boxes" if boxes else "no masks"
        wanted = "masks" if isinstance(task, Segment) else "boxes" if isinstance(task, Detect) else others
        got = f"{targets.dtype} {targets.shape}" if isinstance(targets, np.ndarray) else type(targets).__name__
        raise PellucidError(f"task {name}: expected {wanted} as targets, {dataset.name} has {got}")
    if isinstance(task, Detect):
        assert isinstance(targets, Boxes)
        task.check_outputs(network.output_shape, targets)
        return
    K, size = dataset.classes, dataset.shape[1:]
    expected = (K, *size) if isinstance(task, Segment) else (K,)
    if network.output_shape != expected:
        got, wanted = ("x".join(map(str, shape)) for shape in (network.output_shape, expected))
        raise PellucidError(
            f"task {name}: expected outputs of {wanted} for an image, network {recipe.network['name']} gives {got}"
        )
