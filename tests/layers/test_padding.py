"""Padding by side, "same", counted and dilated pools: as PyTorch has them, and what the layers say of themselves."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import PellucidError
from pellucid.graph import Sequential, grid, unroll
from pellucid.layers import AvgPool2d, Conv2d, ConvTranspose2d, Layer, MaxPool2d, ReLU, training
from pellucid.layers.sliding import Padding
from pellucid.network import Network
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, Sides

QUICK = settings(max_examples=40, deadline=None, database=None)
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
SIZES = st.tuples(st.integers(5, 11), st.integers(5, 11))


def torch() -> Any:
    return pytest.importorskip("torch")


def run(layer: Layer, size: Pair) -> tuple[Array, Array]:
    """A random batch and what the layer makes of it, in float64."""
    network = Network(layer, (2, *size), dtype=np.float64)
    x = np.random.default_rng(size[0]).standard_normal((3, 2, *size))
    y = network.forward(x)
    assert y.shape[1:] == network.output_shape
    return x, y


def padded(x: Array, padding: Sides, value: float = 0.0) -> Array:
    return np.pad(x, ((0, 0), (0, 0), padding[:2], padding[2:]), constant_values=value)


@QUICK
@given(SIZES, PAIRS, PAIRS, PAIRS, st.booleans())
def test_same_gives_a_place_for_each_stride(
    size: Pair, kernel: Pair, stride: Pair, dilation: Pair, lower: bool
) -> None:
    given_padding = "same-lower" if lower else "same"
    layer = Conv2d(3, kernel, stride=stride, dilation=dilation, padding=given_padding)
    x, y = run(layer, size)
    assert y.shape[2:] == tuple(-(-s // t) for s, t in zip(size, stride, strict=True))
    top, bottom, left, right = padding = layer.geometry_for(size).padding
    for before, after, span, t, s in (
        (top, bottom, dilation[0] * (kernel[0] - 1) + 1, stride[0], size[0]),
        (left, right, dilation[1] * (kernel[1] - 1) + 1, stride[1], size[1]),
    ):
        assert before + after == max(0, ((s - 1) // t) * t + span - s)  # no more than the last window needs
        assert (before - after if lower else after - before) in {0, 1}
    plain = Conv2d(3, kernel, stride=stride, dilation=dilation, weight=layer.weight)
    plain.bias = layer.bias
    plain.build((2, *padded(x, padding).shape[2:]))
    np.testing.assert_allclose(y, plain.forward(padded(x, padding)), atol=1e-12)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@QUICK
@given(SIZES, PAIRS, PAIRS)
def test_same_without_stride_as_torch(size: Pair, kernel: Pair, dilation: Pair) -> None:
    layer = Conv2d(3, kernel, dilation=dilation, padding="same")
    x, y = run(layer, size)
    assert layer.geometry == layer.geometry_for(size)
    other = torch().nn.functional.conv2d(
        torch().from_numpy(x), torch().from_numpy(layer.built_weight.value), padding="same", dilation=dilation
    )
    np.testing.assert_allclose(y, other.numpy(), atol=1e-12)


@QUICK
@given(SIZES, st.tuples(*[st.integers(0, 2)] * 4), PAIRS, PAIRS, PAIRS)
def test_padding_by_side_as_torch(size: Pair, padding: Sides, kernel: Pair, stride: Pair, dilation: Pair) -> None:
    layer = Conv2d(4, kernel, stride=stride, dilation=dilation, padding=padding, groups=2)
    size = (size[0] + 2, size[1] + 2)
    x, y = run(layer, size)
    weight = torch().from_numpy(layer.built_weight.value)
    around = torch().from_numpy(padded(x, padding))
    other = torch().nn.functional.conv2d(around, weight, None, stride, 0, dilation, 2)
    np.testing.assert_allclose(y, other.numpy(), atol=1e-12)


@QUICK
@given(SIZES, PAIRS, PAIRS, st.booleans(), st.booleans(), st.tuples(st.booleans(), st.booleans()))
def test_average_pools_as_torch(
    size: Pair, kernel: Pair, stride: Pair, ceil: bool, counted: bool, pad: tuple[bool, bool]
) -> None:
    padding = (kernel[0] // 2 * pad[0], kernel[1] // 2 * pad[1])
    layer = AvgPool2d(kernel, stride=stride, padding=padding, ceil=ceil, count_padding=counted)
    x, y = run(layer, size)
    pool = torch().nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil, count_include_pad=counted)
    np.testing.assert_allclose(y, pool(torch().from_numpy(x)).numpy(), atol=1e-12)


@QUICK
@given(SIZES, PAIRS, PAIRS, PAIRS, st.booleans(), st.tuples(st.booleans(), st.booleans()))
def test_max_pools_as_torch(
    size: Pair, kernel: Pair, stride: Pair, dilation: Pair, ceil: bool, pad: tuple[bool, bool]
) -> None:
    padding = (kernel[0] // 2 * pad[0], kernel[1] // 2 * pad[1])
    size = (size[0] + 3, size[1] + 3)
    layer = MaxPool2d(kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil)
    x, y = run(layer, size)
    pool = torch().nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil)
    np.testing.assert_array_equal(y, pool(torch().from_numpy(x)).numpy())


def test_pools_padded_on_one_side() -> None:
    x, y = run(MaxPool2d(3, stride=2, padding=(0, 1, 0, 1)), (6, 8))
    framed = torch().from_numpy(padded(x, (0, 1, 0, 1), -np.inf))
    np.testing.assert_array_equal(y, torch().nn.functional.max_pool2d(framed, 3, 2).numpy())
    x, y = run(AvgPool2d(3, stride=2, padding=(2, 1, 0, 1), count_padding=True), (6, 8))
    framed = torch().from_numpy(padded(x, (2, 1, 0, 1)))
    np.testing.assert_allclose(y, torch().nn.functional.avg_pool2d(framed, 3, 2).numpy(), atol=1e-14)
    assert MaxPool2d(2, padding="same").output_shape((1, 5, 6)) == (1, 3, 3)


@QUICK
@given(SIZES, PAIRS, PAIRS, st.tuples(*[st.integers(0, 2)] * 4))
def test_transposed_convolution_is_the_adjoint_with_any_padding(
    size: Pair, kernel: Pair, stride: Pair, padding: Sides
) -> None:
    """<up(x), z> = <x, conv(z)> with the same weight, and nothing of the transposed convolution's own."""
    up = ConvTranspose2d(3, kernel, stride=stride, padding=padding, bias=False)
    try:
        x, y = run(up, size)
    except PellucidError:
        return  # all of the output is cropped
    down = Conv2d(2, kernel, stride=stride, padding=padding, bias=False, weight=up.weight)
    down.build(y.shape[1:])
    z = np.random.default_rng(0).standard_normal(y.shape)
    np.testing.assert_allclose((y * z).sum(), (x * down.forward(z)).sum(), rtol=1e-9, atol=1e-9)


@QUICK
@given(SIZES, PAIRS, PAIRS, st.booleans())
def test_transposed_same_goes_back_to_whole_strides(size: Pair, kernel: Pair, stride: Pair, lower: bool) -> None:
    padding = "same-lower" if lower else "same"
    x, y = run(ConvTranspose2d(3, kernel, stride=stride, padding=padding), size)
    assert y.shape[2:] == (size[0] * stride[0], size[1] * stride[1])
    down = Conv2d(2, kernel, stride=stride, padding=padding)
    assert down.output_shape((3, *y.shape[2:])) == x.shape[1:]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv2d(3, 3, padding="same", stride=2), "Conv2d(3, 3x3, stride 2, padding same)"),
        (Conv2d(3, 3, padding=(0, 1, 0, 1)), "Conv2d(3, 3x3, padding (0, 1, 0, 1))"),
        (Conv2d(3, 3, padding=(1, 1, 1, 1)), "Conv2d(3, 3x3, padding 1)"),
        (AvgPool2d(3, padding=1, count_padding=True), "AvgPool2d(3x3, padding 1, padding counted)"),
        (MaxPool2d(2, stride=1, dilation=2), "MaxPool2d(2x2, stride 1, dilation 2)"),
    ],
)
def test_the_settings_are_told(layer: Layer, text: str) -> None:
    assert repr(layer) == text


@pytest.mark.parametrize("padding", ["valid", (1, 2, 3), (0, -1, 0, 0)])
def test_a_padding_that_makes_no_sense_is_refused(padding: Any) -> None:
    with pytest.raises(PellucidError, match="padding"):
        Conv2d(3, 3, padding=padding)
    with pytest.raises(PellucidError, match="padding"):
        MaxPool2d(3, padding=padding)


def test_one_number_for_both_sides_only_where_it_says_all() -> None:
    assert Conv2d(3, 3, padding=1).padding == Conv2d(3, 3, padding="same").padding == (1, 1)
    for layer in (Conv2d(3, 3, padding=(0, 1, 0, 1)), Conv2d(3, 3, stride=2, padding="same")):
        with pytest.raises(PellucidError, match="as much padding on one side"):
            _ = layer.padding


def test_places_that_depend_on_the_size_have_no_grid() -> None:
    assert grid(unroll(Conv2d(3, 3, padding="same")))[0].start == 0
    with pytest.raises(PellucidError, match="same padding for images of every size"):
        grid(unroll(Conv2d(3, 3, stride=2, padding="same")))


def test_fused_as_layer_by_layer_where_the_size_decides() -> None:
    """A 2x2 pool with "same" is not the one that is fused, whose last odd row is dropped."""

    def layers(padding: Padding) -> Layer:
        return Sequential(Conv2d(6, 3, padding=padding), ReLU(), MaxPool2d(2, padding="same"), Conv2d(2, 1))

    for padding in ("same", "same-lower", (0, 2, 1, 0)):
        fused = Network(layers(padding), (5, 9, 7), dtype=np.float64)
        plain = Network(layers(padding), (5, 9, 7), dtype=np.float64, fuse=False)
        x = np.random.default_rng(0).standard_normal((2, 5, 9, 7))
        y = [network.forward(x, training(np.random.default_rng(0))) for network in (fused, plain)]
        np.testing.assert_allclose(y[0], y[1], atol=1e-12)
        dx = [network.backward(np.ones_like(y[0]), input_gradient=True) for network in (fused, plain)]
        np.testing.assert_allclose(dx[0], dx[1], atol=1e-12)
        np.testing.assert_allclose(fused.gradient, plain.gradient, atol=1e-12)


def test_a_geometry_knows_its_sizes() -> None:
    geometry = Geometry(stride=(2, 3), padding=(1, 0, 0, 2), dilation=(1, 2))
    assert geometry.span((3, 3)) == (3, 5)
    assert geometry.output_size((8, 9), (3, 3)) == (4, 3)
    assert geometry.output_size((9, 9), (3, 3), ceil=True) == (5, 3)
    assert (geometry.before, geometry.after, geometry.symmetric) == ((1, 0), (0, 2), False)
