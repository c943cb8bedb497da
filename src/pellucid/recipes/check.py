"""What a recipe chooses is checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pellucid.data.pictures import MOST_PIXELS
from pellucid.errors import PellucidError
from pellucid.recipes.choices import check_choice, make
from pellucid.recipes.network import own_options
from pellucid.recipes.own_network import networks_with
from pellucid.recipes.schema import Recipe
from pellucid.recipes.written import KNOWN_NETWORKS
from pellucid.tasks import TASKS
from pellucid.training import OPTIMIZERS, SCHEDULES

MOST = 1e12  # more than any sensible fraction of a recipe; a larger one is a slip
LONGEST_NAME = 150  # bytes; with the date before it, a folder's
LARGEST = 1e6  # of a mean or a deviation, where white is 1


def check_choices(recipe: Recipe) -> None:
    """Check what a recipe chooses by name, before anything is made of it."""
    if not isinstance(recipe.network.get("pretrained", False), bool):
        raise PellucidError(f"network.pretrained = {recipe.network['pretrained']!r}: expected true or false")
    known = networks_with(recipe.network.get("name"), KNOWN_NETWORKS)
    check_choice("network", own_options(recipe.network), known, given=1)
    check_choice("task", recipe.task, TASKS, given=1)
    check_choice("optimizer", recipe.optimizer, OPTIMIZERS, given=0)
    check_choice("schedule", recipe.schedule, SCHEDULES, given=2)
    _check_numbers(recipe.training, "training", above=("epochs", "batch_size", "parts"))
    _check_numbers(recipe.data, "data")
    _check_name(recipe.name)
    for name, values in (("mean", recipe.data.mean), ("std", recipe.data.std)):
        above = "numbers above 0" if name == "std" else "numbers"
        if not all(-LARGEST < value < LARGEST and (name == "mean" or value > 1 / LARGEST) for value in values):
            raise PellucidError(f"data.{name} = {list(values)}: expected {above}, of a size up to {LARGEST:g}")
    for key, size in (("data.size", recipe.data.size), ("crop.size", recipe.crop.size)):
        if size is not None and (min(size) < 1 or size[0] * size[1] > MOST_PIXELS):
            raise PellucidError(
                f"{key} = {list(size)}: expected (height, width) of 1 to {MOST_PIXELS:,} pixels in all"
            )
    make(recipe.optimizer, OPTIMIZERS)
    make(recipe.schedule, SCHEDULES, 1, 1)


def _check_numbers(settings: msgspec.Struct, section: str, above: Sequence[str] = ()) -> None:
    """Every number of a section is at least 0, those of `above` more than that; fractions may not be endless."""
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            least = "more than 0" if name in above else "0 or more"
            if not value >= 0 or (name in above and not value):
                raise PellucidError(f"{section}.{name} = {value}: expected {least}")
            if isinstance(value, float) and value >= MOST:
                raise PellucidError(f"{section}.{name} = {value}: expected {least}, below {MOST:.0e}")


def _check_name(name: str) -> None:
    """A run's folder is named after it."""
    plain = name.isprintable() and len(name.encode()) <= LONGEST_NAME and set("/\\").isdisjoint(name)
    if not name or name.startswith(".") or not plain:
        raise PellucidError(f"name = {name!r}: expected a plain name, which run folders may be called by")
