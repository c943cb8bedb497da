"""Integer ops and rounding on the device: the very numbers of the definition."""

from itertools import product
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from ops.conformance.arrays import LAYOUTS, laid_out
from pellucid.ops import cuda_ops, numpy_ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.cuda_ops.arrays import array
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.precision.fixed_point import common_fixed_point, fixed_point

GEOMETRIES = [
    PLAIN,
    Geometry(padding=(1, 1, 1, 1)),
    Geometry(stride=(2, 1), padding=(0, 1, 2, 0), dilation=(1, 2), groups=2),
]


def weights(geometry: Geometry) -> list[Array]:
    """w, b, multiplier and shift of a convolution of four channels."""
    rng = np.random.default_rng(1)
    w = rng.integers(-128, 128, (4, 4 // geometry.groups, 3, 3)).astype(np.int8)
    b, multiplier = rng.integers(-9999, 9999, 4), rng.integers(1, 1 << 30, 4)
    return [w, *(v.astype(np.int32) for v in (b, multiplier, rng.integers(33, 40, 4)))]


def images(layout: str, seed: int = 0) -> Array:
    return laid_out(np.random.default_rng(seed).integers(0, 256, (2, 4, 6, 7)).astype(np.uint8), layout)


@pytest.mark.parametrize(("geometry", "pool"), list(product(GEOMETRIES, [1, 2])))
def test_convolution(geometry: Geometry, pool: int) -> None:
    x, parts = images("channels last"), weights(geometry)
    same("integer_conv2d", x, *parts, (3, 7), 5, geometry, pool)
    same("integer_logits", x, *parts, 3, geometry)


def same(name: str, *arguments: Any) -> None:
    """The op on the device gives the definition's numbers, in its type and memory order."""
    wanted = getattr(numpy_ops, name)(*arguments)
    got = getattr(cuda_ops, name)(*(on_device(a) for a in arguments)).host()
    assert got.dtype == wanted.dtype
    assert got.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(got, wanted)


def on_device(argument: Any) -> Any:
    if isinstance(argument, list):
        return [on_device(a) for a in argument]
    return array(argument) if isinstance(argument, np.ndarray) else argument


@pytest.mark.parametrize("high", [130, 255])
def test_clipping_above(high: int) -> None:
    arguments: list[Any] = [images("channels last"), *weights(PLAIN), (3, 7), 5, PLAIN, 1, high]
    assert numpy_ops.integer_conv2d(*arguments).max() == high
    same("integer_conv2d", *arguments)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("geometry", "size"), [(PLAIN, (8, 9)), (GEOMETRIES[1], (6, 7)), (GEOMETRIES[2], (13, 9))])
def test_transposed_convolution(geometry: Geometry, size: Pair, layout: str) -> None:
    x, parts = images(layout), weights(geometry)
    for pool, high in ((1, 255), (2, 130)):
        same("integer_conv_transpose2d", x, *parts, size, (130, 7), 5, geometry, pool, high)
    same("integer_transposed_logits", x, *parts, size, 130, geometry)


@pytest.mark.parametrize("pixels", [(False,), (False, False), (False, True, False), (True, False)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums(layout: str, pixels: tuple[bool, ...]) -> None:
    xs = [images(layout, seed) for seed in range(len(pixels))]
    xs = [x[:, :, 2:3, 3:4] if one else x for x, one in zip(xs, pixels, strict=True)]
    zeros = [0, 255, 100][: len(xs)]
    multipliers, shift = common_fixed_point([0.7, 0.31, 1.9][: len(xs)])
    same("integer_sum", xs, zeros, multipliers)
    same("integer_add", xs, zeros, multipliers, shift)
    same("integer_add", xs, zeros, multipliers, shift, 80, 90, 140)


def test_sums_round_halves_upwards() -> None:
    x = np.arange(256, dtype=np.uint8).reshape(1, 4, 8, 8)
    same("integer_add", [x], [128], [1], 1, 128)
    same("integer_multiply", x, x[:, :, :1, :1], (128, 127), 1, 1, 128)


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_products(layout: str, one: bool) -> None:
    x, by = images(layout), images(layout, 1)
    by = by[:, :, 2:3, 3:4] if one else by
    multiplier, shift = (int(v[0]) for v in fixed_point(np.array([0.013])))
    same("integer_multiply", x, by, (3, 130), multiplier, shift)
    same("integer_multiply", x, by, (0, 255), multiplier, shift, 80, 60, 100)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channels_side_by_side(layout: str) -> None:
    xs = [images(layout, 0), images(layout, 1)[:, :1], images(layout, 2)[:, 1:]]
    same("integer_concat", xs, np.random.default_rng(3).integers(0, 256, (3, 256)).astype(np.uint8))


def test_no_images() -> None:
    x, parts = images("channels last")[:0], weights(PLAIN)
    same("integer_conv_transpose2d", x, *parts, (8, 9))
    same("integer_add", [x, x], [1, 2], [3, 4], 2)
    same("integer_multiply", x, x, (1, 2), 3, 4)
    same("integer_concat", [x, x], np.zeros((2, 256), np.uint8))


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pools(layout: str, ceil: bool) -> None:
    x, geometry = images(layout), Geometry(stride=(2, 3), padding=(1, 0, 0, 1))
    for name in ("integer_max_pool2d", "integer_avg_pool2d"):
        wanted = getattr(numpy_ops, name)(x, (3, 2), geometry, ceil)
        got = getattr(cuda_ops, name)(array(x), (3, 2), geometry, ceil).host()
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


def test_rounding_to_a_scale() -> None:
    x = np.array([-3.0, -0.25, 0.25, 0.75, 1.25, 1.75, 63.9, 200.0, 1e9, -1e9, np.nan], np.float32)
    wanted, inside = numpy_ops.round_to_scale(x, 0.5, 3)
    got, got_inside = cuda_ops.round_to_scale(array(x), 0.5, 3)
    np.testing.assert_array_equal(got.host(), wanted)
    np.testing.assert_array_equal(got_inside.host(), inside)
    assert got_inside.dtype == np.bool_
