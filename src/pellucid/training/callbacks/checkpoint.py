"""Checkpoints now and then."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from pellucid.training.checkpoint import save_checkpoint
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer

LOOK_EVERY = 10  # steps between looks at the clock, about which all ranks have to agree


class Checkpoint(Callback):
    """Writes a checkpoint after every epoch, when at least `seconds` have passed since the last, and at a stop.

    steps: also every so many steps; 0: not.
    """

    def __init__(self, path: str | Path, seconds: float = 30.0, steps: int = 0) -> None:
        self.path, self.seconds, self.steps = Path(path), seconds, steps
        self.saved_at, self.saved_step = time.monotonic(), -1

    def start(self, trainer: Trainer) -> None:
        """A run that hasn't begun can be resumed too."""
        self._save(trainer)

    def looks(self, trainer: Trainer, step: int) -> bool:
        """Where it may be time."""
        due = step % LOOK_EVERY == 0 and time.monotonic() - self.saved_at >= self.seconds
        return due or bool(self.steps and step % self.steps == 0)

    def step(self, trainer: Trainer, loss: float) -> None:
        """Where it's time."""
        step = trainer.state.step
        if (self.steps and step % self.steps == 0) or (step % LOOK_EVERY == 0 and self._agreed(trainer)):
            self._save(trainer)

    def _agreed(self, trainer: Trainer) -> bool:
        """Whether rank 0's clock says so: every rank takes part in a checkpoint, or none."""
        due = time.monotonic() - self.saved_at >= self.seconds and trainer.communicator.rank == 0
        return bool(trainer.communicator.all_reduce(np.array([float(due)]))[0])

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Every epoch."""
        self._save(trainer)

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Where somebody asked to stop, at the step where it did."""
        if trainer.stopped and trainer.state.step != self.saved_step:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        save_checkpoint(self.path, trainer)
        self.saved_at, self.saved_step = time.monotonic(), trainer.state.step
