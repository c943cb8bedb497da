"""Costs add up to figures known from elsewhere, through containers too."""

import copy

import pytest

from pellucid import zoo
from pellucid.analysis.cost import network_cost
from pellucid.errors import PellucidError
from pellucid.graph import Concat, Residual, Sequential
from pellucid.layers import BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, Linear, ReLU
from pellucid.network import Network


def test_deep_convnet_costs_what_is_known_of_it() -> None:
    cost = network_cost(Network(zoo.create("deep-convnet", 10), (1, 28, 28)))
    assert cost.parameters == 123_552
    assert cost.multiply_adds == 8_772_340
    shapes = [row.output_shape for row in cost.rows if row.kind in {"Conv2d", "MaxPool2d", "Linear"}]
    assert shapes == [
        (16, 28, 28),
        (16, 28, 28),
        (16, 14, 14),
        (32, 14, 14),
        (32, 16, 16),
        (32, 8, 8),
        (64, 8, 8),
        (64, 8, 8),
        (64, 4, 4),
        (50,),
        (10,),
    ]


def test_containers_hold_their_contents_and_what_they_add() -> None:
    body = Sequential(Conv2d(4, 3, padding=1, bias=False), BatchNorm2d(), ReLU())
    layer = Sequential(Residual(body), Concat(Conv2d(2, 1), Conv2d(3, 1, groups=1)), Flatten(), Linear(7))
    cost = network_cost(Network(layer, (4, 6, 5)))
    rows = {row.name: row for row in cost.rows}
    assert [(row.name, row.depth) for row in cost.rows] == [
        ("0", 0),
        ("0.body", 1),
        ("0.body.0", 2),
        ("0.body.1", 2),
        ("0.body.2", 2),
        ("0.add", 1),
        ("1", 0),
        ("1.0", 1),
        ("1.1", 1),
        ("1.concat", 1),
        ("2", 0),
        ("3", 0),
    ]
    assert rows["0.body"].parameters == 4 * 4 * 9 + 8  # batch normalisation's running statistics aren't trained
    assert rows["0"].parameters == rows["0.body"].parameters
    assert rows["1.1"].multiply_adds == 4 * 3 * 30
    assert rows["0.body"].activation_bytes == 3 * 4 * 30 * 4
    assert rows["0"].activation_bytes == (3 + 1) * 4 * 30 * 4  # body, and its sum with what passes it by
    assert cost.parameters == 152 + (8 + 2) + (12 + 3) + (150 * 7 + 7)
    assert cost.multiply_adds == 144 * 30 + 8 * 30 + 12 * 30 + 150 * 7
    network = Network(copy.deepcopy(layer), (4, 6, 5), dtype="float64")
    assert network_cost(network).activation_bytes == 2 * cost.activation_bytes


def test_another_input_size_is_costed_where_the_layers_allow() -> None:
    network = Network(Sequential(Conv2d(2, 3), ConvTranspose2d(1, 4, stride=2)), (1, 8, 8))
    cost = network_cost(network, (1, 12, 9))
    assert [row.output_shape for row in cost.rows] == [(2, 10, 7), (1, 22, 16)]
    assert [row.multiply_adds for row in cost.rows] == [18 * 70, 32 * 70]
    with pytest.raises(PellucidError, match="layer 0"):
        network_cost(network, (3, 12, 9))


def test_a_network_of_one_layer_has_one_row() -> None:
    cost = network_cost(Network(Linear(3), (5,)))
    assert [row.parameters for row in cost.rows] == [18]
    assert cost.parameters == 18
