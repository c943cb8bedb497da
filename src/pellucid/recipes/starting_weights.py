"""Where a recipe's training starts, if not at random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import PRETRAINED, load_backbone, load_pretrained, pretrained_name
from pellucid.layers import BatchNorm2d
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.parameter_groups import ParameterGroup
from pellucid.precision import quantization_aware
from pellucid.recipes.opened import open_model
from pellucid.recipes.schema import Recipe
from pellucid.zoo.backbone import adopt_backbone, has_stages
from pellucid.zoo.fcn import adopt


def start_weights(network: Network, recipe: Recipe) -> None:
    """Give a network the weights that the recipe starts from, if it names any."""
    start, name = recipe.training.start_from, recipe.network["name"]
    known = pretrained_name(recipe.network)
    if not start and recipe.network.get("pretrained"):
        start = known or ""
    if start in PRETRAINED and not Path(start).exists():
        if start != known:
            raise PellucidError(f"training.start_from = {start!r}: weights of another network than {name}")
        if start == name:
            load_pretrained(network, start)
        else:
            load_backbone(network, start)
    elif start:
        take_over(network, Path(start), recipe.training.weight_bits)


def groups_of(network: Network, recipe: Recipe) -> list[ParameterGroup]:
    """Which of a network's parameters learn how, as the recipe says."""
    groups = [ParameterGroup(group.names, group.rate, group.decay, group.frozen) for group in recipe.groups]
    if recipe.training.freeze_norms:
        norms = [node.name for node in network.nodes if isinstance(node.layer, BatchNorm2d)]
        groups += [ParameterGroup(name, frozen=True) for name in norms]
    return groups


def head_first(network: Network, recipe: Recipe) -> Callable[[int], list[ParameterGroup]] | None:
    """The groups in epoch 0, 1, ..., where only the last layer learns at first; None where all learn throughout."""
    epochs = recipe.training.head_epochs
    if not epochs:
        return None
    groups = groups_of(network, recipe)
    trained = [name for name, parameter in network.parameters.items() if parameter.trained]
    head = [ParameterGroup("*", frozen=True), ParameterGroup(trained[-1].rpartition(".")[0])]
    return lambda epoch: [*groups, *head] if epoch < epochs else groups


def take_over(network: Network, path: Path, weight_bits: int) -> None:
    """Start from the weights of an earlier run: of the same network, of one with another last layer, or of the
    classifier that is its backbone.

    weight_bits: of the network, where it learns with rounding; the earlier one may have learnt without.
    """
    model = open_model(path)
    given = model.network
    if weight_bits and not model.recipe.training.weight_bits:
        given = quantization_aware(given.astype("float32"), weight_bits)
    shapes = [{name: value.shape for name, value in side.state().items()} for side in (network, given)]
    if shapes[0] == shapes[1]:
        network.load_state(given.state(), str(model.path))
    elif _without_head(shapes[0]) == _without_head(shapes[1]):
        kept = _without_head(shapes[0])
        network.load_state({**network.state(), **{name: given.state()[name] for name in kept}}, str(model.path))
    elif has_stages(network):
        adopt_backbone(network, given, str(model.path))
    else:
        adopt(network, given, str(model.path))


def _without_head(shapes: dict[str, Shape]) -> dict[str, Shape]:
    """The shapes without those of the last layer."""
    last = list(shapes)[-1].rpartition(".")[0]
    return {name: shape for name, shape in shapes.items() if name.rpartition(".")[0] != last}
