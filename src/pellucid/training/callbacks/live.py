"""The curve in a notebook, while training runs."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

from pellucid.training.callbacks.curve import draw_curve
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer


class Live(Callback):
    """In a notebook, shows the curve so far in one place, drawn anew at most once in `seconds`; elsewhere nothing."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds, self.drawn_at = seconds, -float("inf")
        self.handle: Any = None
        self.drawn = 0

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Draw, unless it was only just done."""
        if time.monotonic() - self.drawn_at >= self.seconds:
            self._show(trainer)

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Let the last picture be complete."""
        if len(trainer.state.history) > self.drawn:
            self._show(trainer)

    def _show(self, trainer: Trainer) -> None:
        shell: Any = sys.modules.get("IPython")
        shell = shell.get_ipython() if shell is not None else None
        if shell is None or not hasattr(shell, "kernel") or trainer.communicator.rank != 0:
            return
        notebook: Any = importlib.import_module("IPython.display")
        state = trainer.state
        picture = notebook.Image(draw_curve(state.history, state.trace, trainer.task.primary), format="png")
        self.drawn, self.drawn_at = len(state.history), time.monotonic()
        if self.handle is None:
            self.handle = notebook.display(picture, display_id=True)
        else:
            self.handle.update(picture)
