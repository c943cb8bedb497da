"""Normalisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.exchange.onnx_fold.call import Call, Folded, checked_axis, wide
from pellucid.layers.sample_norms import LocalResponseNorm
from pellucid.ops.arrays import Array
from pellucid.ops.numpy_ops.sample_norms import standardised


def _batch_norm(call: Call) -> list[Array]:
    x, *vectors = (wide(call[i]) for i in range(5))
    gamma, beta, mean, variance = (vector.reshape(-1, *(1 for _ in x.shape[2:])) for vector in vectors)
    epsilon, momentum = call.get("epsilon", 1e-5), call.get("momentum", 0.9)
    if not call.get("training_mode", 0):
        y = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
        return [y.astype(call[0].dtype)]
    axes = (0, *range(2, x.ndim))
    seen = x.mean(axis=axes, keepdims=True)[0], x.var(axis=axes, keepdims=True)[0]
    y = gamma * (x - seen[0]) / np.sqrt(seen[1] + epsilon) + beta
    running = [old * momentum + new * (1 - momentum) for old, new in zip((mean, variance), seen, strict=True)]
    return [y.astype(call[0].dtype), *(new.reshape(-1).astype(call[3].dtype) for new in running)]


def _instance_norm(call: Call) -> Array:
    x = wide(call[0])
    gamma, beta = (wide(call[i]).reshape(-1, *(1 for _ in x.shape[2:])) for i in (1, 2))
    x_hat, *_ = standardised(x, tuple(range(2, x.ndim)), call.get("epsilon", 1e-5))
    return (gamma * x_hat + beta).astype(call[0].dtype)


def _group_norm(call: Call) -> Array:
    x, groups = wide(call[0]), call.get("num_groups", 1)
    x_hat, *_ = standardised(x.reshape(x.shape[0], groups, -1), (2,), call.get("epsilon", 1e-5))
    gamma, beta = (by_channel(wide(call[i]), x.shape[1]).reshape(-1, *(1 for _ in x.shape[2:])) for i in (1, 2))
    return (gamma * x_hat.reshape(x.shape) + beta).astype(call[0].dtype)


def by_channel(values: Array, channels: int) -> Array:
    """One number a channel, of those or of one a group."""
    return values if len(values) == channels else values.repeat(channels // max(1, len(values)))


def _layer_norm(call: Call) -> list[Array]:
    x, bias = wide(call[0]), call.maybe(2)
    axes = tuple(range(checked_axis(call.get("axis", -1), x.ndim), x.ndim))
    x_hat, mean, inverse = standardised(x, axes, call.get("epsilon", 1e-5))
    y = x_hat * wide(call[1])
    y = y if bias is None else y + wide(bias)
    return [y.astype(call[0].dtype), mean, inverse]


def _lrn(call: Call) -> Array:
    settings = {"alpha": call.get("alpha", 1e-4), "beta": call.get("beta", 0.75), "k": call.get("bias", 1.0)}
    y, _ = LocalResponseNorm(call.get("size", 1), **settings).apply(wide(call[0]))
    return y.astype(call[0].dtype)


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "BatchNormalization": _batch_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
}
