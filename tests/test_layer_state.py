"""What layers keep between forward and backward, and parameters that are shared or stay as they are."""

from collections.abc import Callable

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.layers import (
    DIFFERENTIABLE,
    INFERENCE,
    AvgPool2d,
    BatchNorm2d,
    Context,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Parameter,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
    training,
)
from pellucid.layers.initializers import Constant
from pellucid.ops.arrays import Array, Shape

RNG = np.random.default_rng(0)

LAYERS: list[Callable[[], Layer]] = [
    lambda: Conv2d(4, 3, padding="same", stride=2),
    lambda: ConvTranspose2d(4, 3, stride=2),
    lambda: MaxPool2d(2),
    lambda: AvgPool2d(2),
    GlobalAvgPool2d,
    lambda: Linear(3),
    ReLU,
    LeakyReLU,
    Sigmoid,
    Tanh,
    SiLU,
    lambda: Dropout(0.5),
    BatchNorm2d,
    Flatten,
]


def built(layer: Layer, shape: Shape) -> Layer:
    """The layer, ready for samples of that shape, with arrays of its own."""
    layer.build(shape)
    for parameter in layer.parameters().values():
        if not parameter.value.size:
            parameter.value = parameter.initializer(np.random.default_rng(1), parameter.shape).astype(np.float64)
        parameter.gradient = np.full(parameter.shape, np.nan)
    return layer


def sample(layer: Layer) -> Array:
    return RNG.standard_normal((5, 6)) if isinstance(layer, Linear) else RNG.standard_normal((5, 2, 6, 7))


def passes() -> Context:
    return training(np.random.default_rng(3))


@pytest.mark.parametrize("make", LAYERS)
def test_a_kept_pass_stores_what_the_layer_names_and_nothing_else(make: Callable[[], Layer]) -> None:
    layer = make()
    x = sample(layer)
    before = dict(vars(built(layer, x.shape[1:])))
    layer.forward(x, INFERENCE)
    own = {"_checked", "_last"}  # what a layer remembers of a shape, for speed
    assert {name for name, value in vars(layer).items() if before.get(name) is not value} <= own
    layer.forward(x, passes())
    assert {name for name, value in vars(layer).items() if before.get(name) is not value} - own == set(layer.keeps)


@pytest.mark.parametrize("make", LAYERS)
def test_an_inference_pass_between_forward_and_backward_changes_nothing(make: Callable[[], Layer]) -> None:
    gradients = []
    for looks_in_between in (False, True):
        layer = make()
        x = np.random.default_rng(5).standard_normal(sample(layer).shape)
        built(layer, x.shape[1:])
        y = layer.forward(x, passes())
        if looks_in_between:
            layer.forward(2 * x[:2], INFERENCE)
        dx = layer.backward(np.cos(np.arange(y.size)).reshape(y.shape))
        gradients.append([dx, *(p.gradient for p in layer.parameters().values())])
    for without, with_look in zip(*gradients, strict=True):
        np.testing.assert_array_equal(without, with_look)


@pytest.mark.parametrize(
    "make", [lambda: Conv2d(4, 3, stride=2), lambda: ConvTranspose2d(4, 3, stride=2), lambda: Linear(3)]
)
def test_where_nothing_learns_only_the_input_has_a_gradient(make: Callable[[], Layer]) -> None:
    learning, frozen = make(), make()
    x = sample(learning)
    for layer in (built(learning, x.shape[1:]), built(frozen, x.shape[1:])):
        y = layer.forward(x, DIFFERENTIABLE)
    for parameter in frozen.parameters().values():
        parameter.learns = False
    dy = RNG.standard_normal(y.shape)
    np.testing.assert_allclose(frozen.backward(dy), learning.backward(dy), atol=1e-12)
    assert all(np.isfinite(p.gradient).all() for p in learning.parameters().values())
    assert all(np.isnan(p.gradient).all() for p in frozen.parameters().values())
    frozen.parameters()["bias"].learns = True
    frozen.backward(dy)
    np.testing.assert_allclose(frozen.parameters()["bias"].gradient, learning.parameters()["bias"].gradient)


def test_two_layers_may_share_a_weight() -> None:
    first = built(Conv2d(4, 3, padding=1), (4, 6, 6))
    weight = first.parameters()["weight"]
    second = built(Conv2d(4, 3, padding=1, bias=False, weight=weight), (4, 6, 6))
    assert second.parameters() == {"weight": weight}
    assert second.parameters()["weight"] is weight
    x = RNG.standard_normal((2, 4, 6, 6))
    np.testing.assert_array_equal(second.forward(x), first.forward(x))  # biases begin as 0
    up = built(ConvTranspose2d(4, 3, weight=weight), (4, 6, 6))
    assert up.forward(x).shape == (2, 4, 8, 8)
    linear = built(Linear(3), (6,))
    assert built(Linear(3, weight=linear.parameters()["weight"]), (6,)).parameters().keys() == {"weight", "bias"}


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (
            Conv2d(4, 3, weight=Parameter((4, 2, 5, 5), Constant(1))),
            (2, 9, 9),
            "(Conv2d): expected a weight of shape",
        ),
        (Conv2d(4, 3, weight=Parameter((4, 6), Constant(1))), (2, 9, 9), "(Conv2d): expected a weight of shape"),
        (
            ConvTranspose2d(4, 3, weight=Parameter((2, 3, 3, 3), Constant(1))),
            (2, 9, 9),
            "(ConvTranspose2d): expected a",
        ),
        (
            Linear(4, weight=Parameter((3, 6), Constant(1))),
            (6,),
            "(Linear): expected a weight of shape (4, 6), got (3, 6)",
        ),
    ],
)
def test_a_shared_weight_of_another_shape_is_refused(layer: Layer, shape: Shape, text: str) -> None:
    with pytest.raises(PellucidError) as caught:
        layer.build(shape)
    assert text in str(caught.value)
