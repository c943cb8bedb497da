"""Convolutions whose windows lie side by side: their adjoint, which transposed convolutions run, has a kernel."""

import numpy as np
import pytest

from pellucid.ops import numba_ops, numpy_ops
from pellucid.ops.geometry import Geometry


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize(
    ("N", "K", "places", "C", "window"),
    [(1, 48, (16, 16), 32, (2, 2)), (3, 5, (4, 7), 9, (2, 3)), (2, 17, (3, 1), 1, (4, 4)), (0, 3, (2, 2), 2, (2, 2))],
)
def test_as_the_definition(
    N: int, K: int, places: tuple[int, int], C: int, window: tuple[int, int], layout: str
) -> None:
    rng = np.random.default_rng(0)
    dy = rng.standard_normal((N, K, *places)).astype(np.float32)
    if layout == "last":
        dy = np.ascontiguousarray(dy.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    w = rng.standard_normal((K, C, *window)).astype(np.float32)
    size = (places[0] * window[0], places[1] * window[1])
    expected = numpy_ops.conv2d_input_gradient(
        dy.astype(np.float64), w.astype(np.float64), size, Geometry(stride=window)
    )
    found = numba_ops.conv2d_input_gradient(dy, w, size, Geometry(stride=window))
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5 * K)
