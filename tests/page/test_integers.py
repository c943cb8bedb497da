"""An integer network's page in Node.js: the same whole numbers as Python's, bit for bit, at every step."""

from typing import Any

import numpy as np
import pytest

from pellucid.export.page.integers import entry_table, integer_rows
from pellucid.export.page.weights import Packed
from pellucid.graph import Branches, Concat, Residual, Sequential, Upsampled
from pellucid.layers import (
    AvgPool2d,
    BatchNorm2d,
    ChannelOrder,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Multiply,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Slice,
    Transpose,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import IntegerNetwork
from pellucid.precision import quantize
from pellucid.precision.fixed_point import fixed_point
from pellucid.zoo import create

from .test_engine import needs_node, run_node

pytestmark = needs_node

RUN = """
const { model, text, images } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const network = new Network(model, unpackArrays(model.arrays, text));
console.log(JSON.stringify(images.map((image) => {
  const values = network.forward(Uint8Array.from(image));
  return Object.fromEntries(model.nodes.map(({ name }) => [name, Array.from(values[name])]));
})));
"""


def lively(network: Network) -> Network:
    """With statistics and biases that are no beginner's."""
    rng = np.random.default_rng(0)
    for name, value in network.state().items():
        if name.endswith("running_variance"):
            value[...] = rng.uniform(0.5, 1.5, value.shape)
        elif "running" in name or name.endswith("bias"):
            value[...] = rng.normal(0, 0.2, value.shape)
    return network


def integers(layer: Layer, shape: tuple[int, ...], bits: int = 8, low: float = 0.0) -> IntegerNetwork:
    seen = np.random.default_rng(1).uniform(low, 1, (16, *shape)).astype(np.float32)
    return quantize(lively(Network(layer, shape)), seen, bits)


def carried(network: IntegerNetwork) -> tuple[dict[str, Any], str]:
    packed = Packed(32)
    rows = integer_rows(network, packed)
    entry = entry_table(network, np.zeros((network.input_shape[0], 256)))
    zero = network.input_scale.zero
    model = {"input": network.input_shape, "nodes": rows, "outputs": [network.steps[-1].name], "entry": entry}
    return {**model, "arrays": packed.rows, "zero": zero}, packed.text()


def check(network: IntegerNetwork, count: int = 3) -> None:
    """Every step's numbers, for noise, and images of nothing but the least and the largest byte."""
    q = np.random.default_rng(2).integers(0, 256, (count, *network.input_shape)).astype(np.uint8)
    q[0], q[1] = 0, 255
    model, text = carried(network)
    found = run_node(RUN, {"model": model, "text": text, "images": [one.ravel().tolist() for one in q]})
    for name, expected in network.values(q):
        numbers = np.array([one[name] for one in found])
        np.testing.assert_array_equal(numbers, expected.reshape(count, -1), err_msg=name)
    assert numbers.min() < numbers.max()


def filters() -> Layer:
    return Sequential(
        Conv2d(6, (3, 2), padding=(1, 0, 2, 1), dilation=(1, 2)), BatchNorm2d(), ReLU(), MaxPool2d(2),
        Conv2d(12, 3, padding=1, groups=3), Conv2d(12, 3, groups=12, stride=2, padding="same"), ReLU6(),
        Conv2d(5, 1), BatchNorm2d(), Clip(-0.5, 0.5), Flatten(), Linear(9), ReLU(), Linear(7),
    )  # fmt: skip


def joins() -> Layer:
    gate = Sequential(GlobalAvgPool2d(flatten=False), Conv2d(3, 1), SiLU(), Conv2d(6, 1), Sigmoid())
    return Sequential(
        Conv2d(6, 3), Branches(Sequential(), gate, join=Multiply()),
        Residual(Sequential(Conv2d(6, 3, padding=1), LeakyReLU(0.1))), ReLU(),
        Concat(Conv2d(4, 3, padding=1), Sequential(MaxPool2d(3, stride=1, padding=1))), BatchNorm2d(), ReLU(),
        Concat(Sequential(Flatten(), Linear(7), ReLU()), Sequential(MaxPool2d(2), Flatten())), Linear(5),
    )  # fmt: skip


def pools() -> Layer:
    return Sequential(
        Conv2d(5, 3), MaxPool2d(3, stride=2, padding=1, ceil=True), AvgPool2d(3, stride=1, padding=1),
        AvgPool2d((2, 1), stride=1, padding=(0, 1, 0, 0)), GlobalAvgPool2d(),
    )  # fmt: skip


def grown() -> Layer:
    return Sequential(
        Conv2d(6, 3, stride=2), ReLU(), ConvTranspose2d(4, 4, stride=2, padding=1, output_padding=1), BatchNorm2d(),
        ReLU(), MaxPool2d(2), ConvTranspose2d(6, 3, groups=2, dilation=2), ConvTranspose2d(3, 2),
    )  # fmt: skip


def shuffled() -> Layer:
    """Channels in groups, shuffled, and split; features backwards."""
    half = Sequential(Slice((3, 0, 0), (None, None, None)), Conv2d(3, 1), ReLU())
    return Sequential(
        Conv2d(6, 3, groups=2), ReLU(), Reshape(2, 3, 15, 12), Transpose(1, 0, 2, 3), Reshape(6, 15, 12),
        Concat(ChannelOrder(2, 0, 1, 2), half), MaxPool2d(4), Flatten(), Slice((-1,), (None,), (-2,)), Linear(4),
    )  # fmt: skip


def covering() -> Layer:
    return Upsampled(Sequential(Conv2d(3, 3, stride=2), ReLU(), Conv2d(2, 2, stride=2)), 2)


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("layer", [filters, joins, pools, grown, shuffled, covering])
def test_every_kind_of_step_gives_pythons_numbers(layer: Any, bits: int) -> None:
    check(integers(layer(), (2, 17, 14), bits, low=-0.7))


@pytest.mark.parametrize(
    ("name", "shape", "bits"),
    [
        ("cifar-net", (3, 32, 32), 4),
        ("convnet", (3, 32, 32), 8),
        ("deep-convnet", (1, 28, 28), 8),
        ("detector-pyramid", (3, 64, 64), 8),
        ("detector-small", (1, 32, 32), 4),
        ("efficientnet-lite0", (3, 64, 64), 8),
        ("fcn-small", (1, 32, 40), 2),
        ("fcn8", (1, 28, 28), 2),
        ("fcn16", (1, 28, 28), 4),
        ("fcn32", (1, 28, 28), 8),
        ("lenet5", (1, 28, 28), 8),
        ("mobilenet-v1", (3, 32, 32), 4),
        ("mobilenet-v2", (3, 64, 64), 8),
        ("plain-convnet", (1, 28, 28), 2),
        ("resnet8", (3, 32, 32), 8),
        ("shufflenet-v2", (3, 64, 64), 8),
        ("squeezenet", (3, 48, 48), 8),
        ("tiny-digits", (1, 28, 28), 4),
        ("unet", (1, 32, 32), 8),
        ("unet-pyramid", (3, 64, 64), 8),
    ],
)
def test_networks_of_the_zoo_give_pythons_numbers(name: str, shape: tuple[int, ...], bits: int) -> None:
    options = {"widths": (8, 16, 24)} if name == "unet" else {}  # at full width it has 31 million parameters
    check(integers(create(name, 5, **options), shape, bits))


def test_a_sum_is_scaled_as_64_bits_scale_it() -> None:
    """Of all lengths of product, halves and their neighbours among them, against whole numbers of any length."""
    rng = np.random.default_rng(5)
    totals, multipliers, shifts = [], [], []
    for factor in 2.0 ** np.linspace(-33, 0, 400):
        multiplier, shift = (int(part[0]) for part in fixed_point(np.array([factor])))
        half = ((2 * int(rng.integers(-200, 200)) + 1) << (shift - 1)) // max(1, multiplier)
        drawn = rng.integers(-(2**31), 2**31, 4).tolist()
        for total in (half - 1, half, half + 1, -(2**31), 2**31 - 1, *drawn):
            if -(2**31) <= total < 2**31:
                totals.append(total)
                multipliers.append(multiplier)
                shifts.append(shift)
    for shift in range(1, 63):  # multipliers that are powers, so that sums lie on halves themselves
        for total in range(-9, 10):
            totals.append(total)
            multipliers.append(1 << min(30, shift - 1))
            shifts.append(shift)
    script = """
    const { totals, multipliers, shifts } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify(totals.map((total, i) => rescaled(total, multipliers[i], shifts[i]))));
    """
    found = run_node(script, {"totals": totals, "multipliers": multipliers, "shifts": shifts})
    expected = [(t * m + (1 << (s - 1))) >> s for t, m, s in zip(totals, multipliers, shifts, strict=True)]
    assert found == expected


def test_a_factor_beyond_any_byte_is_clipped_as_in_python() -> None:
    rng = np.random.default_rng(6)
    totals = [*range(-40, 41), *rng.integers(-(2**31), 2**31, 500).tolist()]
    factors = [((1 << 31) - 1 - int(rng.integers(1 << 20)), shift) for shift in range(1, 17)]
    script = """
    const { totals, factors } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const byte = (total, [multiplier, shift]) => bounded(rescaled(total, multiplier, shift) + 3, 0, 255);
    console.log(JSON.stringify(factors.map((factor) => totals.map((total) => byte(total, factor)))));
    """
    found = run_node(script, {"totals": totals, "factors": factors})
    for (multiplier, shift), numbers in zip(factors, found, strict=True):
        assert numbers == [min(255, max(0, ((t * multiplier + (1 << (shift - 1))) >> shift) + 3)) for t in totals]


def test_pixels_enter_as_the_bytes_that_python_makes_of_them() -> None:
    from pellucid.data import normalized
    from pellucid.data.framing import Framing
    from pellucid.export.page import Subject
    from pellucid.export.page.html import carried_network

    network = integers(Sequential(Conv2d(4, 3), Flatten(), Linear(5)), (3, 9, 8), low=-2.0)
    mean, std = (0.49, 0.45, 0.42), (0.21, 0.2, 0.23)
    subject = Subject("", network, "classify", list("abcde"), Framing("stretch", 3, (9, 8)), mean, std)
    packed = Packed(32)
    model = {"input": [3, 9, 8], **carried_network(subject, packed), "arrays": packed.rows}
    pixels = np.random.default_rng(3).integers(0, 256, (4, 3, 9, 8)).astype(np.uint8)
    script = """
    const { model, text, images } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const network = new Network(model, unpackArrays(model.arrays, text));
    const answer = (image) => network.logits(network.forward(network.enter(Uint8Array.from(image))));
    console.log(JSON.stringify(images.map((image) => Array.from(answer(image)))));
    """
    found = run_node(
        script, {"model": model, "text": packed.text(), "images": [one.ravel().tolist() for one in pixels]}
    )
    expected = network.forward(normalized(pixels, np.float32, 255, mean, std))
    np.testing.assert_array_equal(np.array(found, np.float32), expected)


def slope(network: IntegerNetwork, images: Array) -> list[Array]:
    """The page's gradient of the first output for each input byte, in real units."""
    model, text = carried(network)
    script = """
    const { model, text, images } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const network = new Network(model, unpackArrays(model.arrays, text)), last = model.outputs[0];
    console.log(JSON.stringify(images.map((image) => {
      const values = network.forward(Uint8Array.from(image)), seed = new Float32Array(values[last].length);
      seed[0] = 1;
      return Array.from(network.backward(values, last, seed).input);
    })));
    """
    found = run_node(script, {"model": model, "text": text, "images": [one.ravel().tolist() for one in images]})
    factor = network.logit_step / network.input_scale.step
    return [np.array(one).reshape(network.input_shape) * factor for one in found]


@pytest.mark.parametrize("layer", [filters, joins, pools])
def test_the_way_back_follows_the_gradient_of_the_floats(layer: Any) -> None:
    from pellucid.layers import DIFFERENTIABLE

    network = lively(Network(layer(), (2, 17, 14)))
    x = np.random.default_rng(1).uniform(-0.7, 1, (16, 2, 17, 14)).astype(np.float32)
    rounded = quantize(network, x, 8)
    found = slope(rounded, rounded.input_scale.quantize(x))
    y = network.forward(x, DIFFERENTIABLE)
    seed = np.zeros_like(y)
    seed[:, 0] = 1
    expected = np.asarray(network.backward(seed, input_gradient=True))
    pairs = list(zip(found, expected, strict=True))
    alike = [(a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()) for a, b in pairs]
    assert np.median(alike) > 0.95  # some maxima and kinks lie elsewhere after rounding
    assert 0.9 < np.median([np.abs(a).sum() / np.abs(b).sum() for a, b in pairs]) < 1.1
