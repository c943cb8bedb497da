"""Kernels one after the other, as one call into compiled code."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from functools import cache
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

    def seconds(self, segments: Sequence[tuple[int, int]]) -> list[float]:
        """Run segments of lines, each from its first to one past its last, in one call; how long each takes."""
        if _clock() == 0:
            found = []
            for first, last in segments:
                start = time.perf_counter()
                self.run(first, last)
                found.append(time.perf_counter() - start)
            return found
        stamps = np.zeros((len(segments) + 1, 2), np.int64)  # whole seconds and nanoseconds
        table = [_stamp(stamps[0])]
        for stamp, (first, last) in zip(stamps[1:], segments, strict=True):
            table += [*self._lines[first:last], _stamp(stamp)]
        run = run_all if self._several else run_all.serial
        run(np.array(table, np.int64), 0, len(table))
        since = stamps - stamps[0]
        return [float(one) for one in np.diff(since[:, 0] + 1e-9 * since[:, 1])]


@cache
def _clock() -> int:
    """Address of the C library's `clock_gettime`, 0 where it has none."""
    if not hasattr(time, "clock_gettime"):
        return 0
    return ctypes.cast(ctypes.CDLL(None).clock_gettime, ctypes.c_void_p).value or 0


def _stamp(place: Array) -> Array:
    """A line that writes the time to a place: its function takes a clock's number and an address, as others do jobs
    and a stage.
    """
    at = address(place)
    return np.array([_clock(), at, at + 1, 1, time.CLOCK_MONOTONIC], np.int64)


def run(calls: Sequence[Call], stages: int | None = None) -> None:
    """Run kernels once; stages: one past the last stage, by default all."""
    Program(calls, stages=stages).run()
