"""Where the values of a plan lie: by their lifetimes, in one block of memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pellucid.graph.lifetimes import spans
from pellucid.graph.node import INPUT
from pellucid.plan.memory import Buffer, place_buffers

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


class Named(Protocol):
    """A step: the value that it gives, and those that it sees."""

    @property
    def name(self) -> str:
        """Of the value that it gives."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of those that it sees."""


class Steps(Protocol):
    """Steps in order, and what of their values shares memory or is given out."""

    @property
    def steps(self) -> Sequence[Named]:
        """First to last."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the values that are given out."""

    def place(self, name: str) -> str:
        """The value whose memory a value has."""


@dataclass(frozen=True)
class Block:
    """values: bytes from the block's start, by name, of all but the network's input and outputs.

    scratch: the same of each step's scratch memory. size: bytes of the block. buffers: (name, offset, bytes, first
    step, last step) of all in it, for who draws it; a scratch buffer is called after its step.
    """

    values: Mapping[str, int]
    scratch: Sequence[int]
    size: int
    buffers: Sequence[tuple[str, int, int, int, int]]


def place(plan: Steps, sizes: Mapping[str, int], scratch: Sequence[int]) -> Block:
    """Places in a block. sizes: bytes of every value; scratch: bytes that each step needs while it runs."""
    outside = {INPUT, *(plan.place(name) for name in plan.outputs)}
    ends = spans([(step.name, [plan.place(name) for name in step.inputs]) for step in plan.steps], ())
    names = [step.name for step in plan.steps if step.name not in outside]
    values = [Buffer(_up(sizes[name]), *ends[name], alignment=ALIGNMENT) for name in names]
    needed = [i for i, size in enumerate(scratch) if size]
    working = [Buffer(_up(scratch[i]), i, i, alignment=ALIGNMENT) for i in needed]
    buffers = values + working
    if not buffers:
        return Block({}, [0] * len(scratch), 0, [])
    offsets = place_buffers(buffers)
    places = [0] * len(scratch)
    for i, offset in zip(needed, offsets[len(names) :], strict=True):
        places[i] = offset
    titles = [*names, *(plan.steps[i].name for i in needed)]
    drawn = [
        (title, offset, buffer.size, buffer.first, buffer.last)
        for title, offset, buffer in zip(titles, offsets, buffers, strict=True)
    ]
    size = max(offset + buffer.size for offset, buffer in zip(offsets, buffers, strict=True))
    return Block(dict(zip(names, offsets, strict=False)), places, size, drawn)


def _up(size: int) -> int:
    return math.ceil(size / ALIGNMENT) * ALIGNMENT
