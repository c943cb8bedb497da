"""Ready networks, by name."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from pellucid.arguments import checked_but
from pellucid.errors import PellucidError
from pellucid.layers import Layer
from pellucid.zoo.cifar_net import cifar_net
from pellucid.zoo.classics import alexnet, lenet5, vgg16
from pellucid.zoo.convnet import convnet
from pellucid.zoo.convolutionalize import convolutionalize
from pellucid.zoo.deep_convnet import deep_convnet
from pellucid.zoo.densenet import densenet121
from pellucid.zoo.detector import detector_small
from pellucid.zoo.efficientnet import efficientnet_lite0
from pellucid.zoo.fcn import fcn8, fcn16, fcn32, fcn_small
from pellucid.zoo.googlenet import googlenet
from pellucid.zoo.mobilenet import mobilenet_v2
from pellucid.zoo.plain_convnet import plain_convnet
from pellucid.zoo.pyramid import detector_pyramid, unet_pyramid
from pellucid.zoo.resnet import resnet18, resnet34, resnet50
from pellucid.zoo.shufflenet import shufflenet_v2
from pellucid.zoo.squeezenet import squeezenet
from pellucid.zoo.tiny import mobilenet_v1, resnet8
from pellucid.zoo.tiny_digits import tiny_digits
from pellucid.zoo.unet import unet

NETWORKS: dict[str, Callable[..., Layer]] = {
    "deep-convnet": deep_convnet,
    "detector-small": detector_small,
    "fcn-small": fcn_small,
    "fcn8": fcn8,
    "fcn16": fcn16,
    "fcn32": fcn32,
    "lenet5": lenet5,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "resnet8": resnet8,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "googlenet": googlenet,
    "densenet121": densenet121,
    "squeezenet": squeezenet,
    "shufflenet-v2": shufflenet_v2,
    "mobilenet-v1": mobilenet_v1,
    "mobilenet-v2": mobilenet_v2,
    "efficientnet-lite0": efficientnet_lite0,
    "unet": unet,
    "detector-pyramid": detector_pyramid,
    "unet-pyramid": unet_pyramid,
    "cifar-net": cifar_net,
    "convnet": convnet,
    "plain-convnet": plain_convnet,
    "tiny-digits": tiny_digits,
}

__all__ = [
    "NETWORKS",
    "alexnet",
    "cifar_net",
    "convnet",
    "convolutionalize",
    "create",
    "deep_convnet",
    "densenet121",
    "detector_pyramid",
    "detector_small",
    "efficientnet_lite0",
    "fcn8",
    "fcn16",
    "fcn32",
    "fcn_small",
    "googlenet",
    "lenet5",
    "mobilenet_v1",
    "mobilenet_v2",
    "plain_convnet",
    "resnet8",
    "resnet18",
    "resnet34",
    "resnet50",
    "shufflenet_v2",
    "squeezenet",
    "tiny_digits",
    "unet",
    "unet_pyramid",
    "vgg16",
]


@checked_but("name")
def create(name: str, classes: int, **options: Any) -> Layer:
    """The layers of the named network for that many classes. Raises PellucidError for a name or option unknown."""
    if not isinstance(name, str) or name not in NETWORKS:
        near = difflib.get_close_matches(str(name), NETWORKS, 1)
        hint = f" (nearest: {near[0]})" if near else ""
        raise PellucidError(f"unknown network {name!r}{hint}: expected one of {', '.join(NETWORKS)}")
    known = [key for key in inspect.signature(NETWORKS[name]).parameters if key != "classes"]
    for option in options:
        if option not in known:
            raise PellucidError(f"network {name}: unknown option {option!r}, expected one of {', '.join(known)}")
    return NETWORKS[name](classes, **options)
