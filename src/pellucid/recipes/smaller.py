"""A recipe with a smaller network: narrower layers, or smaller images."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from pellucid.errors import PellucidError
from pellucid.recipes.schema import Recipe, TeacherSettings
from pellucid.zoo import NETWORKS

SCALED = ("width", "widths", "growth", "channels")
"""Options of the zoo's networks that say how wide layers are; the first that a network has counts."""

STEP, LEAST = 4, 8
"""Sides of images are multiples of the one and at least the other, pixels."""


def narrower(recipe: Recipe, share: float) -> Recipe:
    """The recipe with layers `share` times as wide. Raises PellucidError where its network has no such option."""
    name = recipe.network["name"]
    known = inspect.signature(NETWORKS[name]).parameters if name in NETWORKS else {}
    for option in SCALED:
        if option in known:
            value = recipe.network.get(option, known[option].default)
            return msgspec.structs.replace(recipe, network={**recipe.network, option: _scaled(value, share)})
    raise PellucidError(f"network {name}: no option says how wide its layers are")


def _scaled(value: Any, share: float) -> Any:
    if isinstance(value, float):
        return value * share
    if isinstance(value, int):
        return max(1, int(value * share))
    return [max(1, int(one * share)) for one in value]


def on_smaller_images(recipe: Recipe, size: tuple[int, int], share: float) -> Recipe:
    """The recipe with images `share` times as high and wide as `size`, and no teacher, who knows none of these.

    Raises PellucidError where windows are cut.
    """
    if recipe.crop.size is not None:
        raise PellucidError("images of another size: this recipe learns from windows, crop.size")
    height, width = (max(LEAST, int(side * share) // STEP * STEP) for side in size)
    data = msgspec.structs.replace(recipe.data, size=(height, width))
    return msgspec.structs.replace(recipe, data=data, teacher=TeacherSettings())
