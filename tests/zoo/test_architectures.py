"""The zoo's networks are those of the papers: their published sizes, what others make of the same weights.

`outputs.json` has the outputs of torchvision 0.28's models, of the package efficientnet-lite-pytorch 0.1, and of a
U-Net of torch.nn's modules, in float64 and evaluation mode, for 10 classes (U-Net: 2), with the weights and images
drawn below: all logits of both images; of U-Net the mean, the deviation and three values of the map.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import zoo
from pellucid.errors import PellucidError
from pellucid.graph import unroll
from pellucid.layers import Conv2d, Linear
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.zoo.usual import USUAL_INPUTS

OUTPUTS: dict[str, list[float]] = json.loads((Path(__file__).parent / "outputs.json").read_text())

# Parameters as torchvision's pages of its models have them, and the Lite models' own page.
PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "vgg16": 138_357_544,
    "mobilenet-v2": 3_504_872,
    "squeezenet": 1_235_496,
    "densenet121": 7_978_856,
    "shufflenet-v2": 2_278_604,
    "googlenet": 6_624_904,
    "efficientnet-lite0": 4_652_008,
}


def counted(name: str, classes: int, shape: Shape, **options: object) -> tuple[int, Shape]:
    """Trained parameters and the output's shape, without the memory that some of the weights would take."""
    nodes = unroll(zoo.create(name, classes, **options))
    shapes = nodes.build(shape)
    parameters = (p for node in nodes for p in node.layer.parameters().values())
    return sum(p.size for p in parameters if p.trained), shapes[nodes.outputs[0]]


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_networks_take_images_of_their_usual_size(name: str) -> None:
    _, output = counted(name, 5, USUAL_INPUTS[name])
    assert 5 in output or name.startswith("detector")


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_published(name: str) -> None:
    assert counted(name, 1000, (3, 224, 224)) == (PUBLISHED[name], (1000,))


@pytest.mark.parametrize(
    ("name", "classes", "shape", "options", "published"),
    [
        ("resnet8", 10, (3, 32, 32), {}, 78_666),
        ("mobilenet-v1", 2, (3, 96, 96), {"width": 0.25}, 221_794),
    ],
)
def test_networks_of_mlperf_tiny(
    name: str, classes: int, shape: Shape, options: dict[str, Any], published: int
) -> None:
    """All numbers of the benchmark's Keras models, less the biases that a norm behind them makes useless."""
    nodes = unroll(zoo.create(name, classes, **options))
    nodes.build(shape)
    numbers = sum(p.size for node in nodes for p in node.layer.parameters().values())
    useless = sum(node.layer.channels for node in nodes if isinstance(node.layer, Conv2d) and not node.layer.bias)
    assert numbers + useless == published


def test_mobilenet_v1_is_that_of_the_paper() -> None:
    """4.2 M parameters and 569 M multiply-adds (table 4), the former as Keras counts them."""
    nodes = unroll(zoo.create("mobilenet-v1", 1000))
    shapes = nodes.build((3, 224, 224))
    layers = [(n.layer, n.given(shapes)) for n in nodes if isinstance(n.layer, Conv2d | Linear)]
    assert sum(p.size for n in nodes for p in n.layer.parameters().values()) == 4_253_864
    assert round(sum(layer.multiply_adds(shape) for layer, shape in layers) / 1e6) == 569


def test_unet_has_31_million_parameters() -> None:
    """As in figure 1 of the paper, from one channel to two; and the normalised form for colours."""
    assert counted("unet", 2, (1, 64, 48), norm=False) == (31_030_658, (2, 64, 48))
    assert counted("unet", 2, (3, 64, 48)) == (31_037_698, (2, 64, 48))


def test_cifar_net_whitens_and_has_three_blocks_of_two() -> None:
    pairs = (24, 64), (64, 64), (64, 256), (256, 256), (256, 256), (256, 256)
    convolutions = sum(9 * before * after + 2 * after for before, after in pairs)
    assert counted("cifar-net", 10, (3, 32, 32)) == (24 * 12 + 24 + convolutions + 256 * 10 + 10, (10,))


def test_convnet_is_a_small_one() -> None:
    convolutions = sum(9 * before * after for before, after in ((3, 32), (32, 64), (64, 64), (64, 64)))
    assert counted("convnet", 4, (3, 100, 70)) == (convolutions + 2 * (32 + 3 * 64) + 65 * 4, (4,))


@pytest.mark.parametrize(
    ("width", "parameters", "multiply_adds"),
    [(0.35, 1.66, 59), (0.5, 1.95, 97), (0.75, 2.61, 209), (1.0, 3.47, 300), (1.3, 5.34, 509), (1.4, 6.06, 582)],
)
def test_width_scales_mobilenet_as_published(width: float, parameters: float, multiply_adds: int) -> None:
    """Millions, as the table of TensorFlow's checkpoints has them: without those of batch normalisation."""
    nodes = unroll(zoo.create("mobilenet-v2", 1000, width=width))
    shapes = nodes.build((3, 224, 224))
    layers = [(n.layer, n.given(shapes)) for n in nodes if isinstance(n.layer, Conv2d | Linear)]
    found = sum(p.size for layer, _ in layers for p in layer.parameters().values())
    assert round(found / 1e6, 2) == parameters
    assert sum(layer.multiply_adds(shape) for layer, shape in layers) / 1e6 == pytest.approx(multiply_adds, abs=1)


def draw_weights(network: Network) -> None:
    """Numbers that only the order and the shapes of the parameters decide."""
    rng = np.random.default_rng(0)
    for name, parameter in network.parameters.items():
        kind, shape = name.rpartition(".")[2], parameter.shape
        if kind == "running_variance" or (kind == "weight" and len(shape) == 1):
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            values = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            values = 0.1 * rng.standard_normal(shape)
        parameter.value[...] = values


def images(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize("name", [name for name in OUTPUTS if not name.startswith("unet")])
def test_logits_are_those_of_other_programs(name: str) -> None:
    """On images of odd sides, where ragged windows and paddings by side show."""
    network = Network(zoo.create(name, 10), (3, 75, 67), dtype=np.float64)
    draw_weights(network)
    expected = np.reshape(OUTPUTS[name], (2, 10))
    np.testing.assert_allclose(network(images(2, 3, 75, 67)), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["unet", "unet without norm"])
def test_masks_are_those_of_another_program(name: str) -> None:
    network = Network(zoo.unet(2, norm=name == "unet"), (3, 32, 48), dtype=np.float64)
    draw_weights(network)
    y = network(images(1, 3, 32, 48))
    found = [y.mean(), y.std(), y[0, 0, 0, 0], y[0, 1, -1, -1], y[0, 0, 17, 29]]
    np.testing.assert_allclose(found, OUTPUTS[name], rtol=1e-9)


def test_sizes_of_any_kind_where_that_is_said() -> None:
    rng = np.random.default_rng(0)
    for name, options in (("convnet", {"widths": (4, 4)}), ("resnet18", {"width": 2}), ("squeezenet", {"width": 1})):
        network = Network(zoo.create(name, 3, **options), (3, 32, 32))
        for size in ((32, 32), (17, 40)):
            assert network(rng.standard_normal((1, 3, *size)).astype(np.float32)).shape == (1, 3)


def test_settings_without_sense_are_refused() -> None:
    for name, options in (
        ("convnet", {"widths": ()}),
        ("unet", {"widths": (0,)}),
        ("mobilenet-v2", {"width": 0.0}),
        ("resnet18", {"width": 0}),
    ):
        with pytest.raises(PellucidError):
            zoo.create(name, 3, **options)
    with pytest.raises(PellucidError, match="join0"):
        Network(zoo.unet(2, widths=(4, 8)), (3, 32, 33))
