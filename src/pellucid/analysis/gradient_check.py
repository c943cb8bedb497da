"""Gradient check: every parameter tensor's gradient against numerical derivatives of the loss.

The numerical side (numerical.py) is always the definition: the network as written, plain NumPy, float64. The side
under test may be another backend, float type or fused network. An element that a kink touches at every step is left
out and counted; it is never compared loosely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pellucid import ops
from pellucid.analysis.numerical import TOLERANCE, Loss, Pattern, Reference, relative, training_pass
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Array

_CHECK = 0xC4EC  # a stream of random numbers of its own

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
        reference = Reference(network.astype(np.float64, fuse=False), loss, seed, loss_pattern)
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
        return [_check(reference, name, tensors[name], gradients[name], samples, floor, rng) for name in tensors]


def check_directions(network: Network, loss: Loss, x: Array, *, directions: int = 4, seed: int = 0) -> float:
    """Largest relative error in float64 along random directions: a quick check of a network of many tensors.

    Each direction leads through all tensors at once, as far through each as to change the loss as much as through any
    other; so a gradient of which a part p is wrong, in one of n tensors, is an error of about p / sqrt(n). As many
    directions lead through the input. Raises PellucidError where all through one of them meet a kink.
    """
    rng = np.random.default_rng([seed, _CHECK])
    reference = Reference(network.astype(np.float64, fuse=False), loss, seed, None)
    tested, x = network.astype(np.float64), np.array(x, np.float64)
    with ops.use_backend("numpy"):
        dx = _gradient(tested, loss, x, seed)
        reference.start(x)
        gradients = [p.gradient for p in tested.parameters.values() if p.trained]
        through = [_Through("input", reference.x, [dx])]
        if gradients:
            through.append(_Through("the parameters", reference.network.vector, gradients))
        return float(np.max([_check_through(reference, tensors, directions, rng) for tensors in through]))


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


def _gradient(network: Network, loss: Loss, x: Array, seed: int) -> Array:
    """Fills the network's gradient, returns the input's."""
    y = network.forward(x, training_pass(seed))
    return network.backward(loss(y)[1], input_gradient=True)


def _check(
    reference: Reference,
    name: str,
    tensor: Array,
    gradient: Array,
    samples: int,
    floor: float,
    rng: np.random.Generator,
) -> TensorCheck:
    """Some elements of a tensor, and one direction over all of it."""
    tensor = reference.x if name == "input" else tensor
    exact = gradient.astype(np.float64)
    if not np.isfinite(exact).all():
        return TensorCheck(name, tensor.shape, exact.size, 0, np.inf, None)
    scale = max(_root_mean_square(exact), floor)
    errors, skipped = [], 0
    for index in rng.permutation(tensor.size)[: 4 * samples]:  # more than wanted, as kinks take some
        place = np.unravel_index(index, tensor.shape)
        direction = np.zeros(tensor.shape)
        direction[place] = 1
        numerical = reference.derivative(name, tensor, direction)
        if numerical is None:
            skipped += 1
            continue
        errors.append(reference.error(float(exact[place]), numerical, scale, name, tensor, direction))
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
        _along(reference, name, tensor, exact, scale, rng),
    )


def _check_through(reference: Reference, tensors: _Through, directions: int, rng: np.random.Generator) -> float:
    """Largest error along so many directions through all the tensors."""
    errors, gradient = [], tensors.gradient
    for _ in range(directions):
        direction = tensors.direction(rng)
        numerical = reference.derivative("input", tensors.values, direction)
        if numerical is not None:
            scale = float(np.linalg.norm(gradient * direction))
            errors.append(relative(float((gradient * direction).sum()), numerical, scale))
    if not errors:
        raise PellucidError(f"gradient check: all directions through {tensors.name} meet a kink; try another seed")
    return float(np.max(errors))


def _along(
    reference: Reference, name: str, tensor: Array, gradient: Array, scale: float, rng: np.random.Generator
) -> float | None:
    """Error along a random unit direction; None where all that were tried meet a kink."""
    for _ in range(10):
        direction = rng.standard_normal(tensor.shape)
        direction /= np.linalg.norm(direction)
        numerical = reference.derivative(name, tensor, direction)
        if numerical is not None:
            exact = float((gradient * direction).sum())
            return reference.error(exact, numerical, scale, name, tensor, direction)
    return None


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0
