"""Softmax with cross-entropy, and the mean squared error: the loss and its gradient, together."""

import numpy as np

from pellucid.errors import InputError
from pellucid.ops.arrays import Array


def softmax(logits: Array) -> Array:
    """exp(z_k) / sum of exp(z) over axis 1; the largest logit is taken off first, so nothing overflows."""
    e: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def softmax_cross_entropy(
    logits: Array,
    labels: Array,
    label_smoothing: float = 0.0,
    class_weights: Array | None = None,
    ignore_label: int | None = None,
    normalizer: float | None = None,
) -> tuple[float, Array]:
    """Cross-entropy of softmax(logits) with the labels: (loss, gradient of the loss for the logits).

    logits are (N, K) or, per pixel, (N, K, H, W); labels are integers (N,) or (N, H, W).
    The target of a place with label t is (1 - label_smoothing) at t plus label_smoothing / K at every class
    (Szegedy et al. 2016, section 7). A place counts class_weights[t]; places labelled `ignore_label` count 0.
    The loss is the sum over places divided by `normalizer`: by default the sum of what the places count.
    Raises InputError for a label that is no class.
    In float64 logits it is computed in float64, else in float32.
    """
    K = logits.shape[1]
    z = np.moveaxis(logits, 1, -1).reshape(-1, K)
    t = labels.reshape(-1)
    counted = np.ones(t.shape, bool) if ignore_label is None else t != ignore_label
    target = np.where(counted, t, 0)
    wrong = (target < 0) | (target >= K)
    if wrong.any():
        raise InputError(f"label {target[wrong][0]}: expected 0 to {K - 1}")
    place = np.arange(t.size)
    weight = (np.ones(K, z.dtype) if class_weights is None else class_weights.astype(z.dtype))[target] * counted
    total = weight.sum(dtype=np.float64) if normalizer is None else normalizer
    scale = (weight / total).astype(z.dtype) if total else np.zeros_like(weight)

    shifted = z - z.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    norm = e.sum(axis=1, keepdims=True)
    log_p = shifted - np.log(norm)
    smooth = z.dtype.type(label_smoothing)
    each = -(1 - smooth) * log_p[place, target]
    if label_smoothing:
        each -= smooth / K * log_p.sum(axis=1)
    loss = float((each * scale).sum(dtype=np.float64))

    gradient = e / norm
    gradient[place, target] -= 1 - smooth
    gradient -= smooth / K
    gradient *= scale[:, None]
    return loss, np.moveaxis(gradient.reshape(logits.shape[0], *logits.shape[2:], K), -1, 1)


def mean_squared_error(y: Array, target: Array, normalizer: float | None = None) -> tuple[float, Array]:
    """Sum of (y - target)^2 divided by `normalizer`, by default the number of elements; and its gradient."""
    difference = y - target
    total = float(y.size) if normalizer is None else normalizer
    loss = float((difference * difference).sum(dtype=np.float64) / total)
    return loss, difference * y.dtype.type(2 / total)
