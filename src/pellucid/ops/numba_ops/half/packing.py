"""Filters of bfloat16 as packed panels of pairs, and sums of their gradients back, in one pass on all cores."""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import rounded, seen
from pellucid.ops.numba_ops.layout import contiguous
from pellucid.ops.numba_ops.winograd.product import PANEL

INPUTS = 32  # channels at a time whose totals stay in the second-level cache, while a panel after another is read


def packed_pairs(w: Array, taps: Array, turned: bool) -> Array:
    """Filters w (K, C, R, S) in panels of pairs (panels, pairs, PANEL, 2), their bits; depth runs tap by tap.

    taps: which, as places in R*S, in their order. turned: of the adjoint, whose outputs are the C inputs of w.
    """
    K, C, R, S = w.shape
    outputs, inputs = (C, K) if turned else (K, C)
    output_step, input_step = (R * S, C * R * S) if turned else (C * R * S, R * S)
    pairs = -(-len(taps) * inputs // 2)
    panels = np.zeros((-(-outputs // PANEL), pairs, PANEL, 2), np.uint16)
    _pack(seen(contiguous(w)).reshape(-1), taps, outputs, output_step, inputs, input_step, panels)
    return panels


@jit(parallel=True)
def _pack(w: Any, taps: Any, outputs: int, output_step: int, inputs: int, input_step: int, panels: Any) -> None:
    for panel in prange(panels.shape[0]):
        for column in range(min(PANEL, outputs - panel * PANEL)):
            start = (panel * PANEL + column) * output_step
            for i in range(inputs):
                for t in range(taps.size):
                    place = t * inputs + i
                    panels[panel, place // 2, column, place % 2] = w[start + i * input_step + taps[t]]


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
