"""What can be hung into training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid.training.state import Record

if TYPE_CHECKING:
    from pellucid.training.trainer import Trainer


class Callback:
    """Called at four moments; by default does nothing. It may look at everything and change nothing.

    Where several processes train together, each has the same callbacks; only rank 0 writes and prints.
    """

    def start(self, trainer: Trainer) -> None:
        """Training begins, or goes on from a checkpoint (then trainer.state.step is above 0)."""

    def step(self, trainer: Trainer, loss: float) -> None:
        """A step is done, with this loss over its batch."""

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """An epoch is done and evaluated; the record is also the last of trainer.state.history."""

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Training is over: finished, asked to stop, or broken off by an exception. Called exactly once."""
