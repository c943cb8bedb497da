"""Images through a network in tiles: what comes out is the whole image's, whatever the layers pad."""

from collections.abc import Callable

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.graph import Sequential, Sum, Upsampled, grid
from pellucid.layers import AvgPool2d, Conv2d, GlobalAvgPool2d, Layer, MaxPool2d, ReLU, Softmax
from pellucid.layers.depth_to_space import DepthToSpace, SpaceToDepth
from pellucid.layers.sample_norms import GroupNorm, InstanceNorm2d, LayerNorm
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.tasks.padded import forward_each
from pellucid.tasks.tiles import fitting_tile, places, segment

Random = np.random.Generator


def random_layer(rng: Random) -> Layer:
    """A window that may be padded by less or more than it needs, on each side differently."""
    kernel, dilation, stride = (int(rng.integers(1, n)) for n in (5, 4, 3))
    around = (int(rng.integers(0, 5)), int(rng.integers(0, 5)), int(rng.integers(0, 5)), int(rng.integers(0, 5)))
    kinds: list[Callable[[], Layer]] = [
        lambda: Conv2d(3, kernel, stride=stride, padding=around, dilation=dilation),
        lambda: Conv2d(3, kernel, padding=around[0], dilation=dilation),
        lambda: MaxPool2d(kernel, stride=stride, padding=min(around[0], kernel // 2), ceil=bool(around[1] % 2)),
        lambda: AvgPool2d(kernel, stride=stride, padding=min(around[0], kernel // 2), ceil=bool(around[1] % 2)),
        ReLU,
        lambda: Sequential(SpaceToDepth(2), Conv2d(8, 3, padding=1), DepthToSpace(2), Conv2d(3, 1)),
    ]
    return kinds[rng.integers(len(kinds))]()


def random_network(rng: Random) -> Layer:
    """Places of strides, or a map that grows back to the image's size, with a finer one added or not."""
    body = Sequential(*(random_layer(rng) for _ in range(rng.integers(1, 4))), Conv2d(2, 1))
    if rng.random() < 0.4:
        return body
    grown: Layer = Upsampled(body, 2)
    if rng.random() < 0.5:
        grown = Sum(Conv2d(2, 1), grown)
    return Sequential(Conv2d(3, 3, padding=1), grown)


def drawn(seed: int) -> tuple[Network, Array] | None:
    """A network of random weights and an image; None where the layers don't fit each other."""
    rng = np.random.default_rng(seed)
    layers = random_network(rng)
    H, W = (int(side) for side in rng.integers(30, 110, 2))
    try:
        network = Network(layers, (3, 120, 120), dtype=np.float64)
        periods = [axis.period for axis in grid(network.nodes)]
        H, W = (-(-side // period) * period for side, period in zip((H, W), periods, strict=True))
        network.nodes.shapes((3, H, W))
    except PellucidError:
        return None
    network.vector[...] = rng.normal(size=network.vector.size)
    return network, rng.normal(size=(3, H, W))


def test_tiles_of_random_networks_are_the_whole() -> None:
    compared = 0
    for network, image in filter(None, map(drawn, range(150))):
        try:
            found = places(network, image, 48)
        except PellucidError as error:
            assert "tile = 48: expected at least" in str(error)
            continue
        compared += 1
        np.testing.assert_allclose(found, network.forward(image[None])[0], rtol=1e-8, atol=1e-9)
    assert compared > 90


def test_a_map_of_less_padding_than_its_dilation_needs() -> None:
    """Its last places lie far from the image's end: the rows beyond them repeat the last."""
    deep = Sequential(Conv2d(4, 3, stride=2, padding=1, dilation=5), Conv2d(2, 3, dilation=4))
    network = Network(Sequential(Conv2d(3, 3, padding=1), Upsampled(deep, 2)), (3, 96, 96), dtype=np.float64)
    rng = np.random.default_rng(0)
    network.vector[...] = rng.normal(size=network.vector.size)
    image = rng.normal(size=(3, 150, 131))
    whole = network.forward(image[None])[0]
    np.testing.assert_allclose(places(network, image, 96), whole, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(segment(network, image, 96), whole.argmax(axis=0))


@pytest.mark.parametrize("layer", [GroupNorm(2), InstanceNorm2d(), LayerNorm((4, 1, 1)), Softmax(2)])
def test_what_only_the_whole_image_tells_is_not_done_by_tiles(layer: Layer) -> None:
    """Neither are smaller images put on one canvas with larger ones: each gives what it gives alone."""
    end = Conv2d(2, 3, padding=1)
    network = Network(Sequential(Conv2d(4, 3, padding=1), layer, end), (3, 40, 40), dtype=np.float64)
    rng = np.random.default_rng(0)
    network.vector[...] += 0.1 * rng.normal(size=network.vector.size)
    image = rng.normal(size=(3, 60, 50))
    assert fitting_tile(network.nodes, (3, 3000, 2000)) == 3000
    np.testing.assert_array_equal(segment(network, image), network.forward(image[None])[0].argmax(axis=0))
    with pytest.raises(PellucidError, match="expected one whose places see a part of the image"):
        segment(network, image, 40)
    small = rng.normal(size=(3, 21, 33))
    for found, alone in zip(forward_each(network, [image, small]), (image, small), strict=True):
        np.testing.assert_allclose(found, network.forward(alone[None])[0], rtol=1e-10, atol=1e-12)


def test_maps_of_another_size_than_the_image_are_no_classes_of_pixels() -> None:
    network = Network(Sequential(MaxPool2d(2), DepthToSpace(2)), (4, 8, 8))
    assert network.output_shape == (1, 8, 8)
    with pytest.raises(PellucidError, match="classifies each pixel, got 8x6 places of 9x7 pixels"):
        segment(network, np.zeros((4, 9, 7), np.float32))
    with pytest.raises(PellucidError, match="classifies each pixel"):
        segment(Network(GlobalAvgPool2d(), (3, 8, 8)), np.zeros((3, 8, 8), np.float32))
