"""Batch normalisation folded into convolutions before and behind it, wherever the function stays the same."""

import numpy as np
import pytest

from pellucid.graph import Branches, Concat, Graph, Node, Residual, Sequential
from pellucid.graph.fold import filters, weight_of
from pellucid.layers import Add, BatchNorm2d, Conv2d, ConvTranspose2d, GlobalAvgPool2d, Layer, Linear, ReLU
from pellucid.network import Network
from pellucid.precision import fold_batch_norm


def trained(layer: Layer, shift: bool = True) -> Network:
    network = Network(layer, (4, 9, 10), dtype=np.float64)
    rng = np.random.default_rng(0)
    for name, value in network.state().items():
        if name.endswith("running_variance"):
            value[...] = rng.uniform(0.5, 1.5, value.shape)
        elif shift or name.endswith("weight"):
            value[...] = rng.normal(0, 1, value.shape)
    return network


def norms(network: Network) -> list[str]:
    return [node.name for node in network.nodes if isinstance(node.layer, BatchNorm2d)]


@pytest.mark.parametrize(
    ("layer", "left"),
    [
        (Sequential(Conv2d(6, 3, padding=1, groups=2, bias=False), BatchNorm2d(), ReLU()), []),
        (Sequential(ConvTranspose2d(6, 3, stride=2, groups=2), BatchNorm2d()), []),
        (Sequential(BatchNorm2d(), Conv2d(6, 3, groups=2), BatchNorm2d()), []),
        (Sequential(BatchNorm2d(), Conv2d(6, 3, padding=1)), ["0"]),  # a padded 0 is no 0 before the norm
        (Sequential(Conv2d(6, 3), ReLU(), BatchNorm2d(), ReLU()), ["2"]),
        (Sequential(Conv2d(4, 3, padding=1), Residual(Sequential(BatchNorm2d(), ReLU()))), ["1.body.0"]),
        (Residual(Sequential(Conv2d(4, 3, padding=1), BatchNorm2d())), []),
        (Concat(Sequential(Conv2d(4, 1), BatchNorm2d()), Sequential()), []),
        (Branches(Conv2d(4, 1), Sequential(BatchNorm2d(), Conv2d(4, 1, bias=False)), join=Add()), []),
        (Sequential(Conv2d(4, 1), BatchNorm2d(), BatchNorm2d(), GlobalAvgPool2d(), Linear(3)), ["2"]),
    ],
)
def test_the_function_stays(layer: Layer, left: list[str]) -> None:
    network = trained(layer)
    x = np.random.default_rng(1).normal(size=(3, 4, 9, 10))
    y = network.forward(x)
    folded = fold_batch_norm(network)
    np.testing.assert_allclose(folded.forward(x), y, rtol=1e-10, atol=1e-10)
    assert norms(folded) == left
    assert {node.name for node in folded.nodes} <= {node.name for node in network.nodes}
    np.testing.assert_array_equal(network.forward(x), y)  # the given one is as it was


def test_a_norm_that_shifts_nothing_passes_padding() -> None:
    network = trained(Sequential(BatchNorm2d(), Conv2d(6, 3, padding=1)), shift=False)
    x = np.random.default_rng(1).normal(size=(3, 4, 9, 10))
    folded = fold_batch_norm(network)
    assert norms(folded) == []
    np.testing.assert_allclose(folded.forward(x), network.forward(x), rtol=1e-10, atol=1e-10)


def test_what_others_see_too_is_left_as_it_is() -> None:
    graph = Graph(
        Node(Conv2d(4, 1), "input", "maps"), Node(BatchNorm2d(), "maps", "normed"),
        Node(Add(), ("maps", "normed"), "sum"), outputs=("sum", "normed"),
    )  # fmt: skip
    network = trained(graph)
    assert norms(fold_batch_norm(network)) == ["normed"]


@pytest.mark.parametrize(
    "layer", [Conv2d(6, 3, groups=2), ConvTranspose2d(6, (2, 3), groups=2), ConvTranspose2d(3, 1)]
)
def test_filters_of_each_output(layer: Conv2d | ConvTranspose2d) -> None:
    """Output k is made of filter k alone, also in transposed convolutions."""
    network = trained(layer)
    own = filters(layer)
    assert own.shape == (layer.channels, 4 // layer.groups, *layer.kernel)
    np.testing.assert_array_equal(weight_of(layer, own), layer.built_weight.value)
    x = np.random.default_rng(1).normal(size=(1, 4, 9, 10))
    before = network.forward(x)
    changed = own.copy()
    changed[1] = 0
    layer.built_weight.value[...] = weight_of(layer, changed)
    after = network.forward(x)
    assert layer.bias is not None
    np.testing.assert_allclose(after[:, 1], layer.bias.value[1])
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
