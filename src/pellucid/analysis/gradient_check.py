"""Gradient check: every parameter tensor's gradient against numerical derivatives of the loss.

The numerical side is always the definition: the network as written (nothing fused), plain NumPy, float64.
The side under test may be another backend, float type or fused network.

A derivative along a direction d is the fourth-order central difference (Abramowitz, Stegun 1964, 25.3.21)

    f'(0) = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h + O(h^4)

which holds only where f is smooth between -2h and 2h. ReLU and max-pooling have kinks, so each layer is asked
which choices it made (Layer.pattern), and the step shrinks until all four points make the choices of the centre.
An element that a kink touches at every step is left out and counted; it is never compared loosely.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

WINOGRAD_ERROR = 1e-5
"""Largest error of one float32 op, relative to its largest output: the bound that the conformance test holds
every float32 kernel to."""


@dataclass(frozen=True)
class TensorCheck:
    """One tensor's comparison.

    Errors are relative to the largest of the two derivatives, the tensor's root-mean-square gradient (so that
    elements near 0 aren't compared with nothing) and a small part of the whole network's (so that a tensor that has
    no effect, such as a bias before batch normalisation, isn't: there both sides are rounding). The small part is
    1e-4 in float64 and 1e-2 in float32. A gradient that is not finite has an infinite error.
    """

    name: str
    shape: tuple[int, ...]
    elements: int
    skipped: int
    element_error: float
    direction_error: float | None

    @property
    def error(self) -> float:
        """The larger of the two; of the elements alone where every direction met a kink."""
        error = np.max([self.element_error, self.direction_error or 0.0])  # NaN wins, as it doesn't with max()
        return float(np.inf if np.isnan(error) else error)


def tolerance(network: Network, dtype: npt.DTypeLike) -> float:
    """Largest relative error that passes: 1e-6 in float64.

    In float32 a gradient has gone through at most 2 L ops, L the number of layers with weights, each of which
    adds at most 1e-5 of its largest output; errors add at worst. The largest output is taken as up to four times
    the root mean square that errors are relative to (four standard deviations).
    """
    if np.dtype(dtype) == np.float64:
        return TOLERANCE
    depth = sum(1 for layer in network.layers() if layer.parameters())
    return 2 * depth * 4 * WINOGRAD_ERROR


def check_gradients(
    network: Network,
    loss: Loss,
    x: Array,
    *,
    dtype: npt.DTypeLike = np.float64,
    backend: str = "numpy",
    samples: int = 8,
    seed: int = 0,
    loss_pattern: Pattern | None = None,
) -> list[TensorCheck]:
    """Compare the gradients of every tensor, and of the input, for one batch x (a training pass).

    network: any; it isn't changed. loss: of the output, in either float type. dtype, backend: of the side under
    test. samples: elements compared a tensor, beside one random direction over the whole tensor. loss_pattern: of a
    loss with kinks, the choices that it makes, as Layer.pattern tells a layer's. Where float32
    rounding alone flips a choice of ReLU or pooling, the input is nudged until it doesn't.
    """
    rng = np.random.default_rng([seed, _CHECK])
    with ops.use_backend("numpy"):
        reference = _Reference(network.astype(np.float64, fuse=False), loss, seed, loss_pattern)
    x = reference.away_from_kinks(network, x.astype(np.float64), dtype, backend, rng)
    with ops.use_backend(backend):
        tested = network.astype(dtype)
        dx = ops.host(_gradient(tested, loss, x.astype(dtype), seed))
        gradients = {name: ops.host(p.gradient) for name, p in tested.parameters.items() if p.trained}
        whole = ops.host(tested.gradient)
    tensors = {name: reference.network.parameters[name].value for name in gradients} | {"input": x}
    gradients["input"] = dx
    with ops.use_backend("numpy"):
        reference.start(x)
        floor = _root_mean_square(whole) * (1e-4 if np.dtype(dtype) == np.float64 else 1e-2)
        return [reference.check(name, tensors[name], gradients[name], samples, floor, rng) for name in tensors]


def check_directions(network: Network, loss: Loss, x: Array, *, directions: int = 4, seed: int = 0) -> float:
    """Largest relative error in float64 along random directions: a quick check of a network of many tensors.

    Each direction leads through all tensors at once, as far through each as to change the loss as much as through any
    other; so a gradient of which a part p is wrong, in one of n tensors, is an error of about p / sqrt(n). As many
    directions lead through the input. Raises PellucidError where all through one of them meet a kink.
    """
    rng = np.random.default_rng([seed, _CHECK])
    reference = _Reference(network.astype(np.float64, fuse=False), loss, seed, None)
    tested, x = network.astype(np.float64), np.array(x, np.float64)
    with ops.use_backend("numpy"):
        dx = _gradient(tested, loss, x, seed)
        reference.start(x)
        gradients = [p.gradient for p in tested.parameters.values() if p.trained]
        through = [_Through("input", reference.x, [dx])]
        if gradients:
            through.append(_Through("the parameters", reference.network.vector, gradients))
        return float(np.max([reference.check_through(tensors, directions, rng) for tensors in through]))


@dataclass(frozen=True)
class _Through:
    """Tensors that a direction leads through: one behind the other in `values`, and the gradient of each."""

    name: str
    values: Array
    gradients: list[Array]

    @property
    def gradient(self) -> Array:
        return np.concatenate([g.reshape(-1) for g in self.gradients]).reshape(self.values.shape)

    def direction(self, rng: np.random.Generator) -> Array:
        """A random unit vector, in each tensor the shorter, the larger its gradient is."""
        sizes = [float(np.linalg.norm(gradient)) for gradient in self.gradients]
        floor = max(1e-3 * max(sizes), float(np.finfo(float).tiny))
        parts = [rng.standard_normal(g.size) / max(s, floor) for g, s in zip(self.gradients, sizes, strict=True)]
        whole = np.concatenate(parts).reshape(self.values.shape)
        unit: Array = whole / np.linalg.norm(whole)
        return unit


def _context(seed: int) -> Context:
    """A training pass that drops the same elements every time."""
    return training(np.random.default_rng([seed, _DROPOUT]))


def _gradient(network: Network, loss: Loss, x: Array, seed: int) -> Array:
    """Fills the network's gradient, returns the input's."""
    y = network.forward(x, _context(seed))
    return network.backward(loss(y)[1], input_gradient=True)


class _Reference:
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
                rounded.forward(x.astype(dtype), _context(self.seed))
            with ops.use_backend("numpy"):
                self.network.forward(x, _context(self.seed))
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

    def check(
        self, name: str, tensor: Array, gradient: Array, samples: int, floor: float, rng: np.random.Generator
    ) -> TensorCheck:
        """Some elements of a tensor, and one direction over all of it."""
        tensor = self.x if name == "input" else tensor
        exact = gradient.astype(np.float64)
        if not np.isfinite(exact).all():
            return TensorCheck(name, tensor.shape, exact.size, 0, np.inf, None)
        scale = max(_root_mean_square(exact), floor)
        errors, skipped = [], 0
        for index in rng.permutation(tensor.size)[: 4 * samples]:  # more than wanted, as kinks take some
            place = np.unravel_index(index, tensor.shape)
            direction = np.zeros(tensor.shape)
            direction[place] = 1
            numerical = self.derivative(name, tensor, direction)
            if numerical is None:
                skipped += 1
                continue
            errors.append(self._error(float(exact[place]), numerical, scale, name, tensor, direction))
            if len(errors) == samples:
                break
        if not errors:
            raise PellucidError(f"gradient check: every sampled element of {name} lies at a kink; try another seed")
        return TensorCheck(
            name,
            tensor.shape,
            len(errors),
            skipped,
            float(np.max(errors)),
            self._along(name, tensor, exact, scale, rng),
        )

    def check_through(self, tensors: _Through, directions: int, rng: np.random.Generator) -> float:
        """Largest error along so many directions through all the tensors."""
        errors, gradient = [], tensors.gradient
        for _ in range(directions):
            direction = tensors.direction(rng)
            numerical = self.derivative("input", tensors.values, direction)
            if numerical is not None:
                scale = float(np.linalg.norm(gradient * direction))
                errors.append(_relative(float((gradient * direction).sum()), numerical, scale))
        if not errors:
            raise PellucidError(
                f"gradient check: all directions through {tensors.name} meet a kink; try another seed"
            )
        return float(np.max(errors))

    def _along(
        self, name: str, tensor: Array, gradient: Array, scale: float, rng: np.random.Generator
    ) -> float | None:
        """Error along a random unit direction; None where all that were tried meet a kink."""
        for _ in range(10):
            direction = rng.standard_normal(tensor.shape)
            direction /= np.linalg.norm(direction)
            numerical = self.derivative(name, tensor, direction)
            if numerical is not None:
                exact = float((gradient * direction).sum())
                return self._error(exact, numerical, scale, name, tensor, direction)
        return None

    def _error(
        self, exact: float, numerical: float, scale: float, name: str, tensor: Array, direction: Array
    ) -> float:
        """The relative error; where it is too large, of the derivative whose steps agree best.

        Where the loss bends sharply, as behind a batch normalisation over few values, the largest step is too large.
        Which steps agree is asked of them alone, not of what is compared with them.
        """
        error = _relative(exact, numerical, scale)
        if error <= TOLERANCE:
            return error
        found = [self.derivative(name, tensor, direction, (step,)) for step in STEPS]
        known = [value for value in found if value is not None]
        pairs = list(itertools.pairwise(known))
        if not pairs:
            return error
        return _relative(exact, min(pairs, key=lambda pair: abs(pair[0] - pair[1]))[1], scale)


class _Replay:
    """A training pass that can be repeated from any node on: what comes before a changed weight stays as it is."""

    def __init__(self, nodes: Nodes, seed: int) -> None:
        self.nodes, self.seed = nodes, seed
        self.values: dict[str, Array] = {}
        self.draws: list[np.random.Generator] = []  # the state of the random numbers before each node

    def keep(self, x: Array) -> None:
        """Run once, and keep every value."""
        self.values, self.draws = {INPUT: x}, []
        context = _context(self.seed)
        for node in self.nodes:
            self.draws.append(copy.deepcopy(context.rng))  # type: ignore[arg-type]
            self.values[node.name] = node.layer.forward(node.given(self.values), context)

    def outputs(self, x: Array, start: int) -> Any:
        """The network's output, or a list of them."""
        values = {**self.values, INPUT: x}
        context = training(copy.deepcopy(self.draws[start])) if start else _context(self.seed)
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


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _relative(a: float, b: float, scale: float) -> float:
    size = max(abs(a), abs(b), scale)
    return float(abs(a - b) / size) if size else 0.0


def _patterns(network: Network) -> list[Array]:
    found: Iterator[Array | None] = (layer.pattern() for layer in network.layers())
    return [pattern for pattern in found if pattern is not None]


def _same(a: list[Array], b: list[Array]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


_CHECK, _DROPOUT = 0xC4EC, 0xD409  # streams of random numbers apart from each other
