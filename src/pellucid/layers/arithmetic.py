"""Layers that put two or more values of one shape together, element by element, and the product of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.layers.host import HostJoin
from pellucid.ops.arrays import Array, Shape


class _SameShape(HostJoin):
    """Inputs of one shape. count: how many; None for any number."""

    count: int | None = None

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """The inputs'."""
        if not input_shapes or (self.count is not None and len(input_shapes) != self.count):
            raise self.error(f"{self.count or 'some'} inputs", len(input_shapes))
        if len(set(input_shapes)) != 1:
            raise self.error("inputs of one shape", " and ".join(map(str, input_shapes)))
        return tuple(input_shapes[0])


class Subtract(_SameShape):
    """The first input less the second.

    Two inputs of one shape; the output has it too. Raises PellucidError for other shapes or another number.

    >>> of = pl.nn.Branches(pl.nn.Identity(), pl.nn.ReLU(), join=pl.nn.Subtract())
    >>> pl.Network(of, (2,)).forward(np.array([[-2.0, 3.0]], np.float32)).tolist()
    [[-2.0, 0.0]]
    """

    count = 2

    def apply(self, xs: Sequence[Array]) -> Array:
        """The difference."""
        y: Array = xs[0] - xs[1]
        return y

    def adjoints(self, dy: Array, xs: Sequence[Array]) -> list[Array]:
        """One as it is, one with the other sign."""
        return [dy, -dy]


class Divide(_SameShape):
    """The first input by the second.

    Two inputs of one shape; the output has it too. Raises PellucidError for other shapes or another number.

    >>> of = pl.nn.Branches(pl.nn.Scale((), trained=False), pl.nn.Clip(1, 4), join=pl.nn.Divide())
    >>> pl.Network(of, (2,)).forward(np.array([[2.0, 8.0]], np.float32)).tolist()
    [[1.0, 2.0]]
    """

    count = 2

    def apply(self, xs: Sequence[Array]) -> Array:
        """The quotient."""
        y: Array = xs[0] / xs[1]
        return y

    def adjoints(self, dy: Array, xs: Sequence[Array]) -> list[Array]:
        """dy / b and -dy a / b^2."""
        part = dy / xs[1]
        return [part, -part * xs[0] / xs[1]]


class Maximum(_SameShape):
    """The largest of the inputs at each place; of equal ones the first gets the gradient.

    Any number of inputs of one shape; the output has it too. Raises PellucidError for other shapes.

    >>> pl.nn.Maximum().forward([np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]])]).tolist()
    [[3.0, 5.0]]
    """

    def best(self, xs: Sequence[Array]) -> Array:
        """Which input it is: of the shape of one."""
        found: Array = np.argmax(np.stack(list(xs)), axis=0)
        return found

    def apply(self, xs: Sequence[Array]) -> Array:
        """Place by place."""
        y: Array = np.maximum.reduce(list(xs))
        return y

    def adjoints(self, dy: Array, xs: Sequence[Array]) -> list[Array]:
        """To the input that it came from."""
        best = self.best(xs)
        return [dy * (best == i) for i in range(len(xs))]

    def pattern(self) -> Array | None:
        """Which input each place came from."""
        return self.best(self.xs)


class Minimum(Maximum):
    """The smallest of the inputs at each place; of equal ones the first gets the gradient.

    Any number of inputs of one shape; the output has it too. Raises PellucidError for other shapes.

    >>> pl.nn.Minimum().forward([np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]])]).tolist()
    [[1.0, 4.0]]
    """

    def best(self, xs: Sequence[Array]) -> Array:
        """Which input it is: of the shape of one."""
        found: Array = np.argmin(np.stack(list(xs)), axis=0)
        return found

    def apply(self, xs: Sequence[Array]) -> Array:
        """Place by place."""
        y: Array = np.minimum.reduce(list(xs))
        return y


class MatMul(HostJoin):
    """Product of two matrices a sample, (..., I, J) with (..., J, K): (..., I, K), over equal axes before them.

    Raises PellucidError for shapes that don't fit each other.

    >>> pl.nn.MatMul().output_shape([(8, 5, 64), (8, 64, 7)])
    (8, 5, 7)
    """

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """(..., I, K)."""
        if len(input_shapes) != 2:
            raise self.error("two inputs", len(input_shapes))
        first, second = input_shapes
        fits = len(first) == len(second) >= 2 and first[:-2] == second[:-2] and first[-1] == second[-2]
        if not fits:
            raise self.error("matrices (..., I, J) and (..., J, K)", f"{first} and {second}")
        return (*first[:-1], second[-1])

    def apply(self, xs: Sequence[Array]) -> Array:
        """Sums of products."""
        y: Array = np.matmul(xs[0], xs[1])
        return y

    def adjoints(self, dy: Array, xs: Sequence[Array]) -> list[Array]:
        """dA = dY B^T, dB = A^T dY."""
        a, b = xs
        return [np.matmul(dy, b.swapaxes(-1, -2)), np.matmul(a.swapaxes(-1, -2), dy)]
