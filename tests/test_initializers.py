"""How weights start: they can be pickled with a network, and draw the same numbers afterwards."""

import pickle

import numpy as np
import pytest

from pellucid.layers.initializers import weight_initializer


@pytest.mark.parametrize("name", ["he", "xavier", "zero", "bilinear"])
def test_a_pickled_initializer_is_the_same(name: str) -> None:
    initializer = weight_initializer(name, fan_in=18, groups=2)
    again = pickle.loads(pickle.dumps(initializer))
    assert again == initializer
    first, second = (draw(np.random.default_rng(5), (6, 3, 4, 3)) for draw in (initializer, again))
    np.testing.assert_array_equal(first, second)


def test_the_deviation_follows_from_the_number_of_inputs() -> None:
    draws = weight_initializer("he", fan_in=50)(np.random.default_rng(0), (200, 50))
    assert abs(draws.std() - 0.2) < 0.005
    draws = weight_initializer("xavier", fan_in=25)(np.random.default_rng(0), (200, 50))
    assert abs(draws.std() - 0.2) < 0.005
