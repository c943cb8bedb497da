"""Where a training run stands: all of it that isn't weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
"""One line of the history: numbers, and numbers by name."""


@dataclass
class TrainingState:
    """Counters, and what was measured so far.

    epoch: completed epochs. batch: completed batches of the current one. step: completed steps of all.
    loss_sum, images: of the current epoch: sum over batches of loss x images, and the images.
    seconds: spent in training steps, in all and (epoch_seconds) in the current epoch.
    best: the best value so far of the measure that decides, and best_epoch, the epoch that reached it.
    history: a record of each completed epoch.
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
