"""The gradient check finds what is wrong, and isn't fooled by kinks."""

import numpy as np
import pytest

from pellucid import ops
from pellucid.analysis.gradient_check import TensorCheck, check_directions, check_gradients, tolerance
from pellucid.analysis.numerical import TOLERANCE
from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, SoftmaxCrossEntropy, Tanh
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.zoo import create


class WrongTanh(Tanh):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy) * 1.0001


class WrongBias(Linear):
    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        assert self.bias is not None
        self.bias.gradient[-1] += 1e-4
        return dx


def check(layer: Sequential, x: Array, samples: int = 8) -> dict[str, TensorCheck]:
    network = Network(layer, x.shape[1:], dtype=np.float64)
    labels = np.arange(len(x)) % network.output_shape[0]
    rows = check_gradients(network, lambda y: SoftmaxCrossEntropy()(y, labels), x, samples=samples)
    return {row.name: row for row in rows}


def images(count: int, size: int) -> Array:
    return np.random.default_rng(0).standard_normal((count, size, size, 1)).transpose(0, 3, 1, 2)


def test_a_wrong_backward_is_found_where_it_is() -> None:
    rows = check(Sequential(Conv2d(3, 3), WrongTanh(), Flatten(), Linear(4)), images(3, 5))
    assert rows["0.weight"].error > 5e-5
    assert rows["3.weight"].error < TOLERANCE
    rows = check(Sequential(Flatten(), WrongBias(4)), images(3, 4))
    assert rows["1.bias"].error > TOLERANCE
    assert rows["1.weight"].error < TOLERANCE


def test_elements_at_a_kink_are_left_out_and_counted() -> None:
    x = images(2, 4)
    x[0, 0, 0, :3] = 0  # exactly where ReLU has no derivative
    rows = check(Sequential(ReLU(), MaxPool2d(2), Flatten(), Linear(2)), x, samples=32)
    assert rows["input"].skipped == 3
    assert rows["input"].elements == 29
    assert rows["input"].direction_error is None  # every direction leaves the kink
    assert rows["input"].error < TOLERANCE


def test_the_network_is_left_as_it_was() -> None:
    network = Network(create("deep-convnet", 10), (1, 28, 28))
    digest, x = network.digest(), images(1, 28)
    rows = check_gradients(network, lambda y: SoftmaxCrossEntropy()(y, np.array([3])), x, samples=1)
    assert network.digest() == digest
    assert len(rows) == 17
    assert max(row.error for row in rows) < TOLERANCE


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_float32_is_within_its_derived_tolerance(backend: str) -> None:
    network = Network(create("deep-convnet", 10), (1, 28, 28), seed=1)
    loss = lambda y: SoftmaxCrossEntropy()(y, np.array([3]))  # noqa: E731
    rows = check_gradients(network, loss, images(1, 28), dtype=np.float32, backend=backend, samples=2)
    assert 1e-9 < max(row.error for row in rows) < tolerance(network, np.float32) < 1e-3
    assert ops.backend() in ops.BACKENDS


class Infinite(Linear):
    value = np.inf

    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        assert self.bias is not None
        self.bias.gradient[1] = self.value
        return dx


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_gradient_that_is_not_finite_fails(value: float) -> None:
    layer = Infinite(4)
    layer.value = value
    rows = check(Sequential(Flatten(), layer), images(3, 4))
    assert not rows["1.bias"].error <= TOLERANCE


def test_directions_through_all_tensors_find_one_that_is_wrong() -> None:
    labels = np.arange(3)
    loss = lambda y: SoftmaxCrossEntropy()(y, labels)  # noqa: E731
    for layers, right in (([Tanh(), Flatten(), Linear(4)], True), ([WrongTanh(), Flatten(), Linear(4)], False),
                          ([Tanh(), Flatten(), WrongBias(4)], False)):  # fmt: skip
        network = Network(Sequential(Conv2d(3, 3), *layers), (1, 5, 5), dtype=np.float64)
        digest = network.digest()
        assert (check_directions(network, loss, images(3, 5)) < TOLERANCE) == right
        assert network.digest() == digest
