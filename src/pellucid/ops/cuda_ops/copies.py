"""Kernels that fill, scale and copy arrays on the device, between any two memory orders and types."""

from typing import Any

from numba import cuda

from pellucid.ops.arrays import Shape
from pellucid.ops.cuda_ops.jit import kernel, narrow, real, split, wide, wide_source
from pellucid.ops.cuda_ops.types import FLOATS, NUMBERS, SIMULATED

EVERY = tuple(NUMBERS)
MOST_AXES = 5  # of a copy between two memory orders
MOST_SWAPPED = 2 if SIMULATED else 64


def merged(target: Any, source: Any, order: Shape) -> tuple[list[int], list[int], list[int]] | None:
    """Lengths of MOST_AXES axes and both arrays' strides in numbers; axes that run on in both are one.

    order: the target's axes, from the one farthest apart in memory to the closest. None where more axes are left.
    """
    shape: list[int] = []
    to: list[int] = []
    by: list[int] = []
    for axis in order:
        n = target.shape[axis]
        a, b = target.strides[axis] // target.itemsize, source.strides[axis] // source.itemsize
        if n == 1:
            continue
        if shape and to[-1] == a * n and by[-1] == b * n:
            shape[-1], to[-1], by[-1] = shape[-1] * n, a, b
        else:
            shape.append(n)
            to.append(a)
            by.append(b)
    if len(shape) > MOST_AXES:
        return None
    rest = MOST_AXES - len(shape)
    return [1] * rest + shape, [0] * rest + to, [0] * rest + by


def swaps_few(shape: list[int], to: list[int], by: list[int]) -> bool:
    """Whether each matrix of few columns is turned over, as filters (K, C, R S) are for (K, R S, C)."""
    _, _, _, M, C = shape
    return 1 < M <= MOST_SWAPPED < C and to[2:] == [M * C, C, 1] and by[2:] == [M * C, 1, M] and shape[:2] == [1, 1]


@kernel("T1 r", EVERY)
def fill(x: Any, value: Any) -> None:
    """Every number of x becomes `value`."""
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        x[i] = narrow(value)


@kernel("T1 r", FLOATS)
def scale(x: Any, factor: Any) -> None:
    """Every number of x times `factor`."""
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        x[i] = narrow(wide(x[i]) * factor)


@kernel("T1 S1", EVERY)
def convert(target: Any, source: Any) -> None:
    """Numbers of another type, in the same order of memory."""
    for i in range(cuda.grid(1), target.size, cuda.gridsize(1)):
        target[i] = narrow(real(wide_source(source[i])))


@kernel("T1 S1 n n n n n n n n n n n n n n n n n", EVERY)
def copy(
    target: Any, source: Any,
    n0: int, n1: int, n2: int, n3: int, n4: int,
    t0: int, t1: int, t2: int, t3: int, t4: int,
    s0: int, s1: int, s2: int, s3: int, s4: int,
    to: int, by: int,
) -> None:  # fmt: skip
    """Numbers n0 x ... x n4 from one memory order into another, given by their strides t and s and first places."""
    for i in range(cuda.grid(1), n0 * n1 * n2 * n3 * n4, cuda.gridsize(1)):
        rest, i4 = split(i, n4)
        rest, i3 = split(rest, n3)
        rest, i2 = split(rest, n2)
        i0, i1 = split(rest, n1)
        value = source[by + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4]
        target[to + i0 * t0 + i1 * t1 + i2 * t2 + i3 * t3 + i4 * t4] = narrow(real(wide_source(value)))


@kernel("T1 S1 n n", EVERY)
def swap(target: Any, source: Any, columns: int, rows: int) -> None:
    """Matrices of so many columns and rows, turned over: a thread a row, so that rows are read from the cache."""
    for i in range(cuda.grid(1), target.size // columns, cuda.gridsize(1)):
        matrix, row = split(i, rows)
        first = matrix * columns * rows + row
        for column in range(columns):
            target[first + column * rows] = narrow(real(wide_source(source[i * columns + column])))
