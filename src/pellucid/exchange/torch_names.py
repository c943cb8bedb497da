"""Which array of a PyTorch file is which parameter of a network, by the order of the layers and their shapes.

Modules in PyTorch are listed in the order in which a network's code makes them, mostly that in which they compute;
the names are the author's own. So the layers of a file, groups of arrays whose names differ in the last part, are
laid beside the network's. A layer is known by the shapes of its weight, bias and statistics.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

KINDS = {"running_var": "running_variance"}
"""Their name of a kind of parameter: ours, where that is another."""

PASSED_OVER = ("num_batches_tracked", "n_averaged")
"""Counters that no arithmetic of ours needs."""

Layer = dict[str, tuple[str, Shape]]
"""By our kind of parameter: the name in full, and the shape."""


def match_names(
    network: Network, arrays: Mapping[str, Array], source: str, *, head: bool = True, ordered: bool = True
) -> dict[str, str]:
    """Their name by ours, of every parameter and statistic of the network.

    head: whether the last layer has to be the same too; else neither side's is matched. ordered: whether the arrays
    stand in their module's order; in a safetensors file, whose names are sorted, only the numbers in them say it.
    Where all names are those that this network's structure gives, they say it, in any order and under one prefix.
    Where the order is another one, each layer that is the only one of its shapes on both sides is found all the same.
    Raises PellucidError where that leaves a choice (ambiguous), and where layers differ, naming one.
    """
    if head and (named := _by_name(network, arrays)):
        return named
    ours = list(_layers({name: parameter.shape for name, parameter in network.parameters.items()}))
    told = arrays if ordered else by_number(arrays)
    theirs = list(_layers({name: array.shape for name, array in told.items()}))
    if not head:
        ours, theirs = ours[:-1], theirs[:-1]
    alike = [_shapes(layer) for layer in ours] == [_shapes(layer) for layer in theirs]
    if alike and (ordered or _numbered(theirs)):
        pairs = list(zip(ours, theirs, strict=True))
    else:
        _check_same_layers(ours, theirs, source)
        pairs = list(_by_shape(ours, theirs, source, ordered))
    return {own[kind][0]: their[kind][0] for own, their in pairs for kind in own}


def load_torch(
    network: Network, arrays: Mapping[str, Array], source: str, *, head: bool = True, ordered: bool = True
) -> dict[str, str]:
    """Take over the arrays that `match_names` finds, in the network's float type; returns their name by ours.

    head: whether the last layer is taken over too. ordered: see `match_names`. Raises PellucidError as that does, and
    for numbers that are not finite; nothing changes then.
    """
    names = match_names(network, arrays, source, head=head, ordered=ordered)
    for their in names.values():
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(arrays[their].astype(np.float32)).all()
        if not finite:
            raise PellucidError(f"{source}: {their} has numbers that are not finite in 32 bits")
    state = {**network.state(), **{own: arrays[their] for own, their in names.items()}}
    network.load_state(state, source)
    return names


def by_number(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of a file whose names are sorted, in the order that the numbers in their layers' names tell."""
    return dict(sorted(arrays.items(), key=lambda item: _parts(item[0].rpartition(".")[0])))


def torch_names(network: Network) -> dict[str, Array]:
    """Parameters and statistics by the names that a PyTorch module of the same structure gives them."""
    back = {ours: theirs for theirs, ours in KINDS.items()}
    found = {}
    for name, values in network.state().items():
        layer, _, kind = name.rpartition(".")
        found[f"{layer}.{back.get(kind, kind)}"] = values
    return found


def _layers(shapes: Mapping[str, Shape]) -> Iterator[Layer]:
    """Arrays of one layer stand together; their names are alike up to the last part."""
    layers: dict[str, Layer] = {}
    for name, shape in shapes.items():
        path, _, kind = name.rpartition(".")
        if kind not in PASSED_OVER:
            layers.setdefault(path, {})[KINDS.get(kind, kind)] = (name, shape)
    yield from layers.values()


def _by_name(network: Network, arrays: Mapping[str, Array]) -> dict[str, str]:
    """Their name by ours, where all are called as here, such as module.0.weight; nothing where one isn't."""
    back = {ours: theirs for theirs, ours in KINDS.items()}
    found = {name: array.shape for name, array in arrays.items() if name.rpartition(".")[2] not in PASSED_OVER}
    parts = [name.split(".") for name in found]
    shared = 0
    while parts and all(len(path) > shared + 2 and path[shared] == parts[0][shared] for path in parts):
        shared += 1
    theirs = {".".join(name.split(".")[shared:]): name for name in found}
    named = {}
    for own, parameter in network.parameters.items():
        layer, _, kind = own.rpartition(".")
        name = theirs.get(f"{layer}.{back.get(kind, kind)}", "")
        if found.get(name) != parameter.shape:
            return {}
        named[own] = name
    return named if len(named) == len(found) else {}


def _shapes(layer: Layer) -> frozenset[tuple[str, Shape]]:
    return frozenset((kind, shape) for kind, (_, shape) in layer.items())


def _check_same_layers(ours: list[Layer], theirs: list[Layer], source: str) -> None:
    """Raise PellucidError where the two don't have the same layers in any order."""
    if Counter(map(_shapes, ours)) == Counter(map(_shapes, theirs)):
        return
    for own, their in zip(ours, theirs, strict=False):
        if _shapes(own) != _shapes(their):
            raise PellucidError(f"{source}: has {_described(their)} where this network has {_described(own)}")
    longer, side = (theirs, "has") if len(theirs) > len(ours) else (ours, "lacks")
    extra = longer[min(len(ours), len(theirs))]
    raise PellucidError(f"{source}: {len(theirs)} layers, this network {len(ours)}: {side} {_described(extra)}")


def _by_shape(ours: list[Layer], theirs: list[Layer], source: str, ordered: bool) -> Iterator[tuple[Layer, Layer]]:
    """Pairs of layers that are each the only ones of their shapes. Raises PellucidError where one isn't."""
    places = {_shapes(layer): layer for layer in theirs}
    counts = Counter(map(_shapes, theirs))
    for own in ours:
        if counts[_shapes(own)] > 1:
            alike = [_described(layer, shapes=False) for layer in theirs if _shapes(layer) == _shapes(own)]
            raise PellucidError(
                f"{source}: ambiguous, its layers stand in another order than this network's, and for "
                f"{_described(own)} it has {counts[_shapes(own)]}: {', '.join(alike[:4])}"
                + ("" if ordered else " (safetensors files are sorted; torch.save keeps the order of the module)")
            )
        yield own, places[_shapes(own)]


def _path(layer: Layer) -> str:
    return next(iter(layer.values()))[0].rpartition(".")[0]


def _parts(path: str) -> list[tuple[bool, int, str]]:
    """Letters and numbers of a name in turn, to sort by: 2 before 10."""
    parts = re.split(r"(\d+)", path)
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _numbered(layers: list[Layer]) -> bool:
    """Whether it is a number that puts each layer behind the last one of the same shapes."""
    before: dict[frozenset[tuple[str, Shape]], list[tuple[bool, int, str]]] = {}
    for layer in layers:
        parts, shapes = _parts(_path(layer)), _shapes(layer)
        first = next((one for one, other in zip(before.get(shapes, []), parts, strict=False) if one != other), None)
        if shapes in before and (first is None or first[0]):
            return False
        before[shapes] = parts
    return True


def _described(layer: Layer, *, shapes: bool = True) -> str:
    name, _ = next(iter(layer.values()))
    path = name.rpartition(".")[0] or name
    if not shapes:
        return path
    return f"{path} ({', '.join(f'{kind} {shape}' for kind, (_, shape) in layer.items())})"
