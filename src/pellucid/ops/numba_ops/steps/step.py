"""A step of a plan: kernels with all they need but the addresses of what moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import Parted, thread_count

ALIGNED = 64  # bytes


class Call(NamedTuple):
    """A kernel, the number of parts, its jobs (named tuples of whole numbers), and at which stage it begins."""

    kernel: Parted
    parts: int
    jobs: tuple[Any, ...]
    stage: int = 0


@dataclass(frozen=True)
class Finish:
    """What follows a product: an image added (the step's last input), and the bounds of an activation."""

    low: float = -float("inf")
    high: float = float("inf")
    added: bool = False

    def bounds(self) -> Array:
        """The two as float32, as kernels read them."""
        return np.array([self.low, self.high], np.float32)

    @property
    def relu(self) -> bool:
        """Whether the bounds are ReLU's."""
        return (self.low, self.high) == (0.0, float("inf"))

    @property
    def open(self) -> bool:
        """Whether there are none."""
        return (self.low, self.high) == (-float("inf"), float("inf"))


@dataclass(frozen=True)
class Step:
    """One step's kernels.

    algorithm: its name. calls: gives them for the addresses of the inputs, the output, and scratch memory.
    scratch: bytes of it. arrays: what the kernels read besides, kept alive. multiply_adds: that a direct computation
    takes.
    """

    algorithm: str
    calls: Callable[[list[int], int, int], list[Call]]
    scratch: int = 0
    arrays: list[Array] = field(default_factory=list)
    multiply_adds: int = 0

    @property
    def weight_bytes(self) -> int:
        """Of what it keeps: packed weights, tables."""
        return sum(array.nbytes for array in self.arrays)


SHARED = 32_000_000  # multiply-adds of a plan from which on it pays to wake threads for all of its steps
AWAKE = 1_000_000  # of a step that one thread does while it tells another, awake already, of its part

_plan: ContextVar[int] = ContextVar("plan", default=0)


@contextmanager
def part_of(multiply_adds: int) -> Iterator[None]:
    """Steps that are made inside belong to a plan of so much work: where it is enough, threads are awake for all."""
    token = _plan.set(multiply_adds)
    try:
        yield
    finally:
        _plan.reset(token)


def parts_for(multiply_adds: int) -> int:
    """Into how many parts so much work is cut."""
    enough = _plan.get() >= SHARED and multiply_adds >= AWAKE
    return thread_count() if enough else thread_count(multiply_adds)
