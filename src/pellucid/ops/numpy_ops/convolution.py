"""Convolution and its two adjoints: the definition.

What the field calls convolution is a cross-correlation (Goodfellow et al. 2016, section 9.1):

    y[n, k, i, j] = b[k] + sum over c, u, v of  x[n, c, i*stride + u*dilation - padding, ...v...] * w[k, c, u, v]

It is linear in x and linear in w, so its two gradients are its two adjoints. Each of the three is one matrix
product with the array of windows (Chellapilla, Puri, Simard 2006): the windows of an image are copied
side by side into a matrix of one row a place and one column a weight. It is larger than the images as many
times as a window has pixels, so it is made and used for a few images at a time, which the cache can hold.

Shapes: x (N, C, H, W); w (K, C/groups, R, S); b (K,); y (N, K, P, Q). Images are stored channels last.
"""

from collections.abc import Iterator

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.memory import empty, empty_images, padded

CACHE = 1 << 20  # bytes of windows at a time


def convolved_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Number of places at which a window fits on one padded axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _windows(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Iterator[tuple[slice, Array]]:
    """The images, a few at a time, and a view of their windows: (N, P, Q, R, S, groups, C/groups)."""
    frame = padded(x, padding)
    span = tuple(d * (r - 1) + 1 for r, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(frame, span, axis=(2, 3))
    view = view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]].transpose(0, 2, 3, 4, 5, 1)
    count = max(1, CACHE * len(x) // max(1, view.size * x.itemsize))
    for first in range(0, len(x), count):
        few = slice(first, first + count)
        yield few, view[few].reshape(*view[few].shape[:5], groups, -1)


def _rows(images: Array, groups: int) -> Array:
    """Images (N, K, P, Q) as a row of channels a place, by group: (N*P*Q, groups, K/groups)."""
    return images.transpose(0, 2, 3, 1).reshape(-1, groups, images.shape[1] // groups)


def _matrix(w: Array, groups: int) -> Array:
    """The weights as one matrix a group: (groups, R*S*C/groups, K/groups)."""
    K, C, R, S = w.shape
    return w.reshape(groups, K // groups, C, R, S).transpose(0, 3, 4, 2, 1).reshape(groups, R * S * C, K // groups)


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C/groups, R, S), plus b (K,): (N, K, P, Q)."""
    (N, _, H, W), (K, _, R, S) = x.shape, w.shape
    P = convolved_size(H, R, stride[0], padding[0], dilation[0])
    Q = convolved_size(W, S, stride[1], padding[1], dilation[1])
    y, matrix = empty_images((N, K, P, Q), x.dtype), _matrix(w, groups)
    for few, windows in _windows(x, (R, S), stride, padding, dilation, groups):
        rows = _rows(y[few], groups)
        for g in range(groups):
            np.matmul(windows[..., g, :].reshape(len(rows), -1), matrix[g], out=rows[:, g])
    if b is not None:
        y += b[:, None, None]
    return y


def conv2d_input_gradient(
    dy: Array,
    w: Array,
    input_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Adjoint of conv2d in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size.

    It is also the transposed convolution of dy.
    """
    if stride == (1, 1):
        return _turned_convolution(dy, w, padding, dilation, groups)
    N, _, P, Q = dy.shape
    _, C, R, S = w.shape
    H, W = input_size
    frame = empty((N, H + 2 * padding[0], W + 2 * padding[1], groups, C), dy.dtype)
    frame[...] = 0
    rows, matrix = _rows(dy, groups), _matrix(w, groups)
    for g in range(groups):
        windows = (rows[:, g] @ matrix[g].T).reshape(N, P, Q, R, S, C)
        for u in range(R):
            for v in range(S):
                i, j = u * dilation[0], v * dilation[1]
                places = frame[:, i : i + P * stride[0] : stride[0], j : j + Q * stride[1] : stride[1], g]
                places += windows[:, :, :, u, v]
    inner = frame[:, padding[0] : padding[0] + H, padding[1] : padding[1] + W]
    return inner.reshape(N, H, W, groups * C).transpose(0, 3, 1, 2)


def _turned_convolution(dy: Array, w: Array, padding: Pair, dilation: Pair, groups: int) -> Array:
    """With stride 1 each pixel sees every tap, in reverse: dx = conv2d(dy, w turned by half a turn).

    What the convolution's padding leaves of the widest one, dilation * (R - 1), is the padding here; where the
    convolution's was even wider, places of dy that saw nothing but padding are cut off.
    """
    K, C, R, S = w.shape
    turned = w.reshape(groups, K // groups, C, R, S).swapaxes(1, 2)[..., ::-1, ::-1]
    top, left = (d * (r - 1) - p for d, r, p in zip(dilation, (R, S), padding, strict=True))
    P, Q = dy.shape[2:]
    seen = dy[:, :, max(0, -top) : P - max(0, -top), max(0, -left) : Q - max(0, -left)]
    filters = turned.reshape(groups * C, K // groups, R, S)
    return conv2d(seen, filters, None, (1, 1), (max(0, top), max(0, left)), dilation, groups)


def conv2d_weight_gradient(
    dy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Adjoint of conv2d in w: from dy (N, K, P, Q) and x (N, C, H, W) to dw (K, C/groups, R, S), into `out`."""
    K, C, (R, S) = dy.shape[1], x.shape[1] // groups, kernel
    dw = np.empty((K, C, R, S), dy.dtype) if out is None else out
    product = np.zeros((groups, K // groups, R * S * C), dy.dtype)
    for few, all_windows in _windows(x, kernel, stride, padding, dilation, groups):
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
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    input_gradient: bool = True,
) -> Array:
    """Both gradients of conv2d: writes dw and db, returns dx (an empty array if not `input_gradient`)."""
    conv2d_weight_gradient(dy, x, (w.shape[2], w.shape[3]), stride, padding, dilation, groups, out=dw)
    if db is not None:
        db[...] = dy.sum(axis=(0, 2, 3))
    if not input_gradient:
        return np.empty(0, dy.dtype)
    return conv2d_input_gradient(dy, w, (x.shape[2], x.shape[3]), stride, padding, dilation, groups)
