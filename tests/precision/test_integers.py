"""From floats to integers: levels, folding, calibration, quantisation after and during training, files."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Graph, Node, Residual, Sequential
from pellucid.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    GroupNorm,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    PReLU,
    ReLU,
    Sigmoid,
    Softmax,
    training,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import PIXELS, IntegerNetwork, Scale
from pellucid.plan.integer_affine import IntegerConv2d
from pellucid.plan.integer_steps import IntegerStep
from pellucid.plan.weight_levels import WIDTHS, fitted_steps, largest_level, nearest_levels, pack, plain_steps, unpack
from pellucid.precision import (
    calibrate,
    fold_batch_norm,
    quantization_aware,
    quantize,
    without_rounding,
)
from pellucid.precision.rounding import RoundedWeights, Rounding
from pellucid.precision.storage import load_integer, save_integer


def every_stage() -> Layer:
    return Sequential(
        Conv2d(8, 3, padding=1, bias=False), BatchNorm2d(), ReLU(), MaxPool2d(2),
        Sequential(Conv2d(8, 3, groups=8, stride=2), LeakyReLU(0.1), AvgPool2d(3, stride=2, padding=1)),
        Conv2d(12, 1), MaxPool2d(3, stride=1, padding=1), Sigmoid(), Flatten(), Dropout(0.5), Linear(9), ReLU(),
        Linear(5),
    )  # fmt: skip


def trained(layer: Layer | None = None) -> Network:
    """A network whose batch normalisation has seen something, with factors of both signs."""
    network = Network(layer or every_stage(), (2, 20, 18))
    rng = np.random.default_rng(0)
    for name, value in network.state().items():
        if "running" in name or name.endswith("bias"):
            value[...] = rng.uniform(0.2, 1.5, value.shape)
    network.parameters["1.weight"].value[...] = rng.normal(0, 1, 8)
    return network


def images(count: int = 64) -> Array:
    return np.random.default_rng(1).uniform(0, 1, (count, 2, 20, 18)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(WIDTHS), st.integers(0, 40), st.integers(0, 99))
def test_packing_keeps_every_level(bits: int, count: int, seed: int) -> None:
    top = largest_level(bits)
    possible = np.arange(-top, top + 1, 1 if bits == 8 else 2)
    levels = np.random.default_rng(seed).choice(possible, count).astype(np.int8)
    packed = pack(levels, bits)
    assert packed.dtype == np.uint8
    assert len(packed) == -(-count * bits // 8)
    np.testing.assert_array_equal(unpack(packed, bits, count), levels)


@pytest.mark.parametrize("bits", WIDTHS)
def test_levels_are_the_nearest(bits: int) -> None:
    w = np.random.default_rng(0).normal(size=(6, 50))
    w[2] = 0
    for steps in (plain_steps(w, bits), fitted_steps(w, bits)):
        levels = nearest_levels(w, steps, bits)
        top = largest_level(bits)
        possible = np.arange(-top, top + 1, 1 if bits == 8 else 2)
        nearest = np.abs(w[..., None] - steps[:, None, None] * possible).min(axis=-1)
        np.testing.assert_allclose(np.abs(w - steps[:, None] * levels), nearest, atol=1e-12)
        assert len(np.unique(levels)) <= 2**bits
    fitted, plain = (
        np.square(w - s[:, None] * nearest_levels(w, s, bits)).sum(axis=1)
        for s in (fitted_steps(w, bits), plain_steps(w, bits))
    )
    assert fitted.sum() <= plain.sum() * 1.02
    assert max(fitted[2], plain[2]) < 1e-30  # zeros stay zeros, also where no level is 0


def test_folding_changes_nothing_and_keeps_names() -> None:
    network = trained()
    folded = fold_batch_norm(network)
    x = images()
    np.testing.assert_allclose(folded.forward(x), network.forward(x), rtol=1e-4, atol=1e-5)
    assert "1.weight" not in folded.state()
    assert "0.bias" in folded.state()
    assert set(network.state()) - set(folded.state()) == {
        f"1.{n}" for n in ("weight", "bias", "running_mean", "running_variance")
    }
    np.testing.assert_array_equal(network.forward(x), trained().forward(x))  # the given one is as it was


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.05), (4, 1.0)])
def test_integers_follow_the_floats(bits: int, tolerance: float) -> None:
    network, x = trained(), images()
    y = network.forward(x)
    z = quantize(network, x, bits).forward(x)
    assert np.abs(z - y).max() < tolerance * np.abs(y - y.mean()).max()


def test_both_backends_give_the_same_integers() -> None:
    shrunk = quantize(trained(), images(), 4)
    q = np.random.default_rng(2).integers(0, 256, (30, 2, 20, 18)).astype(np.uint8)
    found = []
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            found.append(shrunk.integer_logits(q))
    assert found[0].dtype == np.int32
    np.testing.assert_array_equal(found[0], found[1])


def test_bytes_are_what_the_bits_say() -> None:
    network = trained()
    weights = [p.size for name, p in network.parameters.items() if name.endswith(".weight") and name != "1.weight"]
    for bits in WIDTHS:
        shrunk = quantize(network, images(), bits)
        filters = sum(len(step.bias) for step in shrunk.steps if isinstance(step, IntegerConv2d))
        tables = 2 * 256
        assert shrunk.weight_bytes == sum(-(-size * bits // 8) for size in weights) + 9 * filters + tables
        for step in shrunk.steps:
            if isinstance(step, IntegerConv2d):
                assert step.weight.dtype == np.int8
                assert {step.bias.dtype, step.multiplier.dtype, step.shift.dtype} == {np.dtype(np.int32)}


@pytest.mark.parametrize("bits", WIDTHS)
def test_training_with_rounding_sees_what_the_integers_compute(bits: int) -> None:
    network = trained()
    aware = quantization_aware(network, bits)
    assert set(network.parameters) <= set(aware.parameters)
    assert without_rounding(network) is network
    np.testing.assert_array_equal(without_rounding(aware).forward(images(3)), network.forward(images(3)))
    rng = np.random.default_rng(3)
    for _ in range(30):
        y = aware.forward(images(), training(rng))
        aware.backward(np.ones_like(y))
    x = images()
    y, z = aware.forward(x), quantize(aware, x).forward(x)
    assert np.abs(z - y).max() < 0.06 * np.abs(y - y.mean()).max()
    assert np.abs(aware.gradient).max() > 0


def test_gradients_pass_straight_through() -> None:
    network = Network(RoundedWeights(Linear(3), 4), (5,))
    x, dy = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)[:, :, :], None
    y = network.forward(x[0], training())
    dy = np.ones_like(y)
    dx = network.backward(dy, input_gradient=True)
    layer = network.layer
    assert isinstance(layer, RoundedWeights)
    levels, steps = layer.levels()
    np.testing.assert_allclose(dx, dy @ (levels * steps[:, None]), rtol=1e-5)
    np.testing.assert_allclose(network.parameters["weight"].gradient, dy.T @ x[0], rtol=1e-5)

    rounding = Network(Rounding(), (4,))
    rounding.parameters["range"].value[...] = (0, 2.55)
    y = rounding.forward(np.array([[-0.2, 0.004, 1.017, 3.0]], np.float32), training().__class__(keep=True))
    np.testing.assert_allclose(y, [[0, 0, 1.02, 2.55]], atol=1e-6)
    np.testing.assert_array_equal(rounding.backward(np.ones_like(y), input_gradient=True), [[0, 1, 1, 0]])


def test_ranges_follow_the_batches() -> None:
    network = Network(Rounding(), (1,))
    network.forward(np.array([[4.0]], np.float32), training())
    np.testing.assert_array_equal(network.parameters["range"].value, [0, 4])
    for _ in range(400):
        network.forward(np.array([[8.0], [-1.0]], np.float32), training())
    np.testing.assert_allclose(network.parameters["range"].value, [-1, 8], rtol=0.01)


def test_scales_hold_zero_exactly() -> None:
    for low, high in ((0.0, 3.0), (-1.0, 2.0), (-5.0, -1.0), (0.0, 0.0)):
        scale = Scale.of_range(low, high)
        assert 0 <= scale.zero <= 255
        assert scale.real(np.array([scale.zero]))[0] == 0
        x = np.linspace(low, high, 77)
        assert np.abs(scale.real(scale.quantize(x)) - x).max() <= scale.step * 0.5 + 1e-12 or high < 0
    assert PIXELS.quantize(np.arange(256) / 255).tolist() == list(range(256))


def test_files_bring_the_same_network_back(tmp_path: Path) -> None:
    q = np.random.default_rng(2).integers(0, 256, (5, 2, 20, 18)).astype(np.uint8)
    for bits in WIDTHS:
        shrunk = quantize(trained(), images(), bits)
        save_integer(tmp_path / "n.safetensors", shrunk, {"by": "me"})
        again, notes = load_integer(tmp_path / "n.safetensors")
        assert notes["by"] == "me"
        assert (again.bits, again.weight_bytes, again.logit_step) == (bits, shrunk.weight_bytes, shrunk.logit_step)
        np.testing.assert_array_equal(again.integer_logits(q), shrunk.integer_logits(q))


class Doubled(Layer):
    """A layer of somebody's own."""


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Sequential(Doubled(), Flatten(), Linear(2)), r"layer 0 \(Doubled\): expected a layer with an integer form"),
        (Sequential(Residual(Doubled()), Flatten(), Linear(2)), r"layer 0.body \(Doubled\)"),
        (AvgPool2d(3, padding=1, count_padding=True), "expected a pool that doesn't count its padding"),
        (Sequential(Conv2d(4, 3), GroupNorm(2)), r"layer 1 \(GroupNorm\): expected BatchNorm2d in integers"),
        (Sequential(Conv2d(4, 3), PReLU()), r"layer 1 \(PReLU\): expected LeakyReLU in integers"),
        (Sequential(Flatten(), Linear(3), Softmax()), r"layer 2 \(Softmax\): expected logits at the end"),
        (Graph(Node(ReLU(), "input", "a"), Node(ReLU(), "input", "b"), outputs=("a", "b")), "one output, got a, b"),
    ],
)
def test_what_has_no_integer_form_is_named(layer: Layer, message: str) -> None:
    network = Network(layer, (2, 20, 18))
    with pytest.raises(PellucidError, match=message):
        quantize(network, images())
    with pytest.raises(PellucidError, match=message):
        quantization_aware(network)


def test_bad_input() -> None:
    network, x = trained(), images()
    with pytest.raises(PellucidError, match=r"calibration images: expected \(N, 2, 20, 18\).*\(64, 2, 20, 17\)"):
        calibrate(network, x[..., 1:])
    with pytest.raises(PellucidError, match="N > 0"):
        calibrate(network, x[:0])
    with pytest.raises(PellucidError, match="bits of a weight: expected one of 8, 4, 2, got 3"):
        quantize(network, x, 3)
    shrunk = quantize(network, x)
    with pytest.raises(PellucidError, match="expected uint8"):
        shrunk.integer_logits(x)
    with pytest.raises(PellucidError, match="it can only infer"):
        shrunk.forward(x, training())


def test_sums_that_would_not_fit_are_refused() -> None:
    network = Network(Sequential(Linear(1)), (90_000,))
    network.vector[:-1] = 1
    with pytest.raises(PellucidError, match=r"layer 0 \(Linear\): sums .* do not fit 32 bits"):
        quantize(network, np.ones((1, 90_000), np.float32))


def test_global_average_and_images_without_layers_between() -> None:
    network = Network(Sequential(Conv2d(4, 3), ReLU(), GlobalAvgPool2d(), Linear(3)), (2, 20, 18))
    x = images()
    y, z = network.forward(x), quantize(network, x).forward(x)
    assert np.abs(z - y).max() < 0.03 * np.abs(y).max()


def test_files_whose_arrays_do_not_fit_are_refused(tmp_path: Path) -> None:
    shrunk = quantize(trained(), images(), 8)
    place = next(i for i, step in enumerate(shrunk.steps) if isinstance(step, IntegerConv2d))
    step = shrunk.steps[place]
    assert isinstance(step, IntegerConv2d)
    wrong: list[IntegerStep] = [
        replace(step, bias=step.bias[:1]),
        replace(step, shift=step.shift - 100),
        replace(step, input_shape=(1, 1, 1)),
        replace(step, groups=3),
        replace(step, name="a */ b"),
    ]
    for bad in wrong:
        steps = [bad if i == place else other for i, other in enumerate(shrunk.steps)]
        scale, step_size = shrunk.input_scale, shrunk.logit_step
        network = IntegerNetwork(steps, shrunk.input_shape, shrunk.output_shape, scale, step_size, 8)
        save_integer(tmp_path / "n.safetensors", network)
        with pytest.raises(PellucidError, match="damaged description of an integer network"):
            load_integer(tmp_path / "n.safetensors")


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (None, "expected numbers, got object"), ([[[["x"]]]], "expected numbers, got"),
        (np.full((2, 1, 4, 4), np.nan), "input: expected finite numbers, got nan"),
        (np.full((2, 1, 4, 4), np.inf), "input: expected finite numbers, got inf"),
        (np.zeros((2, 1, 4)), "calibration images: expected"),
    ],
)  # fmt: skip
def test_calibration_takes_finite_images(images: Array, said: str) -> None:
    with pytest.raises(PellucidError, match=said):
        quantize(Network(Sequential(Conv2d(2, 3), ReLU(), Flatten(), Linear(2)), (1, 4, 4)), images)


def test_values_without_an_end_are_said_by_their_layer() -> None:
    network = Network(Sequential(Conv2d(2, 3), ReLU(), Flatten(), Linear(2)), (1, 4, 4))
    network.parameters["0.weight"].value[...] = 1e38
    with pytest.raises(PellucidError, match="calibration: value 0: expected finite numbers, got 0 to inf"):
        quantize(network, np.full((2, 1, 4, 4), 1.0, np.float32))


@pytest.mark.parametrize("x", [None, "x", np.full((1, 1, 4, 4), np.nan), np.full((1, 1, 4, 4), 1j)], ids=range(4))
def test_integers_are_made_of_numbers(x: Array) -> None:
    network = Network(Sequential(Conv2d(2, 3), ReLU(), Flatten(), Linear(2)), (1, 4, 4))
    integers = quantize(network, np.random.default_rng(0).random((2, 1, 4, 4)))
    with pytest.raises(PellucidError, match="values to be rounded to bytes: expected numbers, got"):
        integers.forward(x)
    some = np.zeros((1, 1, 4, 4))
    np.testing.assert_array_equal(integers.forward(some.tolist()), integers.forward(some))


def test_a_range_too_small_to_be_divided_is_none() -> None:
    assert Scale.of_range(0.0, 5e-324) == Scale.of_range(0.0, 0.0)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("last", [(), (Linear(3),)], ids=["", "Linear"])
def test_an_activation_behind_flatten(tmp_path: Path, last: tuple[Layer, ...], backend: str) -> None:
    """Features that are stored as images: the plan of integers took them for images of one pixel."""
    network = Network(Sequential(Flatten(), Sigmoid(), *map(copy.deepcopy, last)), (3, 5, 4))
    images = np.random.default_rng(0).random((4, 3, 5, 4)).astype(np.float32)
    with ops.use_backend(backend):
        integers = quantize(network, images)
        assert np.abs(integers.forward(images) - network.forward(images)).max() < 0.03
        save_integer(tmp_path / "i.safetensors", integers, {})
        found = load_integer(tmp_path / "i.safetensors")[0]
        np.testing.assert_array_equal(found.forward(images), integers.forward(images))
