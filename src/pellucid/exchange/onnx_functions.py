"""Which layers are one of ONNX's operators of each element by itself, and what their settings are called there."""

from __future__ import annotations

from typing import Any, NamedTuple

from pellucid.layers import (
    ELU,
    SELU,
    Abs,
    Erf,
    Exp,
    HardSigmoid,
    HardSwish,
    Identity,
    Layer,
    LeakyReLU,
    Log,
    Mish,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)
from pellucid.layers.smooth import SELU_ALPHA, SELU_SCALE


class Setting(NamedTuple):
    """A layer's setting. attribute: what ONNX calls it; default: what it is there where a file doesn't say it."""

    name: str
    attribute: str
    default: float


FUNCTIONS: dict[str, tuple[type[Layer], tuple[Setting, ...]]] = {
    "Abs": (Abs, ()),
    "Elu": (ELU, (Setting("alpha", "alpha", 1.0),)),
    "Erf": (Erf, ()),
    "Exp": (Exp, ()),
    "HardSigmoid": (HardSigmoid, (Setting("alpha", "alpha", 0.2), Setting("beta", "beta", 0.5))),
    "HardSwish": (HardSwish, ()),
    "Identity": (Identity, ()),
    "LeakyRelu": (LeakyReLU, (Setting("slope", "alpha", 0.01),)),
    "Log": (Log, ()),
    "Mish": (Mish, ()),
    "Relu": (ReLU, ()),
    "Selu": (SELU, (Setting("alpha", "alpha", SELU_ALPHA), Setting("scale", "gamma", SELU_SCALE))),
    "Sigmoid": (Sigmoid, ()),
    "Softplus": (Softplus, ()),
    "Tanh": (Tanh, ()),
}
"""By operator: read and written so."""


def attributes(layer: Any, settings: tuple[Setting, ...]) -> dict[str, float]:
    """A layer's settings, as ONNX calls them."""
    return {setting.attribute: getattr(layer, setting.name) for setting in settings}
