"""Names of PyTorch's arrays are found by order and shape, and where they can't be, nothing is guessed."""

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.exchange.torch_names import load_torch, match_names, torch_names
from pellucid.graph import Sequential
from pellucid.layers import BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.zoo import create


def network(classes: int = 3) -> Network:
    layers = [Conv2d(4, 3), BatchNorm2d(), ReLU(), Conv2d(5, 3), BatchNorm2d(), ReLU(), Flatten(), Linear(classes)]
    return Network(Sequential(*layers), (2, 6, 6))


def renamed(net: Network, names: list[str]) -> dict[str, Array]:
    """The network's values as another author's modules, of these names in order, would call them."""
    given = iter(names)
    paths: dict[str, str] = {}
    found: dict[str, Array] = {}
    rng = np.random.default_rng(3)
    for name, values in torch_names(net).items():
        path, _, kind = name.rpartition(".")
        if path not in paths:
            paths[path] = next(given)
        found[f"{paths[path]}.{kind}"] = rng.random(values.shape).astype(np.float32)
        if kind == "running_var":
            found[f"{paths[path]}.num_batches_tracked"] = np.array(9)
    return found


def test_layers_in_order_are_matched_whatever_they_are_called() -> None:
    net = network()
    arrays = renamed(net, ["stem", "bn", "body.conv", "body.bn", "fc"])
    names = load_torch(net, arrays, "x.pth")
    assert names["1.running_variance"] == "bn.running_var"
    assert names["7.bias"] == "fc.bias"
    for own, their in names.items():
        np.testing.assert_array_equal(net.state()[own], arrays[their])


def test_layers_in_another_order_are_matched_where_each_is_the_only_one_of_its_shapes() -> None:
    arrays = renamed(network(), ["stem", "bn", "body.conv", "body.bn", "fc"])
    turned = dict(sorted(arrays.items(), reverse=True))
    assert match_names(network(), turned, "x.pth") == match_names(network(), arrays, "x.pth")


@pytest.mark.parametrize("prefix", ["", "module.", "model.net."])
def test_names_that_are_the_networks_own_need_no_order(prefix: str) -> None:
    layers = [Conv2d(2, 3, padding=1), ReLU(), Conv2d(2, 3, padding=1), ReLU(), Conv2d(2, 3, padding=1)]
    net = Network(Sequential(*layers), (2, 6, 6))
    own = {f"{prefix}{name}": values for name, values in torch_names(net).items()}
    turned = {name: own[name] for name in sorted(own, reverse=True)}
    names = match_names(net, turned, "x.safetensors")
    assert names == {name: f"{prefix}{name}" for name in net.parameters}


def test_sorted_layers_are_matched_by_the_numbers_in_their_names() -> None:
    layers = [layer for _ in range(6) for layer in (Conv2d(2, 3, padding=1), ReLU())]
    net = Network(Sequential(*layers), (2, 6, 6))
    arrays = renamed(net, [f"features.{number}.conv" for number in (1, 2, 5, 9, 10, 11)])
    names = match_names(net, dict(sorted(arrays.items())), "x.safetensors", ordered=False)
    assert [names[f"{2 * i}.weight"] for i in range(6)] == [f"features.{n}.conv.weight" for n in (1, 2, 5, 9, 10, 11)]


def test_sorted_layers_of_one_shape_with_other_names_are_ambiguous() -> None:
    net = Network(Sequential(Conv2d(2, 3, padding=1), Conv2d(2, 3, padding=1), Conv2d(3, 3)), (2, 6, 6))
    arrays = renamed(net, ["body", "stem", "tail"])  # which may have been stem, body in the module
    assert match_names(net, arrays, "x.pth")["0.weight"] == "body.weight"
    with pytest.raises(PellucidError, match=r"ambiguous, .* \(safetensors files are sorted; torch\.save keeps the"):
        match_names(net, arrays, "x.safetensors", ordered=False)


def test_ambiguous_layers_are_refused_by_name() -> None:
    layers = [Conv2d(2, 3, padding=1), ReLU(), Conv2d(2, 3, padding=1), ReLU(), Conv2d(4, 3)]
    net = Network(Sequential(*layers), (2, 6, 6))
    arrays = renamed(net, ["a", "b", "c"])
    turned = {name: arrays[name] for name in sorted(arrays, reverse=True)}
    with pytest.raises(PellucidError, match=r"x\.pth: ambiguous, .* for 0 .* it has 2: b, a"):
        load_torch(net, turned, "x.pth")


def test_other_layers_are_refused_naming_both() -> None:
    arrays = renamed(network(), ["stem", "bn", "body.conv", "body.bn", "fc"])
    arrays["bn.weight"] = np.ones(5, np.float32)
    with pytest.raises(PellucidError, match=r"has bn \(weight \(5,\).* where this network has 1 \(weight \(4,\)"):
        load_torch(network(), arrays, "x.pth")
    del arrays["fc.weight"], arrays["fc.bias"], arrays["bn.weight"]
    with pytest.raises(PellucidError, match="where this network has 1"):
        load_torch(network(), arrays, "x.pth")


def test_a_missing_layer_is_named() -> None:
    arrays = renamed(network(), ["stem", "bn", "body.conv", "body.bn", "fc"])
    del arrays["fc.weight"], arrays["fc.bias"]
    with pytest.raises(PellucidError, match=r"4 layers, this network 5: lacks 7 \(weight"):
        load_torch(network(), arrays, "x.pth")


def test_numbers_that_are_not_finite_change_nothing() -> None:
    net = network()
    arrays = renamed(net, ["stem", "bn", "body.conv", "body.bn", "fc"])
    arrays["fc.bias"][0] = np.inf
    before = net.digest()
    with pytest.raises(PellucidError, match=r"fc\.bias has numbers that are not finite"):
        load_torch(net, arrays, "x.pth")
    assert net.digest() == before


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "googlenet", "mobilenet-v2", "squeezenet"])
def test_a_networks_own_names_lead_back_to_it(name: str) -> None:
    net = Network(create(name, 10), (3, 64, 64), seed=None)
    names = match_names(net, torch_names(net), name)
    assert all(own.replace("running_variance", "running_var") == their for own, their in names.items())
