"""The three transforms of Winograd's convolution F(4x4, 3x3), each as a handful of sums.

Winograd 1980; Lavin, Gray 2016: a 4x4 tile of a 3x3 convolution is

    Y = A^T [ (G g G^T) * (B^T d B) ] A

with d the 6x6 patch under the tile, g the filter and * element by element: 36 products where the sum of windows
needs 144. Behind it stands that a convolution multiplies polynomials, and that a polynomial can be multiplied by
its values at some points: G and A^T evaluate at 0, a, -a, b, -b and infinity, B^T interpolates. (Here it is the
transposed algorithm, which gives the correlation that the field calls convolution.)

The points are ours to choose. The usual ones, a = 1 and b = 2, cost the least arithmetic, but powers up to 2^5
of them are added to numbers of order 1 and drown their last bits. A search over a and b in float32 found
a = 11/16, b = 3/2 with a third of the error; every coefficient of A and B is exact in float32.

Each function below is one side of its transform: along rows, then along columns. It takes and gives lists of
anything that adds and multiplies, so that NumPy arrays go through it in tests and machine registers in kernels.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, Vector

Transform = Callable[[list[Any]], list[Any]]

TILE = 4  # outputs on a side of a tile
PATCH = 6  # inputs on a side of the patch under it
POINTS = PATCH * PATCH  # products of a tile and a pair of channels

A, B = 11 / 16, 3 / 2
A2, B2 = A * A, B * B

# Each row of G divides by the other points' distances: the denominators of Lagrange's interpolation.
G_0, G_A, G_B = 1 / (A2 * B2), 1 / (2 * A2 * (A2 - B2)), 1 / (2 * B2 * (B2 - A2))


def data_transform(d: list[Any]) -> list[Any]:
    """B^T d: six values to six. Row a is (x + a) x (x^2 - b^2) without its own point's factor, and so on."""
    even_a, odd_a = d[4] - B2 * d[2], d[3] - B2 * d[1]
    even_b, odd_b = d[4] - A2 * d[2], d[3] - A2 * d[1]
    return [
        even_b + B2 * (A2 * d[0] - d[2]),
        even_a + A * odd_a,
        even_a - A * odd_a,
        even_b + B * odd_b,
        even_b - B * odd_b,
        (d[5] - A2 * d[3]) - B2 * odd_b,
    ]


def output_transform(m: list[Any]) -> list[Any]:
    """A^T m: six values to four, the sums of m_i p_i^j over the points p_i."""
    even_a, odd_a, even_b, odd_b = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [
        m[0] + (even_a + even_b),
        A * odd_a + B * odd_b,
        A2 * even_a + B2 * even_b,
        A2 * A * odd_a + (B2 * B * odd_b + m[5]),
    ]


def output_adjoint(y: list[Any]) -> list[Any]:
    """A y: four values to six, the polynomial y at each point."""
    even_a, odd_a = y[0] + A2 * y[2], A * y[1] + A2 * A * y[3]
    even_b, odd_b = y[0] + B2 * y[2], B * y[1] + B2 * B * y[3]
    return [y[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, y[3]]


def filter_transform(g: list[Any]) -> list[Any]:
    """G g: three values to six, the polynomial g at each point over that point's denominator."""
    even_a, odd_a = G_A * g[0] + (G_A * A2) * g[2], (G_A * A) * g[1]
    even_b, odd_b = G_B * g[0] + (G_B * B2) * g[2], (G_B * B) * g[1]
    return [G_0 * g[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[2]]


def filter_adjoint(u: list[Any]) -> list[Any]:
    """G^T u: six values to three."""
    even_a, odd_a, even_b, odd_b = u[1] + u[2], u[1] - u[2], u[3] + u[4], u[3] - u[4]
    return [
        G_0 * u[0] + (G_A * even_a + G_B * even_b),
        (G_A * A) * odd_a + (G_B * B) * odd_b,
        (G_A * A2) * even_a + ((G_B * B2) * even_b + u[5]),
    ]


def write_both_sides(
    code: Code,
    transform: Transform,
    sizes: tuple[int, int],
    read: Callable[[Integer], list[Vector]],
    write: Callable[[Integer, list[Vector]], None],
) -> None:
    """T s T^T for a transform T of one side: of every column, then of every row.

    `read(j)` loads column j, `write(i, values)` stores row i of the result.
    `sizes` are the numbers of values that the transform takes and gives. With AVX-512 most of them stay in its 32
    registers. With fewer, columns wait on the stack for the rows, and two short loops stay small.
    """
    size, result = sizes
    if LANES == 16:
        columns = [transform(read(code.integer(j))) for j in range(size)]
        for i in range(result):
            write(code.integer(i), transform([column[i] for column in columns]))
        return
    waiting = code.memory(size * result)
    with code.loop(size) as column:
        for i, value in enumerate(transform(read(column))):
            code.store(waiting + VECTOR * size * i + column * VECTOR, value)
    with code.loop(result) as row:
        place = waiting + row * (VECTOR * size)
        write(row, transform([code.load(place + VECTOR * j) for j in range(size)]))


def matrix(transform: Transform, size: int) -> Array:
    """The transform of `size` values as a matrix, for readers and tests."""
    return np.array(transform(list(np.eye(size))))
