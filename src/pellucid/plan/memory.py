"""Where each buffer lies in one static block of memory, so that the block is small.

Two buffers share memory where one dies before the other is made. And in a chain even a step's input and its output
may overlap: a step writes its output from first to last pixel while the first needed byte of the input moves on
too. So where nobody else needs the input, the output may begin `gap` bytes before it and grow into what is no longer
read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from pellucid.graph.lifetimes import spans
from pellucid.graph.node import INPUT
from pellucid.plan.integer_affine import IntegerConv2d
from pellucid.plan.integer_steps import IntegerAdd, IntegerMultiply, IntegerPool2d, IntegerStep, IntegerTable

ALIGNMENT = 4  # of numbers of 32 bits


@dataclass(frozen=True)
class MemoryPlan:
    """In bytes. offsets: of the input and each step's output but the last's, which lies elsewhere. size: of all."""

    offsets: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Buffer:
    """A value in memory: so many bytes from step `first`, which writes it, to step `last`, which reads it last.

    The network's input is there from -1 on. into: number of the buffer that it may grow into, if it begins `gap`
    bytes before it.
    """

    size: int
    first: int
    last: int
    into: int | None = None
    gap: int = 0
    alignment: int = 1


def plan_memory(steps: Sequence[IntegerStep]) -> MemoryPlan:
    """A small block in which the steps' buffers find places.

    Of a chain, the smallest among those that a search looks at: a buffer goes to the block's start or end, or as
    close before or behind its input as it may. Of a graph, each buffer in turn, the largest first, goes to the lowest
    place that no other needs at the same time.
    """
    found = buffers(steps)
    chain = all(buffer.into == i - 1 and buffer.last == i for i, buffer in enumerate(found) if i)
    return _chain(found) if chain else _graph(found)


def buffers(steps: Sequence[IntegerStep]) -> list[Buffer]:
    """The input's, and each step's but the last one's."""
    ends = spans([(step.name, step.inputs) for step in steps], [steps[-1].name])
    numbers = {name: i for i, name in enumerate([INPUT, *(step.name for step in steps)])}
    reader = next((step for step in steps if INPUT in step.inputs), steps[0])
    found = [Buffer(prod(reader.input_shape), -1, ends[INPUT][1])]
    for i, step in enumerate(steps[:-1]):
        seen = (numbers[name] for name in step.inputs if ends[name][1] == i)
        into, gap = _grown(step, found, [number for number in seen if found[number].alignment == 1])
        aligned = ALIGNMENT if step.wide else 1
        found.append(Buffer(step.output_bytes, i, ends[step.name][1], into, gap, aligned))
    return found


def _grown(step: IntegerStep, found: Sequence[Buffer], dying: Sequence[int]) -> tuple[int | None, int]:
    """Which of the inputs that end with it, by number, a step's output may grow into, and by what gap."""
    if isinstance(step, IntegerAdd | IntegerMultiply):
        dying = [number for number in dying if found[number].size == step.output_bytes]
    elif not isinstance(step, IntegerConv2d | IntegerPool2d | IntegerTable):
        dying = ()
    return (dying[0], overlap_gap(step)) if dying and not step.wide else (None, 0)


def _chain(found: Sequence[Buffer]) -> MemoryPlan:
    """The smallest block by bisection."""
    low, high = max(buffer.size for buffer in found), sum(buffer.size for buffer in found)
    while low < high:
        middle = (low + high) // 2
        if _place(found, middle) is None:
            low = middle + 1
        else:
            high = middle
    offsets = _place(found, low)
    assert offsets is not None
    return MemoryPlan(offsets, low)


def _place(found: Sequence[Buffer], block: int) -> tuple[int, ...] | None:
    """Offsets of all buffers of a chain in a block of that size; None where some find no place."""
    reached: dict[int, tuple[int, ...]] = {start: (start,) for start in (0, block - found[0].size)}
    for before, buffer in pairwise(found):
        now: dict[int, tuple[int, ...]] = {}
        for start, path in reached.items():
            for offset in (0, start - buffer.gap, start + before.size, block - buffer.size):
                apart = offset + buffer.gap <= start or offset >= start + before.size
                if apart and 0 <= offset <= block - buffer.size:
                    now.setdefault(offset, (*path, offset))
        reached = now
    return next(iter(reached.values()), None)


def _graph(found: Sequence[Buffer]) -> MemoryPlan:
    offsets = place_buffers(found)
    return MemoryPlan(offsets, max(offsets[i] + buffer.size for i, buffer in enumerate(found)))


def place_buffers(found: Sequence[Buffer]) -> tuple[int, ...]:
    """Their offsets in one block, chosen greedily by size.

    Pisarchyk, Lee 2020, "Efficient memory management for deep neural net inference".
    """
    offsets: dict[int, int] = {}
    for i in sorted(range(len(found)), key=lambda i: (-found[i].size, i)):
        offset = 0
        for start, end in sorted(forbidden(found, i, j, at) for j, at in offsets.items() if together(found, i, j)):
            if start < offset < end:
                offset = end + -end % found[i].alignment
        offsets[i] = offset
    return tuple(offsets[i] for i in range(len(found)))


def together(found: Sequence[Buffer], i: int, j: int) -> bool:
    """Whether both buffers are needed at some step."""
    return found[i].first <= found[j].last and found[j].first <= found[i].last


def forbidden(found: Sequence[Buffer], i: int, j: int, at: int) -> tuple[int, int]:
    """Between which offsets, both exclusive, buffer i may not begin where buffer j begins at `at`."""
    before = found[i].gap if found[i].into == j else found[i].size
    behind = found[j].gap if found[j].into == i else found[j].size
    return at - before, at + behind


def overlap_gap(step: IntegerStep) -> int:
    """Bytes by which the output must begin before the input where the two overlap."""
    if not isinstance(step, IntegerConv2d | IntegerPool2d):
        return 0  # a table, a sum or a product replaces each byte in its place
    side = step.pool if isinstance(step, IntegerConv2d) else 1
    (C, H, W), (K, P, Q) = step.input_shape, step.output_shape
    row, column = (
        np.clip(np.arange(count) * side * stride - padding, 0, size - 1)
        for count, stride, padding, size in zip((P, Q), step.stride, step.geometry.before, (H, W), strict=True)
    )
    first_read = ((row[:, None] * W + column) * C).reshape(-1)
    still_needed = np.minimum.accumulate(first_read[::-1])[::-1]
    written = (np.arange(P * Q) + 1) * K
    return max(0, int((written - still_needed).max()))
