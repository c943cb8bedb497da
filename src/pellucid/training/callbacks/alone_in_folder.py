"""One training in one folder at a time."""

from __future__ import annotations

import os

from pellucid.training.agreement import together
from pellucid.training.folder import RunFolder
from pellucid.training.trainer import Callback, Trainer


class AloneInFolder(Callback):
    """Holds the run's folder while training runs. Raises PellucidError, on every rank, where another process does."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.held: int | None = None

    def start(self, trainer: Trainer) -> None:
        """Take the folder."""

        def take() -> None:
            if trainer.communicator.rank == 0 and self.held is None:
                self.held = self.run.hold()

        together(trainer.communicator, take)

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Let it go."""
        if self.held is not None:
            os.close(self.held)
            self.held = None
