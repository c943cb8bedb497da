"""One training in one folder at a time."""

from __future__ import annotations

import os
from pathlib import Path

from pellucid.errors import PellucidError
from pellucid.training.agreement import together
from pellucid.training.folder import RunFolder
from pellucid.training.trainer import Callback, Trainer


class AloneInFolder(Callback):
    """Holds the run's folder while training runs. Raises PellucidError, on every rank, where another process does,
    or has trained there since this was made, which is to be before the checkpoint is read.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.held: int | None = None
        self.found = _stamp(run.checkpoint)

    def start(self, trainer: Trainer) -> None:
        """Take the folder, and remove what a killed process has left half-written."""

        def take() -> None:
            if trainer.communicator.rank == 0 and self.held is None:
                self.held = self.run.hold()
                if _stamp(self.run.checkpoint) != self.found:
                    self._release()
                    raise PellucidError(f"{self.run.path}: another process has trained in this folder meanwhile")
                self.run.sweep()

        together(trainer.communicator, take)

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Let it go."""
        if self.held is not None:
            self.found = _stamp(self.run.checkpoint)
            self._release()

    def _release(self) -> None:
        if self.held is not None:
            os.close(self.held)
            self.held = None


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Which file it is, as each writing makes a new one."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
