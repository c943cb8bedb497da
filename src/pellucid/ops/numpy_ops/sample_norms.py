"""Normalisation of each sample by itself: over groups of channels and pixels, or over the channels of each place."""

import numpy as np

from pellucid.ops.arrays import Array


def standardised(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array, Array]:
    """x less its mean, by its deviation, along the axes; the mean, and 1 / deviation."""
    mean: Array = x.mean(axis=axes, keepdims=True)
    inverse: Array = 1 / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + x.dtype.type(epsilon))
    x_hat: Array = (x - mean) * inverse
    return x_hat, mean, inverse


def standardised_adjoint(g: Array, x_hat: Array, inverse: Array, axes: tuple[int, ...]) -> Array:
    """dx = (g - mean(g) - x_hat mean(g x_hat)) / deviation."""
    dx: Array = inverse * (g - g.mean(axis=axes, keepdims=True) - x_hat * (g * x_hat).mean(axis=axes, keepdims=True))
    return dx


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, epsilon: float) -> tuple[Array, Array, Array]:
    """Each group of channels of each image (N, C, H, W) standardised over its pixels, then gamma x + beta a channel.

    Gives y and, of each image and group, the mean and 1 / deviation: (N, groups) each (Wu, He 2018).
    """
    N, C, H, W = x.shape
    x_hat, mean, inverse = standardised(x.reshape(N, groups, C // groups * H * W), (2,), epsilon)
    y = x_hat.reshape(x.shape) * gamma.reshape(C, 1, 1) + beta.reshape(C, 1, 1)
    return y, mean.reshape(N, groups), inverse.reshape(N, groups)


def group_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inverse: Array, dgamma: Array, dbeta: Array
) -> Array:
    """Gradients of group_norm: writes dgamma and dbeta (C,), returns dx. The statistics depend on x too."""
    (N, C, H, W), groups = x.shape, mean.shape[1]
    parts = (N, groups, C // groups * H * W)
    x_hat = (x.reshape(parts) - mean[..., None]) * inverse[..., None]
    dgamma[...] = (dy * x_hat.reshape(x.shape)).sum(axis=(0, 2, 3))
    dbeta[...] = dy.sum(axis=(0, 2, 3))
    g = (dy * gamma.reshape(C, 1, 1)).reshape(parts)
    return standardised_adjoint(g, x_hat, inverse[..., None], (2,)).reshape(x.shape)


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """The channels of each place of x, (N, C) or (N, C, H, W), standardised, then gamma x + beta a channel.

    Gives y and, of each place, the mean and 1 / deviation: (N,) or (N, H, W) each (Ba, Kiros, Hinton 2016).
    """
    column = (-1, *(1 for _ in x.shape[2:]))
    x_hat, mean, inverse = standardised(x, (1,), epsilon)
    return x_hat * gamma.reshape(column) + beta.reshape(column), mean[:, 0], inverse[:, 0]


def layer_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inverse: Array, dgamma: Array, dbeta: Array
) -> Array:
    """Gradients of layer_norm: writes dgamma and dbeta (C,), returns dx. The statistics depend on x too."""
    axes = (0, *range(2, x.ndim))
    x_hat = (x - mean[:, None]) * inverse[:, None]
    dgamma[...] = (dy * x_hat).sum(axis=axes)
    dbeta[...] = dy.sum(axis=axes)
    g = dy * gamma.reshape(-1, *(1 for _ in x.shape[2:]))
    return standardised_adjoint(g, x_hat, inverse[:, None], (1,))
