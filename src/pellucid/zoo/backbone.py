"""Classifiers of the zoo as the lower part of other networks: their blocks, cut where the maps shrink.

What a network learnt from a million photographs about edges, textures and parts is worth having wherever photographs
are looked at. The blocks keep the classifier's names behind that of their stage ("stage4.8.body.0.weight" is its
"8.body.0.weight"), so its weights can be taken over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.network import Network
from pellucid.zoo.efficientnet import efficientnet_lite0_stages

Stages = Sequence[Sequential]
"""Of strides 2, 4, 8, 16 and 32; each sees what the one before it gives."""

BACKBONES: dict[str, Callable[[float, float], Stages]] = {"efficientnet-lite0": efficientnet_lite0_stages}
"""By the classifier's name, from the factor of its channels and the momentum of the norms' running statistics."""

BACKBONED = ("detector-pyramid", "unet-pyramid")
"""Networks of the zoo that stand on one of these."""

_PATH = re.compile(r"(?:^|\.)stage\d+\.")


def stages(backbone: str, width: float, momentum: float) -> Stages:
    """The classifier's stages. Raises PellucidError for a name that isn't among them."""
    if backbone not in BACKBONES:
        raise PellucidError(f"backbone {backbone!r}: expected one of {', '.join(BACKBONES)}")
    return BACKBONES[backbone](width, momentum)


def has_stages(network: Network) -> bool:
    """Whether a network stands on a classifier's stages."""
    return any(_PATH.search(name) for name in network.parameters)


def adopt_backbone(network: Network, classifier: Network, source: str = "the classifier") -> None:
    """Give a network's stages the weights and statistics of the classifier that they come from.

    Raises PellucidError, naming `source`, for a network without stages, and where shapes don't agree.
    """
    given = classifier.state()
    own = {name: _PATH.split(name)[-1] for name in network.parameters if _PATH.search(name)}
    if not own:
        raise PellucidError(f"{source}: expected a network that stands on a classifier's stages, got another")
    for name, theirs in own.items():
        shape = network.parameters[name].shape
        if theirs not in given or given[theirs].shape != shape:
            came = given[theirs].shape if theirs in given else "none"
            raise PellucidError(
                f"{source}: not this network's backbone: expected {theirs} of shape {shape}, got {came}"
            )
    for name, theirs in own.items():
        network.parameters[name].value[...] = given[theirs].astype(network.parameters[name].value.dtype)
