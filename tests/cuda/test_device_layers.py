"""Every layer forwards and backwards on the device, as on the host, and recorded where it doesn't compute there."""

import copy

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from hypothesis import given, settings
from hypothesis import strategies as st

from layers.test_layers import LAYERS
from pellucid import ops
from pellucid.graph import Sequential
from pellucid.layers import Layer, Linear, ReLU, training
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.recorder import Recorded
from pellucid.plan import answering


def passes(layer: Layer, backend: str, x: Array, seed: int) -> list[Array]:
    """Output, input's gradient, gradient and state after two passes."""
    with ops.use_backend(backend):
        network = Network(copy.deepcopy(layer), x.shape[1:], seed=seed)
        seen = ops.array(x)
        dy = ops.array(np.random.default_rng(seed).standard_normal((len(x), *network.output_shape), np.float32))

        def step() -> tuple[Array, Array]:
            y = network.forward(seen, training(np.random.default_rng(0)))
            return y, network.backward(dy, input_gradient=True)

        waits = any(node.layer.on_host for node in network.nodes)
        do = step if backend == "numpy" or waits else Recorded(step, warm_ups=1)
        do()
        y, dx = do()
        return [np.array(ops.host(part)) for part in (y, dx, network.gradient, network.statistics)]


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=2, deadline=None, database=None)
@given(data=st.data())
def test_layer(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 99))
    layer = LAYERS[name](data.draw)
    H, W = data.draw(st.integers(7, 8)), data.draw(st.integers(7, 8))
    x = np.random.default_rng(seed).standard_normal((2, H, W, 4), np.float32).transpose(0, 3, 1, 2)
    for ours, theirs in zip(passes(layer, "cuda", x, seed), passes(layer, "numpy", x, seed), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(theirs).max(initial=0)))
        )


def test_what_a_layer_gives_is_asked_for_with_the_hosts_images() -> None:
    layers, x = Sequential(Linear(4), ReLU(), Linear(2)), np.random.default_rng(0).standard_normal((3, 5), np.float32)
    found = []
    for backend in ("cuda", "numpy"):
        with ops.use_backend(backend):
            network = Network(copy.deepcopy(layers), (5,))
            found.append(ops.host(answering(network, "1")(x)))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
