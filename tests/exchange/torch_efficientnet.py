"""EfficientNet-Lite0 written for PyTorch, over the arrays of a state dict: what ours is compared with."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

STAGES = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))  # blocks, kernel, stride


def forward(state: Mapping[str, Any], x: Any) -> Any:
    """Logits (N, 1000) of images x (N, 3, H, W), as in inference."""

    def convolution(x: Any, name: str, stride: int = 1, *, depthwise: bool = False) -> Any:
        weight = state[f"{name}.weight"]
        kernel = weight.shape[-1]
        pads = []
        for side in (x.shape[3], x.shape[2]):
            extra = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [extra // 2, extra - extra // 2]
        return functional.conv2d(
            functional.pad(x, pads), weight, stride=stride, groups=x.shape[1] if depthwise else 1
        )

    def norm(x: Any, name: str) -> Any:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return functional.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], False, 0.0, 1e-3)

    x = functional.relu6(norm(convolution(x, "_conv_stem", 2), "_bn0"))
    number = 0
    for blocks, _, first in STAGES:
        for block in range(blocks):
            name, stride, y = f"_blocks.{number}", first if block == 0 else 1, x
            if f"{name}._expand_conv.weight" in state:
                y = functional.relu6(norm(convolution(y, f"{name}._expand_conv"), f"{name}._bn0"))
            y = functional.relu6(
                norm(convolution(y, f"{name}._depthwise_conv", stride, depthwise=True), f"{name}._bn1")
            )
            y = norm(convolution(y, f"{name}._project_conv"), f"{name}._bn2")
            x = x + y if y.shape == x.shape else y
            number += 1
    x = functional.relu6(norm(convolution(x, "_conv_head"), "_bn1")).mean((2, 3))
    return torch.addmm(state["_fc.bias"], x, state["_fc.weight"].T)
