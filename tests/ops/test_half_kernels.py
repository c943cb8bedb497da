"""Convolutions that read and write 16 bits give the bits that widening, convolving and rounding gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.ops import half, numba_ops, numpy_ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.formats import float_type
from pellucid.ops.geometry import Geometry, Sides
from pellucid.ops.memory import channels_last
from pellucid.ops.numba_ops.compile.bfloat16 import PRODUCTS
from pellucid.ops.numba_ops.compile.tiles import TILES
from pellucid.ops.numba_ops.half import products
from pellucid.ops.numba_ops.half.convolution import by_winograd
from pellucid.ops.numba_ops.half.packing import packed_pairs
from pellucid.ops.numba_ops.winograd.product import PANEL

SIZES = st.integers(1, 21)
CHANNELS = st.sampled_from([1, 3, 16, 32, 48])
PADDINGS = st.tuples(*[st.integers(0, 2)] * 4)
PADDED = Geometry(padding=(1, 1, 1, 1))
CONVOLUTIONS = ("conv2d", "conv2d_relu", "conv2d_relu_max_pool2d")


def bits(value: Any) -> list[Array]:
    arrays = value if isinstance(value, tuple) else (value,)
    return [a.view(np.uint16) if a.dtype.itemsize == 2 else a for a in arrays]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 3), CHANNELS, SIZES, SIZES, PADDINGS, st.sampled_from(["bfloat16", "float16"]), st.data())
def test_same_bits_as_by_way_of_32(
    N: int, C: int, H: int, W: int, padding: Sides, kind: str, data: st.DataObject
) -> None:
    P, Q = H + padding[0] + padding[1] - 2, W + padding[2] + padding[3] - 2
    if min(P, Q) < 2:
        return
    K, name = data.draw(st.sampled_from([16, 64])), data.draw(st.sampled_from(CONVOLUTIONS))
    rng, dtype = np.random.default_rng(N * C + H * W), float_type(kind)
    x = channels_last(rng.standard_normal((N, C, H, W)).astype(np.float32)).astype(dtype)
    w, b = (rng.standard_normal((K, C, 3, 3)) / np.sqrt(9 * C)).astype(dtype), rng.standard_normal(K).astype(dtype)
    given = {"x": x, "w": w, "b": b, "geometry": Geometry(padding=padding)}
    found = numba_ops.IN_HALF[name](**given)
    if found is not None and (C in {1, 3} or "pool" in name or by_winograd(x, w, given["geometry"])):
        # others are products, in another order
        expected = half._Call(numba_ops, name, given).run()
        for mine, other in zip(bits(found), bits(expected), strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_what_it_takes_and_what_it_leaves_to_others(kind: str) -> None:
    dtype = float_type(kind)
    x, w = np.ones((1, 16, 8, 8), dtype), np.ones((16, 16, 3, 3), dtype)
    assert numba_ops.IN_HALF["conv2d"](x, w, None, PADDED).dtype == dtype
    multiplied = PRODUCTS and kind == "bfloat16"
    strided = numba_ops.IN_HALF["conv2d"](x, w, None, Geometry((2, 2), (1, 1, 1, 1)))
    assert (strided is not None) == multiplied
    assert (numba_ops.IN_HALF["conv2d"](x[:, :9], w[:, :9], None, PADDED) is not None) == multiplied
    assert numba_ops.IN_HALF["conv2d"](x, w[:, :8], None, Geometry(groups=2)) is None


@pytest.mark.skipif(not PRODUCTS, reason="no products of bfloat16 on this processor, or not allowed")
@pytest.mark.parametrize(
    ("C", "K", "side", "stride", "padding"), [(3, 20, 7, 2, 3), (16, 33, 1, 2, 0), (24, 16, 1, 1, 0), (9, 8, 5, 1, 2)]
)
def test_products_of_bfloat16_are_exact_before_they_are_rounded(
    C: int, K: int, side: int, stride: int, padding: int
) -> None:
    """A product of two bfloat16 fits a float32: only the sums round, and the result once."""
    dtype, rng = float_type("bfloat16"), np.random.default_rng(C)
    x = channels_last(rng.standard_normal((2, C, 11, 14)).astype(np.float32)).astype(dtype)
    w, b = rng.standard_normal((K, C, side, side)).astype(dtype), rng.standard_normal(K).astype(dtype)
    geometry = Geometry((stride, stride), (padding,) * 4)
    y = numba_ops.IN_HALF["conv2d_relu"](x, w, b, geometry)
    wide_x, wide_w, wide_b = (a.astype(np.float64) for a in (x, w, b))
    exact = numpy_ops.conv2d_relu(wide_x, wide_w, wide_b, geometry)
    sizes = numpy_ops.conv2d(abs(wide_x), abs(wide_w), None, geometry)
    error = abs(y.astype(np.float64) - exact)
    assert y.dtype == dtype
    assert (error <= 2.0**-8 * exact + (w[0].size + 2) * 2.0**-23 * sizes).all()


@pytest.mark.skipif(not PRODUCTS, reason="no products of bfloat16 on this processor, or not allowed")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 33)),
    st.tuples(*[st.integers(1, 4)] * 4),
    st.tuples(*[st.integers(0, 4)] * 4),
    st.sampled_from([1, 2, 3, 7, 16]),
    st.sampled_from([1, 5, 16, 17, 32, 33, 50]),
)
def test_nothing_around_an_image_is_multiplied(
    images: tuple[int, int, int], window: tuple[int, int, int, int], padding: Sides, C: int, K: int
) -> None:
    """Windows that see beyond it on every side, any number of places in a line; before and after all is NaN."""
    (N, H, W), (R, S, down, right) = images, window
    if H + padding[0] + padding[1] < R or W + padding[2] + padding[3] < S:
        return
    dtype, rng = float_type("bfloat16"), np.random.default_rng(H * W + C)
    whole = np.full((N + 2, H, W, C), np.nan, dtype)
    whole[1:-1] = rng.standard_normal((N, H, W, C)).astype(dtype)
    x, w = whole[1:-1].transpose(0, 3, 1, 2), rng.standard_normal((K, C, R, S)).astype(dtype)
    b, geometry = rng.standard_normal(K).astype(dtype), Geometry((down, right), padding)
    y = products.convolution(x, w, b, geometry, relu=True)
    wide_x, wide_w, wide_b = (a.astype(np.float64) for a in (x, w, b))
    exact = numpy_ops.conv2d_relu(wide_x, wide_w, wide_b, geometry)
    sizes = numpy_ops.conv2d(abs(wide_x), abs(wide_w), abs(wide_b), geometry)
    assert (abs(y.astype(np.float64) - exact) <= abs(exact) * 2.0**-8 + (R * S * C + 2) * 2.0**-23 * sizes).all()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (5, 3, 3, 3), (16, 32, 3, 3), (33, 7, 1, 5), (17, 18, 2, 2), (3, 50, 1, 1)]
)
def test_packed_filters_are_pairs_tap_by_tap(shape: tuple[int, int, int, int], turned: bool) -> None:
    K, C, R, S = shape
    w = np.arange(1, K * C * R * S + 1, dtype=np.uint16).view(float_type("bfloat16")).reshape(shape)
    for taps in (np.arange(R * S), np.arange(R * S)[::-2]):
        found = packed_pairs(w, taps, turned)
        flat = w.view(np.uint16).reshape(K, C, R * S)[:, :, taps]
        rows = (flat.transpose(1, 2, 0) if turned else flat.transpose(0, 2, 1)).reshape(C if turned else K, -1)
        depth = rows.shape[1]
        even = np.zeros((len(rows), depth + depth % 2), np.uint16)
        even[:, :depth] = rows
        unpacked = found.transpose(0, 2, 1, 3).reshape(-1, even.shape[1])
        np.testing.assert_array_equal(unpacked[: len(rows)], even)
        assert len(unpacked) == -(-len(rows) // PANEL) * PANEL


def test_rounding_is_to_nearest_even_and_keeps_nan() -> None:
    """A filter that copies, and biases that bring its 1 halfway between two bfloat16."""
    dtype = float_type("bfloat16")
    w = np.zeros((16, 16, 3, 3), dtype)
    w[np.arange(16), np.arange(16), 1, 1] = 1
    b = np.array([2.0**-8, 3 * 2.0**-8, -(2.0**-8)] + [0.0] * 13, np.float32).astype(dtype)
    x = np.ones((64, 16, 8, 8), dtype)  # of so many, Winograd's algorithm, but where there are matrix tiles
    assert by_winograd(x, w, PADDED) != TILES
    y = numba_ops.IN_HALF["conv2d"](x, w, b, PADDED)
    expected = half._Call(numba_ops, "conv2d", {"x": x, "w": w, "b": b, "geometry": PADDED}).run()
    np.testing.assert_array_equal(y.view(np.uint16), expected.view(np.uint16))
    x[0, 0, 2, 2] = np.nan
    y = numba_ops.IN_HALF["conv2d"](x, w, b, PADDED).astype(np.float32)
    assert np.isnan(y[0, 0, 2, 2])


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("N", "C", "K", "H", "W", "padding"), [(2, 32, 16, 9, 7, (1, 1, 1, 1)), (3, 16, 48, 5, 13, (0, 2, 1, 0))]
)
def test_gradients_are_those_of_float32_rounded_once(
    kind: str, N: int, C: int, K: int, H: int, W: int, padding: Sides
) -> None:
    """Sums of another order than float32's: within the two rounding errors of each other."""
    dtype, rng, geometry = float_type(kind), np.random.default_rng(N), Geometry(padding=padding)
    shape = (N, K, H + padding[0] + padding[1] - 2, W + padding[2] + padding[3] - 2)
    x, dy = (channels_last(rng.standard_normal(s).astype(np.float32)).astype(dtype) for s in ((N, C, H, W), shape))
    w = (rng.standard_normal((K, C, 3, 3)) / np.sqrt(9 * C)).astype(dtype)
    dw, db = np.empty_like(w), np.empty(K, dtype)
    dx = numba_ops.IN_HALF["conv2d_backward"](dy, x, w, dw, db, geometry)
    wide_dy, wide_x, wide_w = (a.astype(np.float64) for a in (dy, x, w))
    exact_dw, exact_db = np.empty(w.shape), np.empty(K)
    exact_dx = numpy_ops.conv2d_backward(wide_dy, wide_x, wide_w, exact_dw, exact_db, geometry)
    unit = 2.0**-11 if kind == "float16" else 2.0**-8
    for found, exact in ((dx, exact_dx), (dw, exact_dw), (db, exact_db)):
        assert found.dtype == dtype
        error = abs(found.astype(np.float64) - exact)
        assert (error <= unit * abs(exact) + 1e-5 * abs(exact).max()).all()


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("pooled", "C", "K", "H", "W", "padding"),
    [
        (False, 32, 16, 15, 13, (1, 1, 1, 1)),
        (False, 16, 48, 15, 14, (0, 2, 1, 0)),
        (False, 1, 16, 14, 17, (1, 1, 1, 1)),
        (True, 32, 16, 15, 13, (1, 1, 1, 1)),
        (True, 16, 48, 6, 15, (0, 2, 1, 0)),
    ],
)
def test_gradients_behind_relu_and_pool_are_the_bits_of_those_by_way_of_32(
    kind: str, pooled: bool, C: int, K: int, H: int, W: int, padding: Sides
) -> None:
    """Where Winograd's algorithm does them, or the sum over few channels; of enough images that it pays."""
    dtype, rng, geometry = float_type(kind), np.random.default_rng(C), Geometry(padding=padding)
    x = channels_last(rng.standard_normal((16, C, H, W)).astype(np.float32)).astype(dtype)
    w, b = (rng.standard_normal((K, C, 3, 3)) / np.sqrt(9 * C)).astype(dtype), rng.standard_normal(K).astype(dtype)
    given: dict[str, Any] = {"x": x, "w": w, "geometry": geometry, "input_gradient": C > 1}
    if not (C == 1 or pooled or by_winograd(x, w, geometry)):
        assert TILES
        pytest.skip("products on matrix tiles, in another order")
    if pooled:
        name = "conv2d_relu_max_pool2d_backward"
        given["y"], given["winner"] = numba_ops.IN_HALF["conv2d_relu_max_pool2d"](x, w, b, geometry)
        given["convolved"] = geometry.output_size((H, W), (3, 3))
    else:
        name = "conv2d_relu_backward"
        given["y"] = numba_ops.IN_HALF["conv2d_relu"](x, w, b, geometry)
    dy = channels_last(rng.standard_normal(given["y"].shape).astype(np.float32)).astype(dtype)
    found: list[list[Array]] = []
    for call in (numba_ops.IN_HALF[name], lambda **given: half._Call(numba_ops, name, given).run()):
        dw, db = np.empty_like(w), np.empty(K, dtype)
        dx = call(**{"dy": dy, **given, "dw": dw, "db": db})
        assert dx.dtype == dtype
        found.append([dx, dw, db])
    for mine, other in zip(*found, strict=True):
        assert mine.size == other.size
        assert mine.size == 0 or np.any(mine)
        np.testing.assert_array_equal(mine.view(np.uint16), other.view(np.uint16))


@pytest.mark.skipif(not PRODUCTS, reason="no products of bfloat16 on this processor, or not allowed")
@pytest.mark.parametrize(
    ("N", "C", "K", "size", "kernel", "stride", "padding"),
    [
        (2, 24, 20, (9, 11), (3, 3), (2, 2), (1, 1, 1, 1)),
        (3, 16, 33, (7, 7), (1, 1), (2, 2), (0, 0, 0, 0)),
        (2, 3, 16, (20, 21), (7, 7), (2, 2), (3, 3, 3, 3)),
        (1, 64, 16, (5, 6), (3, 3), (1, 1), (1, 1, 1, 1)),
        (2, 100, 48, (8, 8), (3, 5), (1, 2), (1, 0, 2, 2)),
        (1, 8, 5, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0)),
        (4, 70, 17, (12, 9), (5, 3), (3, 1), (2, 2, 0, 1)),
        (2, 20, 40, (30, 29), (3, 3), (1, 1), (0, 0, 0, 0)),
    ],
)
def test_gradients_in_pairs_are_exact_before_they_are_rounded(
    N: int, C: int, K: int, size: Pair, kernel: Pair, stride: Pair, padding: Sides
) -> None:
    """Strides, windows of every kind, odd numbers of places, channels that fill no register, parts of a batch."""
    dtype, rng, geometry = float_type("bfloat16"), np.random.default_rng(C), Geometry(stride, padding)
    x = channels_last(rng.standard_normal((N, C, *size)).astype(np.float32)).astype(dtype)
    w = (rng.standard_normal((K, C, *kernel)) / 9).astype(dtype)
    y = numba_ops.IN_HALF["conv2d_relu"](x, w, None, geometry)
    dy = channels_last(rng.standard_normal(y.shape).astype(np.float32)).astype(dtype)
    dw, db = np.empty_like(w), np.empty(K, dtype)
    dx = numba_ops.IN_HALF["conv2d_relu_backward"](dy, y, x, w, dw, db, geometry)
    masked, wide_x, wide_w = np.where(y > 0, dy, 0).astype(np.float64), x.astype(np.float64), w.astype(np.float64)
    of_w = (np.prod(y.shape) // K, numpy_ops.conv2d_weight_gradient, (wide_x, kernel, geometry))
    of_x = (w.size // C, numpy_ops.conv2d_input_gradient, (wide_w, size, geometry))
    for found, (count, op, arguments) in ((dw, of_w), (dx, of_x)):
        exact = op(masked, *arguments)
        sizes = op(abs(masked), abs(arguments[0]), *arguments[1:])
        assert found.dtype == dtype
        error = abs(found.astype(np.float64) - exact)
        assert (error <= 2.0**-8 * abs(exact) + (count + 2) * 2.0**-23 * sizes).all()
    np.testing.assert_allclose(db.astype(np.float64), masked.sum(axis=(0, 2, 3)), rtol=2.0**-7, atol=1e-4)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "ceil"),
    [((3, 3), (2, 2), (1, 1, 1, 1), False), ((2, 2), (2, 2), (0,) * 4, True), ((2, 3), (1, 2), (0, 1, 1, 0), False)],
)
def test_max_pools_are_the_bits_of_those_by_way_of_32(
    kind: str, kernel: Pair, stride: Pair, padding: Sides, ceil: bool
) -> None:
    dtype, rng, geometry = float_type(kind), np.random.default_rng(5), Geometry(stride, padding)
    x = channels_last(rng.standard_normal((2, 19, 11, 8)).astype(np.float32)).astype(dtype)
    x[0, 3, 4, 5] = np.nan
    y, winner = numba_ops.IN_HALF["max_pool2d"](x, kernel, geometry, ceil)
    expected = half._Call(
        numba_ops, "max_pool2d", {"x": x, "kernel": kernel, "geometry": geometry, "ceil": ceil}
    ).run()
    given = {"winner": winner, "input_size": (11, 8), "kernel": kernel, "geometry": geometry}
    given["dy"] = channels_last(rng.standard_normal(y.shape).astype(np.float32)).astype(dtype)
    dx = numba_ops.IN_HALF["max_pool2d_backward"](**given)
    expected_dx = half._Call(numba_ops, "max_pool2d_backward", {"dy": given["dy"], **given}).run()
    assert y.dtype == dx.dtype == dtype
    assert np.isnan(y.astype(np.float32)).any()
    for mine, other in zip([*bits(y), winner, *bits(dx)], [*bits(expected), *bits(expected_dx)], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert numba_ops.IN_HALF["max_pool2d"](x, kernel, Geometry(dilation=(2, 2))) is None
