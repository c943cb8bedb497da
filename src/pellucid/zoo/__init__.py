"""Ready networks, by name."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from pellucid.errors import PellucidError
from pellucid.layers import Layer
from pellucid.zoo.deep_convnet import deep_convnet

NETWORKS: dict[str, Callable[..., Layer]] = {
    "deep-convnet": deep_convnet,
}

__all__ = ["NETWORKS", "create", "deep_convnet"]


def create(name: str, classes: int, **options: Any) -> Layer:
    """The layers of the named network for that many classes. Raises PellucidError for a name or option unknown."""
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, 1)
        hint = f" (nearest: {near[0]})" if near else ""
        raise PellucidError(f"unknown network {name!r}{hint}: expected one of {', '.join(NETWORKS)}")
    known = [key for key in inspect.signature(NETWORKS[name]).parameters if key != "classes"]
    for option in options:
        if option not in known:
            raise PellucidError(f"network {name}: unknown option {option!r}, expected one of {', '.join(known)}")
    return NETWORKS[name](classes, **options)
