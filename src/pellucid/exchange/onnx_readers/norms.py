"""Normalisation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pellucid.exchange.onnx_fold.norms import by_channel
from pellucid.exchange.onnx_readers.weights import Reader, converted, floats, own_name, short
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.graph import INPUT
from pellucid.layers import (
    BatchNorm2d,
    GroupNorm,
    InstanceNorm2d,
    Layer,
    LayerNorm,
    LayerNorm2d,
    LocalResponseNorm,
    Reshape,
)
from pellucid.ops.arrays import Array, Shape


def _batch_norm(at: At) -> None:
    x = at.unknown()
    if at.get("training_mode", 0) or not at.get("spatial", 1):
        raise RefusedError("with statistics of the batch or of each pixel")
    C = x.shape[0] if x.shape else 0
    names = ("weight", "bias", "running_mean", "running_variance")
    weights: dict[str, Known | Array] = {}
    for i, name in enumerate(names, 1):
        vector = at.needed(i)
        if vector.array.shape != (C,):
            raise RefusedError(f"{vector.array.shape} numbers for {C} channels")
        weights[name] = converted(vector)
    layer = BatchNorm2d(momentum=round(1 - at.get("momentum", 0.9), 9), epsilon=short(at.get("epsilon", 1e-5)))
    if len(x.shape) == 3:
        at.give(at.emit(layer, x, name=own_name(at), weights=weights))
        return
    seen = at.emit(Reshape(C, math.prod(x.shape[1:]), 1), x)
    at.give(at.emit(Reshape(*x.shape), at.emit(layer, seen, weights=weights)))


def _instance_norm(at: At) -> None:
    _normed(at, InstanceNorm2d(epsilon=short(at.get("epsilon", 1e-5))))


def _group_norm(at: At) -> None:
    _normed(at, GroupNorm(at.get("num_groups", 1), epsilon=short(at.get("epsilon", 1e-5))))


def grouped(at: At, x: Unknown, shape: Shape) -> Unknown | None:
    """GroupNorm, where x is (G, ...), of channels laid out so and normed by instance, and they get their shape back.

    So it is written where GroupNormalization isn't known; what follows becomes its gamma and beta (see `arithmetic`).
    """
    nodes, node = at.reading.nodes, at.reading.nodes.get(x.name)
    before = nodes.get(node.inputs[0]) if node is not None else None
    if node is None or before is None or not isinstance(before.layer, Reshape) or len(shape) < 2:
        return None
    source, layer = before.inputs[0], node.layer
    seen = at.reading.input_shape if source == INPUT else at.reading.shapes[source]
    if type(layer) is not InstanceNorm2d or seen != shape or shape[0] % x.shape[0]:
        return None
    weights = at.reading.weights
    if not ((weights[f"{x.name}.weight"] == 1).all() and (weights[f"{x.name}.bias"] == 0).all()):
        return None
    made = GroupNorm(x.shape[0], epsilon=layer.epsilon)
    one, none = np.ones(shape[0], np.float32), np.zeros(shape[0], np.float32)
    norm = at.emit(made, Unknown(source, seen), weights={"weight": one, "bias": none})
    at.reading.bare.add(norm.name)
    return norm


def _normed(at: At, layer: Layer) -> None:
    x = at.unknown()
    C = x.shape[0]
    weights = {key: by_channel(floats(at.needed(i).array), C) for i, key in ((1, "weight"), (2, "bias"))}
    if any(array.shape != (C,) for array in weights.values()):
        raise RefusedError(f"not one number a channel for {C} channels")
    at.give(at.emit(layer, x, weights=weights))


def _layer_norm(at: At) -> None:
    x = at.unknown()
    if at.wants(1) or at.wants(2):
        raise RefusedError("mean and deviation as outputs")
    axis = at.sample_axis(at.get("axis", -1), len(x.shape) + 1)
    weight, bias = floats(at.needed(1).array), at.known(2)
    images = at.images(x)
    if images is not None and axis == 2 and weight.shape == x.shape[-1:]:
        offsets = np.zeros_like(weight) if bias is None else np.broadcast_to(floats(bias.array), weight.shape)
        normed = at.emit(
            LayerNorm2d(epsilon=short(at.get("epsilon", 1e-5))),
            images,
            name=own_name(at),
            weights={"weight": weight, "bias": offsets},
        )
        replace(at, turned=True).give(normed)
        return
    layer = LayerNorm(
        weight.shape,
        axes=len(x.shape) - axis,
        epsilon=short(at.get("epsilon", 1e-5)),
        bias=bias is not None,
    )
    given = {"weight": weight} | ({} if bias is None else {"bias": np.broadcast_to(floats(bias.array), weight.shape)})
    at.give(at.emit(layer, x, weights=given))


def _lrn(at: At) -> None:
    settings = {"alpha": at.get("alpha", 1e-4), "beta": at.get("beta", 0.75), "k": at.get("bias", 1.0)}
    given = {name: short(value) for name, value in settings.items()}
    at.give(at.emit(LocalResponseNorm(at.get("size", 1), **given), at.unknown()))


READERS: dict[str, Reader] = {
    "BatchNormalization": _batch_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
}
