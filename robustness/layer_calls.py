"""Networks drawn from the public layers, and calls of them in drawn orders, held to float64 and the definition."""

from __future__ import annotations

import copy
import pickle
from random import Random
from typing import Any

import numpy as np

from pellucid import nn, ops
from pellucid.layers import DIFFERENTIABLE, Layer, training
from pellucid.network import Network
from pellucid.training.optimizers import Adam, Momentum

TOLERANCE = 5e-3  # of the largest number expected: twenty layers in float32


class LayerCalls:
    """Builds a network and calls it, rightly and wrongly."""

    name = "layers"

    def attempt(self, draw: Random) -> None:
        """A few calls. Raises whatever they raise, and AssertionError where an answer is wrong."""
        self.call = ""
        layers = [_layer(draw) for _ in range(draw.randint(1, 5))]
        shape = draw.choice([(draw.randint(1, 6), draw.randint(4, 14), draw.randint(4, 14)), (draw.randint(1, 9),)])
        self.call = f"{shape} {layers}"
        if draw.random() < 0.15:  # a layer by itself
            self._alone(layers[0], shape, draw)
            return
        network = Network(nn.Sequential(*layers), shape, seed=draw.randrange(99), fuse=draw.random() < 0.7)
        for _ in range(draw.randint(2, 6)):
            act = draw.choice([self._answer, self._answer, self._learn, self._learn, self._copy, self._misuse])
            network = act(network, shape, draw)

    def _alone(self, layer: Layer, shape: tuple[int, ...], draw: Random) -> None:
        x = _batch(shape, draw)
        for act in draw.sample(["forward", "backward", "kept", "build"], 3):
            self.call += f"; {act}"
            if act == "forward":
                layer.forward(x)
            elif act == "backward":
                layer.backward(x)
            elif act == "build":
                layer.build(shape)
            else:
                layer.forward(x, DIFFERENTIABLE)

    def _answer(self, network: Network, shape: tuple[int, ...], draw: Random) -> Network:
        self.call += "; forward"
        x = _batch(shape, draw)
        got = network.forward(x)
        wide = network.astype(np.float64)
        with ops.use_backend("numpy"):
            _near(got, wide.forward(x.astype(np.float64)))
        return network

    def _learn(self, network: Network, shape: tuple[int, ...], draw: Random) -> Network:
        self.call += "; learn"
        x, seed = _batch(shape, draw), draw.randrange(99)
        wide = network.astype(np.float64)
        context = draw.choice([DIFFERENTIABLE, training(np.random.default_rng(seed))])
        again = DIFFERENTIABLE if context is DIFFERENTIABLE else training(np.random.default_rng(seed))
        got = network.forward(x, context)
        dy = np.random.default_rng(seed).standard_normal(got.shape).astype(np.float32)
        if draw.random() < 0.2:
            network.forward(_batch(shape, draw))  # an answer in between takes nothing away
        if draw.random() < 0.2:
            dy = _odd(dy, draw)
        dx = network.backward(dy, input_gradient=True)
        with ops.use_backend("numpy"):
            y = wide.forward(x.astype(np.float64), again)
            wide_dx = wide.backward(dy.astype(np.float64), input_gradient=True)
        if not _kinked(network):  # elsewhere a rounding may decide which way a gradient goes
            _near(got, y)
            _near(dx, wide_dx)
            _near(network.gradient, wide.gradient)
        return network

    def _copy(self, network: Network, shape: tuple[int, ...], draw: Random) -> Network:
        self.call += "; copy"
        ways: list[Any] = [copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))]
        twin: Network = draw.choice(ways)(network)
        x = _batch(shape, draw)
        np.testing.assert_array_equal(twin.forward(x), network.forward(x))
        before = network.digest()
        twin.vector[...] += 1
        assert network.digest() == before, "a copy's weights are the network's"
        return network

    def _misuse(self, network: Network, shape: tuple[int, ...], draw: Random) -> Network:
        kind = draw.randrange(9)
        self.call += f"; misuse {kind}"
        x = _batch(shape, draw)
        if kind == 0:
            network.forward(_odd(x, draw))
        elif kind == 1:
            network.backward(x)
        elif kind == 2:
            network.vector = _odd(network.vector, draw)
        elif kind == 3:
            optimizer = draw.choice([Adam(0.01), Momentum(0.01)])
            optimizer.update(network.vector, network.gradient)
            other = Network(nn.Sequential(nn.Flatten(), nn.Linear(3)), shape)
            optimizer.update(other.vector, other.gradient)
        elif kind == 4:
            state = {name: np.array(value) for name, value in network.state().items()}
            for name in list(state)[:1]:
                state[name] = _odd(state[name], draw)
            network.load_state(state)
        elif kind == 5 and network.parameters:
            parameter = draw.choice(list(network.parameters.values()))
            kept = parameter.value
            parameter.value = _odd(np.array(kept), draw)
            try:
                network.forward(x, DIFFERENTIABLE)
            finally:
                parameter.value = kept
        elif kind == 6 and network.parameters:
            parameter = draw.choice(list(network.parameters.values()))
            kept = parameter.gradient
            y = network.forward(x, DIFFERENTIABLE)
            parameter.gradient = _odd(np.array(kept), draw)
            try:
                network.backward(np.ones_like(y))
            finally:
                parameter.gradient = kept
        elif kind == 7:
            Network(network.layer, shape)
        else:
            network.forward(x, DIFFERENTIABLE)
            network.backward(np.ones(3, np.float32))
        return network


def _layer(draw: Random) -> Layer:
    """A layer with drawn settings, some of which make no sense."""
    kernel: Any = draw.choice([1, 2, 3, 3, (3, 2), 5])
    window: dict[str, Any] = {}
    if draw.random() < 0.5:
        window["stride"] = draw.choice([1, 2, (2, 1), 3])
    if draw.random() < 0.5:
        window["padding"] = draw.choice([0, 1, (1, 0), (0, 1, 1, 0), "same", "same-lower"])
    if draw.random() < 0.2:
        window["dilation"] = draw.choice([2, (1, 2)])
    if draw.random() < 0.05:
        window[draw.choice(["stride", "padding", "dilation"])] = draw.choice(
            [0, -1, "x", None, 1.5, (1, 2, 3), 1 << 40]
        )
    kind = draw.choice(
        [
            "Conv2d", "Conv2d", "Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "Linear", "Flatten", "ReLU",
            "BatchNorm2d", "LeakyReLU", "ReLU6", "Sigmoid", "Tanh", "SiLU", "Dropout", "GlobalAvgPool2d", "Identity",
        ]
    )  # fmt: skip
    if kind.startswith("Conv"):
        groups = draw.choice([1, 1, 1, 2])
        channels = draw.choice([1, 4, 8, 16, 0, 2.5, "8"] if draw.random() < 0.1 else [2, 4, 8])
        made: Layer = getattr(nn, kind)(channels, kernel, groups=groups, bias=draw.random() < 0.8, **window)
    elif kind in {"MaxPool2d", "AvgPool2d"}:
        made = getattr(nn, kind)(kernel, ceil=draw.random() < 0.3, **window)
    elif kind == "Linear":
        features: Any = draw.choice([1, 3, 10] if draw.random() < 0.95 else [0, -1, 1.5, None])
        made = nn.Linear(features)
    elif kind == "Dropout":
        rate: Any = draw.choice([0.5, 0.1] if draw.random() < 0.9 else [1.0, -0.1, 2, "x", None])
        made = nn.Dropout(rate)
    else:
        made = getattr(nn, kind)()
    return made


def _batch(shape: tuple[int, ...], draw: Random) -> Any:
    """A batch of float32, in some layout; seldom of another size or type."""
    if len(shape) == 3 and draw.random() < 0.1:
        shape = (shape[0], shape[1] + draw.randint(0, 3), shape[2])
    x = np.random.default_rng(draw.getrandbits(32)).standard_normal((draw.randint(0, 4), *shape)).astype(np.float32)
    if draw.random() < 0.05:
        return _odd(x, draw)
    return np.asfortranarray(x) if draw.random() < 0.2 else x


def _odd(x: Any, draw: Random) -> Any:
    changes: list[Any] = [
        lambda: x[:1], lambda: x[..., :1], lambda: x.astype(np.float64), lambda: x.astype(np.int64), lambda: x[None],
        lambda: x.reshape(-1), lambda: x.astype(object), lambda: np.repeat(x, 2, -1), lambda: x[..., ::-1],
        lambda: x.astype(">f4"), lambda: np.broadcast_to(x[:1], x.shape),
    ]  # fmt: skip
    return draw.choice(changes)()


def _kinked(network: Network) -> bool:
    return any(layer.kind in {"ReLU", "ReLU6", "LeakyReLU", "MaxPool2d"} for layer in network.layers())


def _near(got: Any, wanted: Any) -> None:
    assert got.shape == wanted.shape, f"shape {got.shape}, expected {wanted.shape}"
    largest = max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol=0, atol=TOLERANCE * largest)
