"""The definition of convolution and pooling, against the formulas written as plain loops."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.layers import AvgPool2d, Conv2d, ConvTranspose2d, GlobalAvgPool2d, MaxPool2d
from pellucid.network import Network
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, Sides

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.tuples(*[st.integers(0, 2)] * 4)


def convolution_by_loops(
    x: Array, w: Array, b: Array, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Array:
    N, _, H, W = x.shape
    K, C, R, S = w.shape
    top, bottom, left, right = padding
    P = (H + top + bottom - dilation[0] * (R - 1) - 1) // stride[0] + 1
    Q = (W + left + right - dilation[1] * (S - 1) - 1) // stride[1] + 1
    y = np.zeros((N, K, P, Q))
    for n, k, p, q in product(range(N), range(K), range(P), range(Q)):
        y[n, k, p, q] = b[k]
        for c, r, s in product(range(C), range(R), range(S)):
            i, j = p * stride[0] + r * dilation[0] - top, q * stride[1] + s * dilation[1] - left
            if 0 <= i < H and 0 <= j < W:
                y[n, k, p, q] += x[n, k // (K // groups) * C + c, i, j] * w[k, c, r, s]
    return y


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2), pairs, pairs, paddings, pairs,
    st.integers(0, 4), st.integers(0, 4), st.integers(0, 9),
)  # fmt: skip
def test_convolution(
    N: int, groups: int, C: int, K: int, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair,
    more_rows: int, more_columns: int, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    H = max(1, dilation[0] * (kernel[0] - 1) + 1 - padding[0] - padding[1]) + more_rows
    W = max(1, dilation[1] * (kernel[1] - 1) + 1 - padding[2] - padding[3]) + more_columns
    layer = Conv2d(K * groups, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)
    network = Network(layer, (C * groups, H, W), dtype=np.float64, seed=seed)
    network.vector[:] = rng.standard_normal(network.vector.size)
    x = rng.standard_normal((N, C * groups, H, W))
    w, b = network.state()["weight"], network.state()["bias"]
    expected = convolution_by_loops(x, w, b, stride, padding, dilation, groups)
    y = numpy_ops.conv2d(x, w, b, Geometry(stride, padding, dilation, groups))
    assert y.shape[1:] == network.output_shape
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), pairs, pairs, pairs, st.integers(1, 5),
    st.integers(1, 5), st.integers(0, 9),
)  # fmt: skip
def test_transposed_convolution_spreads_each_input_over_a_window(
    groups: int, C: int, K: int, kernel: Pair, stride: Pair, dilation: Pair, H: int, W: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    layer = ConvTranspose2d(K * groups, kernel, stride=stride, dilation=dilation, groups=groups, bias=False)
    network = Network(layer, (C * groups, H, W), dtype=np.float64, seed=seed)
    x, w = rng.standard_normal((2, C * groups, H, W)), network.state()["weight"]
    expected = np.zeros((2, *network.output_shape))
    for n, c, i, j in product(range(2), range(C * groups), range(H), range(W)):
        for k, r, s in product(range(K), range(kernel[0]), range(kernel[1])):
            place = (i * stride[0] + r * dilation[0], j * stride[1] + s * dilation[1])
            expected[n, c // C * K + k, *place] += x[n, c, i, j] * w[c, k, r, s]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-12, atol=1e-12)


def windows_by_loops(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> list[list[int]]:
    """The pixels of the image in each window of one axis; a window is there if it starts where it may."""
    windows, start = [], -padding
    while start + kernel <= size + padding or (ceil and start < size and start + kernel - stride < size + padding):
        windows.append([i for i in range(start, start + kernel) if 0 <= i < size])
        start += stride
    return windows


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(),
    st.integers(1, 8), st.integers(1, 8), st.integers(0, 9),
)  # fmt: skip
def test_pooling(
    rows: int, columns: int, down: int, right: int, pad: bool, ceil: bool, H: int, W: int, seed: int
) -> None:
    kernel, stride = (rows, columns), (down, right)
    padding = (rows // 2, columns // 2) if pad else (0, 0)
    H, W = max(H, rows), max(W, columns)
    x = np.random.default_rng(seed).standard_normal((2, 3, H, W))
    vertical = windows_by_loops(H, rows, down, padding[0], ceil)
    horizontal = windows_by_loops(W, columns, right, padding[1], ceil)
    for layer, combine in ((MaxPool2d, np.max), (AvgPool2d, np.mean)):
        network = Network(layer(kernel, stride=stride, padding=padding, ceil=ceil), (3, H, W), dtype=np.float64)
        expected = np.array([[combine(x[:, :, i][..., j], axis=(2, 3)) for j in horizontal] for i in vertical])
        y = network.forward(x)
        assert y.shape[1:] == network.output_shape
        np.testing.assert_allclose(y, expected.transpose(2, 3, 0, 1), rtol=1e-14, atol=1e-14)


def test_global_average() -> None:
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 7))
    network = Network(GlobalAvgPool2d(), (4, 5, 7), dtype=np.float64)
    np.testing.assert_allclose(network.forward(x), x.mean(axis=(2, 3)))


def test_the_first_of_equal_values_wins() -> None:
    y, winner = numpy_ops.max_pool2d(np.ones((1, 1, 2, 2)), (2, 2))
    assert (y.item(), winner.item()) == (1, 0)
    assert numpy_ops.max_pool2d_backward(y, winner, (2, 2), (2, 2)).ravel().tolist() == [1, 0, 0, 0]


def test_cross_entropy_of_a_known_case() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    loss, gradient = numpy_ops.softmax_cross_entropy(logits, np.array([0, 1]))
    assert np.isclose(loss, -(np.log(0.7) + np.log(0.1)) / 2)
    np.testing.assert_allclose(gradient, np.array([[-0.3, 0.2, 0.1], [0.1, -0.9, 0.8]]) / 2)
    weighted, _ = numpy_ops.softmax_cross_entropy(logits, np.array([0, 1]), class_weights=np.array([1.0, 3.0, 1.0]))
    assert np.isclose(weighted, -(np.log(0.7) + 3 * np.log(0.1)) / 4)
    ignoring, gradient = numpy_ops.softmax_cross_entropy(logits, np.array([0, 255]), ignore_label=255)
    assert np.isclose(ignoring, -np.log(0.7))
    assert not gradient[1].any()
    smooth, _ = numpy_ops.softmax_cross_entropy(logits[:1], np.array([0]), label_smoothing=0.3)
    assert np.isclose(smooth, -(0.8 * np.log(0.7) + 0.1 * np.log(0.2) + 0.1 * np.log(0.1)))


def test_softmax_of_huge_logits_is_finite() -> None:
    p = numpy_ops.softmax(np.array([[1e4, 0.0, -1e4]]))
    assert p.tolist() == [[1, 0, 0]]
    assert np.isfinite(numpy_ops.sigmoid(np.array([-1e4, 1e4]))).all()
