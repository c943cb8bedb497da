"""Layers: each a forward and a backward that read like the equations.

Containers, which put layers together, live in `pellucid.graph`; they are found here too.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pellucid.layers.activation import Clip, LeakyReLU, ReLU, ReLU6, Sigmoid, SiLU, Tanh
from pellucid.layers.arithmetic import Divide, MatMul, Maximum, Minimum, Subtract
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.constants import Constant, Scale, Shift
from pellucid.layers.context import DIFFERENTIABLE, INFERENCE, Context, training
from pellucid.layers.convolution import Conv2d, ConvTranspose2d
from pellucid.layers.depth_to_space import DepthToSpace, SpaceToDepth
from pellucid.layers.distillation import Distillation
from pellucid.layers.dropout import Dropout
from pellucid.layers.frame import Pad, Slice
from pellucid.layers.identity import Identity
from pellucid.layers.interpolation import Resize
from pellucid.layers.joins import Add, Join, Multiply
from pellucid.layers.linear import Linear
from pellucid.layers.loss import FocalCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from pellucid.layers.normalization import BatchNorm2d
from pellucid.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from pellucid.layers.powers import Abs, Exp, Log, Power
from pellucid.layers.rearrange import ChannelOrder, Expand, Reshape, Transpose
from pellucid.layers.reduce import GlobalMaxPool2d, Reduce
from pellucid.layers.reshape import Flatten
from pellucid.layers.sample_norms import GroupNorm, InstanceNorm2d, LayerNorm, LayerNorm2d, LocalResponseNorm
from pellucid.layers.smooth import (
    ELU,
    GELU,
    SELU,
    Erf,
    HardSigmoid,
    HardSwish,
    Mish,
    PReLU,
    Softplus,
)
from pellucid.layers.softmax import LogSoftmax, Softmax
from pellucid.layers.window import Window

__all__ = [
    "DIFFERENTIABLE",
    "ELU",
    "GELU",
    "INFERENCE",
    "SELU",
    "Abs",
    "Add",
    "AvgPool2d",
    "BatchNorm2d",
    "ChannelOrder",
    "Clip",
    "Constant",
    "Context",
    "Conv2d",
    "ConvTranspose2d",
    "DepthToSpace",
    "Distillation",
    "Divide",
    "Dropout",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "FocalCrossEntropy",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNorm2d",
    "Join",
    "Layer",
    "LayerNorm",
    "LayerNorm2d",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "Log",
    "LogSoftmax",
    "MatMul",
    "MaxPool2d",
    "Maximum",
    "MeanSquaredError",
    "Minimum",
    "Mish",
    "Multiply",
    "PReLU",
    "Pad",
    "Parameter",
    "Power",
    "ReLU",
    "ReLU6",
    "Reduce",
    "Reshape",
    "Resize",
    "Scale",
    "Shift",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "SpaceToDepth",
    "Subtract",
    "Tanh",
    "Transpose",
    "Window",
    "training",
]

if TYPE_CHECKING:
    from pellucid.graph import Branches, Concat, Graph, Residual, Sequential, Sum, Upsampled  # noqa: F401

_CONTAINERS = ("Branches", "Concat", "Graph", "Residual", "Sequential", "Sum", "Upsampled")


def __getattr__(name: str) -> Any:
    if name in _CONTAINERS:  # looked up when asked for, as containers stand above layers
        return getattr(importlib.import_module("pellucid.graph"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
