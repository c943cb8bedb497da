"""How long each layer takes in a training step, forwards and backwards, and the update of the weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.graph import Executor, Node, Nodes, fuse
from pellucid.layers import Layer
from pellucid.layers.base import Parameter
from pellucid.layers.context import INFERENCE, Context, training
from pellucid.layers.joins import Join
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

STEPS = 5
"""Of which each time is the median, after one that compiles."""


@dataclass(frozen=True)
class LayerTime:
    """A layer, or several that are fused.

    kind: what runs. forward, backward: seconds. output_shape: of one sample.
    """

    name: str
    kind: str
    output_shape: Shape
    forward: float
    backward: float

    @property
    def seconds(self) -> float:
        """Both ways."""
        return self.forward + self.backward


@dataclass(frozen=True)
class Profile:
    """All layers of a step with so many samples. update: seconds of the step over all weights."""

    batch: int
    rows: tuple[LayerTime, ...]
    update: float

    @property
    def forward(self) -> float:
        """Seconds of all layers forwards."""
        return sum(row.forward for row in self.rows)

    @property
    def backward(self) -> float:
        """Seconds of all layers backwards."""
        return sum(row.backward for row in self.rows)

    @property
    def seconds(self) -> float:
        """Of the step, without loss and loading."""
        return self.forward + self.backward + self.update


def profile(
    network: Network, batch: int, update: Callable[[Array, Array], None], *, steps: int = STEPS, seed: int = 0
) -> Profile:
    """Training steps on noise, each layer timed by itself; changes the network's weights.

    The layers are those that run: fused where the network is. The gradient of the output is noise too, as the loss
    takes no part. update: an optimizer's step, given the flat vectors of weights and gradient.
    """
    nodes = fuse(network.nodes, network.input_shape) if network.fused else network.nodes
    timed = [_TimedJoin(node.layer) if node.join else _Timed(node.layer) for node in nodes]
    executor = Executor(
        Nodes(tuple(Node(t, n.inputs, n.name) for t, n in zip(timed, nodes, strict=True)), nodes.outputs)
    )
    rng, updates = np.random.default_rng(seed), []
    x = _noise(rng, (batch, *network.input_shape), network)
    for _ in range(steps + 1):
        y = executor.forward(x, training(rng))
        shapes = [part.shape for part in (y if isinstance(y, list) else [y])]
        gradients: Any = [_noise(rng, shape, network) for shape in shapes]
        executor.backward(gradients if isinstance(y, list) else gradients[0])
        updates.append(_seconds(lambda: update(network.vector, network.gradient))[1])
    known = nodes.shapes(network.input_shape)
    rows = tuple(
        LayerTime(
            node.name, node.layer.kind, known[node.name], median(t.forwards[1:]), median(t.backwards[1:] or [0])
        )
        for t, node in zip(timed, nodes, strict=True)
    )
    return Profile(batch, rows, median(updates[1:]))


def _noise(rng: np.random.Generator, shape: tuple[int, ...], network: Network) -> Array:
    """Numbers as the network takes them, images channels last in memory."""
    values = rng.standard_normal(shape, dtype=np.float32).astype(network.dtype)
    return ops.channels_last(ops.array(values)) if len(shape) == 4 else ops.array(values)


def _seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and how long it takes, on a GPU with the wait for it."""
    recorder = ops.recorder()
    start = time.perf_counter()
    result = call()
    if recorder is not None:
        recorder.synchronize()
    return result, time.perf_counter() - start


class _Timed(Layer):
    """A layer that notes how long it takes."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self.name = layer, layer.name
        self.forwards: list[float] = []
        self.backwards: list[float] = []

    def parameters(self) -> dict[str, Parameter]:
        """The layer's own."""
        return self.layer.parameters()

    def forward(self, x: Any, context: Context = INFERENCE) -> Array:
        """The layer's own, timed."""
        y: Array
        y, taken = _seconds(lambda: self.layer.forward(x, context))
        self.forwards.append(taken)
        return y

    def backward(self, dy: Array) -> Any:
        """The layer's own, timed."""
        self.layer.input_gradient = self.input_gradient
        dx, taken = _seconds(lambda: self.layer.backward(dy))
        self.backwards.append(taken)
        return dx

    def forget(self) -> None:
        """What the layer keeps."""
        self.layer.forget()


class _TimedJoin(_Timed, Join):
    """The same of a layer with several inputs."""
