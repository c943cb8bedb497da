"""What the optimizer moves: a network's weights, or where those have 16 bits, a float32 copy of them.

A step changes a weight by about a thousandth of itself; bfloat16 has 8 bits of fraction, so that most changes
would be rounded away. The copy takes them in, and the network gets its nearest 16-bit numbers (Micikevicius et
al. 2018, section 3.1). Of the alternatives, stochastic rounding and Kahan's sum, see docs/precision.md.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping

import numpy as np

from pellucid import ops
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_half
from pellucid.training.loss_scale import LossScale

Update = Callable[[Array, Array], None]
"""Moves weights (first) against their gradient, in place."""


class TrainedWeights:
    """Weights that are trained in the type they are stored in."""

    scales = False
    """Whether the loss is scaled, so that a gradient may overflow now and then."""

    def __init__(self, network: Network) -> None:
        self.network = network

    @property
    def vector(self) -> Array:
        """What the optimizer moves."""
        return self.network.vector

    def restart(self) -> None:
        """Begin anew at the network's present weights."""

    def outputs(self, y: Array) -> Array:
        """The network's outputs as the loss is to see them."""
        return y

    def to_backward(self, gradient: Array) -> Array:
        """The loss's gradient as the network is to take it back."""
        return gradient

    def gradient(self) -> Array:
        """The gradient after `backward`, as the optimizer is to see it."""
        return self.network.gradient

    def overflowed(self, norm: float) -> bool:
        """Whether the step has to be left out because of this norm of the gradient, which training survives."""
        return False

    def update(self, step: Update, gradient: Array) -> None:
        """Let the optimizer move the weights."""
        step(self.network.vector, gradient)

    def state(self) -> dict[str, Array]:
        """What a resumed run needs beside the network's own values."""
        return {}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from there."""


_copies: weakref.WeakKeyDictionary[Network, Array] = weakref.WeakKeyDictionary()


def _copy_of(network: Network) -> Array:
    """The network's present weights in float32, in the memory that it had before: an optimizer knows them by that."""
    copy, fresh = _copies.get(network), ops.widen(network.vector)
    if type(copy) is not type(fresh) or copy.shape != fresh.shape:
        _copies[network] = fresh
        return fresh
    copy[...] = fresh
    return copy


class HalfWeights(TrainedWeights):
    """Weights of 16 bits with their float32 copy; gradients of float16 are scaled away from its smallest numbers."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.master = _copy_of(network)
        self.scale = LossScale() if network.dtype == np.float16 else None
        self.scales = self.scale is not None

    @property
    def vector(self) -> Array:
        """The float32 copy."""
        return self.master

    def restart(self) -> None:
        """Copy the network's weights."""
        self.master[...] = ops.widen(self.network.vector)

    def outputs(self, y: Array) -> Array:
        """In float32, so that the loss and its gradient are."""
        return ops.widen(y)

    def to_backward(self, gradient: Array) -> Array:
        """Scaled, then 16 bits."""
        if self.scale is not None:
            gradient *= np.float32(self.scale.value)
        return ops.narrow(gradient, self.network.dtype)

    def gradient(self) -> Array:
        """In float32, the loss's scale taken out."""
        gradient = ops.widen(self.network.gradient)
        if self.scale is not None:
            gradient *= np.float32(1 / self.scale.value)
        return gradient

    def overflowed(self, norm: float) -> bool:
        """In float16, a gradient that is not finite: the scale is lowered, and a line says so.

        False where the scale cannot be what was too large.
        """
        return self.scale is not None and self.scale.overflowed(math.isfinite(norm))

    def update(self, step: Update, gradient: Array) -> None:
        """Move the copy, then round it into the network."""
        step(self.master, gradient)
        self.network.vector[...] = ops.narrow(self.master, self.network.dtype)

    def state(self) -> dict[str, Array]:
        """The copy, and the scale."""
        return {"master": self.master, **({"scale": self.scale.state()} if self.scale is not None else {})}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from there."""
        self.master[...] = state["master"]
        if self.scale is not None:
            self.scale.load_state(state["scale"])


def trained_weights(network: Network) -> TrainedWeights:
    """What the optimizer is to move of this network."""
    return HalfWeights(network) if is_half(network.dtype) else TrainedWeights(network)
