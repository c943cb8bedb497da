"""A Pellucid network rebuilt of PyTorch's modules, with the same weights: both sides compute one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.graph import INPUT
from pellucid.layers import (
    AvgPool2d,
    BatchNorm2d,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from pellucid.layers.joins import Add, Concat, Multiply
from pellucid.layers.resize import CropLike, RepeatEdges
from pellucid.network import Network
from pellucid.ops.arrays import Array


def torch_twin(network: Network) -> Any:
    """The module that does what a network does. Raises NotImplementedError for a kind not needed so far."""
    from torch import nn

    steps = [(node.name, node.inputs, node.join, _function(node.layer)) for node in network.nodes]
    output = network.nodes.outputs[0]

    class Twin(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(part for _, _, _, part in steps if isinstance(part, nn.Module))

        def forward(self, x: Any) -> Any:
            values = {INPUT: x}
            for name, inputs, join, part in steps:
                given = [values[source] for source in inputs]
                values[name] = part(*given) if join else part(given[0])
            return values[output]

    return Twin()


def _function(layer: Layer) -> Any:
    """PyTorch's module, or a function, for one layer."""
    import torch
    from torch import nn

    if isinstance(layer, Conv2d | Linear):
        return _with_weights(layer)
    if isinstance(layer, ConvTranspose2d):
        g, up = layer.geometry, layer
        transposed: Any = nn.ConvTranspose2d(
            up.built_weight.shape[0], up.channels, up.kernel, g.stride, g.before, up.output_padding, g.groups,
            up.bias is not None, g.dilation,
        )  # fmt: skip
        _copy(transposed.weight, up.built_weight.value)
        if up.bias is not None:
            _copy(transposed.bias, up.bias.value)
        return transposed
    if isinstance(layer, BatchNorm2d):
        norm: Any = nn.BatchNorm2d(layer.weight.shape[0], layer.epsilon, layer.momentum)
        own = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        for target, parameter in zip(own, layer.parameters().values(), strict=True):
            _copy(target, parameter.value)
        return norm
    if isinstance(layer, MaxPool2d):
        return nn.MaxPool2d(layer.kernel, layer.geometry.stride, layer.geometry.before, ceil_mode=layer.ceil)
    if isinstance(layer, AvgPool2d):
        return nn.AvgPool2d(
            layer.kernel, layer.geometry.stride, layer.geometry.before, layer.ceil, layer.count_padding
        )
    if isinstance(layer, GlobalAvgPool2d):
        return (lambda x: x.mean((2, 3))) if layer.flatten else (lambda x: x.mean((2, 3), keepdim=True))
    if isinstance(layer, RepeatEdges):
        return lambda x, image: _with_edges(layer, x, image)
    if isinstance(layer, Clip):
        return nn.Hardtanh(layer.low, layer.high)
    plain: dict[type[Layer], Callable[..., Any]] = {
        ReLU: nn.ReLU(inplace=True),
        Flatten: nn.Flatten(),
        Dropout: nn.Identity(),
        Sigmoid: nn.Sigmoid(),
        SiLU: nn.SiLU(),
        Tanh: nn.Tanh(),
        Add: lambda *xs: sum(xs[1:], xs[0]),
        Multiply: lambda *xs: torch.prod(torch.stack(torch.broadcast_tensors(*xs)), 0),
        Concat: lambda *xs: torch.cat(xs, 1),
        CropLike: lambda x, image: x[:, :, : image.shape[2], : image.shape[3]],
    }
    if type(layer) not in plain:
        raise NotImplementedError(layer.kind)
    return plain[type(layer)]


def _copy(target: Any, values: Array) -> None:
    import torch

    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def _with_weights(layer: Conv2d | Linear) -> Any:
    from torch import nn

    weight, bias = layer.built_weight.value, layer.bias
    if isinstance(layer, Linear):
        module: Any = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    else:
        g = layer.geometry
        inputs = weight.shape[1] * g.groups
        convolution: Any = nn.Conv2d(
            inputs, weight.shape[0], layer.kernel, g.stride, g.before, g.dilation, g.groups, bias is not None
        )
        top, bottom, left, right = g.padding
        if layer.sized:
            return _with_padding(layer, convolution, weight)
        module = convolution if g.symmetric else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), convolution)
        if not g.symmetric:
            convolution.padding = (0, 0)
        _copy(convolution.weight, weight)
        if bias is not None:
            _copy(convolution.bias, bias.value)
        return module
    _copy(module.weight, weight)
    if bias is not None:
        _copy(module.bias, bias.value)
    return module


def _with_padding(layer: Conv2d, convolution: Any, weight: Array) -> Any:
    """A convolution whose padding follows from the image's size."""
    from torch import nn
    from torch.nn import functional

    class Padded(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.convolution = convolution

        def forward(self, x: Any) -> Any:
            top, bottom, left, right = layer.geometry_for((x.shape[2], x.shape[3])).padding
            return self.convolution(functional.pad(x, (left, right, top, bottom)))

    convolution.padding = (0, 0)
    _copy(convolution.weight, weight)
    if layer.bias is not None:
        _copy(convolution.bias, layer.bias.value)
    return Padded()


def _with_edges(layer: RepeatEdges, x: Any, image: Any) -> Any:
    from torch.nn import functional

    (top, left), (H, W) = layer.before, image.shape[2:]
    _, h, w = layer.output_shape([tuple(x.shape[1:]), (1, H, W)])
    return functional.pad(x, (left, w - left - x.shape[3], top, h - top - x.shape[2]), mode="replicate")
