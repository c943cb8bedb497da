"""Convolution and its two adjoints: the definition.

What the field calls convolution is a cross-correlation (Goodfellow et al. 2016, section 9.1):

    y[n, k, i, j] = b[k] + sum over c, u, v of  x[n, c, i*stride + u*dilation - top, ...v...] * w[k, c, u, v]

It is linear in x and linear in w, so its two gradients are its two adjoints. Each of the three is one matrix
product with the array of windows (Chellapilla, Puri, Simard 2006): the windows of an image are copied
side by side into a matrix of one row a place and one column a weight. It is larger than the images as many
times as a window has pixels, so it is made and used for a few images at a time, which the cache can hold.

Shapes: x (N, C, H, W); w (K, C/groups, R, S); b (K,); y (N, K, P, Q). Images are stored channels last.
Beyond the image, as far as the padding of a geometry goes, x is 0.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.memory import empty, empty_images, padded

CACHE = 1 << 20  # bytes of windows at a time


def _windows(x: Array, kernel: Pair, geometry: Geometry) -> Iterator[tuple[slice, Array]]:
    """The images, a few at a time, and a view of their windows: (N, P, Q, R, S, groups, C/groups)."""
    frame = padded(x, geometry.padding)
    (down, right), (dh, dw) = geometry.stride, geometry.dilation
    view = np.lib.stride_tricks.sliding_window_view(frame, geometry.span(kernel), axis=(2, 3))
    view = view[:, :, ::down, ::right, ::dh, ::dw].transpose(0, 2, 3, 4, 5, 1)
    count = max(1, CACHE * len(x) // max(1, view.size * x.itemsize))
    for first in range(0, len(x), count):
        few = slice(first, first + count)
        yield few, view[few].reshape(*view[few].shape[:5], geometry.groups, -1)


def _rows(images: Array, groups: int) -> Array:
    """Images (N, K, P, Q) as a row of channels a place, by group: (N*P*Q, groups, K/groups)."""
    return images.transpose(0, 2, 3, 1).reshape(-1, groups, images.shape[1] // groups)


def _matrix(w: Array, groups: int) -> Array:
    """The weights as one matrix a group: (groups, R*S*C/groups, K/groups)."""
    K, C, R, S = w.shape
    return w.reshape(groups, K // groups, C, R, S).transpose(0, 3, 4, 2, 1).reshape(groups, R * S * C, K // groups)


def conv2d(x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C/groups, R, S), plus b (K,): (N, K, P, Q)."""
    kernel, groups = (w.shape[2], w.shape[3]), geometry.groups
    P, Q = geometry.output_size((x.shape[2], x.shape[3]), kernel)
    y, matrix = empty_images((x.shape[0], w.shape[0], P, Q), x.dtype), _matrix(w, groups)
    for few, windows in _windows(x, kernel, geometry):
        rows = _rows(y[few], groups)
        for g in range(groups):
            np.matmul(windows[..., g, :].reshape(len(rows), -1), matrix[g], out=rows[:, g])
    if b is not None:
        y += b[:, None, None]
    return y


def conv2d_input_gradient(dy: Array, w: Array, input_size: Pair, geometry: Geometry = PLAIN) -> Array:
    """Adjoint of conv2d in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size.

    It is also the transposed convolution of dy.
    """
    if geometry.stride == (1, 1):
        return _turned_convolution(dy, w, geometry)
    N, _, P, Q = dy.shape
    _, C, R, S = w.shape
    H, W = input_size
    groups, (down, across), (dh, dw) = geometry.groups, geometry.stride, geometry.dilation
    top, bottom, left, right = geometry.padding
    frame = empty((N, top + H + bottom, left + W + right, groups, C), dy.dtype)
    frame[...] = 0
    rows, matrix = _rows(dy, groups), _matrix(w, groups)
    for g in range(groups):
        windows = (rows[:, g] @ matrix[g].T).reshape(N, P, Q, R, S, C)
        for u in range(R):
            for v in range(S):
                i, j = u * dh, v * dw
                places = frame[:, i : i + P * down : down, j : j + Q * across : across, g]
                places += windows[:, :, :, u, v]
    inner = frame[:, top : top + H, left : left + W]
    return inner.reshape(N, H, W, groups * C).transpose(0, 3, 1, 2)


def _turned_convolution(dy: Array, w: Array, geometry: Geometry) -> Array:
    """With stride 1 each pixel sees every tap, in reverse: dx = conv2d(dy, w turned by half a turn).

    What the convolution's padding leaves of the widest one, dilation * (R - 1), is the padding here; where the
    convolution's was even wider, places of dy that saw nothing but padding are cut off.
    """
    (K, C, R, S), groups = w.shape, geometry.groups
    turned = w.reshape(groups, K // groups, C, R, S).swapaxes(1, 2)[..., ::-1, ::-1]
    rows, columns = (span - 1 for span in geometry.span((R, S)))
    top, bottom, left, right = geometry.padding
    top, bottom, left, right = rows - top, rows - bottom, columns - left, columns - right
    P, Q = dy.shape[2:]
    seen = dy[:, :, max(0, -top) : P - max(0, -bottom), max(0, -left) : Q - max(0, -right)]
    around = (max(0, top), max(0, bottom), max(0, left), max(0, right))
    return conv2d(seen, turned.reshape(groups * C, K // groups, R, S), None, replace(geometry, padding=around))


def conv2d_weight_gradient(
    dy: Array, x: Array, kernel: Pair, geometry: Geometry = PLAIN, out: Array | None = None
) -> Array:
    """Adjoint of conv2d in w: from dy (N, K, P, Q) and x (N, C, H, W) to dw (K, C/groups, R, S), into `out`."""
    groups = geometry.groups
    K, C, (R, S) = dy.shape[1], x.shape[1] // groups, kernel
    dw = np.empty((K, C, R, S), dy.dtype) if out is None else out
    product = np.zeros((groups, K // groups, R * S * C), dy.dtype)
    for few, all_windows in _windows(x, kernel, geometry):
        rows, windows = _rows(dy[few], groups), all_windows[:, : dy.shape[2], : dy.shape[3]]
        for g in range(groups):
            product[g] += rows[:, g].T @ windows[..., g, :].reshape(len(rows), -1)
    dw[...] = product.reshape(K, R, S, C).transpose(0, 3, 1, 2)
    return dw


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> Array:
    """Both gradients of conv2d: writes dw and db, returns dx (an empty array if not `input_gradient`)."""
    conv2d_weight_gradient(dy, x, (w.shape[2], w.shape[3]), geometry, out=dw)
    if db is not None:
        db[...] = dy.sum(axis=(0, 2, 3))
    if not input_gradient:
        return np.empty(0, dy.dtype)
    return conv2d_input_gradient(dy, w, (x.shape[2], x.shape[3]), geometry)
