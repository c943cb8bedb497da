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


_WHOLE = ("epoch", "batch", "step", "images", "best_epoch", "trace_steps")


def check_counters(state: TrainingState) -> None:
    """Raise ValueError for counters that no run can have, and a history of something else than its epochs."""
    for name in _WHOLE:
        if getattr(state, name) < 0:
            raise ValueError(f"{name} = {getattr(state, name)}")
    if len(state.history) != state.epoch:
        raise ValueError(f"{len(state.history)} lines of history after {state.epoch} epochs")
    for number, record in enumerate(state.history, 1):
        if not is_epoch(record) or _parts(record) != _parts(state.history[0]):
            raise ValueError(f"line {number} of the history is none of an epoch")


def is_epoch(record: object) -> bool:
    """Whether this is an epoch's line of a history: numbers, and numbers by name, among them a loss."""
    if (
        not isinstance(record, dict)
        or "loss" in record
        or not all(_is_count(record.get(name)) for name in ("epoch", "step"))
    ):
        return False
    parts = [value for value in record.values() if isinstance(value, dict)]
    rest = [value for value in record.values() if not isinstance(value, dict)]
    inner = [value for part in parts for value in part.values()]
    return all("loss" in part for part in parts) and all(isinstance(value, int | float) for value in (*rest, *inner))


def is_step(record: object) -> bool:
    """Whether this is a step's line of a history."""
    numbers = isinstance(record, dict) and all(isinstance(value, int | float) for value in record.values())
    return numbers and isinstance(record, dict) and "loss" in record and _is_count(record.get("step"))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _parts(record: Record) -> dict[str, list[str]]:
    """The names of what was measured, of each part of the data."""
    return {name: sorted(value) for name, value in record.items() if isinstance(value, dict)}
