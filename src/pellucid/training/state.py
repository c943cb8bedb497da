"""Where a training run stands: all of it that isn't weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
"""One line of the history: numbers, and numbers by name."""


TRACE_POINTS = 25  # of an epoch


@dataclass
class TrainingState:
    """Counters, and what was measured so far.

    epoch: completed epochs. batch: completed batches of the current one. step: completed steps of all.
    loss_sum, images: of the current epoch: sum over batches of loss x images, and the images.
    seconds: spent in training steps, in all and (epoch_seconds) in the current epoch.
    best: the best value so far of the measure that decides, and best_epoch, the epoch that reached it.
    history: a record of each completed epoch.
    trace: (place in epochs, mean loss over the steps before it) at even distances, for the curve.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    images: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    history: list[Record] = field(default_factory=list)
    trace: list[tuple[float, float]] = field(default_factory=list)
    trace_sum: float = 0.0
    trace_steps: int = 0

    def count(self, loss: float, images: int, epoch_steps: int) -> None:
        """Take in a step with this loss over so many images, in an epoch of so many steps."""
        before = self.batch * TRACE_POINTS // epoch_steps
        self.batch += 1
        self.step += 1
        self.images += images
        self.loss_sum += loss * images
        self.trace_sum += loss
        self.trace_steps += 1
        if self.batch * TRACE_POINTS // epoch_steps > before:
            self.trace.append((self.step / epoch_steps, self.trace_sum / self.trace_steps))
            self.trace_sum, self.trace_steps = 0.0, 0

    def close_epoch(self, record: Record) -> None:
        """The epoch is over, and measured: count from zero for the next."""
        self.epoch += 1
        self.history.append(record)
        self.batch, self.images, self.loss_sum, self.epoch_seconds = 0, 0, 0.0, 0.0
