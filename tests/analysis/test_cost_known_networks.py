"""Costs of known networks equal those of PyTorch's modules.

The figures were counted from modules put together of torch.nn's Conv2d, Linear and BatchNorm2d, as the papers
and torchvision have them: elements of `parameters()`, and for each Conv2d and Linear the elements of its output
times the weights of one of them.
"""

import pytest

from pellucid import zoo
from pellucid.analysis.cost import network_cost, nodes_cost
from pellucid.analysis.receptive_field import views
from pellucid.errors import PellucidError
from pellucid.graph import Concat, Nodes, Residual, Sequential, unroll
from pellucid.layers import Conv2d, ReLU
from pellucid.network import Network
from pellucid.ops.arrays import Shape

KNOWN = {
    "lenet5": (10, (1, 28, 28), 61_706, 416_520),
    "deep-convnet": (10, (1, 28, 28), 123_552, 8_772_340),
    "alexnet": (1000, (3, 224, 224), 61_100_840, 714_188_480),
    "vgg16": (1000, (3, 224, 224), 138_357_544, 15_470_264_320),
    "resnet18": (1000, (3, 224, 224), 11_689_512, 1_814_073_344),
}


def built(name: str, classes: int, shape: Shape) -> Nodes:
    """The layers, without the gigabyte that some of their weights would take."""
    nodes = unroll(zoo.create(name, classes))
    nodes.build(shape)
    return nodes


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_and_multiply_adds_are_the_known_ones(name: str) -> None:
    classes, shape, parameters, multiply_adds = KNOWN[name]
    found = nodes_cost(built(name, classes, shape), shape)
    assert (found.parameters, found.multiply_adds) == (parameters, multiply_adds)


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride"),
    [  # Araujo, Norris, Sim 2019, table of known networks: AlexNet 195 (v2), VGG-16 212, ResNet-18 435
        ("alexnet", "12", 195, 32),
        ("vgg16", "30", 212, 32),
        ("resnet18", "19", 435, 32),
    ],
)
def test_fields_of_known_networks(name: str, layer: str, size: int, stride: int) -> None:
    classes, shape, _, _ = KNOWN[name]
    field = views(built(name, classes, shape), shape)[layer].field()
    assert field.size == (size, size)
    assert [int(s or 0) for s in field.stride] == [stride, stride]


def test_a_network_is_costed_as_its_layers_are() -> None:
    network = Network(zoo.create("lenet5", 10), (1, 28, 28))
    assert network_cost(network) == nodes_cost(network.nodes, (1, 28, 28))


def test_resnets_shortcuts_are_there_where_the_map_shrinks() -> None:
    rows = {row.name: row for row in nodes_cost(built("resnet18", 10, (3, 64, 64)), (3, 64, 64)).rows}
    shrinking = [block for block in (4, 6, 8, 10, 12, 14, 16, 18) if f"{block}.shortcut" in rows]
    assert shrinking == [8, 12, 16]
    assert rows["8.shortcut.0"].parameters == 64 * 128


def test_inference_holds_what_branches_still_need() -> None:
    """One value is 4 bytes, one map of one channel 100 values: what is live, counted by hand in maps."""
    body = Sequential(Conv2d(5, 3, padding=1), ReLU(), Conv2d(2, 3, padding=1))
    nodes = unroll(Sequential(Conv2d(2, 1), Residual(body), Concat(Conv2d(1, 1), Conv2d(4, 1))))
    nodes.build((1, 10, 10))
    live = {row.name: row.live_bytes / 400 for row in nodes_cost(nodes, (1, 10, 10)).rows}
    assert live["0"] == 1 + 2
    assert live["1.body.0"] == 2 + 5
    assert live["1.body.1"] == 2 + 5 + 5  # the shortcut still needs the input
    assert live["1.body.2"] == 2 + 5 + 2
    assert live["1.add"] == 2 + 2 + 2  # the body's output, what passes it by, their sum
    assert live["1"] == live["1.body"] == 12
    assert live["2.1"] == 1 + 2 + 4
    assert live["2.concat"] == live["2"] == 1 + 4 + 5
    assert nodes_cost(nodes, (1, 10, 10)).live_bytes == 12 * 400


def test_plain_convnets_are_as_deep_and_wide_as_asked() -> None:
    nodes = built("plain-convnet", 10, (1, 28, 28))
    assert sum(isinstance(node.layer, Conv2d) for node in nodes) == 6
    deep = unroll(zoo.create("plain-convnet", 10, widths=(3, 6), kernels=(5, 3, 3)))
    assert [node.layer.describe() for node in deep if isinstance(node.layer, Conv2d)] == [
        "3, 5x5, padding 2", "3, 3x3, padding 1", "3, 3x3, padding 1",
        "6, 5x5, padding 2", "6, 3x3, padding 1", "6, 3x3, padding 1",
    ]  # fmt: skip
    with pytest.raises(PellucidError, match=r"plain-convnet: expected .* odd kernels, .*kernels \[4\]"):
        zoo.create("plain-convnet", 10, kernels=(4,))
