"""Where each buffer lies in one static block of memory, so that the block is small.

Two buffers share memory where one dies before the other is made. And in a chain even a step's input and its output
may overlap: a step writes its output from first to last pixel while the first needed byte of the input moves on
too. So where nobody else needs the input, the output may begin `gap` bytes before it and grow into what is no longer
read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import prod

import numpy as np

from pellucid.graph.lifetimes import spans
from pellucid.graph.node import INPUT
from pellucid.plan.integer_affine import IntegerConv2d
from pellucid.plan.integer_steps import (
    IntegerAdd,
    IntegerMultiply,
    IntegerOrder,
    IntegerPool2d,
    IntegerStep,
    IntegerTable,
)

ALIGNMENT = 4  # of numbers of 32 bits
PLACES = 4
"""How many places the exported C's convolutions compute at a time."""


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


def plan_memory(steps: Sequence[IntegerStep], scratch: Sequence[int] = (), windows: Sequence[int] = ()) -> MemoryPlan:
    """A small block in which the steps' buffers find places.

    scratch: bytes at the block's end that each step needs while it runs. windows: bytes that the first steps keep of
    what each sees, if they work line by line: these buffers, all there at once, stand for the steps' inputs.

    Of a chain, the smallest block among those that a search looks at: a buffer goes to the block's start or end, or
    as close before or behind its input as it may. Of a graph, each buffer in turn, the largest first, goes to the
    lowest place that no other needs at the same time.
    """
    found = buffers(steps) if not windows else _with_windows(buffers(steps), windows)
    reserved = [max(scratch[max(0, buffer.first) : buffer.last + 1], default=0) for buffer in found]
    skipped = max(0, len(windows) - 1)
    chain = all(buffer.last == i + skipped and buffer.alignment == 1 for i, buffer in enumerate(found))
    plan = _chain(found, reserved) if chain else _graph(found, reserved)
    if not windows:
        return plan
    starts = accumulate(windows[:-1], initial=plan.offsets[0])
    return MemoryPlan((*starts, *plan.offsets[1:]), plan.size)


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


def _with_windows(found: Sequence[Buffer], windows: Sequence[int]) -> list[Buffer]:
    """The windows as one buffer, and what the last step that works line by line gives, from the start on."""
    count = len(windows)
    given = replace(found[count], first=-1, into=None, gap=0)
    later = [each if each.into is None else replace(each, into=each.into - count + 1) for each in found[count + 1 :]]
    return [Buffer(sum(windows), -1, count - 1), given, *later]


def _grown(step: IntegerStep, found: Sequence[Buffer], dying: Sequence[int]) -> tuple[int | None, int]:
    """Which of the inputs that end with it, by number, a step's output may grow into, and by what gap."""
    if isinstance(step, IntegerAdd | IntegerMultiply):
        dying = [number for number in dying if found[number].size == step.output_bytes]
    elif not isinstance(step, IntegerConv2d | IntegerOrder | IntegerPool2d | IntegerTable):
        dying = ()
    return (dying[0], overlap_gap(step)) if dying and not step.wide else (None, 0)


def _chain(found: Sequence[Buffer], reserved: Sequence[int]) -> MemoryPlan:
    """The smallest block by bisection. reserved: bytes at its end that each buffer must leave free."""
    sizes = [buffer.size for buffer in found]
    low, high = max(map(sum, zip(sizes, reserved, strict=True))), sum(sizes) + max(reserved)
    while low < high:
        middle = (low + high) // 2
        if _place(found, reserved, middle) is None:
            low = middle + 1
        else:
            high = middle
    offsets = _place(found, reserved, low)
    assert offsets is not None
    return MemoryPlan(offsets, low)


def _place(found: Sequence[Buffer], reserved: Sequence[int], block: int) -> tuple[int, ...] | None:
    """Offsets of all buffers of a chain in a block of that size; None where some find no place."""
    limits = [block - free - buffer.size for buffer, free in zip(found, reserved, strict=True)]
    reached: dict[int, tuple[int, ...]] = {start: (start,) for start in (0, limits[0])}
    for i, (before, buffer) in enumerate(pairwise(found)):
        gap = buffer.size if buffer.into is None else buffer.gap
        now: dict[int, tuple[int, ...]] = {}
        for start, path in reached.items():
            for offset in (0, start - gap, start + before.size, limits[i + 1]):
                apart = offset + gap <= start or offset >= start + before.size
                if apart and 0 <= offset <= limits[i + 1]:
                    now.setdefault(offset, (*path, offset))
        reached = now
    return next(iter(reached.values()), None)


def _graph(found: Sequence[Buffer], reserved: Sequence[int]) -> MemoryPlan:
    """Greedily, and again with room before a buffer that another will grow into, wherever that makes less of all."""
    rooms = [0] * len(found)
    offsets, size = place_buffers(found), 0
    while True:
        tops = [at + buffer.size + free for at, buffer, free in zip(offsets, found, reserved, strict=True)]
        size, highest = max(tops), tops.index(max(tops))
        tried = []
        for buffer in found:
            host = buffer.into
            if host is not None and not rooms[host] and together(found, host, highest):
                others = [*rooms[:host], buffer.gap, *rooms[host + 1 :]]
                places = place_buffers(found, others)
                most = max(at + each.size + free for at, each, free in zip(places, found, reserved, strict=True))
                tried.append((most, others, places))
        best = min(tried, key=lambda each: each[0], default=None)
        if best is None or best[0] >= size:
            return MemoryPlan(offsets, size)
        _, rooms, offsets = best


def place_buffers(found: Sequence[Buffer], rooms: Sequence[int] | None = None) -> tuple[int, ...]:
    """Their offsets in one block, chosen greedily by size. rooms: bytes to leave free before each.

    Pisarchyk, Lee 2020, "Efficient memory management for deep neural net inference".
    """
    offsets: dict[int, int] = {}
    for i in sorted(range(len(found)), key=lambda i: (-found[i].size, i)):
        offset = room = rooms[i] if rooms else 0
        for start, end in sorted(forbidden(found, i, j, at) for j, at in offsets.items() if together(found, i, j)):
            if start < offset < end + room:
                offset = end + room + -(end + room) % found[i].alignment
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
    if isinstance(step, IntegerOrder):  # pixel by pixel: most at the first, or at the last
        (C, H, W), K = step.input_shape, step.output_shape[0]
        return max(K, H * W * K - (H * W - 1) * C)
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
    if isinstance(step, IntegerConv2d) and side == 1 and step.groups > 1 and not step.groups == C == K:
        still_needed = still_needed[np.arange(P * Q) // PLACES * PLACES]  # each group in its turn sees all of them
    written = (np.arange(P * Q) + 1) * K
    return max(0, int((written - still_needed).max()))
