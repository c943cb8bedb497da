"""Integer arithmetic: against loops over wide integers, and every backend against the definition, bit for bit."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, Sides, sides
from pellucid.ops.memory import frozen
from pellucid.ops.numpy_ops.integer import rescale
from pellucid.precision.fixed_point import common_fixed_point, fixed_point


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
    N, groups, C = draw(st.integers(1, 2)), draw(st.sampled_from([1, 1, 1, 2, 5])), draw(st.integers(1, 3))
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
    high = draw(st.sampled_from([255, 180]))

    total = wide_totals(x, w, b, zeros[0], stride, padding, dilation, groups)
    p, q = total.shape[2] // pool, total.shape[3] // pool
    best = total[:, :, : p * pool, : q * pool].reshape(N, -1, p, pool, q, pool).max(axis=(3, 5))
    expected = np.empty(best.shape, np.int64)
    for place in np.ndindex(best.shape):
        k = place[1]
        rounded = zeros[1] + wide_rounded(best[place], int(multiplier[k]), int(shift[k]))
        expected[place] = min(max(rounded, low), high)
    geometry = Geometry(stride, padding, dilation, groups)
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            y = ops.integer_conv2d(x, w, b, multiplier, shift, zeros, low, geometry, pool, high)
            assert y.dtype == np.uint8
            np.testing.assert_array_equal(y, expected)
            logits = ops.integer_logits(x, w, b, multiplier, shift, zeros[0], geometry)
            assert logits.dtype == np.int32
    rows = rescale(total.astype(np.int32).transpose(0, 2, 3, 1), multiplier, shift).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(logits, rows)


def wide_transposed(x: Array, w: Array, b: Array, zero: int, size: Pair, geometry: Geometry) -> Array:
    """Each input spreads over a window, in Python's own unbounded integers."""
    N, _, H, W = x.shape
    K, each, R, S = w.shape
    y = np.zeros((N, K, *size), object)
    y += b.astype(object)[:, None, None]
    for n, k, c in product(range(N), range(K), range(each)):
        channel = k // (K // geometry.groups) * each + c
        for i, j, r, s in product(range(H), range(W), range(R), range(S)):
            p = i * geometry.stride[0] + r * geometry.dilation[0] - geometry.padding[0]
            q = j * geometry.stride[1] + s * geometry.dilation[1] - geometry.padding[2]
            if 0 <= p < size[0] and 0 <= q < size[1]:
                y[n, k, p, q] += (int(x[n, channel, i, j]) - zero) * int(w[k, c, r, s])
    return y


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_transposed_convolution_is_exact_on_every_path(data: st.DataObject) -> None:
    draw = data.draw
    groups, C, K = draw(st.sampled_from([1, 1, 2, 5])), draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 9]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation = (draw(st.sampled_from([(1, 1), (2, 1), (2, 3)])) for _ in range(2))
    span = [dilation[a] * (kernel[a] - 1) + 1 for a in (0, 1)]
    padding = tuple(draw(st.integers(0, min(2, span[i // 2] - 1))) for i in range(4))
    geometry = Geometry(stride, (padding[0], padding[1], padding[2], padding[3]), dilation, groups)
    H, W = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    spread = [(side - 1) * stride[a] - sum(padding[2 * a : 2 * a + 2]) + span[a] for a, side in enumerate((H, W))]
    size = (spread[0] + draw(st.integers(0, stride[0] - 1)), spread[1] + draw(st.integers(0, stride[1] - 1)))
    assume(min(size) >= 1)
    pool, high = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([255, 180]))
    pool = 1 if min(size) < pool else pool
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(0, 256, (2, C * groups, H, W)).astype(np.uint8)
    w = rng.integers(-127, 128, (K * groups, C, *kernel)).astype(np.int8)
    b = rng.integers(-(1 << 20), 1 << 20, K * groups).astype(np.int32)
    multiplier, shift = fixed_point(rng.uniform(1e-4, 2e-3, K * groups))
    zeros = int(rng.integers(0, 256)), int(rng.integers(0, 256))

    total = wide_transposed(x, w, b, zeros[0], size, geometry)
    p, q = size[0] // pool, size[1] // pool
    best = total[:, :, : p * pool, : q * pool].reshape(2, -1, p, pool, q, pool).max(axis=(3, 5))
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            y = ops.integer_conv_transpose2d(x, w, b, multiplier, shift, size, zeros, 20, geometry, pool, high)
            logits = ops.integer_transposed_logits(x, w, b, multiplier, shift, size, zeros[0], geometry)
        assert y.dtype == np.uint8
        assert logits.dtype == np.int32
        for place in np.ndindex(best.shape):
            k = place[1]
            rounded = zeros[1] + wide_rounded(best[place], int(multiplier[k]), int(shift[k]))
            assert y[place] == min(max(rounded, 20), high)
        for place in np.ndindex(total.shape):
            k = place[1]
            assert logits[place] == wide_rounded(int(total[place]), int(multiplier[k]), int(shift[k]))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_joins_are_exact_on_every_path(data: st.DataObject) -> None:
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    count, shape = draw(st.integers(1, 4)), (2, 3, 4, 5)
    pixels = [draw(st.booleans()) and i > 0 for i in range(count)]
    xs = [rng.integers(0, 256, (2, 3, 1, 1) if one else shape).astype(np.uint8) for one in pixels]
    if draw(st.booleans()):
        xs = [np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for x in xs]
    zeros = [int(zero) for zero in rng.integers(0, 256, count)]
    multipliers, shift = common_fixed_point(list(rng.uniform(1e-4, 2, count)))
    zero, low, high = int(rng.integers(0, 256)), draw(st.sampled_from([0, 30])), draw(st.sampled_from([255, 180]))
    parts = [(x.astype(object) - z) * m for x, z, m in zip(xs, zeros, multipliers, strict=True)]
    total = sum(parts[1:], parts[0])
    rounded = np.vectorize(lambda t: min(max(zero + wide_rounded(t, 1, shift), low), high), otypes=[int])(total)
    factor, places = fixed_point(rng.uniform(1e-4, 0.1, 1))
    by = xs[-1]
    product_ = (xs[0].astype(object) - zeros[0]) * (by.astype(object) - zeros[-1])
    scaled = np.vectorize(
        lambda t: min(max(zero + wide_rounded(t, int(factor[0]), int(places[0])), low), high), otypes=[int]
    )(product_)
    whole = [x for x, one in zip(xs, pixels, strict=True) if not one]
    tables = rng.integers(0, 256, (len(whole), 256)).astype(np.uint8)
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            y = ops.integer_add(xs, zeros, multipliers, shift, zero, low, high)
            sums = ops.integer_sum(xs, zeros, multipliers)
            z = ops.integer_multiply(
                xs[0], by, (zeros[0], zeros[-1]), int(factor[0]), int(places[0]), zero, low, high
            )
            side = ops.integer_concat(whole, tables)
        assert {y.dtype, z.dtype, side.dtype} == {np.dtype(np.uint8)}
        assert sums.dtype == np.int32
        np.testing.assert_array_equal(y, rounded)
        np.testing.assert_array_equal(sums, total)
        np.testing.assert_array_equal(z, scaled)
        expected = np.concatenate([table[x] for x, table in zip(whole, tables, strict=True)], axis=1)
        np.testing.assert_array_equal(side, expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 2.0**17), min_size=1, max_size=6))
def test_factors_of_one_shift(factors: list[float]) -> None:
    multipliers, shift = common_fixed_point(factors)
    assert 1 <= shift <= 30
    assert 255 * sum(multipliers) + (1 << (shift - 1)) < 1 << 31
    for factor, multiplier in zip(factors, multipliers, strict=True):
        assert abs(multiplier / 2**shift - factor) <= max(2.0**-18 * max(factors), 2.0**-31)


@pytest.mark.parametrize("factors", [[-1.0], [2.0**20], [np.inf], [np.nan]])
def test_factors_of_one_shift_that_are_too_large(factors: list[float]) -> None:
    with pytest.raises(PellucidError, match="scale of an integer layer"):
        common_fixed_point(factors)


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


def test_weights_that_were_changed_in_place_are_seen() -> None:
    """Also those that were marked as read-only for a while, or are a read-only view of others."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (1, 3, 6, 6)).astype(np.uint8)
    b, factors = np.zeros(5, np.int32), (np.full(5, 1 << 20, np.int32), np.full(5, 24, np.int32))
    w = rng.integers(-127, 128, (5, 3, 3, 3)).astype(np.int8)
    view = w[:]
    view.flags.writeable = False
    for change in (lambda: None, lambda: np.negative(w, out=w)):
        change()
        for weights in (w, view, frozen(w)):
            found = ops.integer_logits(x, weights, b, *factors)
            np.testing.assert_array_equal(found, numpy_ops.integer_logits(x, w, b, *factors))
    for writable in (False, True):
        own = w.copy()
        own.flags.writeable = False
        ops.integer_logits(x, own, b, *factors)
        own.flags.writeable = True
        np.negative(own, out=own)
        own.flags.writeable = writable
        found = ops.integer_logits(x, own, b, *factors)
        np.testing.assert_array_equal(found, numpy_ops.integer_logits(x, own, b, *factors))


@pytest.mark.parametrize("turned", [0, 1, 2])
def test_scales_in_any_memory_order(turned: int) -> None:
    """Bias, multiplier or shift with gaps, from back to front."""
    rng = np.random.default_rng(turned)
    x = rng.integers(0, 256, (2, 16, 6, 9)).astype(np.uint8)
    w = rng.integers(-128, 128, (33, 16, 2, 3)).astype(np.int8)
    drawn = [rng.integers(low, high, 66).astype(np.int32) for low, high in ((-999, 999), (1, 1 << 30), (30, 40))]
    b, multiplier, shift = [values[::-2] if i == turned else values[:33].copy() for i, values in enumerate(drawn)]
    geometry = Geometry((3, 2), (1, 1, 1, 1))
    with ops.use_backend("numba"):
        found = ops.integer_conv2d(x, w, b, multiplier, shift, (82, 17), 0, geometry)
    with ops.use_backend("numpy"):
        wanted = ops.integer_conv2d(x, w, b, multiplier, shift, (82, 17), 0, geometry)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("channels", [5, 16, 40, 67])
@pytest.mark.parametrize("kernel, stride, dilation", [
    ((3, 3), (1, 1), (1, 1)), ((3, 3), (2, 2), (1, 1)), ((5, 5), (1, 2), (1, 1)), ((3, 2), (3, 1), (2, 3)),
    ((7, 9), (1, 1), (1, 1)),
])  # fmt: skip
def test_depthwise_convolutions_of_whole_and_part_registers(
    channels: int, kernel: Pair, stride: Pair, dilation: Pair
) -> None:
    rng = np.random.default_rng(channels)
    x = rng.integers(0, 256, (3, channels, 13, 21)).astype(np.uint8)
    w = rng.integers(-127, 128, (channels, 1, *kernel)).astype(np.int8)
    b = rng.integers(-(1 << 16), 1 << 16, channels).astype(np.int32)
    factors = fixed_point(rng.uniform(1e-3, 2e-2, channels))
    geometry = Geometry(stride, (2, 1, 0, 3), dilation, channels)
    with ops.use_backend("numba"):
        found = ops.integer_conv2d(x, w, b, *factors, (9, 30), 20, geometry, 1, 240)
    wanted = numpy_ops.integer_conv2d(x, w, b, *factors, (9, 30), 20, geometry, 1, 240)
    assert len(np.unique(wanted)) > 100
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("shape", [(3, 64, 9, 13, 70), (2, 31, 5, 5, 33), (1, 8, 40, 40, 16), (130, 16, 2, 2, 5)])
@pytest.mark.parametrize("window, stride, pool", [(1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 1, 2)])
def test_convolutions_of_many_tiles(shape: tuple[int, ...], window: int, stride: int, pool: int) -> None:
    """Lines of more places than a task's, filters that fill no register, pixels read where they lie and copied."""
    N, C, H, W, K = shape
    rng = np.random.default_rng(window)
    x = rng.integers(0, 256, (N, C, H, W)).astype(np.uint8)
    w = rng.integers(-127, 128, (K, C, window, window)).astype(np.int8)
    b, factors = rng.integers(-999, 999, K).astype(np.int32), fixed_point(rng.uniform(1e-4, 2e-3, K))
    geometry = Geometry((stride, stride), (window // 2,) * 4)
    with ops.use_backend("numba"):
        found = ops.integer_conv2d(x, w, b, *factors, (5, 128), 0, geometry, pool)
    np.testing.assert_array_equal(found, numpy_ops.integer_conv2d(x, w, b, *factors, (5, 128), 0, geometry, pool))


def test_factors_far_above_one_are_exact() -> None:
    """Of results that pass 32 bits before they are clipped."""
    rng = np.random.default_rng(0)
    x, w = (
        rng.integers(0, 256, (2, 20, 5, 5)).astype(np.uint8),
        rng.integers(-127, 128, (18, 20, 3, 3)).astype(np.int8),
    )
    b = rng.integers(-(1 << 28), 1 << 28, 18).astype(np.int32)
    factors = np.full(18, (1 << 31) - 1, np.int32), np.full(18, 1, np.int32)
    with ops.use_backend("numba"):
        found = ops.integer_conv2d(x, w, b, *factors, (5, 128))
    wanted = numpy_ops.integer_conv2d(x, w, b, *factors, (5, 128))
    assert set(np.unique(wanted)) >= {0, 255}
    np.testing.assert_array_equal(found, wanted)
