"""Layers: each a forward and a backward that read like the equations."""

from pellucid.layers.activation import LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.containers import Concat, Identity, Residual, Sequential, Sum
from pellucid.layers.context import DIFFERENTIABLE, INFERENCE, Context, training
from pellucid.layers.convolution import Conv2d, ConvTranspose2d
from pellucid.layers.dropout import Dropout
from pellucid.layers.fusion import fuse
from pellucid.layers.linear import Linear
from pellucid.layers.loss import MeanSquaredError, SoftmaxCrossEntropy
from pellucid.layers.normalization import BatchNorm2d
from pellucid.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from pellucid.layers.reshape import Flatten
from pellucid.layers.resize import Upsampled
from pellucid.layers.window import Window

__all__ = [
    "DIFFERENTIABLE",
    "INFERENCE",
    "AvgPool2d",
    "BatchNorm2d",
    "Concat",
    "Context",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "Identity",
    "Layer",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "MeanSquaredError",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "Sum",
    "Tanh",
    "Upsampled",
    "Window",
    "fuse",
    "training",
]
