"""Early stopping: training ends when the held-out samples' loss has not fallen for some epochs."""

import numpy as np

from pellucid.training import Callback, Record, Trainer


class KeepBest(Callback):
    """Stops after `patience` epochs without a lower validation loss (by `tolerance`), and keeps the best weights."""

    def __init__(self, patience: int, tolerance: float) -> None:
        self.patience, self.tolerance = patience, tolerance
        self.best, self.waited = np.inf, 0

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Compare, and stop."""
        loss = record["validation"]["loss"]
        if loss < self.best - self.tolerance:
            self.best, self.waited = loss, 0
            self.vector, self.statistics = trainer.network.vector.copy(), trainer.network.statistics.copy()
            return
        self.waited += 1
        if self.waited >= self.patience:
            trainer.stopped = True

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Give the network its best weights."""
        if np.isfinite(self.best):
            trainer.network.vector, trainer.network.statistics = self.vector, self.statistics
