"""Networks with weights that decide something, small enough to be computed in float64 as well."""

import copy
from typing import Any

import numpy as np

from pellucid import zoo
from pellucid.graph import Branches, Residual, Sequential
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Clip,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Identity,
    InstanceNorm2d,
    LayerNorm2d,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Mish,
    Multiply,
    ReLU,
    ReLU6,
    Resize,
    Scale,
    Shift,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from pellucid.layers.joins import Concat
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

ZOO: dict[str, tuple[Shape, dict[str, Any]]] = {
    "deep-convnet": ((1, 28, 28), {}),
    "detector-small": ((1, 48, 64), {}),
    "fcn-small": ((1, 33, 42), {}),
    "fcn8": ((1, 28, 28), {}),
    "fcn16": ((1, 28, 28), {}),
    "fcn32": ((1, 28, 28), {}),
    "alexnet": ((3, 79, 67), {"width": 0.25}),
    "vgg16": ((3, 32, 64), {"width": 0.25}),
    "lenet5": ((1, 28, 28), {}),
    "plain-convnet": ((1, 28, 28), {}),
    "tiny-digits": ((1, 28, 28), {}),
    "resnet18": ((3, 75, 67), {"width": 24}),
    "resnet34": ((3, 64, 48), {"width": 16}),
    "resnet50": ((3, 75, 67), {"width": 16}),
    "googlenet": ((3, 75, 67), {"width": 0.5}),
    "densenet121": ((3, 64, 48), {"growth": 12}),
    "squeezenet": ((3, 75, 67), {}),
    "mobilenet-v2": ((3, 75, 67), {"width": 0.5}),
    "efficientnet-lite0": ((3, 75, 67), {"width": 0.5}),
    "unet": ((3, 32, 48), {"widths": (16, 32, 48)}),
    "convnet": ((3, 67, 45), {}),
}
"""Narrower than they are where that takes long; on images of odd sides where they take some."""


def zoo_network(name: str) -> Network:
    """A network of the zoo with drawn weights, in float32."""
    shape, options = ZOO[name]
    return drawn(Network(zoo.create(name, 7, **options), shape))


def drawn(network: Network) -> Network:
    """With statistics, factors and biases that are not what they begin with."""
    rng = np.random.default_rng(0)
    for name, parameter in network.parameters.items():
        kind, shape = name.rpartition(".")[2], parameter.shape
        if kind == "running_variance" or (kind == "weight" and len(shape) == 1):
            parameter.value[...] = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            parameter.value[...] = 0.1 * rng.standard_normal(shape)
    return network


def every_step(*, layers: bool = True) -> Network:
    """A network that needs every kind of step: all kernels, what they take in; and layers that no kernel does."""
    strange = Branches(
        Conv2d(24, 3, stride=2, padding=1),
        Sequential(
            MaxPool2d(3, stride=2, padding=1),
            Conv2d(24, 1, bias=False),
            BatchNorm2d(),
            LeakyReLU(0.1) if layers else ReLU(),
        ),
        Conv2d(24, (3, 5), stride=2, padding=(1, 2), groups=2 if layers else 1),
        join=Concat(),
    )
    layer = Sequential(
        Conv2d(20, padding=1),
        ReLU(),
        Conv2d(20, padding=1),
        ReLU(),
        MaxPool2d(2),
        Residual(Sequential(Conv2d(20, padding=1), BatchNorm2d(), ReLU6(), Conv2d(20, padding=1), BatchNorm2d())),
        ReLU(),
        Residual(
            Sequential(Conv2d(30, 1), ReLU6(), Conv2d(30, 3, padding="same", groups=30), ReLU6(), Conv2d(20, 1))
        ),
        BatchNorm2d(),
        Branches(Clip(-1, 1), AvgPool2d(3, stride=1, padding=1, count_padding=True), join=Add()),
        strange,
        ReLU(),
        BatchNorm2d(),
        Conv2d(36, 5, stride=2, dilation=2, padding=4),
        Branches(
            Sequential(Conv2d(18, 1), GlobalAvgPool2d()), Sequential(Conv2d(2), Flatten(), Linear(18)), join=Add()
        ),
        Dropout(0.5),
        ReLU(),
        Linear(7),
    )
    return drawn(Network(layer, (3, 38, 46)))


def every_function() -> Network:
    """Activations that do more than to bound, behind a convolution and by themselves; gates; norms of samples."""
    kinds = (
        Sigmoid(), Tanh(), SiLU(), ELU(0.7), SELU(), Softplus(), Mish(), GELU(), GELU(tanh=True), HardSigmoid(0.3),
        HardSwish(), LeakyReLU(0.2),
    )  # fmt: skip
    inside = [Residual(Sequential(Conv2d(11, 1), kind)) for kind in kinds]
    gate = Sequential(GlobalAvgPool2d(flatten=False), Conv2d(6, 1), SiLU(), Conv2d(22, 1), HardSigmoid())
    layer = Sequential(
        Conv2d(11, 3, padding=1),
        *inside,
        MaxPool2d(2),
        Branches(*copy.deepcopy(kinds[::2]), join=Add()),
        Scale((11, 1, 1)),
        Conv2d(22, 3, padding=1, bias=False),
        Scale(()),
        Shift((22, 1, 1)),
        GroupNorm(2),
        ReLU(),
        Branches(Identity(), gate, join=Multiply()),
        Conv2d(22, 3, padding=1),
        InstanceNorm2d(),
        Branches(copy.deepcopy(gate), Identity(), join=Multiply()),
        Branches(Conv2d(22, 1), LayerNorm2d(), join=Multiply()),
        Residual(Sequential(LayerNorm2d(), Conv2d(22, 1), GELU(), Conv2d(22, 1), Scale((22, 1, 1)))),
        Resize(scale=(1.7, 2), mode="linear"),
        Resize(scale=2),
        Tanh(),
        Flatten(),
        Linear(9),
        Mish(),
        Linear(5),
    )
    return drawn(Network(layer, (3, 37, 22)))


def images(network: Network, number: int, seed: int = 1) -> Array:
    """A batch of what the network sees, float32."""
    return np.random.default_rng(seed).standard_normal((number, *network.input_shape), np.float32)


def outputs(y: Any) -> list[Array]:
    """All outputs of a network."""
    return list(y) if isinstance(y, list) else [y]


def worst(found: Any, exact: Any) -> float:
    """The largest error of any output, as a part of its largest number."""
    pairs = list(zip(outputs(found), outputs(exact), strict=True))
    assert all(a.shape == b.shape for a, b in pairs)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
