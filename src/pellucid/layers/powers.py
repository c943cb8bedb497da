"""Absolute values, powers, exponentials and logarithms, element by element, as norms of a user's own have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.layers.host import HostLayer
from pellucid.ops.arrays import Array


class Abs(HostLayer):
    """y = |x|.

    Inputs of any shape; the output has the same.

    >>> pl.nn.Abs().forward(np.array([[-2.0, 3.0]])).tolist()
    [[2.0, 3.0]]
    """

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Without the sign."""
        return np.abs(x), x

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy times the sign of x, 0 at 0."""
        dx: Array = dy * np.sign(kept)
        return dx

    def pattern(self) -> Array | None:
        """The signs."""
        return np.asarray(self.kept > 0)


class Power(HostLayer):
    """y = x^exponent: 2 the square, 0.5 the root, -1 the reciprocal.

    Inputs of any shape; the output has the same. NaN where x is below 0 and the exponent no whole number.

    >>> pl.nn.Power(2).forward(np.array([[-2.0, 3.0]])).tolist()
    [[4.0, 9.0]]
    """

    def __init__(self, exponent: float) -> None:
        self.exponent = float(exponent)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each element by itself."""
        return self._power(x, self.exponent), x

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy exponent x^(exponent - 1); 0 for the exponent 0, at x = 0 too."""
        if self.exponent == 0:
            return np.zeros_like(dy)
        with np.errstate(all="ignore"):
            dx: Array = dy * (kept.dtype.type(self.exponent) * self._power(kept, self.exponent - 1))
        return dx

    def _power(self, x: Array, exponent: float) -> Array:
        with np.errstate(all="ignore"):  # as kernels, which are silent
            y: Array = np.sqrt(x) if exponent == 0.5 else np.power(x, x.dtype.type(exponent))
        return y

    def describe(self) -> str:
        """The exponent."""
        return f"{self.exponent:g}"


class Exp(HostLayer):
    """y = e^x.

    Inputs of any shape; the output has the same.

    >>> pl.nn.Exp().forward(np.array([[0.0, 1.0]])).round(4).tolist()
    [[1.0, 2.7183]]
    """

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Infinity where it is too large for the type."""
        with np.errstate(over="ignore"):
            y: Array = np.exp(x)
        return y, y

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy y."""
        dx: Array = dy * kept
        return dx


class Log(HostLayer):
    """y = log x, the natural logarithm.

    Inputs of any shape; the output has the same. Minus infinity at 0, NaN below.

    >>> pl.nn.Log().forward(np.array([[1.0, np.e]])).tolist()
    [[0.0, 1.0]]
    """

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each element by itself."""
        with np.errstate(divide="ignore", invalid="ignore"):
            y: Array = np.log(x)
        return y, x

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy / x."""
        with np.errstate(divide="ignore", invalid="ignore"):
            dx: Array = dy / kept
        return dx
