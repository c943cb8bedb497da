"""An end to training that no longer gets anywhere."""

from __future__ import annotations

import math

from pellucid.errors import InputError
from pellucid.ops.arrays import Array
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer


class EarlyStopping(Callback):
    """Ends training when the measure that decides hasn't become better for `patience` epochs.

    measure: such as "validation.loss"; by default the task's primary measure on the validation data, else on the
    training data. A loss or error is better where it is smaller. least: what counts as better is better by more than
    this. restore: give the network the weights of its best epoch at the end.
    Raises PellucidError for a measure that isn't taken.
    """

    def __init__(self, patience: int = 3, *, measure: str = "", least: float = 0.0, restore: bool = True) -> None:
        if patience < 1 or least < 0:
            raise InputError(
                f"EarlyStopping: expected patience of 1 or more, least of 0 or more, got {patience}, {least}"
            )
        self.patience, self.measure, self.least, self.restore = patience, measure, least, restore
        self.best_epoch = 0
        self.kept: tuple[Array, Array] | None = None

    def start(self, trainer: Trainer) -> None:
        """Forget another training."""
        if not trainer.state.step:
            self.best_epoch, self.kept = 0, None

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Compare with the best so far, which the history tells: a run that goes on stops where it would have."""
        values = [self._value(trainer, line) for line in trainer.state.history]
        best, self.best_epoch = values[0], 1
        for number, value in enumerate(values[1:], 2):
            if value > best + self.least or math.isnan(best):
                best, self.best_epoch = value, number
        if self.best_epoch == record["epoch"] and self.restore:
            with trainer.final_weights() as network:
                self.kept = network.vector.copy(), network.statistics.copy()
        if record["epoch"] - self.best_epoch >= self.patience:
            trainer.stop(f"no better for {self.patience} epochs, best was epoch {self.best_epoch}")

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Go back to the best weights."""
        if finished and self.kept is not None:
            trainer.network.vector, trainer.network.statistics = self.kept
            if trainer.average is not None:
                trainer.average.restart(trainer.network)
            trainer.weights.restart()

    def _value(self, trainer: Trainer, record: Record) -> float:
        """The measure, larger where it is better."""
        part, _, name = (self.measure or f"{trainer.judge}.{trainer.task.primary}").partition(".")
        measures = record.get(part)
        if not isinstance(measures, dict) or name not in measures:
            taken = [f"{part}.{name}" for part, found in record.items() if isinstance(found, dict) for name in found]
            raise InputError(f"EarlyStopping: expected one of {', '.join(taken)}, got {self.measure!r}")
        larger = trainer.task.larger_is_better if name == trainer.task.primary else name not in {"loss", "mse", "mae"}
        return float(measures[name]) if larger else -float(measures[name])
