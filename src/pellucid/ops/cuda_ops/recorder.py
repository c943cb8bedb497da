"""Training steps without the host: recorded when they have run a few times, then replayed by one call each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.ops.cuda_ops.ahead import Ahead
from pellucid.ops.cuda_ops.batches import gather
from pellucid.ops.cuda_ops.capture import WARM_UPS
from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.interface import Graph
from pellucid.ops.cuda_ops.pool import UNLIMITED, Pool, use_pool
from pellucid.ops.cuda_ops.random import Generator
from pellucid.ops.cuda_ops.steps import (
    COUNTERS,
    SETTINGS,
    average,
    count_right,
    decide,
    scale_gradient,
    update,
)

__all__ = [
    "COUNTERS",
    "SETTINGS",
    "Ahead",
    "Recorded",
    "StepGenerator",
    "average",
    "count_right",
    "decide",
    "free_memory",
    "gather",
    "scale_gradient",
    "synchronize",
    "update",
]


class Recorded:
    """A step that is run as it is the first few times, then recorded, then replayed. Every call is one step.

    step: as capture.Captured asks for; what it allocates comes from a pool of its own. result: of the last recording.
    """

    def __init__(self, step: Callable[[], object]) -> None:
        self.step, self.pool = step, Pool(UNLIMITED)
        self.runs = 0
        self.graph: Graph | None = None

    def __call__(self) -> None:
        """Do it."""
        if self.graph is None:
            before = use_pool(self.pool)
            try:
                if self.runs < WARM_UPS:
                    self.runs += 1
                    self.step()
                    return
                device().begin_capture()
                try:
                    self.step()
                finally:
                    graph = device().end_capture()
                self.graph = graph
            finally:
                use_pool(before)
        self.graph.replay()


class StepGenerator(Generator):
    """Random numbers that belong to a seed, a step, and the place of the draw in the step.

    The step is a number on the device, which `decide` moves on; so drawing moves nothing.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seed, self.key = seed, 0

    def begin(self, step: int) -> None:
        """The next step is this one."""
        self.state[...] = np.array([self.seed & (1 << 64) - 1, step], np.uint64)

    def restart(self) -> None:
        """A step's first draw comes."""
        self.key = 0

    def advance(self) -> None:
        """The next draw is another one."""
        self.key += 1


def free_memory() -> int:
    """Bytes that the device has free."""
    return device().memory()[0]


def synchronize() -> None:
    """Wait for all that was started."""
    device().synchronize()
