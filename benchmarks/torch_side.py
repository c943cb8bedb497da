"""The other side: the same networks and steps in PyTorch, in each of the modes whose best is compared with."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array


def torch_deep_convnet() -> Any:
    """DeepConvNet of PyTorch's modules, with both dropouts."""
    from torch import nn

    parts: list[Any] = []
    channels = 1
    for width, paddings in ((16, (1, 1)), (32, (1, 2)), (64, (1, 1))):
        for padding in paddings:
            parts += [nn.Conv2d(channels, width, 3, padding=padding), nn.ReLU(inplace=True)]
            channels = width
        parts.append(nn.MaxPool2d(2))
    parts += [nn.Flatten(), nn.Linear(1024, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 10), nn.Dropout(0.5)]
    return nn.Sequential(*parts)


def training_step(images: Array, labels: Array, *, channels_last: bool) -> Callable[[], object]:
    """One step of Adam (fused) on the batch, eager."""
    import torch

    format_ = torch.channels_last if channels_last else torch.contiguous_format
    network = torch_deep_convnet().to(memory_format=format_)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    x = torch.from_numpy(np.ascontiguousarray(images)).to(memory_format=format_)
    t = torch.from_numpy(labels)

    def step() -> object:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(network(x), t)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference(images: Array, *, channels_last: bool, compiled: bool) -> Callable[[], object]:
    """The network's logits for the batch, without gradients."""
    import torch

    format_ = torch.channels_last if channels_last else torch.contiguous_format
    network = torch_deep_convnet().to(memory_format=format_).eval()
    x = torch.from_numpy(np.ascontiguousarray(images)).to(memory_format=format_)
    run = torch.compile(network) if compiled else network

    def forward() -> object:
        with torch.inference_mode():
            return run(x)

    return forward


def convolution(x: Array, w: Array, b: Array, dy: Array | None, *, channels_last: bool) -> Callable[[], object]:
    """3x3 convolution, padding 1, bias, ReLU: forward, or with `dy` forward and backward of x, w and b."""
    import torch

    format_ = torch.channels_last if channels_last else torch.contiguous_format
    tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in (x, w, b)]
    tx, tw = (t.to(memory_format=format_) for t in tensors[:2])
    tb = tensors[2]
    conv2d = torch.nn.functional.conv2d
    if dy is None:

        def forward() -> object:
            with torch.inference_mode():
                return torch.relu_(conv2d(tx, tw, tb, padding=1))

        return forward

    leaves = [t.requires_grad_() for t in (tx, tw, tb)]
    gradient = torch.from_numpy(np.ascontiguousarray(dy)).to(memory_format=format_)

    def both() -> object:
        y = torch.relu_(conv2d(*leaves, padding=1))
        return torch.autograd.grad(y, leaves, gradient)

    return both
