"""Where a recipe's training starts, if not at random weights."""

from __future__ import annotations

from pathlib import Path

from pellucid.network import Network
from pellucid.precision import quantization_aware
from pellucid.recipes.model import open_model
from pellucid.zoo.fcn import adopt


def take_over(network: Network, path: Path, weight_bits: int) -> None:
    """Start from the weights of an earlier run: of the same network, or of the classifier that is its backbone.

    weight_bits: of the network, where it learns with rounding; the earlier one may have learnt without.
    """
    model = open_model(path)
    given = model.network
    if weight_bits and not model.recipe.training.weight_bits:
        given = quantization_aware(given.astype("float32"), weight_bits)
    shapes = [{name: value.shape for name, value in side.state().items()} for side in (network, given)]
    if shapes[0] == shapes[1]:
        network.load_state(given.state(), str(model.path))
    else:
        adopt(network, given, str(model.path))
