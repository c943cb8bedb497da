"""Filters to the Winograd domain, packed for the products, and their gradients back."""

from pellucid.ops.numba_ops.jit import jit
from pellucid.ops.numba_ops.vectors import FLOAT, LANES, Code, Integer, vector_code
from pellucid.ops.numba_ops.winograd.product import PANEL
from pellucid.ops.numba_ops.winograd.transforms import PATCH, POINTS, filter_adjoint, filter_transform, on_both_sides

SIDE = 3  # weights on a side of a filter
WEIGHTS = SIDE * SIDE
FILTER = WEIGHTS * FLOAT  # bytes of one filter


def _lane_places(code: Code, start: Integer, stride: Integer, count: Integer) -> list[Integer]:
    """Addresses of LANES filters `stride` bytes apart; beyond `count` the last one again."""
    last = count - 1
    return [start + stride * code.integer(lane).smaller(last) for lane in range(LANES)]


@vector_code
def _transform(code, filters, stride, count, first, step, out, plane):  # type: ignore[no-untyped-def]
    """G g G^T of LANES filters; weight number u is at first + step * u, in bytes, so a filter can be rotated."""
    places = _lane_places(code, filters + first, stride, count)
    g = [[code.gather([place + step * (SIDE * i + j) for place in places]) for j in range(SIDE)] for i in range(SIDE)]
    for i, row in enumerate(on_both_sides(filter_transform, g)):
        for j, value in enumerate(row):
            code.store(out + plane * (PATCH * i + j), value)


@jit(cache=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
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
    start, step = (FILTER - FLOAT, -FLOAT) if rotated else (0, FLOAT)
    for row in range(first, last):
        panel, c = row // inputs, row % inputs
        for column in range(0, PANEL, LANES):
            k = min(panel * PANEL + column, outputs - 1)
            place = u + ((panel * POINTS * inputs + c) * PANEL + column) * FLOAT
            filters = w + c * input_stride + k * output_stride
            _transform(filters, output_stride, outputs - k, start, step, place, inputs * PANEL * FLOAT)


@vector_code
def _adjoint(code, du, plane, part, parts, filters, stride, count):  # type: ignore[no-untyped-def]
    """G^T dU G of LANES filters, dU being the sum of `parts` arrays."""
    sums = [code.variable(code.load(du + plane * p)) for p in range(POINTS)]
    with code.loop(parts - 1) as other:
        start = du + part * (other + 1)
        for p in range(POINTS):
            sums[p].set(sums[p].get() + code.load(start + plane * p))
    u = [[sums[PATCH * i + j].get() for j in range(PATCH)] for i in range(PATCH)]
    places = _lane_places(code, filters, stride, count)
    for i, row in enumerate(on_both_sides(filter_adjoint, u)):
        for j, value in enumerate(row):
            code.scatter([place + FLOAT * (SIDE * i + j) for place in places], value)


@jit(cache=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def filter_gradients(
    du: int, rows: int, columns: int, parts: int, dw: int, inputs: int, outputs: int, first: int, last: int
) -> None:
    """Dw = G^T dU G, with dU the sum of `parts` arrays (36, rows, columns), for inputs first to last - 1."""
    plane = rows * columns * FLOAT
    for c in range(first, last):
        for k in range(0, outputs, LANES):
            place = du + (c * columns + k) * FLOAT
            filters = dw + (k * inputs + c) * FILTER
            _adjoint(place, plane, POINTS * plane, parts, filters, inputs * FILTER, outputs - k)
