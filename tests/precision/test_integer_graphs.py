"""Networks of any graph in integers: close to the floats, the same on every backend, kept in files."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Branches, Concat, Residual, Sequential
from pellucid.layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    ChannelOrder,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    HardSigmoid,
    HardSwish,
    Layer,
    Linear,
    MaxPool2d,
    Mish,
    Multiply,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Slice,
    Transpose,
    training,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import IntegerNetwork
from pellucid.plan.integer_affine import IntegerAffine, IntegerConv2d
from pellucid.plan.integer_steps import IntegerAdd, IntegerConcat, IntegerOrder, IntegerStep
from pellucid.precision import calibrate, quantization_aware, quantize, without_rounding
from pellucid.precision.integer_graph import integer_graph
from pellucid.precision.layer_errors import layer_errors
from pellucid.precision.storage import load_integer, save_integer
from pellucid.zoo import create


def residuals() -> Layer:
    widened = Sequential(Conv2d(12, 1, stride=2, bias=False), BatchNorm2d())
    return Sequential(
        Conv2d(8, 3, padding=1, bias=False), BatchNorm2d(), ReLU(), Residual(twice(8)), ReLU(),
        Residual(twice(12, stride=2), widened), ReLU(), GlobalAvgPool2d(), Linear(5),
    )  # fmt: skip


def twice(channels: int, stride: int = 1) -> Layer:
    return Sequential(
        Conv2d(channels, 3, stride=stride, padding=1, bias=False), BatchNorm2d(), ReLU(),
        Conv2d(channels, 3, padding=1, bias=False), BatchNorm2d(),
    )  # fmt: skip


def normalised_first() -> Layer:
    """Values that fork before a norm, and channels side by side again and again."""

    def grown() -> Layer:
        return Concat(Sequential(), Sequential(BatchNorm2d(), ReLU(), Conv2d(4, 3, padding=1)))

    return Sequential(Conv2d(6, 3), grown(), grown(), BatchNorm2d(), ReLU(), AvgPool2d(2), Flatten(), Linear(5))


def mobile() -> Layer:
    inverted = Sequential(
        Conv2d(18, 1), BatchNorm2d(), ReLU6(), Conv2d(18, 3, padding=1, groups=18), BatchNorm2d(), ReLU6(),
        Conv2d(6, 1), BatchNorm2d(),
    )  # fmt: skip
    same = Conv2d(6, 3, stride=2, padding="same")
    return Sequential(same, Clip(-0.5, 0.5), Residual(inverted), Conv2d(6, 3, groups=3), GlobalAvgPool2d(), Linear(5))


def attention() -> Layer:
    gate = Sequential(GlobalAvgPool2d(flatten=False), Conv2d(3, 1), SiLU(), Conv2d(6, 1), Sigmoid())
    return Sequential(Conv2d(6, 3), ReLU(), Branches(Sequential(), gate, join=Multiply()), Flatten(), Linear(5))


def smooth() -> Layer:
    """Activations as in MobileNetV3, and others that are tables."""
    gate = Sequential(GlobalAvgPool2d(flatten=False), Conv2d(3, 1), ReLU(), Conv2d(6, 1), HardSigmoid())
    head = Sequential(Conv2d(4, 3), GELU(), Conv2d(4, 1), Mish(), GlobalAvgPool2d(), Linear(5))
    return Sequential(Conv2d(6, 3), HardSwish(), Branches(Sequential(), gate, join=Multiply()), head)


def vectors() -> Layer:
    """Features of several pixels joined with others."""
    branches = Concat(Sequential(Flatten(), Linear(7), ReLU()), Sequential(MaxPool2d(2), Flatten()))
    return Sequential(Conv2d(4, 3), branches, Linear(5))


def grown() -> Layer:
    return Sequential(
        Conv2d(6, 3, stride=2), ReLU(), ConvTranspose2d(4, 4, stride=2, padding=1, output_padding=1), BatchNorm2d(),
        ReLU(), MaxPool2d(2), ConvTranspose2d(6, 3, groups=2, dilation=2), Conv2d(3, 1),
    )  # fmt: skip


def shuffle(channels: int, groups: int, size: tuple[int, int]) -> tuple[Layer, ...]:
    """As other libraries' files write it."""
    return (
        Reshape(groups, channels // groups, *size), Transpose(1, 0, 2, 3), Reshape(channels, *size)
    )  # fmt: skip


def shuffled() -> Layer:
    """Units of both ShuffleNets: shuffled between convolutions in groups; split, joined and shuffled."""

    def unit() -> Layer:
        right = Sequential(
            Slice((6, 0, 0), (None, None, None)), Conv2d(6, 1), ReLU(), Conv2d(6, 3, padding=1, groups=6),
            Conv2d(6, 1), ReLU(),
        )  # fmt: skip
        return Sequential(Concat(Slice((0, 0, 0), (6, None, None)), right), *shuffle(12, 2, (11, 15)))

    first = Sequential(
        Conv2d(6, 1, groups=2), ReLU(), *shuffle(6, 3, (11, 15)), Conv2d(6, 3, padding=1, groups=6),
        Conv2d(12, 1, groups=3),
    )  # fmt: skip
    return Sequential(
        Conv2d(6, 3, stride=2), ReLU(), first, ReLU(), unit(), unit(), GlobalAvgPool2d(flatten=False),
        Slice((-1, 0, 0), (None, None, None), (-1, 1, 1)), Flatten(), Linear(5),
    )  # fmt: skip


def features_again() -> Layer:
    """Features of several pixels, as images of one, and some of them."""
    return Sequential(
        Conv2d(4, 3, stride=4), ReLU(), Flatten(), Slice((7,), (127,), (3,)), Reshape(40, 1, 1), Conv2d(6, 1), ReLU(),
        Flatten(), Linear(5),
    )  # fmt: skip


def pooled_last() -> Layer:
    return Sequential(Conv2d(8, 3), ReLU(), GlobalAvgPool2d())


def detector() -> Layer:
    return create("detector-small", 2)


def fcn_small() -> Layer:
    return create("fcn-small", 3, widths=[4, 6, 8])


def fcn8() -> Layer:
    return create("fcn8", 3)


GRAPHS = [
    residuals, normalised_first, mobile, attention, smooth, vectors, grown, shuffled, features_again, pooled_last,
    detector, fcn_small, fcn8,
]  # fmt: skip


def images(count: int = 32) -> Array:
    return np.random.default_rng(1).uniform(0, 1, (count, 2, 24, 32)).astype(np.float32)


def trained(layer: Layer) -> Network:
    """A network whose batch normalisations have seen something, and whose biases are not 0."""
    network = Network(layer, (2, 24, 32))
    rng = np.random.default_rng(0)
    for name, value in network.state().items():
        if name.endswith("running_variance"):
            value[...] = rng.uniform(0.5, 1.5, value.shape)
        elif "running" in name or name.endswith("bias"):
            value[...] = rng.normal(0, 0.2, value.shape)
    return network


@pytest.mark.parametrize("layer", GRAPHS)
def test_integers_follow_the_floats_on_every_backend(layer: object) -> None:
    assert callable(layer)
    network, x = trained(layer()), images()
    y = network.forward(x)
    shrunk = quantize(network, x)
    found = []
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            found.append(shrunk.integer_logits(shrunk.input_scale.quantize(x)))
    assert found[0].dtype == np.int32
    np.testing.assert_array_equal(found[0], found[1])
    z = shrunk.forward(x)
    assert z.shape == y.shape == (32, *shrunk.output_shape)
    assert np.abs(z - y).max() < 0.04 * np.abs(y - y.mean()).max()
    assert np.corrcoef(z.ravel(), y.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("layer", GRAPHS)
def test_training_with_rounding_sees_what_the_integers_compute(layer: object) -> None:
    assert callable(layer)
    network, x = trained(layer()), images()
    aware = quantization_aware(network)
    assert set(network.parameters) <= set(aware.parameters)
    np.testing.assert_array_equal(without_rounding(aware).forward(x[:3]), network.forward(x[:3]))
    for _ in range(3):
        y = aware.forward(x, training(np.random.default_rng(2)))
        aware.backward(np.ones_like(y))
    assert np.abs(aware.gradient).max() > 0
    y, z = aware.forward(x), quantize(aware, x).forward(x)
    assert np.abs(z - y).max() < 0.04 * np.abs(y - y.mean()).max()


@pytest.mark.parametrize("layer", GRAPHS)
def test_files_bring_the_same_network_back(layer: object, tmp_path: Path) -> None:
    assert callable(layer)
    x = images(3)
    shrunk = quantize(trained(layer()), x, 4)
    save_integer(tmp_path / "n.safetensors", shrunk)
    again, notes = load_integer(tmp_path / "n.safetensors")
    ordered = any(isinstance(step, IntegerOrder) for step in shrunk.steps)
    assert notes["format"] == f"pellucid integer network {3 if ordered else 2}"
    q = shrunk.input_scale.quantize(x)
    np.testing.assert_array_equal(again.integer_logits(q), shrunk.integer_logits(q))
    assert (again.weight_bytes, again.activation_bytes) == (shrunk.weight_bytes, shrunk.activation_bytes)


def test_a_sum_is_rounded_once() -> None:
    """Two values of 8 bits added and rounded to 8: half a unit off at most."""
    network = trained(Sequential(Residual(Conv2d(2, 1)), ReLU(), Flatten(), Linear(2)))
    x = images(8)
    step = next(step for step in quantize(network, x).steps if isinstance(step, IntegerAdd))
    rng = np.random.default_rng(5)
    a, b = (rng.integers(0, 256, (4, 2, 5, 5)).astype(np.uint8) for _ in range(2))
    factors = np.array(step.multipliers) / 2.0**step.shift
    exact = step.zero + factors[0] * (a - float(step.zeros[0])) + factors[1] * (b - float(step.zeros[1]))
    expected = np.clip(exact, step.low, step.high)
    assert step.low == step.zero  # ReLU
    assert np.abs(step.forward([a, b]) - expected).max() <= 0.5


def test_what_is_only_concatenated_is_on_its_scale_at_once() -> None:
    network = trained(Sequential(Concat(Conv2d(3, 1), Sequential(Conv2d(3, 1), MaxPool2d(3, stride=1, padding=1)))))
    graph = integer_graph(network.nodes)
    assert [graph.scaled_as(part).name for part in graph.parts] == ["0.concat"] * 4
    step = next(step for step in quantize(network, images(8)).steps if isinstance(step, IntegerConcat))
    np.testing.assert_array_equal(step.tables, [np.arange(256)] * 2)


def test_a_shuffle_and_the_halves_behind_it_are_a_step_each_half() -> None:
    network = trained(Sequential(Conv2d(6, 1), *shuffle(6, 2, (24, 32)), halves(), ReLU()))
    steps = quantize(network, images(8)).steps
    assert [type(step) for step in steps[:3]] == [IntegerConv2d, IntegerOrder, IntegerOrder]
    assert [step.order for step in steps if isinstance(step, IntegerOrder)] == [(0, 3, 1), (4, 2, 5)]
    assert [step.inputs for step in steps[1:3]] == [(steps[0].name,)] * 2


def halves() -> Layer:
    return Concat(ChannelOrder(0, 1, 2), Slice((3, 0, 0), (None, None, None)))


def test_channels_that_stay_are_no_step() -> None:
    same = Reshape(6, 768), Reshape(6, 24, 32), ChannelOrder(*range(6))
    steps = quantize(trained(Sequential(Conv2d(6, 1), *same, Conv2d(2, 1))), images(8)).steps
    assert [type(step) for step in steps] == [IntegerConv2d] * 2


def test_pixels_that_move_are_refused_by_name() -> None:
    network = trained(Sequential(Conv2d(6, 1), Transpose(0, 2, 1), Conv2d(2, 1)))
    with pytest.raises(PellucidError, match=r"layer 1 \(Transpose\): expected whole channels, in another order"):
        quantize(network, images(8))


@pytest.mark.parametrize("layer", [detector, fcn_small, fcn8])
def test_maps_of_images_of_another_size(layer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a network made for that size gives them, with the same weights and scales."""
    assert callable(layer)
    network = trained(layer())
    scales = calibrate(network, images())
    monkeypatch.setattr(sys.modules["pellucid.precision.quantize"], "calibrate", lambda *_: scales)
    larger = Network(layer(), (2, 48, 40))
    larger.load_state(network.state())
    q = np.random.default_rng(2).integers(0, 256, (2, 2, 48, 40)).astype(np.uint8)
    expected = quantize(larger, images()).integer_logits(q)
    np.testing.assert_array_equal(quantize(network, images()).integer_logits(q), expected)


def test_classifiers_take_images_of_their_size_only() -> None:
    shrunk = quantize(trained(residuals()), images(4))
    with pytest.raises(PellucidError, match=r"expected images of \(N, 2, 24, 32\), got \(1, 2, 32, 32\)"):
        shrunk.integer_logits(np.zeros((1, 2, 32, 32), np.uint8))


def test_damaged_graphs_are_refused(tmp_path: Path) -> None:
    shrunk = quantize(trained(normalised_first()), images(4))
    affine = next(i for i, step in enumerate(shrunk.steps) if isinstance(step, IntegerAffine) and i)
    joint = next(i for i, step in enumerate(shrunk.steps) if isinstance(step, IntegerConcat))
    add = quantize(trained(residuals()), images(4))
    mixed = quantize(trained(shuffled()), images(4))
    at, order = next((i, step) for i, step in enumerate(mixed.steps) if isinstance(step, IntegerOrder))
    place, sum_ = next((i, step) for i, step in enumerate(add.steps) if isinstance(step, IntegerAdd))
    cases: list[tuple[IntegerNetwork, int, IntegerStep, str]] = [
        (shrunk, affine, replace(shrunk.steps[affine], inputs=("nobody",)), "sees nobody"),
        (shrunk, affine, replace(shrunk.steps[affine], inputs=()), "sees nothing"),
        (shrunk, affine, replace(shrunk.steps[affine], name=shrunk.steps[0].name), "no name of a layer of its own"),
        (shrunk, joint, replace(shrunk.steps[joint], inputs=shrunk.steps[joint].inputs[:1]), "tables"),
        (add, place, replace(sum_, inputs=sum_.inputs[:1]), "expected 2 inputs, got 1"),
        (add, place, replace(sum_, shift=90), "sums of 32 bits"),
        (mixed, at, replace(order, order=(*order.order[1:], order.input_shape[0])), "channels from 0 to"),
        (mixed, at, replace(order, order=(*order.order[1:], -1)), "channels from 0 to"),
        (mixed, at, replace(order, order=order.order[1:]), "channels of .* are not"),
    ]
    for network, i, step, message in cases:
        steps = [*network.steps[:i], step, *network.steps[i + 1 :]]
        with pytest.raises(PellucidError, match=f"damaged description of an integer network.*{message}"):
            ends = (network.input_shape, network.output_shape, network.input_scale, network.logit_step, 8)
            broken = IntegerNetwork(network.steps, *ends)
            broken.steps = steps
            save_integer(tmp_path / "n.safetensors", broken)
            load_integer(tmp_path / "n.safetensors")


def test_errors_by_layer_are_those_of_rounding() -> None:
    network = trained(residuals())
    x = images(40)
    fine, coarse = (layer_errors(network, x, x, bits) for bits in (8, 2))
    assert [layer.name for layer in fine] == [layer.name for layer in coarse]
    last = fine[-1]
    expected = network.forward(x)
    difference = quantize(network, x).forward(x) - expected
    assert last.error == pytest.approx(np.sqrt(np.square(difference).mean()) / expected.std(), rel=1e-4)
    assert (last.low, last.high) == (expected.min(), expected.max())
    assert all(0 < a.error < 0.1 < b.error for a, b in zip(fine, coarse, strict=True))


def test_a_file_of_a_ragged_window_alone_is_read_again(tmp_path: Path) -> None:
    """Of an image of one row, which a window of three by ceil sees as far as it goes."""
    network = Network(Sequential(Conv2d(3, 1), AvgPool2d(3, ceil=True), Flatten(), Linear(2)), (1, 1, 11))
    x = np.random.default_rng(0).uniform(0, 1, (8, 1, 1, 11)).astype(np.float32)
    shrunk = quantize(network, x)
    save_integer(tmp_path / "n.safetensors", shrunk)
    again, _ = load_integer(tmp_path / "n.safetensors")
    pixels = (255 * x).astype(np.uint8)
    assert np.array_equal(again.integer_logits(pixels), shrunk.integer_logits(pixels))
