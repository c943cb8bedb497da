"""Integer ops and rounding on the device: the very numbers of the definition."""

from itertools import product
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from ops.conformance.arrays import LAYOUTS, laid_out
from pellucid.ops import cuda_ops, numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.arrays import array
from pellucid.ops.geometry import PLAIN, Geometry

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


def images(layout: str) -> Array:
    return laid_out(np.random.default_rng(0).integers(0, 256, (2, 4, 6, 7)).astype(np.uint8), layout)


@pytest.mark.parametrize(("geometry", "pool"), list(product(GEOMETRIES, [1, 2])))
def test_convolution(geometry: Geometry, pool: int) -> None:
    x, parts = images("channels last"), weights(geometry)
    arguments: list[Any] = [x, *parts, (3, 7), 5, geometry, pool]
    on_device: list[Any] = [array(a) if isinstance(a, np.ndarray) else a for a in arguments]
    wanted = numpy_ops.integer_conv2d(*arguments)
    got = cuda_ops.integer_conv2d(*on_device).host()
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    arguments[5:], on_device[5:] = [3, geometry], [3, geometry]
    logits = numpy_ops.integer_logits(*arguments)
    np.testing.assert_array_equal(cuda_ops.integer_logits(*on_device).host(), logits)


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
