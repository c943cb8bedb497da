"""A network's nodes as data that the page's engine runs: a row a node, in order, as they were written."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.export.page.weights import Packed
from pellucid.graph import Nodes
from pellucid.graph.rearranged import Rearranged, rearranged
from pellucid.layers import (
    Add,
    AvgPool2d,
    BatchNorm2d,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Multiply,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from pellucid.layers.joins import Concat
from pellucid.layers.resize import CropLike, RepeatEdges
from pellucid.ops.arrays import Shape

Row = dict[str, Any]


def rows_of(nodes: Nodes, input_shape: Shape, packed: Packed) -> list[Row]:
    """A row for each node, a run of layers that lay out anew being one; its arrays go into `packed`.

    Raises PellucidError for a layer that the page can't run.
    """
    nodes = rearranged(nodes)
    shapes = nodes.shapes(input_shape)
    rows = []
    for node in nodes:
        form = next((FORMS[kind] for kind in type(node.layer).__mro__ if kind in FORMS), None)
        if form is None or len(shapes[node.inputs[0]]) not in {1, 3}:
            known = ", ".join(sorted(kind.__name__ for kind in FORMS))
            raise PellucidError(
                f"page: layer {node.name} ({node.layer.kind}) can't be shown, expected one of {known}"
            )
        rows.append(
            {
                "name": node.name,
                "kind": node.layer.kind,
                "says": node.layer.describe(),
                "inputs": list(node.inputs),
                "shape": list(shapes[node.name]),
                **form(node.layer, shapes[node.inputs[0]], packed),
            }
        )
    return rows


def _window(layer: Any, shape: Shape) -> Row:
    geometry = layer.window_for((shape[1], shape[2])).geometry
    return {
        "kernel": list(layer.kernel),
        "stride": list(geometry.stride),
        "pads": list(geometry.padding),
        "dilation": list(geometry.dilation),
    }


def _weights(layer: Any, packed: Packed) -> Row:
    row = {"weight": packed.add(layer.built_weight.value)}
    return row if layer.bias is None else {**row, "bias": packed.add(layer.bias.value)}


def _convolution(op: str) -> Callable[[Any, Shape, Packed], Row]:
    def form(layer: Any, shape: Shape, packed: Packed) -> Row:
        return {"op": op, **_window(layer, shape), "groups": layer.groups, **_weights(layer, packed)}

    return form


def _average(layer: Any, shape: Shape, packed: Packed) -> Row:
    return {"op": "average", **_window(layer, shape), "counted": layer.count_padding}


def _norm(layer: Any, shape: Shape, packed: Packed) -> Row:
    """Statistics and gamma and beta are two numbers a channel."""
    variance, mean = (np.float64(p.value) for p in (layer.running_variance, layer.running_mean))
    scale = layer.weight.value / np.sqrt(variance + layer.epsilon)
    shift = layer.bias.value - mean * scale
    return {"op": "norm", "weight": packed.add(scale), "bias": packed.add(shift)}


def _plain(op: str) -> Callable[[Any, Shape, Packed], Row]:
    return lambda layer, shape, packed: {"op": op}


def _rearranged(layer: Rearranged, shape: Shape, packed: Packed) -> Row:
    """Channels in another order, or some of them; the same numbers where they are features, or become some."""
    places = layer.places(shape)
    order = tuple(places.tolist()) if places.ndim == 1 else layer.order(shape)
    if order is None:
        last, to = layer.layers[-1], layer.output_shape(shape)
        raise last.error("whole channels, in another order or some of them, on a page", f"{shape} to {to}")
    count = prod(shape) if places.ndim == 1 else shape[0]
    return {"op": "same"} if order == tuple(range(count)) else {"op": "order", "order": list(order)}


FORMS: dict[type[Layer], Callable[[Any, Shape, Packed], Row]] = {
    Conv2d: _convolution("conv"),
    ConvTranspose2d: _convolution("spread"),
    Linear: lambda layer, shape, packed: {"op": "linear", **_weights(layer, packed)},
    BatchNorm2d: _norm,
    MaxPool2d: lambda layer, shape, packed: {"op": "max", **_window(layer, shape)},
    AvgPool2d: _average,
    GlobalAvgPool2d: _plain("mean"),
    ReLU: _plain("relu"),
    LeakyReLU: lambda layer, shape, packed: {"op": "leaky", "slope": layer.slope},
    Clip: lambda layer, shape, packed: {"op": "clip", "low": layer.low, "high": layer.high},
    Sigmoid: _plain("sigmoid"),
    Tanh: _plain("tanh"),
    SiLU: _plain("silu"),
    Dropout: _plain("same"),
    Identity: _plain("same"),
    Flatten: _plain("same"),
    Rearranged: _rearranged,
    Add: _plain("add"),
    Multiply: _plain("multiply"),
    Concat: _plain("concat"),
    RepeatEdges: lambda layer, shape, packed: {"op": "edges", "before": list(layer.before)},
    CropLike: _plain("crop"),
}
"""How each kind of layer is written down."""
