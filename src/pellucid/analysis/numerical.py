"""Derivatives of a network's loss by differences, about a batch at its centre.

The numerical side is always the definition: the network as written (nothing fused), plain NumPy, float64.
A derivative along a direction d is the fourth-order central difference (Abramowitz, Stegun 1964, 25.3.21)

    f'(0) = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h + O(h^4)

which holds only where f is smooth between -2h and 2h. ReLU and max-pooling have kinks, so each layer is asked
which choices it made (Layer.pattern), and the step shrinks until all four points make the choices of the centre.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import INPUT, Nodes
from pellucid.layers import Context
from pellucid.layers.context import training
from pellucid.network import Network
from pellucid.ops.arrays import Array

Loss = Callable[[Array], tuple[float, Array]]
"""From a network's output to the loss and its gradient for that output."""

Pattern = Callable[[Array], Array]
"""From a network's output to the choices that the loss makes where it has a kink."""

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
TOLERANCE = 1e-6
"""Largest relative error that passes in float64."""

_DROPOUT = 0xD409  # a stream of random numbers of its own


def training_pass(seed: int) -> Context:
    """A training pass that drops the same elements every time."""
    return training(np.random.default_rng([seed, _DROPOUT]))


class Reference:
    """The definition, its choices at the centre, and numerical derivatives about it."""

    def __init__(self, network: Network, loss: Loss, seed: int, loss_pattern: Pattern | None) -> None:
        self.network, self.loss, self.seed, self.loss_pattern = network, loss, seed, loss_pattern
        self.loss_choices: list[Array] = []
        self.x = np.empty(0)
        self.patterns: list[Array] = []
        self.replay = _Replay(network.nodes, seed)
        self.first_node = _first_nodes(network)

    def away_from_kinks(
        self, network: Network, x: Array, dtype: npt.DTypeLike, backend: str, rng: np.random.Generator
    ) -> Array:
        """An input near x for which the side under test makes the choices of the definition."""
        if np.dtype(dtype) == np.float64:
            return x
        with ops.use_backend(backend):
            rounded = network.astype(dtype, fuse=False)
        for _ in range(50):
            x = x.astype(dtype).astype(np.float64)
            with ops.use_backend(backend):
                rounded.forward(x.astype(dtype), training_pass(self.seed))
            with ops.use_backend("numpy"):
                self.network.forward(x, training_pass(self.seed))
            if _same(_patterns(rounded), _patterns(self.network)):
                return x
            x = x + 1e-3 * rng.standard_normal(x.shape)
        raise PellucidError(
            "gradient check: no input found at which no ReLU or pool is undecided; try a smaller batch"
        )

    def start(self, x: Array) -> None:
        """Take the centre."""
        self.x = x
        self._value()
        self.replay.keep(x)
        self.patterns = [pattern.copy() for pattern in self._choices()]

    def _value(self, start: int = 0) -> float:
        """The loss; only the nodes from number `start` on are run, as those before it give what they gave."""
        outputs = self.replay.outputs(self.x, start)
        self.loss_choices = [self.loss_pattern(outputs)] if self.loss_pattern is not None else []
        return self.loss(outputs)[0]

    def _choices(self) -> list[Array]:
        """Those of the network and of the loss in the last pass."""
        return [*_patterns(self.network), *self.loss_choices]

    def derivative(
        self, name: str, tensor: Array, direction: Array, steps: tuple[float, ...] = STEPS
    ) -> float | None:
        """Along `direction`, for the first step that meets no kink; None if all do."""
        centre, first = tensor.copy(), self.first_node[name]
        try:
            for step in steps:
                values = []
                for position in (1, -1, 2, -2):
                    tensor[...] = centre + position * step * direction
                    values.append(self._value(first))
                    if not _same(self._choices(), self.patterns):
                        break
                else:
                    plus, minus, plus2, minus2 = values
                    return (8 * (plus - minus) - (plus2 - minus2)) / (12 * step)
        finally:
            tensor[...] = centre
        return None

    def error(
        self, exact: float, numerical: float, scale: float, name: str, tensor: Array, direction: Array
    ) -> float:
        """The relative error; where it is too large, of the derivative whose steps agree best.

        Where the loss bends sharply, as behind a batch normalisation over few values, the largest step is too large.
        Which steps agree is asked of them alone, not of what is compared with them.
        """
        error = relative(exact, numerical, scale)
        if error <= TOLERANCE:
            return error
        found = [self.derivative(name, tensor, direction, (step,)) for step in STEPS]
        known = [value for value in found if value is not None]
        pairs = list(itertools.pairwise(known))
        if not pairs:
            return error
        return relative(exact, min(pairs, key=lambda pair: abs(pair[0] - pair[1]))[1], scale)


class _Replay:
    """A training pass that can be repeated from any node on: what comes before a changed weight stays as it is."""

    def __init__(self, nodes: Nodes, seed: int) -> None:
        self.nodes, self.seed = nodes, seed
        self.values: dict[str, Array] = {}
        self.draws: list[np.random.Generator] = []  # the state of the random numbers before each node

    def keep(self, x: Array) -> None:
        """Run once, and keep every value."""
        self.values, self.draws = {INPUT: x}, []
        context = training_pass(self.seed)
        for node in self.nodes:
            self.draws.append(copy.deepcopy(context.rng))  # type: ignore[arg-type]
            self.values[node.name] = node.layer.forward(node.given(self.values), context)

    def outputs(self, x: Array, start: int) -> Any:
        """The network's output, or a list of them."""
        values = {**self.values, INPUT: x}
        context = training(copy.deepcopy(self.draws[start])) if start else training_pass(self.seed)
        for node in self.nodes[start:]:
            values[node.name] = node.layer.forward(node.given(values), context)
        found = [values[name] for name in self.nodes.outputs]
        return found[0] if len(found) == 1 else found


def _first_nodes(network: Network) -> dict[str, int]:
    """By parameter, and for the input, the number of the first node that sees it."""
    found = {"input": 0}
    for name, parameter in network.parameters.items():
        own = (any(parameter is p for p in node.layer.parameters().values()) for node in network.nodes)
        found[name] = next(i for i, has in enumerate(own) if has)
    return found


def relative(a: float, b: float, scale: float) -> float:
    """How far apart two derivatives are, as a share of the largest of them and `scale`; 0 where all are."""
    size = max(abs(a), abs(b), scale)
    return float(abs(a - b) / size) if size else 0.0


def _patterns(network: Network) -> list[Array]:
    found: Iterator[Array | None] = (layer.pattern() for layer in network.layers())
    return [pattern for pattern in found if pattern is not None]


def _same(a: list[Array], b: list[Array]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
