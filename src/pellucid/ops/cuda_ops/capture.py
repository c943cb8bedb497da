"""A step recorded once and replayed: one call to the driver instead of hundreds.

A training step of a small network spends its time on starting kernels. So its work is recorded as a CUDA graph and
started as one. What is recorded are addresses: each replay reads and writes the same arrays, which is why a recorded
step has a pool of its own, and why its inputs are arrays that are filled anew before each replay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.interface import Graph
from pellucid.ops.cuda_ops.pool import UNLIMITED, Pool, use_pool

WARM_UPS = 2
"""Runs before the recording: kernels are compiled, methods chosen, memory allocated."""


class Captured:
    """`step()` recorded; calling this does its work again and returns what the recorded call returned.

    step: reads its inputs from device arrays, which the caller changes in place before each replay, and nothing from
    the device. What changes from step to step must lie in device memory: learning rates as arrays of one number,
    random numbers from a random.Generator. Its warm-up runs count: they change weights as any step does.
    """

    def __init__(self, step: Callable[[], Any], warm_ups: int = WARM_UPS) -> None:
        self.pool = Pool(UNLIMITED)  # nothing may be freed while a step is recorded
        before = use_pool(self.pool)
        try:
            for _ in range(warm_ups):
                step()
            device().begin_capture()
            try:
                self.result = step()
            finally:
                self.graph: Graph = device().end_capture()
        finally:
            use_pool(before)

    def __call__(self) -> Any:
        """Do the step; the arrays that it returned hold the new values."""
        self.graph.replay()
        return self.result
