"""Classifiers turned into convolutions, upsampling that keeps its place, and networks that classify pixels."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.analysis.gradient_check import check_gradients
from pellucid.errors import PellucidError
from pellucid.graph import Axis, Residual, Sequential, Sum, Upsampled, grid, unroll
from pellucid.layers import (
    INFERENCE,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.tasks import Segment
from pellucid.zoo import convolutionalize, create, deep_convnet
from pellucid.zoo.fcn import adopt

RNG = np.random.default_rng(5)


def unpadded() -> Layer:
    """A classifier of 20x20 images without padding, of stride 4."""
    body = [Conv2d(5, 3), ReLU(), MaxPool2d(2), Conv2d(6, 2), BatchNorm2d(), ReLU(), MaxPool2d(2)]
    return Sequential(Sequential(*body), Flatten(), Linear(7), ReLU(), Linear(3, bias=False))


CLASSIFIERS: dict[str, tuple[Callable[[], Layer], int]] = {
    "deep-convnet": (deep_convnet, 28),
    "unpadded": (unpadded, 20),
    "global pool": (lambda: Sequential(Conv2d(4, 3), ReLU(), GlobalAvgPool2d(), Linear(3)), 9),
    "residual": (lambda: Sequential(Residual(Conv2d(1, 3, padding=1)), Flatten(), Sum(Linear(4), Linear(4))), 8),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_converted_classifier_gives_equal_logits(name: str) -> None:
    make, size = CLASSIFIERS[name]
    classifier = Network(make(), (1, size, size), dtype=np.float64, seed=3)
    twin = convolutionalize(classifier)
    x = RNG.standard_normal((3, 1, size, size))
    logits = twin.forward(x)
    assert logits.shape == (3, classifier.output_shape[0], 1, 1)
    np.testing.assert_allclose(logits[:, :, 0, 0], classifier.forward(x), rtol=1e-12, atol=1e-12)
    assert list(twin.state()) == list(classifier.state())


@pytest.mark.parametrize("name", ["unpadded", "global pool"])
@settings(max_examples=8, deadline=None)
@given(more=st.tuples(st.integers(0, 13), st.integers(0, 13)))
def test_each_place_is_the_classifier_on_its_patch(name: str, more: tuple[int, int]) -> None:
    make, size = CLASSIFIERS[name]
    classifier = Network(make(), (1, size, size), dtype=np.float64)
    classifier.statistics[...] = RNG.random(classifier.statistics.shape) + 0.5
    x = RNG.standard_normal((1, 1, size + more[0], size + more[1]))
    dense = convolutionalize(classifier).forward(x)[0]
    stride = int(grid(convolutionalize(classifier).nodes)[0].step)
    assert dense.shape[1:] == (more[0] // stride + 1, more[1] // stride + 1)
    corners = [(stride * i, stride * j) for i in range(dense.shape[1]) for j in range(dense.shape[2])]
    patches = np.stack([x[0, :, i : i + size, j : j + size] for i, j in corners])
    one_by_one = classifier.forward(patches)
    np.testing.assert_allclose(dense.reshape(len(dense), -1).T, one_by_one, rtol=1e-9, atol=1e-9)


def test_what_cannot_be_converted_is_named() -> None:
    with pytest.raises(PellucidError, match=r"expected a network of images .* got input \(4,\)"):
        convolutionalize(Network(Linear(2), (4,)))


BODIES: dict[str, Callable[[], Layer]] = {
    "pool 2": lambda: AvgPool2d(2),
    "pool 3": lambda: AvgPool2d(3),
    "pools 8": lambda: Sequential(AvgPool2d(2), AvgPool2d(2), AvgPool2d(2)),
    "pool 3 stride 2": lambda: AvgPool2d(3, stride=2),
    "pool 2 x 3": lambda: AvgPool2d((2, 3)),
    "padded, starts outside": lambda: Sequential(AvgPool2d(2), AvgPool2d(4, stride=1, padding=2)),
    "unpadded, starts inside": lambda: Sequential(AvgPool2d(2), AvgPool2d(4, stride=1)),
    "stride 1": lambda: AvgPool2d(4, stride=1),
}
SIZES = st.tuples(st.integers(40, 71), st.integers(40, 71))


@pytest.mark.parametrize("name", BODIES)
@settings(max_examples=10, deadline=None)
@given(size=SIZES)
def test_upsampling_is_aligned(name: str, size: tuple[int, int]) -> None:
    """Constants stay constant to the rim; a ramp, averaged and interpolated, is the same ramp: no drift."""
    network = Network(Upsampled(BODIES[name](), 2), (2, *size), dtype=np.float64)
    constant = np.full((1, 2, *size), 3.0)
    np.testing.assert_allclose(network.forward(constant), constant, rtol=1e-12)
    rows, columns = np.indices(size)
    ramp = (2.0 * rows - 3.0 * columns)[None, None].repeat(2, axis=1)
    error = network.forward(ramp) - ramp
    np.testing.assert_allclose(error[:, :, 16:-16, 16:-16], 0, atol=1e-9)


@pytest.mark.parametrize("name", BODIES)
def test_an_impulse_stays_where_it_is(name: str) -> None:
    """Over all the places of one period an impulse's centre of mass moves, on average, by nothing."""
    layer = Upsampled(BODIES[name](), 1)
    network = Network(layer, (1, 96, 96), dtype=np.float64)
    shifts = []
    periods = [axis.period for axis in grid(unroll(layer))]
    for i in range(48, 48 + periods[0]):
        for j in range(48, 48 + periods[1]):
            x = np.zeros((1, 1, 96, 96))
            x[0, 0, i, j] = 1
            y = network.forward(x)[0, 0]
            rows, columns = np.indices(y.shape)
            shifts.append(((rows * y).sum() / y.sum() - i, (columns * y).sum() / y.sum() - j))
    np.testing.assert_allclose(np.mean(shifts, axis=0), 0, atol=1e-9)


def test_frozen_upsampling_is_no_parameter() -> None:
    for frozen, parameters in ((False, 4 * 4 * 3), (True, 0)):
        network = Network(Upsampled(AvgPool2d(2), 3, frozen=frozen), (3, 9, 12))
        assert (network.vector.size, network.statistics.size) == (parameters, 48 - parameters)


def test_a_body_that_sees_everything_is_refused() -> None:
    with pytest.raises(PellucidError, match="expected a body that sees a window"):
        Upsampled(Sequential(AvgPool2d(2), Flatten()), 2)


def test_grid() -> None:
    rows, columns = grid(unroll(Sequential(Conv2d(2, 3, padding=1), MaxPool2d(2), Conv2d(2, (5, 1), stride=(1, 3)))))
    assert rows == Axis(Fraction(9, 2), Fraction(2), Fraction(11, 2), 2)
    assert columns == Axis(Fraction(1, 2), Fraction(6), Fraction(3, 2), 6)
    with pytest.raises(PellucidError, match="branches whose places have the same centres"):
        grid(unroll(Sum(Conv2d(1, 3), Conv2d(1, 3, padding=1))))


FCNS = ["fcn32", "fcn16", "fcn8", "fcn-small"]


@pytest.mark.parametrize("name", FCNS)
@settings(max_examples=5, deadline=None)
@given(size=st.tuples(st.integers(16, 45), st.integers(16, 45)))
def test_every_size_comes_back(name: str, size: tuple[int, int]) -> None:
    network = Network(create(name, 4), (1, 32, 32))
    assert network.forward(np.zeros((2, 1, *size), np.float32)).shape == (2, 4, *size)
    assert all(axis.start == 0 and axis.step == 1 for axis in grid(network.nodes))


def test_new_skips_add_nothing_at_first() -> None:
    network = Network(create("fcn8", 3), (1, 40, 44), dtype=np.float64, fuse=False)
    outputs: dict[str, Array] = {}
    watch = INFERENCE.watched_by(lambda layer, y: outputs.update({layer.name: y.copy()}))
    network.forward(RNG.standard_normal((1, 1, 40, 44)), watch)
    skips = [name for name in outputs if name.endswith("scores")]
    assert len(skips) == 2
    for name in skips:
        np.testing.assert_array_equal(outputs[name], outputs[f"{name}.deep"])
        assert not outputs[f"{name}.score"].any()


@pytest.mark.parametrize("name", FCNS[:3])
def test_classifier_is_adopted(name: str) -> None:
    classifier = Network(deep_convnet(10), (1, 28, 28), seed=1)
    network = Network(create(name, 11), (1, 64, 84), seed=2)
    adopt(network, classifier)
    taken = [p.value.ravel() for n, p in network.parameters.items() if not {"score", "up"} & set(n.split("."))]
    np.testing.assert_array_equal(np.concatenate(taken), classifier.vector[: -10 * 51])
    with pytest.raises(PellucidError, match=r"mine: not this network's backbone: has .*, expected ") as caught:
        adopt(network, Network(unpadded(), (1, 20, 20)), "mine")
    assert len(str(caught.value)) < 120


def test_backbone_with_too_few_pools_is_named() -> None:
    with pytest.raises(PellucidError, match="backbone lenet5: 2 skips need 3 poolings"):
        create("fcn8", 3, backbone="lenet5")
    with pytest.raises(PellucidError, match="backbone fcn32: expected a classifier"):
        create("fcn8", 3, backbone="fcn32")


@pytest.mark.parametrize(
    ("backbone", "size"), [("plain-convnet", 28), ("lenet5", 28), ("alexnet", 227), ("vgg16", 224), ("resnet18", 224)]
)
def test_on_any_backbone(backbone: str, size: int) -> None:
    """What the places of the map are follows from the layers; no weight is made, they would fill gigabytes."""
    for name in FCNS[:2]:
        layer = create(name, 21, backbone=backbone, backbone_size=size)
        assert all(axis.start == 0 and axis.step == 1 for axis in grid(unroll(layer)))
        assert layer.output_shape((3, 301, 277)) == (21, 301, 277)


def test_gradient_of_the_whole() -> None:
    """Loss, ignored pixels, skips and upsampling of an odd-sized image, against numerical derivatives."""
    network = Network(create("fcn-small", 4, widths=(4, 6, 8)), (1, 15, 18), seed=1)
    x, labels = RNG.standard_normal((1, 1, 15, 18)), RNG.choice([0, 1, 2, 3, 255], (1, 15, 18))
    task = Segment(("a", "b", "c", "d"), class_weights=(1, 2, 3, 4))
    for name in ("scores.score.weight", "scores.deep.body.scores.score.weight"):
        network.state()[name][...] = 0.1 * RNG.standard_normal(network.state()[name].shape)
    rows = check_gradients(network, lambda y: task.loss(y, labels), x, dtype="float64", backend="numpy", samples=4)
    assert len(rows) > 10 and max(row.error for row in rows) < 1e-6
