"""Grad-CAM and occlusion against their definitions: derivatives taken numerically, squares covered one by one."""

from collections.abc import Callable

import numpy as np
import pytest

from pellucid import ops
from pellucid.analysis.explanation import cam_layer, grad_cam, occlusion
from pellucid.analysis.explanation_picture import grown_map, laid_over
from pellucid.errors import PellucidError
from pellucid.graph import Residual, Sequential
from pellucid.layers import INFERENCE, BatchNorm2d, Conv2d, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.zoo import create


def classifier() -> Layer:
    block = Sequential(Conv2d(6, 3, padding=1), BatchNorm2d(), ReLU())
    return Sequential(Conv2d(6, 3, padding=1), ReLU(), MaxPool2d(2), Residual(block), GlobalAvgPool2d(), Linear(3))


NETWORKS: dict[str, tuple[Callable[[], Layer], tuple[int, int, int], str]] = {
    "classifier": (classifier, (2, 8, 10), "3"),
    "fcn-small": (
        lambda: create("fcn-small", 3, widths=[4, 5, 6]),
        (1, 12, 8),
        "scores.deep.body.scores.deep.body.stage.4",
    ),
    "unet": (lambda: create("unet", 3, widths=[4, 5]), (3, 8, 8), "down1.5"),
    "detector-small": (
        lambda: create("detector-small", 2, stem=[4], shallow=[4, 4], deep=[5, 4], top=[4]),
        (1, 16, 24),
        "levels.deep.6",
    ),
}


def made(name: str) -> tuple[Network, Array, Array]:
    """A network in float64 with nothing at 0, an image, and weights for its outputs."""
    layer, shape, _ = NETWORKS[name]
    network = Network(layer(), shape, dtype=np.float64, seed=1)
    rng = np.random.default_rng(4)
    network.vector = rng.normal(0, 0.4, network.vector.shape)
    return network, rng.random(shape), rng.normal(size=network.output_shape)


def score(
    network: Network, image: Array, evidence: Array, change: Callable[[Layer, Array], None] | None = None
) -> float:
    context = INFERENCE if change is None else INFERENCE.watched_by(change)
    return float((network.forward(image[None], context)[0] * evidence).sum())


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_weighs_maps_by_numerical_derivatives(name: str) -> None:
    network, image, evidence = made(name)
    layer, kept = cam_layer(network.nodes, image.shape), []

    def look(one: Layer, y: Array) -> None:
        if one.name == layer:
            kept.append(y[0].copy())

    score(network, image, evidence, look)
    maps = kept[-1]
    weights = []
    for channel in range(len(maps)):
        sides = []
        for step in (1e-6, -1e-6):

            def shift(one: Layer, y: Array, channel: int = channel, step: float = step) -> None:
                if one.name == layer:
                    y[:, channel] += step

            sides.append(score(network, image, evidence, shift))
        weights.append((sides[0] - sides[1]) / 2e-6 / maps[0].size)
    expected = np.maximum(np.tensordot(weights, maps, 1), 0)
    with ops.use_backend("numpy"):
        found = grad_cam(network, image, evidence)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * max(1, np.abs(expected).max()))
    assert found.max() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_are_those_of_the_last_coarsest_layer(name: str) -> None:
    network, image, _ = made(name)
    layer = cam_layer(network.nodes, image.shape)
    shapes = network.nodes.shapes(image.shape)
    assert layer.startswith(NETWORKS[name][2])
    coarser = [n for n, s in shapes.items() if len(s) == 3 and 1 < s[1] * s[2] < np.prod(shapes[layer][1:])]
    assert not coarser


def test_grad_cam_of_a_container_is_that_of_what_it_gives() -> None:
    network, image, evidence = made("detector-small")
    inner = network.nodes.groups[[group.name for group in network.nodes.groups].index("shallow")].outputs[0]
    np.testing.assert_array_equal(
        grad_cam(network, image, evidence, "shallow"), grad_cam(network, image, evidence, inner)
    )


def test_a_missing_layer_and_one_without_maps_are_refused() -> None:
    network, image, evidence = made("classifier")
    with pytest.raises(PellucidError, match="no layer 'nowhere': expected one of"):
        grad_cam(network, image, evidence, "nowhere")
    with pytest.raises(PellucidError, match=r"layer 4: expected one that gives maps \(C, h, w\), got a vector of 6"):
        grad_cam(network, image, evidence, "4")


@pytest.mark.parametrize(("side", "stride"), [(3, 1), (4, 3), (5, None)])
def test_occlusion_is_the_mean_loss_of_the_squares_that_cover_a_pixel(side: int, stride: int | None) -> None:
    network, image, evidence = made("classifier")
    _, H, W = image.shape
    whole = score(network, image, evidence)
    losses: list[list[list[float]]] = [[[] for _ in range(W)] for _ in range(H)]
    for top in range(1 - side, H, stride or 1):
        for left in range(1 - side, W, stride or 1):
            covered = image.copy()
            inside = [(r, c) for r in range(top, top + side) for c in range(left, left + side)]
            inside = [(r, c) for r, c in inside if 0 <= r < H and 0 <= c < W]
            for r, c in inside:
                covered[:, r, c] = image.mean(axis=(1, 2))
            for r, c in inside:
                losses[r][c].append(whole - score(network, covered, evidence))
    expected = [[np.mean(cell) for cell in row] for row in losses]
    np.testing.assert_allclose(occlusion(network, image, evidence, side, stride), expected, rtol=1e-9, atol=1e-12)


def test_occlusion_of_a_pixel_that_nothing_sees_costs_nothing() -> None:
    network = Network(Sequential(Conv2d(1, 1, bias=False), GlobalAvgPool2d()), (2, 4, 4), dtype=np.float64)
    network.vector = np.array([0.0, 1.0])
    image = np.zeros((2, 4, 4))
    image[1, 1, 2] = 16
    lost = occlusion(network, image, np.ones(1), 1, fill=np.zeros(2))
    assert lost[1, 2] == pytest.approx(1) and np.count_nonzero(lost) == 1


@pytest.mark.parametrize(
    ("side", "stride", "said"), [(0, None, "a square of 0"), (11, 1, "a square"), (3, 4, "a stride")]
)
def test_squares_that_cannot_be_slid_are_refused(side: int, stride: int | None, said: str) -> None:
    with pytest.raises(PellucidError, match=said):
        occlusion(*made("classifier"), side, stride)


def test_a_map_grows_linearly_between_the_middles_of_its_places() -> None:
    grown = grown_map(np.array([[0.0, 4.0]]), (1, 8))
    np.testing.assert_allclose(grown[0], [0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4])
    np.testing.assert_array_equal(grown_map(np.array([[3.0]]), (2, 2)), np.full((2, 2), 3.0))


def test_a_photograph_stays_where_nothing_counts() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    mixed, _ = laid_over(photograph, np.array([[0.0, 0, 0, 1]] * 4))
    np.testing.assert_array_equal(mixed[:, :3], photograph[:, :3])
    assert (mixed[:, 3] != photograph[:, 3]).any()
