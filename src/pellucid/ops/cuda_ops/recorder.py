"""Steps without the host: recorded when they have run a few times, then replayed by one call to the driver each.

A training step of a small network spends its time on starting kernels. So its work is recorded as a CUDA graph and
started as one. What is recorded are addresses: each replay reads and writes the same arrays, which is why a recorded
step has a pool of its own, and why its inputs are arrays that are filled anew before each replay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.ops.cuda_ops.ahead import Ahead
from pellucid.ops.cuda_ops.batches import gather
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


WARM_UPS = 2
"""Runs before the recording: kernels are compiled, methods chosen, memory allocated."""


class Recorded:
    """A step that is run as it is the first few times, then recorded, then replayed. Every call is one step.

    step: reads its inputs from device arrays, which the caller changes in place between the steps, and nothing from
    the device. What changes from step to step must lie in device memory: learning rates as arrays of one number,
    random numbers from a random.Generator. What it allocates comes from a pool of its own.
    warm_ups: how often it is run as it is.
    """

    def __init__(self, step: Callable[[], Any], warm_ups: int = WARM_UPS) -> None:
        self.step, self.left = step, warm_ups
        self.pool = Pool(UNLIMITED)
        self.graph: Graph | None = None
        self.result: Any = None

    def __call__(self) -> Any:
        """Do it; what the step returns, which once it is recorded are the same arrays with new values."""
        if self.graph is None:
            before = use_pool(self.pool)
            try:
                if self.left > 0:
                    self.left -= 1
                    return self.step()
                self.pool.keeps = True
                device().begin_capture()
                try:
                    self.result = self.step()
                finally:
                    graph = device().end_capture()
                self.graph = graph
            finally:
                use_pool(before)
        self.graph.replay()
        return self.result


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
