"""Normalisation of each sample by itself: on the host, by the definition, since few networks have it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.arrays import DeviceArray, array
from pellucid.ops.half import is_half
from pellucid.ops.numpy_ops import sample_norms

Three = tuple[DeviceArray, DeviceArray, DeviceArray]


def group_norm(
    x: DeviceArray, gamma: DeviceArray, beta: DeviceArray, groups: int, epsilon: float
) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
    """y, and mean and 1 / deviation of each image and group."""
    return _forward(sample_norms.group_norm, x, gamma, beta, groups, epsilon)


def group_norm_backward(
    dy: DeviceArray,
    x: DeviceArray,
    gamma: DeviceArray,
    mean: DeviceArray,
    inverse: DeviceArray,
    dgamma: DeviceArray,
    dbeta: DeviceArray,
) -> DeviceArray:
    """Writes dgamma and dbeta, returns dx."""
    return _backward(sample_norms.group_norm_backward, dy, x, gamma, mean, inverse, dgamma, dbeta)


def layer_norm(
    x: DeviceArray, gamma: DeviceArray, beta: DeviceArray, epsilon: float
) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
    """y, and mean and 1 / deviation of each place."""
    return _forward(sample_norms.layer_norm, x, gamma, beta, epsilon)


def layer_norm_backward(
    dy: DeviceArray,
    x: DeviceArray,
    gamma: DeviceArray,
    mean: DeviceArray,
    inverse: DeviceArray,
    dgamma: DeviceArray,
    dbeta: DeviceArray,
) -> DeviceArray:
    """Writes dgamma and dbeta, returns dx."""
    return _backward(sample_norms.layer_norm_backward, dy, x, gamma, mean, inverse, dgamma, dbeta)


def _wide(x: DeviceArray) -> Array:
    y: Array = x.host()
    return y.astype(np.float32) if is_half(y.dtype) else y


def _forward(definition: Callable[..., Any], x: DeviceArray, *rest: Any) -> Three:
    given = (_wide(v) if isinstance(v, DeviceArray) else v for v in rest)
    y, mean, inverse = definition(_wide(x), *given)
    return array(y.astype(x.dtype, copy=False)), array(mean), array(inverse)


def _backward(definition: Callable[..., Any], *arrays: DeviceArray) -> DeviceArray:
    *given, dgamma, dbeta = arrays
    written = [np.empty(dgamma.shape, np.float64), np.empty(dbeta.shape, np.float64)]
    dx = definition(*map(_wide, given), *written)
    for old, new in zip((dgamma, dbeta), written, strict=True):
        old[...] = array(new.astype(old.dtype))
    return array(dx.astype(given[0].dtype, copy=False))
