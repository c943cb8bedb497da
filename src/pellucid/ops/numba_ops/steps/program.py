"""Kernels one after the other, as one call into compiled code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import run_all
from pellucid.ops.numba_ops.compile.vectors import address
from pellucid.ops.numba_ops.steps.step import Call

LINE = 5  # numbers: function, first stage, one past the last, parts, address of the arguments


class Program:
    """Lines of a table, and the arguments that they point to. Not to be run by two threads at once.

    moving: addresses of values that move from run to run, as they stand in the calls; each is to be told by
    `Program.move` before it is read.
    """

    def __init__(self, calls: Sequence[Call], moving: Sequence[int] = (), stages: int | None = None) -> None:
        words = [list(chain.from_iterable(call.jobs)) for call in calls]
        starts = np.cumsum([0, *map(len, words)])
        self._arguments = np.array(list(chain.from_iterable(words)), np.int64)
        self._places = {place: np.flatnonzero(self._arguments == place) for place in moving}
        base = self._arguments.ctypes.data
        self._lines: Array = np.array(
            [
                (
                    call.kernel.address,
                    call.stage,
                    call.kernel.stages if stages is None else stages,
                    call.parts,
                    base + int(start) * self._arguments.itemsize,
                )
                for call, start in zip(calls, starts[:-1], strict=True)
            ],
            np.int64,
        ).reshape(-1, LINE)
        self._several = any(call.parts > 1 for call in calls)

    def move(self, place: int, value: Array) -> None:
        """Say where the value lies now that the calls have at `place`."""
        self._arguments[self._places[place]] = address(value)

    def run(self, first: int = 0, last: int | None = None) -> None:
        """Run all lines, or `first` to `last` - 1."""
        run = run_all if self._several else run_all.serial
        run(self._lines, first, len(self._lines) if last is None else last)


def run(calls: Sequence[Call], stages: int | None = None) -> None:
    """Run kernels once; stages: one past the last stage, by default all."""
    Program(calls, stages=stages).run()
