"""Winograd's algorithm in whole numbers gives what the definition does, of the largest numbers too."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pellucid import ops
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry, Sides
from pellucid.ops.numba_ops.compile.vectors import LANES
from pellucid.ops.numba_ops.integer import winograd
from pellucid.ops.numba_ops.integer.filters import Filters
from pellucid.ops.numba_ops.integer.products import BYTES_IN_WORDS
from pellucid.precision.fixed_point import fixed_point

NEEDLESS = "bytes are multiplied as they are; sets without VNNI are tried by test_instructions"


def compare(x: Array, w: Array, b: Array, zeros: tuple[int, int], geometry: Geometry, pool: int, step: float) -> None:
    multiplier, shift = fixed_point(np.full(len(w), step))
    filters = Filters(w, b, multiplier, shift, (zeros[1], 20, 240))
    with mock.patch.multiple(winograd, FEWEST=1, FEWEST_READ=1), ops.use_backend("numba"):
        assert winograd.suits(x.shape, filters, geometry, pool)
        found = ops.integer_conv2d(x, w, b, multiplier, shift, zeros, 20, geometry, pool, 240)
    wanted = numpy_ops.integer_conv2d(x, w, b, multiplier, shift, zeros, 20, geometry, pool, 240)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.skipif(BYTES_IN_WORDS, reason=NEEDLESS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 12), st.integers(1, 40)),
    st.sampled_from([1, 5, 16, 17, 33, 50]),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_any_map_is_exact(
    images: tuple[int, int, int, int], K: int, padding: Sides, pool: int, extreme: bool
) -> None:
    """Odd sizes, padding on any side, filters that fill no register; bytes and weights as large as can be."""
    N, registers, H, W = images
    assume(min(H + sum(padding[:2]), W + sum(padding[2:])) >= 2 + pool)
    rng, C = np.random.default_rng(H * W + K), registers * LANES
    x, w = rng.integers(0, 256, (N, C, H, W)), rng.integers(-127, 128, (K, C, 3, 3))
    if extreme:
        x, w = 255 * (x & 1), rng.choice([-128, 127], w.shape)
    b, step = rng.integers(-999, 999, K).astype(np.int32), 2.0**-10 / C**0.5
    compare(x.astype(np.uint8), w.astype(np.int8), b, (9, 128), Geometry(padding=padding), pool, step)


@pytest.mark.skipif(BYTES_IN_WORDS, reason=NEEDLESS)
@pytest.mark.parametrize("weight", [-128, 127])
def test_most_channels_are_exact(weight: int) -> None:
    """Four times the largest total there can be just fits 32 bits; of one register of channels more it wouldn't."""
    C = winograd.MOST // LANES * LANES
    x, w = np.full((1, C, 4, 6), 255, np.uint8), np.full((5, C, 3, 3), weight, np.int8)
    x[0, 0, 1, 1] = 3
    compare(
        x, w, np.zeros(5, np.int32), (255, 200 if weight < 0 else 60), Geometry(padding=(1, 1, 1, 1)), 1, 2.0**-22
    )
    more = np.full((1, C + LANES, 4, 6), 255, np.uint8)
    wide = np.full((5, C + LANES, 3, 3), weight, np.int8)
    filters = Filters(wide, np.zeros(5, np.int32), *fixed_point(np.full(5, 2.0**-22)), (128, 20, 240))
    assert not winograd.suits(more.shape, filters, Geometry(padding=(1, 1, 1, 1)), 1)


@pytest.mark.skipif(BYTES_IN_WORDS, reason=NEEDLESS)
def test_transformed_filters_are_whole_numbers() -> None:
    """Four times G g G^T, of which no sum passes 16 bits."""
    g = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    w = np.random.default_rng(0).choice([-128, 127], (LANES, 6, 3, 3)).astype(np.int8)
    exact = 4 * np.einsum("ir,kcrs,js->ijkc", g, w.astype(np.float64), g).reshape(16, LANES, 6)
    panels = winograd.transformed_filters(w).transpose(0, 1, 4, 2, 3, 5)
    np.testing.assert_array_equal(panels.reshape(16, LANES, 6), exact)
