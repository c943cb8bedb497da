"""Normalisation."""

from __future__ import annotations

import math

import numpy as np

from pellucid.exchange.onnx_fold.norms import by_channel
from pellucid.exchange.onnx_readers.weights import Reader, converted, floats, own_name, short
from pellucid.exchange.onnx_reading import At, Known, RefusedError
from pellucid.layers import BatchNorm2d, GroupNorm, InstanceNorm2d, Layer, LayerNorm, LocalResponseNorm, Reshape
from pellucid.ops.arrays import Array


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
