"""Filters to the Winograd domain, packed for the products, and their gradients back."""

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, Vector, vector_code
from pellucid.ops.numba_ops.winograd.product import PANEL, SKEW
from pellucid.ops.numba_ops.winograd.transforms import (
    PATCH,
    POINTS,
    filter_adjoint,
    filter_transform,
    write_both_sides,
)

SIDE = 3  # weights on a side of a filter
WEIGHTS = SIDE * SIDE
FILTER = WEIGHTS * FLOAT  # bytes of one filter


def _lane_places(code: Code, start: Integer, stride: Integer, count: Integer) -> list[Integer]:
    """Addresses of LANES filters `stride` bytes apart; beyond `count` the last one again."""
    last = count - 1
    return [start + stride * code.integer(lane).smaller(last) for lane in range(LANES)]


def _load_filters(code: Code, places: list[Integer]) -> Integer:
    """Address of the 9 weights of LANES filters, a register each, on the stack."""
    weights = code.memory(WEIGHTS)
    whole = WEIGHTS // LANES * LANES  # weights that fill square blocks, which are transposed in registers
    for start in range(0, whole, LANES):
        rows = [code.load(place + start * FLOAT) for place in places]
        for number, weight in enumerate(code.transposed(rows)):
            code.store(weights + (start + number) * VECTOR, weight)
    for number in range(whole, WEIGHTS):
        code.store(weights + number * VECTOR, code.gather([place + number * FLOAT for place in places]))
    return weights


def _store_filters(code: Code, places: list[Integer], weights: Integer) -> None:
    """The way back. Of equal places the first filter stays."""
    whole = WEIGHTS // LANES * LANES
    for start in range(0, whole, LANES):
        rows = code.transposed([code.load(weights + (start + number) * VECTOR) for number in range(LANES)])
        for place, row in reversed(list(zip(places, rows, strict=True))):
            code.store(place + start * FLOAT, row)
    for number in range(whole, WEIGHTS):
        code.scatter([place + number * FLOAT for place in places], code.load(weights + number * VECTOR))


@vector_code
def _transform(
    code: Code,
    filters: Integer,
    stride: Integer,
    count: Integer,
    first: Integer,
    step: Integer,
    out: Integer,
    plane: Integer,
) -> None:
    """G g G^T of LANES filters; `first` and `step` say in which order the weights are taken."""
    weights = _load_filters(code, _lane_places(code, filters, stride, count)) + first * VECTOR

    def read(j: Integer) -> list[Vector]:
        return [code.load(weights + step * (j + SIDE * i) * VECTOR) for i in range(SIDE)]

    def write(i: Integer, values: list[Vector]) -> None:
        for j, value in enumerate(values):
            code.store(out + plane * (i * PATCH) + plane * j, value)

    write_both_sides(code, filter_transform, (SIDE, PATCH), read, write)


@vector_code
def _transform_ordered(code: Code, filters: Integer, out: Integer, plane: Integer) -> None:
    """The same of filters whose weights lie in whole panels, one behind the other."""

    def read(j: Integer) -> list[Vector]:
        return [code.load(filters + (j + SIDE * i) * (PANEL * FLOAT)) for i in range(SIDE)]

    def write(i: Integer, values: list[Vector]) -> None:
        for j, value in enumerate(values):
            code.store(out + plane * (i * PATCH) + plane * j, value)

    write_both_sides(code, filter_transform, (SIDE, PATCH), read, write)


def ordered(w: Array) -> Array:
    """Filters w (K, C, 3, 3) in panels, as `transform_ordered` reads them: (panels, C, 9, PANEL)."""
    K, C = w.shape[:2]
    full = np.zeros((-(-K // PANEL) * PANEL, C, WEIGHTS), w.dtype)
    full[:K] = w.reshape(K, C, WEIGHTS)
    return np.ascontiguousarray(full.reshape(-1, PANEL, C, WEIGHTS).transpose(0, 2, 3, 1))


@inner
def transform_ordered(w: int, count: int, u: int, plane: int) -> None:
    """U = G w G^T of some inputs of one panel (count, 9, PANEL): (36, count, PANEL), planes apart."""
    for c in range(count):
        for column in range(0, PANEL * FLOAT, VECTOR):
            place = c * PANEL * FLOAT + column
            _transform_ordered(w + c * WEIGHTS * PANEL * FLOAT + column, u + place, plane)


@inner
def panel_plane(inputs: int) -> int:
    """Bytes from point to point of a panel."""
    return inputs * PANEL * FLOAT + SKEW


@inner
def sums_plane(rows: int, columns: int) -> int:
    """Bytes from point to point of dU."""
    return rows * columns * FLOAT + SKEW


@inner
def transform_filters(
    w: int,
    inputs: int,
    input_stride: int,
    outputs: int,
    output_stride: int,
    rotated: int,
    u: int,
    first: int,
    last: int,
) -> None:
    """U = G w G^T in panels (panels, 36, inputs, PANEL), for rows first to last - 1 of the panels * inputs rows.

    The filter from input c to output k is at w + c * input_stride + k * output_stride; `rotated` by half a turn
    it is the filter of the input gradient. Columns beyond the last output hold anything.
    """
    start, step = (WEIGHTS - 1, -1) if rotated else (0, 1)
    plane = panel_plane(inputs)
    for row in range(first, last):
        panel, c = row // inputs, row % inputs
        for column in range(0, PANEL, LANES):
            k = min(panel * PANEL + column, outputs - 1)
            place = u + panel * POINTS * plane + (c * PANEL + column) * FLOAT
            filters = w + c * input_stride + k * output_stride
            _transform(filters, output_stride, outputs - k, start, step, place, plane)


@vector_code
def _adjoint(
    code: Code,
    du: Integer,
    plane: Integer,
    part: Integer,
    parts: Integer,
    filters: Integer,
    stride: Integer,
    count: Integer,
) -> None:
    """G^T dU G of LANES filters, dU being the sum of `parts` arrays."""
    weights = code.memory(WEIGHTS)

    def read(j: Integer) -> list[Vector]:
        column = du + plane * j
        sums = [code.variable(code.number(0.0)) for _ in range(PATCH)]
        with code.loop(parts) as other:
            for i, total in enumerate(sums):
                total.set(total.get() + code.load(column + part * other + plane * (PATCH * i)))
        return [total.get() for total in sums]

    def write(i: Integer, values: list[Vector]) -> None:
        for j, value in enumerate(values):
            code.store(weights + i * (SIDE * VECTOR) + VECTOR * j, value)

    write_both_sides(code, filter_adjoint, (PATCH, SIDE), read, write)
    _store_filters(code, _lane_places(code, filters, stride, count), weights)


@inner
def filter_gradients(
    du: int, rows: int, columns: int, parts: int, dw: int, inputs: int, outputs: int, first: int, last: int
) -> None:
    """Gradient dw = G^T dU G, with dU the sum of `parts` arrays (36, rows, columns), for inputs first to last - 1."""
    plane = sums_plane(rows, columns)
    for c in range(first, last):
        for k in range(0, outputs, LANES):
            place = du + (c * columns + k) * FLOAT
            filters = dw + (k * inputs + c) * FILTER
            _adjoint(place, plane, POINTS * plane, parts, filters, inputs * FILTER, outputs - k)
