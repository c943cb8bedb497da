"""A stack of 3x3 filters sees what one large filter sees, with fewer weights."""

import numpy as np
import pytest

from pellucid.analysis.kernels import RIM, compare_kernel
from pellucid.errors import PellucidError


@pytest.mark.parametrize(
    ("kernel", "weights", "stack", "layers"), [(3, 9, 9, 1), (5, 25, 18, 2), (7, 49, 27, 3), (9, 81, 36, 4)]
)
def test_the_known_numbers(kernel: int, weights: int, stack: int, layers: int) -> None:
    found = compare_kernel(kernel)
    assert (found.weights, found.stack_weights, found.layers) == (weights, stack, layers)
    assert found.saving == 1 - stack / weights
    assert found.same_field
    expected = np.pad(np.ones((kernel, kernel), bool), RIM)
    np.testing.assert_array_equal(found.field, expected)
    np.testing.assert_array_equal(found.stack_field, expected)


def test_weights_grow_with_the_square_of_the_channels() -> None:
    assert compare_kernel(5, 64).weights == 25 * 64 * 64
    assert compare_kernel(5, 64).stack_weights == 18 * 64 * 64


@pytest.mark.parametrize(
    ("kernel", "channels", "message"),
    [
        (4, 1, "kernel 4: expected an odd side from 3 to 31"),
        (1, 1, "kernel 1: expected"),
        (33, 1, "kernel 33: expected"),
        (5, 0, "channels 0: expected at least 1"),
    ],
)
def test_what_has_no_stack_is_refused(kernel: int, channels: int, message: str) -> None:
    with pytest.raises(PellucidError, match=message):
        compare_kernel(kernel, channels)
