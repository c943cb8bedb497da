"""Saving the last and the best model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer
from pellucid.weights import save_model


class SaveModels(Callback):
    """After every epoch, writes the weights that were measured: always the last, and the best where it is.

    notes: what the files say beside the weights. The best is decided by the validation set, else by training.
    """

    def __init__(self, last: Path, best: Path, notes: Mapping[str, str]) -> None:
        self.last, self.best, self.notes = last, best, notes

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Write them."""
        if trainer.communicator.rank != 0:
            return
        with trainer.final_weights() as network:
            save_model(self.last, network, self.notes)
            if trainer.state.best_epoch == trainer.state.epoch:
                save_model(self.best, network, self.notes)
