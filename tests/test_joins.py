"""Where branches meet: how results lie in memory, and 16-bit numbers; the values are the conformance test's."""

import numpy as np
import pytest

from pellucid import ops
from pellucid.ops import BACKENDS
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type

HALVES = ["float16", "bfloat16"]


def is_channels_last(x: Array) -> bool:
    return x.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_come_out_channels_last(backend: str) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 3, 5, 4, 6)).astype(np.float32)
    with ops.use_backend(backend):
        for z in (ops.add(x, y), ops.multiply(x, y[:, :, :1, :1]), ops.concat(x, y), *ops.split(x, (2, 3))):
            assert is_channels_last(z)


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_sums_and_products_of_halves_are_rounded_once(backend: str, kind: str) -> None:
    rng, dtype = np.random.default_rng(1), float_type(kind)
    x = rng.standard_normal((3, 17, 5, 4)).astype(dtype)
    for other in ((3, 17, 5, 4), (3, 17, 1, 1)):
        y = rng.standard_normal(other).astype(dtype)
        wide = x.astype(np.float32), y.astype(np.float32)
        with ops.use_backend(backend):
            total, product = ops.add(x, y), ops.multiply(x, y)
        np.testing.assert_array_equal(total, (wide[0] + wide[1]).astype(dtype))
        np.testing.assert_array_equal(product, (wide[0] * wide[1]).astype(dtype))


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_halves_are_moved_as_they_are(backend: str, kind: str) -> None:
    dtype = float_type(kind)
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype).reshape(4, 16, 32, 32)
    with ops.use_backend(backend):
        parts = ops.split(every, (3, 8, 5))
        whole = ops.concat(*parts)
    assert [part.shape[1] for part in parts] == [3, 8, 5]
    np.testing.assert_array_equal(np.ascontiguousarray(whole).view(np.uint16), every.view(np.uint16))


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_was_repeated_is_summed_in_float32(backend: str, kind: str) -> None:
    dtype = float_type(kind)
    dy = np.full((2, 3, 40, 30), 1.0, dtype)  # counted in 16 bits, ones stop adding up at 256 or 2048
    with ops.use_backend(backend):
        total = ops.unbroadcast(dy, (2, 3, 1, 1))
        assert ops.unbroadcast(dy, dy.shape).shape == dy.shape
    assert total.dtype == dtype
    np.testing.assert_array_equal(total.astype(np.float32), np.full((2, 3, 1, 1), 1200, dtype).astype(np.float32))
