"""Filters of bfloat16 as packed panels of pairs, and sums of their gradients back, in one pass on all cores."""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import rounded, seen
from pellucid.ops.numba_ops.compile.parts import parted, read, share, thread_count, wholes
from pellucid.ops.numba_ops.compile.vectors import Code, Integer, address, vector_code
from pellucid.ops.numba_ops.layout import contiguous
from pellucid.ops.numba_ops.winograd.product import PANEL

HALF = 2  # bytes of a number
ROW = PANEL * 2 * HALF  # bytes of a pair of all filters of a panel
COST = 32  # multiply-adds that take as long as packing a number

_NUMBER, _LANE = ir.IntType(16), ir.IntType(32)

INPUTS = 32  # channels at a time whose totals stay in the second-level cache, while a panel after another is read


class Packing(NamedTuple):
    """Addresses, and counts of numbers."""

    w: int
    taps: int  # which, int64
    number: int  # of taps
    outputs: int
    output_step: int  # from a filter to the next
    inputs: int
    input_step: int
    panels: int
    parts: int


def packed_pairs(w: Array, taps: Array, turned: bool) -> Array:
    """Filters w (K, C, R, S) in panels of pairs (panels, pairs, PANEL, 2), their bits; depth runs tap by tap.

    taps: which, as places in R*S, in their order. turned: of the adjoint, whose outputs are the C inputs of w.
    Columns beyond the last output repeat it.
    """
    K, C, R, S = w.shape
    outputs, inputs = (C, K) if turned else (K, C)
    output_step, input_step = (R * S, C * R * S) if turned else (C * R * S, R * S)
    depth = len(taps) * inputs
    panels = empty((-(-outputs // PANEL), -(-depth // 2), PANEL, 2), np.uint16)
    if panels.size:
        source, order, parts = seen(contiguous(w)), taps.astype(np.int64), thread_count(COST * panels.size)
        sizes = (len(order), outputs, output_step, inputs, input_step)
        _pack(parts, Packing(address(source), address(order), *sizes, address(panels), parts))
    if depth % 2:
        panels[:, -1, :, 1] = 0
    return panels


@vector_code
def _pack_row(code: Code, x: Integer, y: Integer, step: Integer, count: Integer, row: Integer) -> None:
    """Of `count` filters, `step` bytes apart, a number at x and one at y, side by side."""
    build, last = code.builder, count - 1
    pairs = ir.Constant(ir.VectorType(_NUMBER, 2 * PANEL), ir.Undefined)
    for column in range(PANEL):
        apart = step * code.integer(column).smaller(last)
        for side, start in enumerate((x, y)):
            number = build.load(build.inttoptr((start + apart).value, _NUMBER.as_pointer()), typ=_NUMBER)
            number.align = HALF
            pairs = build.insert_element(pairs, number, ir.Constant(_LANE, 2 * column + side))
    build.store(pairs, build.inttoptr(row.value, pairs.type.as_pointer())).align = HALF


@parted(stages=1)
def _pack(arguments: int, stage: int, part: int) -> None:
    """Some of the rows of all panels: a pair of inputs at every tap, of one panel."""
    work = read(Packing, arguments, 0)
    taps, depth, places = wholes(work.taps), work.number * work.inputs, (work.inputs + 1) // 2
    pairs, panels = (depth + 1) // 2, (work.outputs + PANEL - 1) // PANEL
    first, last = share(panels * places, part, work.parts)
    for panel in range(first // places, (last + places - 1) // places):
        w, target = work.w + panel * PANEL * work.output_step * HALF, work.panels + panel * pairs * ROW
        filters = min(PANEL, work.outputs - panel * PANEL)
        for place in range(max(0, first - panel * places), min(places, last - panel * places)):
            for t in range(work.number):
                i = 2 * place + (t * work.inputs) % 2  # of odd inputs, every second tap begins within a pair
                if i < work.inputs:
                    x = w + (i * work.input_step + taps[t]) * HALF
                    y = x + work.input_step * HALF
                    if i + 1 == work.inputs:
                        y = w + taps[t + 1] * HALF if t + 1 < work.number else x
                    row = target + (t * work.inputs + i) // 2 * ROW
                    _pack_row(x, y, work.output_step * HALF, filters, row)


def unpacked(totals: Array, order: Array, dw: Array) -> None:
    """Gradients dw (K, C, R, S), written, rounded once, of totals (parts, depth, K in whole panels), added up.

    order: in which row of the totals each number (R, S, C) of a filter is.
    """
    K, C, R, S = dw.shape
    _unpack(totals, order.reshape(R * S, C), seen(dw).reshape(K, C * R * S))


@jit(parallel=True)
def _unpack(totals: Any, order: Any, dw: Any) -> None:
    parts, filters = totals.shape[0], dw.shape[0]
    taps, inputs = order.shape
    for block in prange((inputs + INPUTS - 1) // INPUTS):
        line, total = np.empty(PANEL, dw.dtype), np.empty(PANEL, np.float32)
        for first in range(0, filters, PANEL):
            count = min(PANEL, filters - first)
            for c in range(block * INPUTS, min(inputs, (block + 1) * INPUTS)):
                for t in range(taps):
                    row = order[t, c]
                    for k in range(PANEL):
                        total[k] = totals[0, row, first + k]
                    for part in range(1, parts):
                        for k in range(PANEL):
                            total[k] += totals[part, row, first + k]
                    for k in range(PANEL):
                        line[k] = rounded(total[k], dw)
                    for k in range(count):
                        dw[first + k, c * taps + t] = line[k]
