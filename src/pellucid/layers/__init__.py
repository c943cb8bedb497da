"""Layers: each a forward and a backward that read like the equations.

Containers, which put layers together, live in `pellucid.graph`; they are found here too.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pellucid.layers.activation import Clip, LeakyReLU, ReLU, ReLU6, Sigmoid, SiLU, Tanh
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.context import DIFFERENTIABLE, INFERENCE, Context, training
from pellucid.layers.convolution import Conv2d, ConvTranspose2d
from pellucid.layers.dropout import Dropout
from pellucid.layers.identity import Identity
from pellucid.layers.joins import Add, Join, Multiply
from pellucid.layers.linear import Linear
from pellucid.layers.loss import FocalCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from pellucid.layers.normalization import BatchNorm2d
from pellucid.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from pellucid.layers.reshape import Flatten
from pellucid.layers.window import Window

__all__ = [
    "DIFFERENTIABLE",
    "INFERENCE",
    "Add",
    "AvgPool2d",
    "BatchNorm2d",
    "Clip",
    "Context",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "FocalCrossEntropy",
    "GlobalAvgPool2d",
    "Identity",
    "Join",
    "Layer",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "MeanSquaredError",
    "Multiply",
    "Parameter",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "Tanh",
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
