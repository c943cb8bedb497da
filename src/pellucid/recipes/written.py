"""Networks that were put together in Python, as text: each layer's name, and the arguments that it was made with.

So a model's file of such a network holds all that is needed to make it again. Layers of people's own are called
"module:Class"; such a class is only made where it has been imported already, or the file is trusted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from pellucid import graph, layers
from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.graph import Node
from pellucid.graph.containers import ConcatBranches
from pellucid.layers import Layer, joins, quantize, resize
from pellucid.layers.joins import Concat
from pellucid.recipes.own_network import check_trust, own_network
from pellucid.zoo import NETWORKS


def _classes() -> dict[str, type[Layer]]:
    """Every layer and container of the library by name."""
    found = {
        name: value
        for module in (layers, joins, quantize, resize, graph)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Layer) and not name.startswith("_")
    }
    return found | {"Concat": Concat, "ConcatBranches": ConcatBranches}


CLASSES = _classes()


def written(layer: Layer) -> str:
    """The layer, or container, as text. Raises PellucidError that names a layer that can't be written down."""
    return json.dumps(_described(layer, layer))


def read_layers(classes: int, layers: str, head: str = "") -> Layer:
    """What `written` wrote. Raises PellucidError where the text is damaged, or names code that isn't trusted.

    head: name of a node of the outermost graph whose layer gives one number a class: it is made for `classes`.
    """
    text = parse_json(layers, "network layers")
    if head:
        _set_classes(text, head, classes)
    made = _made(text)
    if not isinstance(made, Layer):
        raise PellucidError(f"network layers: expected a layer, got {type(made).__name__}")
    return made


def _set_classes(text: Any, head: str, classes: int) -> None:
    """Let a node's layer have so many outputs, which is its first argument."""
    try:
        found = [part for part in text["arguments"] if part["name"] == head]
        arguments = found[0]["node"]["arguments"]
        arguments[0] = classes
    except (KeyError, TypeError, IndexError):
        raise PellucidError(f"network layers: no node {head[:100]!r} whose outputs are the classes") from None


KNOWN_NETWORKS: dict[str, Callable[..., Layer]] = {**NETWORKS, "layers": read_layers}


def _described(value: Any, layer: Layer) -> Any:
    """A value as JSON has it. layer: whose argument it is."""
    if isinstance(value, Layer):
        kind = type(value)
        name = kind.__name__ if CLASSES.get(kind.__name__) is kind else f"{kind.__module__}:{kind.__qualname__}"
        arguments, options = value.made_with
        return {
            "layer": name,
            "arguments": [_described(part, value) for part in arguments],
            "options": {key: _described(part, value) for key, part in options.items()},
        }
    if isinstance(value, Node):
        return {"node": _described(value.layer, layer), "inputs": list(value.inputs), "name": value.name}
    if isinstance(value, list | tuple):
        return [_described(part, layer) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise layer.error("arguments that are numbers, text or layers, to be saved", type(value).__name__)


def _made(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_made, value))
    if not isinstance(value, dict):
        return value
    try:
        if "node" in value:
            return Node(_made(value["node"]), tuple(value["inputs"]), value["name"])
        arguments, options = map(_made, value["arguments"]), {k: _made(v) for k, v in value["options"].items()}
        return _class(value["layer"])(*arguments, **options)
    except (KeyError, TypeError, ValueError) as error:
        raise PellucidError(f"network layers: damaged, {error!r}") from error


def _class(name: str) -> Callable[..., Layer]:
    if name in CLASSES:
        return CLASSES[name]
    module, _, path = name.partition(":")
    known = getattr(sys.modules.get(module), path, None)
    if isinstance(known, type) and issubclass(known, Layer):
        return known
    check_trust(name, "network layers")
    return own_network(name)
