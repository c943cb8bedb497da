"""Integer arithmetic: against loops over wide integers, and every backend against the definition, bit for bit."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, Sides, sides
from pellucid.ops.numpy_ops.integer import rescale
from pellucid.precision.fixed_point import fixed_point


def wide_totals(
    x: Array, w: Array, b: Array, zero: int, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Array:
    """Convolution in Python's own unbounded integers, padded with `zero`."""
    N, _, H, W = x.shape
    K, C, R, S = w.shape
    top, bottom, left, right = padding
    P = (H + top + bottom - dilation[0] * (R - 1) - 1) // stride[0] + 1
    Q = (W + left + right - dilation[1] * (S - 1) - 1) // stride[1] + 1
    y = np.zeros((N, K, P, Q), object)
    for n, k, p, q in product(range(N), range(K), range(P), range(Q)):
        total = int(b[k])
        for c, r, s in product(range(C), range(R), range(S)):
            i, j = p * stride[0] + r * dilation[0] - top, q * stride[1] + s * dilation[1] - left
            inside = 0 <= i < H and 0 <= j < W
            pixel = int(x[n, k // (K // groups) * C + c, i, j]) if inside else zero
            total += pixel * int(w[k, c, r, s])
        y[n, k, p, q] = total
    return y


def wide_rounded(total: int, multiplier: int, shift: int) -> int:
    return (2 * total * multiplier + (1 << shift)) // (1 << (shift + 1))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_convolution_is_exact_on_every_path(data: st.DataObject) -> None:
    draw = data.draw
    N, groups, C = draw(st.integers(1, 2)), draw(st.sampled_from([1, 1, 1, 2])), draw(st.integers(1, 3))
    K = draw(st.sampled_from([1, 2, 3, 9, 17]))  # fewer filters than lanes, and more
    kernel, padding = (
        draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        draw(st.tuples(*[st.integers(0, 2)] * 4)),
    )
    stride, dilation = (draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (2, 3)])) for _ in range(2))
    pool = draw(st.sampled_from([1, 1, 2, 3]))
    H, W = (dilation[a] * (kernel[a] - 1) + 1 + stride[a] * (pool - 1) + draw(st.integers(0, 7)) for a in (0, 1))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(0, 256, (N, C * groups, H, W)).astype(np.uint8)
    w = rng.integers(-127, 128, (K * groups, C, *kernel)).astype(np.int8)
    b = rng.integers(-(1 << 20), 1 << 20, K * groups).astype(np.int32)
    multiplier, shift = fixed_point(rng.uniform(1e-4, 2e-3, K * groups))
    zeros, low = (int(rng.integers(0, 256)), int(rng.integers(0, 256))), int(rng.integers(0, 2)) * 50

    total = wide_totals(x, w, b, zeros[0], stride, padding, dilation, groups)
    p, q = total.shape[2] // pool, total.shape[3] // pool
    best = total[:, :, : p * pool, : q * pool].reshape(N, -1, p, pool, q, pool).max(axis=(3, 5))
    expected = np.empty(best.shape, np.int64)
    for place in np.ndindex(best.shape):
        k = place[1]
        rounded = zeros[1] + wide_rounded(best[place], int(multiplier[k]), int(shift[k]))
        expected[place] = min(max(rounded, low), 255)
    geometry = Geometry(stride, padding, dilation, groups)
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            y = ops.integer_conv2d(x, w, b, multiplier, shift, zeros, low, geometry, pool)
            assert y.dtype == np.uint8
            np.testing.assert_array_equal(y, expected)
            logits = ops.integer_logits(x, w, b, multiplier, shift, zeros[0], geometry)
            assert logits.dtype == np.int32
    rows = rescale(total.astype(np.int32).transpose(0, 2, 3, 1), multiplier, shift).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(logits, rows)


@pytest.mark.parametrize("shape", [(1, 7, 1, 1), (5, 3, 4, 2), (64, 33, 2, 2), (9, 6, 5, 5)])
def test_window_of_the_whole_image(shape: tuple[int, int, int, int]) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, shape).astype(np.uint8)
    w = rng.integers(-127, 128, (19, *shape[1:])).astype(np.int8)
    w.flags.writeable = False  # packed once
    b = np.arange(19, dtype=np.int32)
    multiplier, shift = fixed_point(np.full(19, 0.99))
    total = np.einsum("nchw,kchw->nk", x.astype(np.int64), w.astype(np.int64)) + b
    for backend in ("numpy", "numba", "numba"):
        with ops.use_backend(backend):
            y = ops.integer_logits(x, w, b, multiplier, shift)
        np.testing.assert_array_equal(y[:, :, 0, 0], rescale(total.astype(np.int32), multiplier, shift))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 2.0**29), min_size=1, max_size=5),
    st.integers(-(1 << 31), (1 << 31) - 1),
)
def test_fixed_point_rounds_halves_upwards(factors: list[float], total: int) -> None:
    multiplier, shift = fixed_point(np.array(factors))
    assert multiplier.dtype == shift.dtype == np.int32
    totals = np.full((1, len(factors)), total, np.int32)
    for got, factor, m, s in zip(rescale(totals, multiplier, shift)[0], factors, multiplier, shift, strict=True):
        assert got == wide_rounded(total, int(m), int(s))
        assert abs(int(got) - total * factor) <= 0.5 + abs(total * factor) * 2.0**-31 + abs(total) * 2.0**-62 + 1e-9


@pytest.mark.parametrize("factor", [-1.0, 2.0**30, np.inf, np.nan])
def test_factors_without_fixed_point(factor: float) -> None:
    with pytest.raises(PellucidError, match="scale of an integer layer"):
        fixed_point(np.array([factor]))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_pools_are_exact_on_every_path(data: st.DataObject) -> None:
    draw = data.draw
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.sampled_from([sides(0), sides((kernel[0] // 2, kernel[1] // 2)), (kernel[0] - 1, 0, 0, 0)]))
    geometry = Geometry(stride, padding, draw(st.sampled_from([(1, 1), (1, 1), (2, 1)])))
    ceil = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    size = (draw(st.integers(2 * kernel[0] - 1, 7)), draw(st.integers(kernel[1], 7)))
    x = rng.integers(0, 256, (2, 3, *size)).astype(np.uint8)
    mean = numpy_ops.avg_pool2d(x.astype(np.float64), kernel, geometry, ceil)
    largest = numpy_ops.max_pool2d(x.astype(np.float64), kernel, geometry, ceil)[0]
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            y = ops.integer_max_pool2d(x, kernel, geometry, ceil)
            average = ops.integer_avg_pool2d(x, kernel, geometry, ceil)
        assert y.dtype == average.dtype == np.uint8
        np.testing.assert_array_equal(y, largest)
        np.testing.assert_array_equal(average, np.floor(mean + 0.5 + 1e-9))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 255), st.floats(1e-3, 10), st.booleans(), st.integers(0, 99))
def test_rounding_to_a_scale_is_the_same_on_every_path(zero: int, step: float, turned: bool, seed: int) -> None:
    x = np.random.default_rng(seed).normal(0, 100 * step, (2, 3, 4, 5)).astype(np.float32)
    x = x.transpose(0, 3, 1, 2) if turned else x
    levels = np.rint(x * np.float32(1 / step)) + zero
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            y, inside = ops.round_to_scale(x, step, zero)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(inside, (levels >= 0) & (levels <= 255))
        np.testing.assert_array_equal(y, (np.clip(levels, 0, 255) - zero) * np.float32(step))
