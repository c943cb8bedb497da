"""Optimizers: from a gradient to a change of the weights, each one op over two flat vectors.

The formulas stand in ops/numpy_ops/update.py. A `weight_decay` w joins the gradient as w times the weights
(L2 regularisation), but in AdamW it shrinks the weights themselves.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked, shown
from pellucid.errors import InputError, PellucidError
from pellucid.ops.arrays import Array
from pellucid.parameter_groups import VectorPart


class Optimizer(Checked):
    """Moves a vector of weights against its gradient.

    rate: the learning rate, which a schedule scales at each step.

    Raises PellucidError for a rate or a weight decay below 0.

    >>> [isinstance(pl.optim.Adam(1e-3), pl.optim.Optimizer), pl.optim.Adam(1e-3).rate]
    [True, 0.001]
    """

    SLOTS: tuple[str, ...] = ()
    """Names of the vectors, as long as the weights', that are kept from step to step; they start at 0."""

    def __init__(self, rate: float, weight_decay: float = 0.0) -> None:
        self.rate, self.weight_decay = rate, weight_decay
        for name in ("rate", "weight_decay"):
            self._check(name, 0, float("inf"))
        self.steps = 0
        self.slots: dict[str, Array] = {}
        self._moves: weakref.ref[Any] | None = None  # the memory of the weights whose slots these are

    def __getstate__(self) -> dict[str, Any]:
        """All but whose weights it moves: a copy belongs to the network that it is first used for."""
        return {**self.__dict__, "_moves": None}

    def _check(self, name: str, least: float, below: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least <= value < below:
            raise PellucidError(f"{type(self).__name__}: {name} = {value!r}, expected {least:g} to below {below:g}")

    def update(
        self, vector: Array, gradient: Array, scale: float = 1.0, parts: Sequence[VectorPart] | None = None
    ) -> None:
        """One step with the learning rate `scale * rate`. Changes the vector in place, the gradient not.

        parts: those of the vector that learn, each with its factors of rate and decay; by default the whole vector.
        Raises PellucidError for a gradient, or a vector, of another length than before, and for other weights than
        before: what is kept from step to step is these weights'. After `load_state(state())` it may be others'.
        """
        if not hasattr(vector, "dtype"):
            raise InputError(f"{type(self).__name__}: weights: expected an array, got {type(vector).__name__}")
        if isinstance(scale, np.ndarray) and scale.ndim == 0:
            scale = scale.item()
        if not isinstance(scale, int | float | np.number) or not isfinite(scale):
            raise InputError(f"{type(self).__name__}: scale: expected a number, got {shown(scale)}")
        self.prepare(vector)
        self._check_lengths(vector, gradient)
        self.steps += 1
        for part in (VectorPart(0, vector.size),) if parts is None else parts:
            here = slice(part.start, part.stop)
            slots = [self.slots[name][here] for name in self.SLOTS]
            self._update(
                vector[here], gradient[here], *slots, scale * self.rate * part.rate, self.weight_decay * part.decay
            )

    def prepare(self, vector: Array) -> None:
        """Make what is kept of a vector's weights, where it isn't there yet."""
        if not self.slots:
            self.slots = {name: ops.zeros(vector.shape, vector.dtype) for name in self.SLOTS}

    def rule(self) -> tuple[str, tuple[float, ...]]:
        """Name of the rule by which a recorded step moves the weights, and its constants."""
        raise NotImplementedError

    def _check_lengths(self, vector: Array, gradient: Array) -> None:
        """One optimizer moves one vector."""
        memory = _memory(vector)
        if self.SLOTS and memory is not None:
            if self._moves is None:
                self._moves = weakref.ref(memory)
            elif self._moves() is not memory:
                raise PellucidError(
                    f"{type(self).__name__}: expected the weights that it has moved before, got others; an optimizer "
                    "belongs to one network"
                )
        if not hasattr(gradient, "dtype"):
            raise InputError(f"{type(self).__name__}: gradient: expected an array, got {type(gradient).__name__}")
        lengths = {"gradient": gradient.shape, **{name: slot.shape for name, slot in self.slots.items()}}
        for name, shape in lengths.items():
            if shape != vector.shape:
                raise PellucidError(
                    f"{type(self).__name__}: expected a {name} of the weights' shape {vector.shape}, got {shape}; "
                    "an optimizer belongs to one network"
                )

    def _update(self, w: Array, g: Array, *rest: Any) -> None:
        """One step of a part: weights and gradient, what is kept of them (SLOTS), rate, weight decay."""
        raise NotImplementedError

    def state(self) -> dict[str, Array]:
        """The vectors kept, by name, and the number of steps; not copied."""
        return {**self.slots, "steps": np.array([self.steps], np.int64)}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from there. Raises PellucidError for the state of another optimizer."""
        if not isinstance(state, Mapping) or not all(hasattr(values, "dtype") for values in state.values()):
            raise InputError(f"state of {type(self).__name__}: expected arrays by name, got {shown(state)}")
        slots = {name: _copy(values) for name, values in state.items() if name != "steps"}
        if "steps" not in state or set(slots) not in ({*self.SLOTS}, set()):
            expected = ", ".join([*self.SLOTS, "steps"])
            raise PellucidError(f"state of {type(self).__name__}: expected {expected}, got {', '.join(state)}")
        steps = state["steps"]
        if steps.shape != (1,) or steps.dtype.kind not in "iu" or int(steps[0]) < 0:
            raise InputError(
                f"state of {type(self).__name__}: steps: expected a whole number of at least 0, got "
                f"{steps.dtype} {steps.shape}{f', {steps[0]}' if steps.shape == (1,) else ''}"
            )
        self.slots, self.steps, self._moves = slots, int(steps[0]), None


def _memory(vector: Array) -> Any:
    """What holds the numbers that a view shows; None where that can't be said."""
    if not isinstance(vector, np.ndarray):
        return None
    found: Any = vector
    while isinstance(found.base, np.ndarray):
        found = found.base
    return found


def _copy(values: Array) -> Array:
    """The numbers in an array of its own, where the backend computes."""
    own = ops.zeros(values.shape, values.dtype)
    own[...] = values
    return own


class SGD(Optimizer):
    """Stochastic gradient descent.

    >>> w, g = np.ones(2), np.array([1.0, -1.0])
    >>> pl.optim.SGD(0.1).update(w, g)
    >>> w.tolist()
    [0.9, 1.1]
    """

    def rule(self) -> tuple[str, tuple[float, ...]]:
        """Rule without constants."""
        return "sgd", ()

    def _update(self, w: Array, g: Array, rate: float, decay: float) -> None:
        ops.sgd_update(w, g, rate, decay)


class Momentum(Optimizer):
    """Gradient descent with momentum (Polyak 1964).

    >>> w, g, optimizer = np.ones(1), np.ones(1), pl.optim.Momentum(0.1)
    >>> for _ in range(2):
    ...     optimizer.update(w, g)
    >>> w.round(3).tolist()
    [0.71]
    """

    SLOTS = ("velocity",)
    nesterov = False

    def __init__(self, rate: float, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(rate, weight_decay)
        self.momentum = momentum
        self._check("momentum", 0, 1)

    def rule(self) -> tuple[str, tuple[float, ...]]:
        """With what is kept of the velocity, and whether to look ahead."""
        return "momentum", (self.momentum, float(self.nesterov))

    def _update(self, w: Array, g: Array, v: Array, rate: float, decay: float) -> None:
        ops.momentum_update(w, g, v, rate, self.momentum, self.nesterov, decay)


class Nesterov(Momentum):
    """Momentum that looks ahead (Nesterov 1983; Sutskever et al. 2013).

    >>> w, g = np.ones(1), np.ones(1)
    >>> pl.optim.Nesterov(0.1).update(w, g)
    >>> w.round(3).tolist()
    [0.81]
    """

    nesterov = True


class AdaGrad(Optimizer):
    """A rate of its own for each weight, from the sum of its squared gradients (Duchi, Hazan, Singer 2011).

    >>> w, g = np.ones(2), np.array([1.0, -4.0])
    >>> pl.optim.AdaGrad(0.1).update(w, g)
    >>> w.round(3).tolist()
    [0.9, 1.1]
    """

    SLOTS = ("squares",)

    def __init__(self, rate: float, epsilon: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(rate, weight_decay)
        self.epsilon = epsilon

    def rule(self) -> tuple[str, tuple[float, ...]]:
        """With what is kept of the squares, what is taken in, and epsilon."""
        return "rms", (1.0, 1.0, self.epsilon)

    def _update(self, w: Array, g: Array, s: Array, rate: float, decay: float) -> None:
        ops.adagrad_update(w, g, s, rate, self.epsilon, decay)


class RMSprop(Optimizer):
    """AdaGrad that forgets (Tieleman, Hinton 2012).

    >>> w, g = np.ones(2), np.array([1.0, -4.0])
    >>> pl.optim.RMSprop(0.1).update(w, g)
    >>> w.round(3).tolist()
    [0.0, 2.0]
    """

    SLOTS = ("squares",)

    def __init__(self, rate: float, decay: float = 0.99, epsilon: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(rate, weight_decay)
        self.decay, self.epsilon = decay, epsilon
        self._check("decay", 0, 1)

    def rule(self) -> tuple[str, tuple[float, ...]]:
        """With what is kept of the squares, what is taken in, and epsilon."""
        return "rms", (self.decay, 1 - self.decay, self.epsilon)

    def _update(self, w: Array, g: Array, s: Array, rate: float, decay: float) -> None:
        ops.rmsprop_update(w, g, s, rate, self.decay, self.epsilon, decay)


class Adam(Optimizer):
    """Running means of the gradient and of its square, both corrected for their start (Kingma, Ba 2015).

    >>> w, g = np.ones(2), np.array([1.0, -4.0])
    >>> pl.optim.Adam(0.1).update(w, g)
    >>> w.round(3).tolist()
    [0.9, 1.1]
    """

    SLOTS = ("mean", "squares")
    decoupled = False

    def __init__(
        self,
        rate: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(rate, weight_decay)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        for name in ("beta1", "beta2"):
            self._check(name, 0, 1)

    def rule(self) -> tuple[str, tuple[float, ...]]:
        """With both means' constants, epsilon, and whether weight decay stands apart."""
        return "adam", (self.beta1, self.beta2, self.epsilon, float(self.decoupled))

    def _update(self, w: Array, g: Array, m: Array, v: Array, rate: float, decay: float) -> None:
        betas = (self.beta1, self.beta2)
        ops.adam_update(w, g, m, v, self.steps, rate, *betas, self.epsilon, decay, self.decoupled)


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights and stays out of the means (Loshchilov, Hutter 2019).

    >>> w, g = np.ones(2), np.array([1.0, -4.0])
    >>> pl.optim.AdamW(0.1, weight_decay=0.5).update(w, g)
    >>> w.round(3).tolist()
    [0.85, 1.05]
    """

    decoupled = True


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}
