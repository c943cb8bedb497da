"""A Pellucid network rebuilt of PyTorch's modules, with the same weights: both sides compute one function."""

from typing import Any

import numpy as np

from pellucid.graph import Sequential, Sum, Upsampled
from pellucid.layers import Conv2d, Dropout, Flatten, Layer, Linear, MaxPool2d, ReLU


def torch_twin(layer: Layer) -> Any:
    """The module that does what a built layer does. Raises NotImplementedError for a kind not needed so far."""
    from torch import nn

    if isinstance(layer, Sequential):
        return nn.Sequential(*map(torch_twin, layer.layers))
    if isinstance(layer, Sum):
        return _sum(layer)
    if isinstance(layer, Upsampled):
        return _upsampled(layer)
    if isinstance(layer, MaxPool2d):
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil)
    if isinstance(layer, Conv2d | Linear):
        return _with_weights(layer)
    for kind, module in ((ReLU, nn.ReLU(inplace=True)), (Flatten, nn.Flatten()), (Dropout, nn.Identity())):
        if isinstance(layer, kind):
            return module
    raise NotImplementedError(layer.kind)


def _with_weights(layer: Conv2d | Linear) -> Any:
    import torch
    from torch import nn

    weight = layer.built_weight.value
    if isinstance(layer, Linear):
        module: Any = nn.Linear(weight.shape[1], weight.shape[0])
    else:
        module = nn.Conv2d(weight.shape[1], weight.shape[0], layer.kernel, layer.stride, layer.padding)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        module.bias.copy_(torch.from_numpy(layer.bias.value if layer.bias else np.zeros(weight.shape[0])))
    return module


def _sum(layer: Sum) -> Any:
    from torch import nn

    class Added(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList(map(torch_twin, layer.branches))

        def forward(self, x: Any) -> Any:
            first, *others = (branch(x) for branch in self.branches)
            for other in others:
                first = first + other
            return first

    return Added()


def _upsampled(layer: Upsampled) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    up, before = layer.up, layer.before

    class Grown(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = torch_twin(layer.body)
            self.filters = nn.Parameter(torch.from_numpy(np.ascontiguousarray(up.built_weight.value)))

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            after = layer.edges_after((y.shape[2], y.shape[3]), (x.shape[2], x.shape[3]))
            y = functional.pad(y, (before[1], after[1], before[0], after[0]), mode="replicate")
            y = functional.conv_transpose2d(y, self.filters, None, up.stride, up.padding, groups=up.groups)
            return y[:, :, : x.shape[2], : x.shape[3]]

    return Grown()
