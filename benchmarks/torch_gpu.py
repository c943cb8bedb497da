"""PyTorch's side on a GPU: whole steps in a CUDA graph, channels last, in several types, plain and compiled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array

Pair = tuple[Callable[[], object], Callable[[], object]]
"""What does the work, and what waits for it."""

Modes = dict[str, dict[str, Any]]

TRAINING: Modes = {
    "bfloat16 autocast, graph": {"bfloat16": True},
    "float32, graph": {"tf32": False},
    "TF32, graph": {"tf32": True},
}
TRAINING_COMPILED: Modes = {
    "bfloat16 autocast, graph": {"bfloat16": True},
    "bfloat16 autocast, compiled, graph": {"bfloat16": True, "mode": "default"},
    "bfloat16 autocast, max-autotune, graph": {"bfloat16": True, "mode": "max-autotune-no-cudagraphs"},
}
INFERENCE: Modes = {
    "bfloat16, graph": {"bfloat16": True},
    "float32, graph": {"tf32": False},
    "TF32, graph": {"tf32": True},
}
INFERENCE_COMPILED: Modes = {
    "bfloat16, graph": {"bfloat16": True},
    "bfloat16, compiled, graph": {"bfloat16": True, "mode": "default"},
    "bfloat16, max-autotune, graph": {"bfloat16": True, "mode": "max-autotune-no-cudagraphs"},
}

WARM_UPS = 4


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


def resnet18() -> Any:
    import torchvision

    return torchvision.models.resnet18()


NETWORKS = {"deep-convnet": torch_deep_convnet, "resnet18": resnet18}


def _settled(tf32: bool) -> None:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


def training(
    network: Any, images: Array, labels: Array, *, bfloat16: bool = False, tf32: bool = True, mode: str = ""
) -> Pair:
    """Steps of Adam (fused) on one batch that lies on the card."""
    import torch

    _settled(tf32)
    network = network.cuda().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True, capturable=True)
    x = torch.from_numpy(np.ascontiguousarray(images)).cuda().to(memory_format=torch.channels_last)
    t = torch.from_numpy(labels).cuda()
    run = torch.compile(network, mode=mode) if mode else network

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        half = torch.autocast("cuda", torch.bfloat16, cache_enabled=False) if bfloat16 else nullcontext()
        with half:
            loss = torch.nn.functional.cross_entropy(run(x), t)
        loss.backward()
        optimizer.step()

    return _recorded(step), torch.cuda.synchronize


def inference(network: Any, images: Array, *, bfloat16: bool = False, tf32: bool = True, mode: str = "") -> Pair:
    """The network's logits for one batch, without gradients."""
    import torch

    _settled(tf32)
    kind = torch.bfloat16 if bfloat16 else torch.float32
    network = network.cuda().to(kind).to(memory_format=torch.channels_last).eval()
    x = torch.from_numpy(np.ascontiguousarray(images)).cuda().to(kind).to(memory_format=torch.channels_last)
    run = torch.compile(network, mode=mode) if mode else network

    def forward() -> None:
        with torch.no_grad():
            run(x)

    return _recorded(forward), torch.cuda.synchronize


def _recorded(step: Callable[[], None]) -> Callable[[], object]:
    """The step as a CUDA graph, as PyTorch's documentation has it."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(alive: Callable[[], None] = step) -> None:  # the step's arrays: the graph reads and writes them
        graph.replay()

    return replay
