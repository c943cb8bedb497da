"""Networks on a classifier's stages: its weights, its maps, and where their places lie."""

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.graph import Sequential, grid
from pellucid.layers import INFERENCE, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.tasks.padded import forward_each
from pellucid.zoo import create
from pellucid.zoo.backbone import BACKBONED, adopt_backbone, has_stages, stages
from pellucid.zoo.efficientnet import SHRINKING

NARROW = {"backbone_width": 0.25}


def classifier(shape: tuple[int, int, int], width: float = 0.25) -> Network:
    network = Network(create("efficientnet-lite0", 5, width=width), shape, dtype=np.float64, seed=3)
    rng = np.random.default_rng(1)
    network.statistics = rng.uniform(0.5, 2, network.statistics.shape)
    return network


def test_stages_give_the_classifiers_maps_on_multiples_of_32() -> None:
    whole = classifier((3, 64, 96))
    cut = stages("efficientnet-lite0", 0.25, 0.01)
    network = Network(
        Sequential(*cut, names=[f"stage{i}" for i in range(1, 6)]), (3, 64, 96), dtype=np.float64, seed=None
    )
    adopt_backbone(network, whole)
    kept: dict[str, Array] = {}

    def keep(layer: Layer, y: Array) -> None:
        kept[layer.name] = y.copy()

    x = np.random.default_rng(0).random((2, 3, 64, 96))
    found = network.forward(x)
    whole.forward(x, INFERENCE.watched_by(keep))
    np.testing.assert_allclose(found, kept["18"], rtol=1e-12)
    sizes = [kept[str(last - 1)].shape[2:] for last in (*SHRINKING[1:], 19)]
    assert sizes == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]


@pytest.mark.parametrize("name", BACKBONED)
def test_the_backbone_is_taken_over_and_the_rest_is_not(name: str) -> None:
    whole = classifier((3, 64, 64))
    network = Network(create(name, 2, **NARROW), (3, 64, 64), seed=0)
    before = {key: value.copy() for key, value in network.state().items()}
    adopt_backbone(network, whole)
    for key, value in network.state().items():
        _, stage, rest = key.rpartition("stage")
        if stage:
            theirs = whole.state()[rest.partition(".")[2]]
            np.testing.assert_array_equal(value, theirs.astype(np.float32))
        else:
            np.testing.assert_array_equal(value, before[key])
    taken = {key.rpartition("stage")[2].partition(".")[2] for key in before if "stage" in key}
    assert taken == {key for key in whole.state() if int(key.partition(".")[0]) <= 18}


def test_another_classifier_and_a_network_without_stages_are_refused() -> None:
    network = Network(create("detector-pyramid", 2, **NARROW), (3, 64, 64))
    before = network.digest()
    with pytest.raises(PellucidError, match=r"mine: not this network's backbone: expected 0\.weight of"):
        adopt_backbone(network, Network(create("resnet18", 5), (3, 64, 64)), "mine")
    with pytest.raises(PellucidError, match=r"backbone: expected 4\.6\.weight of shape \(8, .*, got \(16, 48"):
        adopt_backbone(network, classifier((3, 64, 64), width=0.5))
    assert network.digest() == before
    plain = Network(create("lenet5", 10), (1, 28, 28))
    assert has_stages(network) and not has_stages(plain)
    with pytest.raises(PellucidError, match="expected a network that stands on a classifier's stages"):
        adopt_backbone(plain, plain)


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_a_detector_s_places_are_a_stride_apart(stride: int) -> None:
    network = Network(create("detector-pyramid", 3, stride=stride, width=8, **NARROW), (3, 64, 96))
    assert network.output_shape == (8, 64 // stride, 96 // stride)
    rows, columns = grid(network.nodes)
    assert rows == columns and rows.step == stride and rows.period == 32
    scores = network.forward(np.zeros((1, 3, 64, 96), np.float32))[0, :3]
    assert np.abs(1 / (1 + np.exp(-scores)) - 0.01).max() < 0.005  # the prior


def test_images_of_various_sizes_have_the_outputs_that_each_has_alone() -> None:
    network = Network(create("detector-pyramid", 3, width=8, **NARROW), (3, 64, 96))
    images = [
        np.random.default_rng(i).random((3, *size)).astype(np.float32) for i, size in enumerate([(64, 96), (40, 70)])
    ]
    alone = [forward_each(network, [image])[0] for image in images]
    for found, expected in zip(forward_each(network, images), alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (45, 70)])
def test_a_segmenter_has_a_score_for_every_pixel_upon_it(size: tuple[int, int]) -> None:
    network = Network(create("unet-pyramid", 4, widths=(4, 4, 4, 4), **NARROW), (3, *size))
    assert network.output_shape == (4, *size)
    assert all(axis.start == 0 and axis.step == 1 for axis in grid(network.nodes))


def test_options_that_make_no_network_are_refused() -> None:
    for options in ({"stride": 2}, {"width": 0}, {"prior": 1.0}):
        with pytest.raises(PellucidError, match="detector-pyramid: expected a stride of 4, 8 or 16"):
            create("detector-pyramid", 2, **options)
    with pytest.raises(PellucidError, match="unet-pyramid: expected 4 widths"):
        create("unet-pyramid", 2, widths=(3, 4))
    with pytest.raises(PellucidError, match="backbone 'vgg': expected one of efficientnet-lite0"):
        create("unet-pyramid", 2, backbone="vgg")
