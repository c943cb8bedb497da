"""The definition's backward functions are the derivatives of its forward functions, in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.conformance.arrays import Source
from ops.conformance.images import convolution, pooling
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array

STEP = 1e-6  # of central differences, whose error is the step squared, and epsilon over the step
TOLERANCE = 1e-8

drawn = given(st.data(), st.integers(0, 2**32 - 1))
quick = settings(max_examples=40, deadline=None, database=None)


def source(data: st.DataObject, seed: int) -> Source:
    return Source(data.draw, np.float64, np.random.default_rng(seed))


def assert_equal_products(*pairs: tuple[Array, Array]) -> None:
    """Inner products <a, b> of all pairs are the same: what makes one map the adjoint of another."""
    products = [float((a * b).sum()) for a, b in pairs]
    size = max(float(np.abs(a * b).sum()) for a, b in pairs)
    np.testing.assert_allclose(products, products[0], rtol=0, atol=1e-13 * (1 + size))


@quick
@drawn
def test_gradients_of_convolution_are_its_adjoints(data: st.DataObject, seed: int) -> None:
    s = source(data, seed)
    x, w, geometry = convolution(s)
    y = numpy_ops.conv2d(x, w, None, geometry)
    dy = s.normal(y.shape)
    dx = numpy_ops.conv2d_input_gradient(dy, w, (x.shape[2], x.shape[3]), geometry)
    dw = numpy_ops.conv2d_weight_gradient(dy, x, (w.shape[2], w.shape[3]), geometry)
    assert (dx.shape, dw.shape) == (x.shape, w.shape)
    assert_equal_products((dy, y), (dx, x), (dw, w))


@quick
@drawn
def test_gradients_of_pooling_are_its_adjoints(data: st.DataObject, seed: int) -> None:
    s = source(data, seed)
    x, kernel, geometry, ceil = pooling(s)
    size, counted = (x.shape[2], x.shape[3]), s.pick(True, False)
    y = numpy_ops.avg_pool2d(x, kernel, geometry, ceil, counted)
    dy = s.normal(y.shape)
    assert_equal_products((dy, y), (numpy_ops.avg_pool2d_backward(dy, size, kernel, geometry, counted), x))
    y, winner = numpy_ops.max_pool2d(x, kernel, geometry, ceil)
    y = np.where(np.isfinite(y), y, 0)  # a window with holes may see no pixel
    # At given winners the maximum picks numbers, which is linear.
    assert_equal_products((dy, y), (numpy_ops.max_pool2d_backward(dy, winner, size, kernel, geometry), x))
    y = numpy_ops.global_avg_pool2d(x)
    dy = s.normal(y.shape)
    assert_equal_products((dy, y), (numpy_ops.global_avg_pool2d_backward(dy, size), x))


def test_gradients_of_the_affine_map_are_its_adjoints() -> None:
    rng = np.random.default_rng(0)
    x, w, dy = rng.standard_normal((5, 7)), rng.standard_normal((3, 7)), rng.standard_normal((5, 3))
    dw, db = np.empty((3, 7)), np.empty(3)
    dx = numpy_ops.linear_backward(dy, x, w, dw, db)
    assert_equal_products((dy, numpy_ops.linear(x, w)), (dx, x), (dw, w))
    np.testing.assert_allclose(db, dy.sum(axis=0))


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array, Array], Array]]] = {
    "relu": (numpy_ops.relu, lambda dy, x, y: numpy_ops.relu_backward(dy, y)),
    "leaky_relu": (
        lambda x: numpy_ops.leaky_relu(x, 0.1),
        lambda dy, x, y: numpy_ops.leaky_relu_backward(dy, x, 0.1),
    ),
    "clip": (
        lambda x: numpy_ops.clip(x, -1.5, 2.5),
        lambda dy, x, y: numpy_ops.clip_backward(dy, x, -1.5, 2.5),
    ),
    "clip of its output": (
        lambda x: numpy_ops.clip(x, -1.5, 2.5),
        lambda dy, x, y: numpy_ops.clip_backward(dy, y, -1.5, 2.5),
    ),
    "sigmoid": (numpy_ops.sigmoid, lambda dy, x, y: numpy_ops.sigmoid_backward(dy, y)),
    "tanh": (numpy_ops.tanh, lambda dy, x, y: numpy_ops.tanh_backward(dy, y)),
    "silu": (numpy_ops.silu, lambda dy, x, y: numpy_ops.silu_backward(dy, x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_of_activation(name: str) -> None:
    forward, backward = ACTIVATIONS[name]
    x = np.linspace(-6, 6, 98).reshape(2, 49)  # no place within a step of the kink at 0
    dy = np.cos(np.arange(x.size)).reshape(x.shape)
    difference = (forward(x + STEP) - forward(x - STEP)) / (2 * STEP)
    np.testing.assert_allclose(backward(dy, x, forward(x)), dy * difference, rtol=0, atol=TOLERANCE)


def assert_gradient(loss: Callable[[Array], tuple[float, Array]], x: Array) -> None:
    """The gradient that comes with a loss is its derivative in each direction."""
    _, gradient = loss(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = STEP
        difference = (loss(x + step)[0] - loss(x - step)[0]) / (2 * STEP)
        assert abs(gradient[place] - difference) < TOLERANCE


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_smoothing": 0.1},
        {"ignore_label": 255},
        {"class_weights": np.array([0.5, 2.0, 1.0, 3.0]), "ignore_label": 255, "label_smoothing": 0.2},
        {"normalizer": 7.0},
    ],
)
@pytest.mark.parametrize("pixels", [(), (2, 3)])
def test_gradient_of_cross_entropy(options: dict[str, Any], pixels: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (5, *pixels))
    if "ignore_label" in options:
        labels[::2] = options["ignore_label"]
    logits = rng.standard_normal((5, 4, *pixels))
    assert_gradient(lambda z: numpy_ops.softmax_cross_entropy(z, labels, **options), logits)


@pytest.mark.parametrize("normalizer", [None, 3.0])
def test_gradient_of_squared_error(normalizer: float | None) -> None:
    rng = np.random.default_rng(0)
    y, target = rng.standard_normal((2, 3, 4))
    assert_gradient(lambda value: numpy_ops.mean_squared_error(value, target, normalizer), y)
