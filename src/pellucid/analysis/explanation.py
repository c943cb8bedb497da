"""Where on an image a network finds what speaks for a class: Grad-CAM, and what is lost where a part is covered.

Both look at one number, the class's score s: a weighted sum of the network's outputs, such as a class's logit, or the
mean logit of the pixels that are of a class (the tasks' `evidence`).

    Grad-CAM     of a layer's maps A (C, h, w): L = max(0, sum_c a_c A_c), a_c = mean over places of ds / dA_c
    occlusion    s minus the s of the image with a square covered, the square slid over the image

Grad-CAM costs one pass forwards and one back, and is as coarse as the layer's maps; occlusion uses nothing but the
network's answers, and costs a pass for each place of the square.

Sources: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
equations 1 and 2; Vinogradova, Dibrov, Myers 2020, "Towards Interpretable Semantic Segmentation via Gradient-weighted
Class Activation Mapping" (a set of pixels); Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional
Networks", section 4.2 (occlusion).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Executor, Node, Nodes
from pellucid.graph.rewrite import rewrite
from pellucid.layers import (
    DIFFERENTIABLE,
    INFERENCE,
    Add,
    Clip,
    Context,
    Layer,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Tanh,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

_ACTIVATIONS = (ReLU, LeakyReLU, ReLU6, Clip, SiLU, Sigmoid, Tanh, Add)  # and what a residual block gives
_BATCH = 16  # covered images that go through the network together


class _Tap(Layer):
    """y = x, which keeps the value and the gradient that pass it."""

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The input."""
        self.value = x
        return x

    def backward(self, dy: Array) -> Array:
        """The gradient."""
        self.gradient = dy
        return dy


def cam_layer(nodes: Nodes, input_shape: Shape) -> str:
    """Name of the layer whose maps Grad-CAM weighs unless another is asked for: of the maps with the fewest places,
    but more than one, the last that an activation or a residual block gives, or the last where none does; the outputs
    don't count.

    In a classifier that is about what the global average or the first affine layer sees, in a network that grows its
    maps again the deepest. Raises PellucidError where there are no maps.
    """
    shapes = nodes.shapes(input_shape)
    maps = [node.name for node in nodes if len(shapes[node.name]) == 3 and node.name not in nodes.outputs]
    places = {name: shapes[name][1] * shapes[name][2] for name in maps}
    fewest = min((count for count in places.values() if count > 1), default=0)
    if not fewest:
        raise PellucidError("Grad-CAM: expected a layer that gives maps of more than one place, got none")
    coarsest = [name for name in maps if places[name] == fewest]
    return next(
        (name for name in reversed(coarsest) if isinstance(nodes.by_name[name].layer, _ACTIVATIONS)), coarsest[-1]
    )


def grad_cam(network: Network, image: Array, evidence: Array, layer: str | None = None) -> Array:
    """Grad-CAM of a layer for an image (C, H, W), as the network sees it: (h, w) from 0 on, in units of the score.

    evidence: the weight of each of the image's outputs in the score, of their shape. layer: by default `cam_layer`.
    The network is not changed. Raises PellucidError for a layer that isn't there, or gives no maps.
    """
    twin = network.astype(network.dtype, fuse=False)
    name = cam_layer(twin.nodes, image.shape) if layer is None else twin.find(layer) and _value(twin.nodes, layer)
    tap = _Tap()
    tap.name = f"{name}.tap"

    def tapped(node: Node) -> Sequence[Node]:
        return (node, Node(tap, node.name, tap.name)) if node.name == name else (node,)

    way = Executor(rewrite(twin.nodes, tapped))
    way.forward(ops.array(image[None]), DIFFERENTIABLE)
    way.backward(ops.array(evidence[None].astype(network.dtype)), input_gradient=True)
    maps, gradient = (ops.host(array)[0].astype(np.float64) for array in (tap.value, tap.gradient))
    if maps.ndim != 3:
        raise PellucidError(f"layer {layer}: expected one that gives maps (C, h, w), got a vector of {maps.size}")
    weights = gradient.mean(axis=(1, 2))
    found: Array = np.maximum(np.einsum("c,chw->hw", weights, maps), 0)
    return found


def _value(nodes: Nodes, layer: str) -> str:
    """The value that a layer or a container gives; the last, where it gives several."""
    outputs = {group.name: group.outputs[-1] for group in nodes.groups}
    return outputs.get(layer, layer)


def occlusion(
    network: Network, image: Array, evidence: Array, side: int, stride: int | None = None, fill: Array | None = None
) -> Array:
    """What of the score is lost where a square of the image (C, H, W) is covered: (H, W), in units of the score.

    The square of `side` pixels stands every `stride` of them, by default a third of its side, also over the image's
    edges, so that each pixel is covered equally often; a pixel has the mean loss of the squares that covered it.
    evidence: the weight of each output in the score. fill: (C,) the cover's value, as the network sees it; by default
    each channel's mean. Negative where something speaks against the class.
    """
    _, H, W = image.shape
    if not 1 <= side <= max(H, W):
        raise PellucidError(f"a square of {side} pixels to cover with: expected 1 to {max(H, W)}")
    stride = max(1, side // 3) if stride is None else stride
    if not 1 <= stride <= side:
        raise PellucidError(f"a stride of {stride} pixels: expected 1 to the square's side, {side}")
    cover = image.mean(axis=(1, 2), dtype=np.float64) if fill is None else fill
    places = [(r, c) for r in range(1 - side, H, stride) for c in range(1 - side, W, stride)]
    areas = [(slice(max(0, r), r + side), slice(max(0, c), c + side)) for r, c in places]
    whole = _scores(network, image[None], evidence)[0]
    total, times = np.zeros((H, W)), np.zeros((H, W))
    for start in range(0, len(areas), _BATCH):
        some = areas[start : start + _BATCH]
        covered = np.repeat(image[None], len(some), axis=0)
        for one, area in zip(covered, some, strict=True):
            one[(slice(None), *area)] = cover[:, None, None].astype(image.dtype)
        for area, score in zip(some, _scores(network, covered, evidence), strict=True):
            total[area] += whole - score
            times[area] += 1
    return total / np.maximum(times, 1)


def _scores(network: Network, images: Array, evidence: Array) -> Array:
    """The score of each image, float64."""
    outputs = ops.host(network.forward(images)).astype(np.float64)
    found: Array = (outputs * evidence).reshape(len(images), -1).sum(axis=1)
    return found
