"""Plans of networks in 16 bits: as exact as their form allows; products of bfloat16 keep their bound."""

import numpy as np
import pytest

from pellucid import ops
from pellucid.network import Network
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.formats import float_type
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.bfloat16 import PRODUCTS
from pellucid.ops.numba_ops.compile.tiles import TILES
from pellucid.ops.numba_ops.steps import Finish, Program, Step, Weights, affine, convolution, product
from pellucid.plan import Plan, answering
from plan.networks import every_step, images, outputs, worst, zoo_network

HALF_UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Largest error of rounding, as a part of the number."""

FLOAT32_PLAN = 1e-5  # the bound of test_plan

products = pytest.mark.skipif(not PRODUCTS, reason="no products of bfloat16 on this processor, or not allowed")


def exact(network: Network, x: Array) -> list[Array]:
    """What the network gives in float64, with its weights of 16 bits, by the definition."""
    with ops.use_backend("numpy"):
        return outputs(network.astype(np.float64, fuse=False).forward(x.astype(np.float64)))


def real(y: object) -> list[Array]:
    return [one.astype(np.float64) for one in outputs(y)]


@pytest.mark.parametrize("name", ["deep-convnet", "resnet18", "mobilenet-v2", "fcn8", "detector-small"])
def test_float16_is_computed_as_float32_and_rounded_once(name: str) -> None:
    network = zoo_network(name).astype(np.float16)
    x = images(network, 2).astype(np.float16)
    y = Plan(network, x.shape)(x)
    assert {one.dtype for one in outputs(y)} == {np.dtype(np.float16)}
    assert worst(real(y), exact(network, x)) < HALF_UNIT["float16"] + FLOAT32_PLAN


@pytest.mark.parametrize("name", ["deep-convnet", "resnet18", "mobilenet-v2", "fcn8", "detector-small", "every step"])
def test_bfloat16_is_as_exact_as_its_two_roundings_allow(name: str) -> None:
    """The layers round what each gives, once a product; a plan the pixels and the folded weights, and its output."""
    kind = float_type("bfloat16")
    network = (every_step() if name == "every step" else zoo_network(name)).astype(kind)
    x = images(network, 2).astype(kind)
    y, expected = Plan(network, x.shape)(x), exact(network, x)
    assert {one.dtype for one in outputs(y)} == {kind}
    layers = worst(real(network.forward(x)), expected)
    assert worst(real(y), expected) < 2 * layers + HALF_UNIT["bfloat16"]


def test_which_steps_multiply_bfloat16() -> None:
    kind = float_type("bfloat16")
    network = every_step().astype(kind)
    first, *steps = Plan(network, (1, *network.input_shape)).steps
    assert first.algorithm == "windows"  # of three channels, read where they lie
    found = {step.algorithm for step in steps}
    mine, other = {"bfloat16 product", "bfloat16 windows"}, {"product", "windows"}
    assert (mine if PRODUCTS else other) <= found
    assert not (other if PRODUCTS else mine) & found
    assert found >= {"depthwise", "max-pool"}
    assert ("winograd" in found) != TILES


@pytest.mark.parametrize("form", ["float16", "bfloat16"])
def test_answers_come_from_plans(form: str) -> None:
    """Also when the weights change, by one bit of one of them."""
    network = zoo_network("tiny-digits").astype(float_type(form))
    x = images(network, 3).astype(network.dtype)
    first = answering(network)(x)
    np.testing.assert_array_equal(first, Plan(network, x.shape)(x))
    network.vector.view(np.uint16)[-1] ^= 1 << 9
    second = answering(network)(x)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(second, Plan(network, x.shape)(x))


def run(step: Step, values: list[Array], shape: tuple[int, ...]) -> Array:
    """A step's output."""
    out = np.full(shape, np.nan, np.float32)
    scratch = np.full(step.scratch + 64, 255, np.uint8)  # NaN, whatever is read of it
    places = [a.__array_interface__["data"][0] for a in (*values, out, scratch)]
    Program(step.calls(places[:-2], places[-2], -(-places[-1] // 64) * 64)).run()
    return out


def bound(depth: int) -> float:
    """Of the error of a sum of that many products, as a part of the sum of their sizes: see steps.blocks."""
    return 2.0**-7 + 2.0**-16 + (depth + 2) * 2.0**-23


@products
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize(
    ("C", "K", "size", "kernel", "stride", "dilation", "padding"),
    [
        (16, 16, (7, 9), (1, 1), 1, 1, (0, 0, 0, 0)),
        (33, 40, (5, 13), (1, 1), 1, 1, (0, 0, 0, 0)),  # an odd depth, a panel that is cut
        (1, 3, (9, 9), (1, 1), 2, 1, (0, 0, 0, 0)),
        (3, 64, (21, 19), (7, 7), 2, 1, (3, 3, 3, 3)),  # few channels stay float32
        (5, 64, (21, 19), (7, 7), 2, 1, (3, 3, 3, 3)),
        (5, 17, (11, 6), (3, 2), 1, 2, (2, 0, 1, 3)),
        (40, 8, (4, 4), (5, 5), 1, 1, (2, 2, 2, 2)),
    ],
)
def test_convolutions_of_bfloat16_keep_their_bound(
    C: int,
    K: int,
    size: Pair,
    kernel: Pair,
    stride: int,
    dilation: int,
    padding: tuple[int, int, int, int],
    added: bool,
) -> None:
    rng = np.random.default_rng(C * K)
    geometry = Geometry((stride, stride), padding, (dilation, dilation))
    x = rng.standard_normal((3, *size, C)).astype(np.float32)
    w, b = rng.standard_normal((K, C, *kernel)).astype(np.float32), rng.standard_normal(K).astype(np.float32)
    shape = (3, *geometry.output_size(size, kernel), K)
    beside = rng.standard_normal(shape).astype(np.float32)
    step = convolution((3, C, *size), Weights(lambda: w, w.shape, b, "bfloat16"), geometry, Finish(-1.0, 6.0, added))
    assert step is not None
    assert step.algorithm.startswith("bfloat16") == (C > product.FEW)
    y = run(step, [x, *([beside] if added else [])], shape)
    wide, weights = x.transpose(0, 3, 1, 2).astype(np.float64), w.astype(np.float64)
    sums = numpy_ops.conv2d(wide, weights, None, geometry).transpose(0, 2, 3, 1) + b + beside * added
    sizes = numpy_ops.conv2d(abs(wide), abs(weights), None, geometry).transpose(0, 2, 3, 1)
    allowed = bound(w[0].size) * sizes + 2.0**-22 * (abs(b) + abs(beside))
    assert (abs(y - np.clip(sums, -1, 6)) <= allowed).all()
    assert (abs(y - np.clip(sums, -1, 6)) > 0).any()


@products
@pytest.mark.parametrize(("rows", "F", "G"), [(1, 7, 5), (3, 100, 33), (29, 64, 16)])
def test_affine_layers_of_bfloat16_keep_their_bound(rows: int, F: int, G: int) -> None:
    rng = np.random.default_rng(F)
    x, w = rng.standard_normal((rows, F)).astype(np.float32), rng.standard_normal((G, F)).astype(np.float32)
    y = run(affine(rows, Weights(lambda: w, w.shape, None, "bfloat16"), Finish()), [x], (rows, G))
    wide, weights = x.astype(np.float64), w.astype(np.float64)
    assert (abs(y - wide @ weights.T) <= bound(F) * (abs(wide) @ abs(weights.T))).all()


@products
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_is(bad: float) -> None:
    x, w = np.ones((1, 15), np.float32), np.ones((16, 15), np.float32)
    x[0, 3] = bad
    y = run(affine(1, Weights(lambda: w, w.shape, None, "bfloat16"), Finish(0.0)), [x], (1, 16))
    assert (np.isnan(y) if np.isnan(bad) else np.isinf(y)).all()
