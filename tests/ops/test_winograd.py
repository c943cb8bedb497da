"""Winograd's convolution: its matrices, its accuracy, every shape at its rims, and what makes it repeatable."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.ops import cores, numba_ops, numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry, Sides
from pellucid.ops.memory import channels_last, empty_images
from pellucid.ops.numba_ops import winograd
from pellucid.ops.numba_ops.convolution import few_channels, few_channels_gradient
from pellucid.ops.numba_ops.winograd import transforms
from pellucid.ops.numba_ops.winograd.cut import cut_convolution, cut_weight_gradient
from pellucid.ops.numba_ops.winograd.product import ROWS

LARGEST_ERROR = 1e-5  # of a float32 result, relative to the largest of the exact ones


def images(rng: np.random.Generator, *shape: int) -> Array:
    x = empty_images(shape, np.float32)
    x[...] = rng.standard_normal(shape)
    return x


def filters(rng: np.random.Generator, K: int, C: int) -> Array:
    w: Array = rng.standard_normal((K, C, 3, 3)) / np.sqrt(9 * C)
    return w.astype(np.float32)


def error(result: Array, exact: Array) -> float:
    assert result.dtype == np.float32
    assert result.shape == exact.shape
    return float(np.abs(result - exact).max() / max(np.abs(exact).max(), 1e-30))


def wide(array: Array) -> Array:
    return array.astype(np.float64)


def test_the_matrices_give_the_convolution() -> None:
    """Winograd's identity itself, in one dimension and in exact arithmetic but for float64's rounding."""
    rng = np.random.default_rng(0)
    d, g = rng.standard_normal(transforms.PATCH), rng.standard_normal(3)
    data, kernel = transforms.matrix(transforms.data_transform, 6), transforms.matrix(transforms.filter_transform, 3)
    product = transforms.matrix(transforms.output_transform, 6) @ ((kernel @ g) * (data @ d))
    np.testing.assert_allclose(product, np.correlate(d, g, "valid"), rtol=0, atol=1e-13)


def test_adjoints_are_transposed_matrices() -> None:
    for transform, adjoint, sizes in (
        (transforms.output_transform, transforms.output_adjoint, (6, 4)),
        (transforms.filter_transform, transforms.filter_adjoint, (3, 6)),
    ):
        np.testing.assert_allclose(
            transforms.matrix(transform, sizes[0]).T, transforms.matrix(adjoint, sizes[1]), atol=1e-15
        )


def test_coefficients_of_data_and_output_are_exact_in_float32() -> None:
    for transform in (transforms.data_transform, transforms.output_transform):
        matrix = transforms.matrix(transform, 6)
        np.testing.assert_array_equal(matrix, matrix.astype(np.float32))


PADDED, HALVED = Geometry(padding=(1, 1, 1, 1)), Geometry(stride=(2, 2))

SHAPES = st.tuples(
    st.integers(1, 3),  # images
    st.integers(5, 40),  # input channels
    st.integers(5, 40),  # filters
    st.integers(1, 13),  # height
    st.integers(1, 13),  # width
    st.tuples(*[st.integers(0, 3)] * 4),  # padding
).filter(lambda s: s[3] + sum(s[5][:2]) >= 3 and s[4] + sum(s[5][2:]) >= 3)

FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(SHAPES, st.integers(0, 2**32 - 1), st.booleans())
def test_forward_of_any_shape(shape: tuple[int, int, int, int, int, Sides], seed: int, bias: bool) -> None:
    N, C, K, H, W, padding = shape
    rng = np.random.default_rng(seed)
    x, w, b = images(rng, N, C, H, W), filters(rng, K, C), rng.standard_normal(K).astype(np.float32)
    exact = numpy_ops.conv2d(wide(x), wide(w), wide(b) if bias else None, Geometry(padding=padding))
    given_bias = b if bias else None
    assert error(winograd.convolution(x, w, given_bias, padding, relu=False), exact) < LARGEST_ERROR
    exact = np.maximum(exact, 0)
    P, Q = exact.shape[2:]
    assert error(winograd.convolution(x, w, given_bias, padding, relu=True), exact) < LARGEST_ERROR
    y, winner = winograd.pooled_convolution(x, w, given_bias, padding)
    pooled, _ = numpy_ops.max_pool2d(exact, (2, 2), HALVED)
    if pooled.size:
        assert error(y, pooled) < LARGEST_ERROR
        won = numpy_ops.max_pool2d_backward(np.ones_like(pooled), winner, (P, Q), (2, 2), HALVED) == 1
        largest = np.abs(exact).max()
        np.testing.assert_allclose(np.sort(exact[won]), np.sort(pooled.ravel()), atol=LARGEST_ERROR * largest)


@FEW
@given(SHAPES, st.integers(0, 2**32 - 1), st.sampled_from(["plain", "relu", "pool"]))
def test_gradients_of_any_shape(shape: tuple[int, int, int, int, int, Sides], seed: int, kind: str) -> None:
    N, C, K, H, W, padding = shape
    rng = np.random.default_rng(seed)
    P, Q = Geometry(padding=padding).output_size((H, W), (3, 3))
    x, w, dz = images(rng, N, C, H, W), filters(rng, K, C), images(rng, N, K, P, Q)
    gradient, exact = winograd.Gradient(dz, (P, Q)), dz.astype(np.float64)
    if kind == "relu":
        y = images(rng, N, K, P, Q)
        gradient, exact = winograd.Gradient(dz, (P, Q), y), exact * (y > 0)
    if kind == "pool" and min(P, Q) > 1:
        y, dy = images(rng, N, K, P // 2, Q // 2), images(rng, N, K, P // 2, Q // 2)
        winner = channels_last(rng.integers(0, 4, y.shape, np.uint8))
        gradient = winograd.Gradient(dy, (P, Q), y, winner)
        exact = numpy_ops.max_pool2d_backward(dy * (y > 0).astype(np.float64), winner, (P, Q), (2, 2), HALVED)
    dw, db = np.full_like(w, np.nan), np.full(K, np.nan, np.float32)
    dx = winograd.backward(gradient, x, w, dw, db, padding, wanted=True)
    x, w = wide(x), wide(w)
    assert error(dx, numpy_ops.conv2d_input_gradient(exact, w, (H, W), Geometry(padding=padding))) < LARGEST_ERROR
    assert error(dw, numpy_ops.conv2d_weight_gradient(exact, x, (3, 3), Geometry(padding=padding))) < LARGEST_ERROR
    assert error(db, exact.sum(axis=(0, 2, 3))) < LARGEST_ERROR


@pytest.mark.parametrize("channels", [16, 64, 128])
def test_error_of_networks_sizes(channels: int) -> None:
    """Three times closer to the exact result than what a training run needs, also with many channels."""
    rng = np.random.default_rng(channels)
    x, w = images(rng, 2, channels, 28, 28), filters(rng, channels, channels)
    exact = numpy_ops.conv2d(wide(x), wide(w), None, PADDED)
    assert error(winograd.convolution(x, w, None, PADDED.padding, relu=False), exact) < 3e-6


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("C", "K"), [(300, 310), (257, 353)])
def test_large_filters_are_transformed_where_they_are_needed(C: int, K: int, threads: int) -> None:
    cut = cut_convolution(3, C, K, (9, 5), (1, 1), threads)
    assert cut.passing > 0
    assert cut_convolution(300, C, K, (9, 5), (1, 1), threads).passing == 0
    rng = np.random.default_rng(C)
    x, w, b = images(rng, 3, C, 9, 5), filters(rng, K, C), rng.standard_normal(K, np.float32)
    before = cores.threads()
    cores.set_threads(threads)
    y = winograd.convolution(x, w, b, PADDED.padding, relu=True)
    dx = winograd.input_gradient(winograd.Gradient(y, (9, 5)), w, (9, 5), PADDED.padding)
    cores.set_threads(before)
    exact = numpy_ops.conv2d_relu(wide(x), wide(w), wide(b), PADDED)
    assert error(y, exact) < LARGEST_ERROR
    assert error(dx, numpy_ops.conv2d_input_gradient(wide(y), wide(w), (9, 5), PADDED)) < LARGEST_ERROR


@pytest.mark.parametrize("tiles", range(1, 2 * ROWS + 4))
def test_sums_that_go_on_of_any_number_of_tiles(tiles: int) -> None:
    """The filters of 128 inputs are transformed in two parts: the second is added to what the first has given."""
    C, K, width = 128, 80, 4 * tiles
    assert 0 < cut_convolution(1, C, K, (4, width), (1, 1), 1).some < C
    rng = np.random.default_rng(tiles)
    x, w = images(rng, 1, C, 4, width), filters(rng, K, C)
    exact = numpy_ops.conv2d(wide(x), wide(w), None, PADDED)
    assert error(winograd.convolution(x, w, None, PADDED.padding, relu=False), exact) < LARGEST_ERROR


@pytest.mark.parametrize("C", [5, *range(ROWS, ROWS + 5)])
def test_weight_gradients_of_many_blocks(C: int) -> None:
    """Each block of tiles is added to what those before it have given, of any number of channels."""
    rng, size = np.random.default_rng(C), (64, 64)
    cut = cut_weight_gradient(3, C, 16, size, (1, 1), cores.threads())
    assert cut.grid.rows * cut.grid.columns * 3 > cut.work.parts * cut.work.block
    x, dy, dw = images(rng, 3, C, *size), images(rng, 3, 16, *size), np.empty((16, C, 3, 3), np.float32)
    winograd.weight_gradient(winograd.Gradient(dy, size), x, PADDED.padding, dw, None)
    exact = numpy_ops.conv2d_weight_gradient(wide(dy), wide(x), (3, 3), PADDED)
    assert error(dw, exact) < LARGEST_ERROR


@pytest.mark.parametrize("padding", [(1, 1, 2, 2), (0, 2, 1, 3), (2, 0, 3, 0)])
@pytest.mark.parametrize("C", [1, 3])
def test_first_layers_kernels(C: int, padding: Sides) -> None:
    rng, geometry = np.random.default_rng(C), Geometry(padding=padding)
    width = ROWS + 1  # with the padding a row of the output is a block and a part of one
    x, w, b = images(rng, 3, C, 9, width), filters(rng, 16, C), rng.standard_normal(16).astype(np.float32)
    assert few_channels.suits(x, w, geometry)
    assert few_channels.wide_enough(x, padding)
    y = few_channels.convolution(x, w, b, padding, relu=True)
    exact = np.maximum(numpy_ops.conv2d(wide(x), wide(w), wide(b), geometry), 0)
    assert error(y, exact) < 1e-6
    dy, dw, db = images(rng, *y.shape), np.empty_like(w), np.empty_like(b)
    for mask in (None, y):
        few_channels_gradient.weight_gradient(dy, mask, x, padding, dw, db)
        dz = dy.astype(np.float64) * (1 if mask is None else mask > 0)
        assert error(dw, numpy_ops.conv2d_weight_gradient(dz, x.astype(np.float64), (3, 3), geometry)) < 1e-5
        assert error(db, dz.sum(axis=(0, 2, 3))) < 1e-5


def test_any_strides_and_read_only_arrays() -> None:
    rng = np.random.default_rng(0)
    x, w = images(rng, 2, 8, 12, 12), filters(rng, 8, 8)
    odd = np.ascontiguousarray(x)[:, :, ::2, ::-1]
    odd.flags.writeable = False
    weights = np.asfortranarray(w)
    exact = numpy_ops.conv2d(wide(odd), wide(w), None, PADDED)
    assert error(numba_ops.conv2d(odd, weights, None, PADDED), exact) < LARGEST_ERROR
    dw = np.empty((8, 3, 3, 8), np.float32).transpose(0, 3, 1, 2)  # not contiguous
    numba_ops.conv2d_weight_gradient(odd, odd, (3, 3), PADDED, out=dw)
    exact = numpy_ops.conv2d_weight_gradient(wide(odd), wide(odd), (3, 3), PADDED)
    assert error(dw, exact) < LARGEST_ERROR


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_surfaces(bad: float) -> None:
    rng = np.random.default_rng(0)
    x, w = images(rng, 1, 8, 8, 8), filters(rng, 8, 8)
    x[0, 3, 4, 4] = bad
    y = numba_ops.conv2d(x, w, None, PADDED)
    assert not np.isfinite(y[0, :, 3:6, 3:6]).any()
    dw = numba_ops.conv2d_weight_gradient(np.ones_like(y), x, (3, 3), PADDED)
    assert not np.isfinite(dw[:, 3]).any()


def test_same_bits_again() -> None:
    rng = np.random.default_rng(0)
    x, w, dy = images(rng, 9, 16, 14, 14), filters(rng, 16, 16), images(rng, 9, 16, 14, 14)
    before = cores.threads()
    for threads in range(1, cores.available_cores() + 1):
        cores.set_threads(threads)
        results = []
        for _ in range(3):
            dw, db = np.empty_like(w), np.empty(16, np.float32)
            dx = numba_ops.conv2d_backward(dy, x, w, dw, db, PADDED)
            results.append((dx.copy(), dw, db))
        for again in results[1:]:
            for first, second in zip(results[0], again, strict=True):
                np.testing.assert_array_equal(first, second)
    cores.set_threads(before)


def run(program: str, width: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PELLUCID_VECTOR_WIDTH": str(width)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


WIDTH_PROGRAM = """
import numpy as np
from pellucid.ops import numba_ops, numpy_ops
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.vectors import LANES
PADDED = Geometry(padding=(1, 1, 1, 1))
assert LANES == {width}
rng = np.random.default_rng(0)
x, w = rng.standard_normal((2, 9, 7, 7), np.float32), rng.standard_normal((21, 9, 3, 3), np.float32)
b, dy = rng.standard_normal(21, np.float32), rng.standard_normal((2, 21, 7, 7), np.float32)
exact = numpy_ops.conv2d_relu(*(a.astype(np.float64) for a in (x, w, b)), PADDED)
assert np.abs(numba_ops.conv2d_relu(x, w, b, PADDED) - exact).max() < 1e-5 * exact.max()
x, dy, wide = x[:, :8], dy[:, :16], np.float64
dw = numba_ops.conv2d_weight_gradient(dy, x, (3, 3), PADDED)
exact = numpy_ops.conv2d_weight_gradient(dy.astype(wide), x.astype(wide), (3, 3), PADDED)
assert np.abs(dw - exact).max() < 1e-5 * np.abs(exact).max()
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [4, 16])
def test_other_register_widths(width: int) -> None:
    """As on machines without AVX2, and with AVX-512."""
    program, environment = WIDTH_PROGRAM.format(width=width), {**os.environ, "PELLUCID_VECTOR_WIDTH": str(width)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_register_width_is_told() -> None:
    told = run("import pellucid.ops.numba_ops.compile.vectors", 12).stderr
    assert "PELLUCID_VECTOR_WIDTH: expected 4, 8 or 16 lanes of float32, got '12'" in told
