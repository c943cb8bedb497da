"""Convolutions with one tap, or with one filter a channel: their own kernels, against the definition in float64."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.ops import numba_ops, numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry, sides
from pellucid.ops.memory import channels_last

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CHANNELS = st.sampled_from([1, 2, 3, 11, 16, 17, 33, 64])
SIZES = st.integers(1, 17)
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


def images(rng: np.random.Generator, *shape: int) -> Array:
    return channels_last(rng.standard_normal(shape).astype(np.float32))


def wide(a: Array) -> Array:
    return a.astype(np.float64)


def agree(found: Array, exact: Array) -> None:
    assert found.shape == exact.shape
    assert found.dtype == np.float32
    if exact.size:
        assert np.abs(found - exact).max() <= 2e-6 * max(1, np.abs(exact).max())


@FEW
@given(st.integers(1, 3), CHANNELS, CHANNELS, SIZES, SIZES)
def test_one_tap(N: int, C: int, K: int, H: int, W: int) -> None:
    rng = np.random.default_rng(N * C * K + H * W)
    x, w, b = images(rng, N, C, H, W), images(rng, K, C, 1, 1), images(rng, K, 1, 1, 1).reshape(K)
    dy = images(rng, N, K, H, W)
    agree(numba_ops.conv2d(x, w, b), numpy_ops.conv2d(wide(x), wide(w), wide(b)))
    agree(numba_ops.conv2d_relu(x, w), np.maximum(numpy_ops.conv2d(wide(x), wide(w)), 0))
    agree(numba_ops.conv2d_input_gradient(dy, w, (H, W)), numpy_ops.conv2d_input_gradient(wide(dy), wide(w), (H, W)))


@FEW
@given(st.integers(1, 2), CHANNELS, SIZES, SIZES, PAIRS, PAIRS, PAIRS, st.tuples(st.integers(0, 2), SIZES))
def test_one_filter_a_channel(
    N: int,
    C: int,
    H: int,
    W: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    P, Q = (
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip((H, W), padding, dilation, kernel, stride, strict=True)
    )
    if min(P, Q) < 1 or C == 1:
        return
    rng = np.random.default_rng(N * C + H * W)
    x, dy = images(rng, N, C, H, W), images(rng, N, C, P, Q)
    w, b = images(rng, C, 1, *kernel), images(rng, C, 1, 1, 1).reshape(C)
    how = Geometry(stride, sides(padding), dilation, C)
    exact = numpy_ops.conv2d(wide(x), wide(w), wide(b), how)
    agree(numba_ops.conv2d(x, w, b, how), exact)
    agree(numba_ops.conv2d_relu(x, w, b, how), np.maximum(exact, 0))
    agree(
        numba_ops.conv2d_input_gradient(dy, w, (H, W), how),
        numpy_ops.conv2d_input_gradient(wide(dy), wide(w), (H, W), how),
    )
    agree(
        numba_ops.conv2d_weight_gradient(dy, x, kernel, how),
        numpy_ops.conv2d_weight_gradient(wide(dy), wide(x), kernel, how),
    )
