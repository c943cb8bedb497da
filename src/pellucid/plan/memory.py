"""Where each buffer lies in one static block of memory, so that the block is small.

Only two buffers are needed at a time, a step's input and its output, and even those may overlap: a step writes
its output from first to last pixel while the first needed byte of the input moves on too. So the output may begin
`gap` bytes before the input and grow into what is no longer read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from pellucid.plan.integer_steps import IntegerConv2d, IntegerPool2d, IntegerStep


@dataclass(frozen=True)
class MemoryPlan:
    """offsets: of the input and of each step's output but the last's. size: of the block. In bytes."""

    offsets: tuple[int, ...]
    size: int


def plan_memory(steps: Sequence[IntegerStep]) -> MemoryPlan:
    """The smallest block in which the steps' buffers find places, among those that this search looks at.

    A buffer goes to the block's start or end, or as close before or behind its input as it may.
    """
    sizes = [prod(step.input_shape) for step in steps]
    gaps = [overlap_gap(step) for step in steps[:-1]]
    low, high = max(sizes), sum(sizes)
    while low < high:
        middle = (low + high) // 2
        if _place(sizes, gaps, middle) is None:
            low = middle + 1
        else:
            high = middle
    offsets = _place(sizes, gaps, low)
    assert offsets is not None
    return MemoryPlan(offsets, low)


def _place(sizes: Sequence[int], gaps: Sequence[int], block: int) -> tuple[int, ...] | None:
    """Offsets of all buffers in a block of that size; None where some find no place."""
    reached: dict[int, tuple[int, ...]] = {start: (start,) for start in (0, block - sizes[0])}
    for before, size, gap in zip(sizes[:-1], sizes[1:], gaps, strict=True):
        found: dict[int, tuple[int, ...]] = {}
        for start, path in reached.items():
            for offset in (0, start - gap, start + before, block - size):
                apart = offset + gap <= start or offset >= start + before
                if apart and 0 <= offset <= block - size:
                    found.setdefault(offset, (*path, offset))
        reached = found
    return next(iter(reached.values()), None)


def overlap_gap(step: IntegerStep) -> int:
    """Bytes by which the output must begin before the input where the two overlap."""
    if not isinstance(step, IntegerConv2d | IntegerPool2d):
        return 0  # a table replaces each byte in its place
    side = step.pool if isinstance(step, IntegerConv2d) else 1
    (C, H, W), (K, P, Q) = step.input_shape, step.output_shape
    row, column = (
        np.clip(np.arange(count) * side * stride - padding, 0, size - 1)
        for count, stride, padding, size in zip((P, Q), step.stride, step.padding, (H, W), strict=True)
    )
    first_read = ((row[:, None] * W + column) * C).reshape(-1)
    still_needed = np.minimum.accumulate(first_read[::-1])[::-1]
    written = (np.arange(P * Q) + 1) * K
    return max(0, int((written - still_needed).max()))
