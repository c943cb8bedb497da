"""Layers written in NumPy alone, whatever the backend: those that few networks have, or that cost next to nothing.

Their arrays are the host's; on a device they come to the host and go back. 16-bit floats are widened to float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.layers.adjoint import AdjointLayer
from pellucid.layers.base import Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.joins import Join
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_half


def wide(x: Array) -> Array:
    """The array on the host, 16-bit floats as float32."""
    y: Array = ops.host(x)
    return y.astype(np.float32) if is_half(y.dtype) else y


def back(y: Array, dtype: np.dtype[Any]) -> Array:
    """A result on the backend, in the network's type."""
    made: Array = ops.array(y.astype(dtype, copy=False))
    return made


def give_gradient(parameter: Parameter | None, gradient: Array) -> None:
    """Write a parameter's gradient where it has one."""
    if parameter is not None and parameter.trained:
        parameter.set_gradient(back(gradient.reshape(parameter.shape), parameter.gradient.dtype))


class HostLayer(AdjointLayer):
    """A layer of one input whose `apply` and `adjoint` are given the host's arrays."""

    on_host = True

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """What `apply` says."""
        return back(super().forward(wide(x), context), x.dtype)

    def backward(self, dy: Array) -> Array:
        """What `adjoint` says."""
        return back(super().backward(wide(dy)), dy.dtype)


class HostJoin(Join):
    """A layer of several inputs. It says in `apply` what comes out, and in `adjoints` the gradient of each input."""

    on_host = True
    keeps = ("xs",)

    def apply(self, xs: Sequence[Array]) -> Array:
        """The output for a batch of each input."""
        raise NotImplementedError

    def adjoints(self, dy: Array, xs: Sequence[Array]) -> list[Array]:
        """From the output's gradient to that of each input."""
        raise NotImplementedError

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """What `apply` says."""
        if context.keep:
            self.xs = list(xs)
        return back(self.apply([wide(x) for x in xs]), xs[0].dtype)

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """What `adjoints` says."""
        return [back(part, dy.dtype) for part in self.adjoints(wide(dy), [wide(x) for x in self.xs])]
