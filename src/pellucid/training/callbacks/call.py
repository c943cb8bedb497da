"""A plain function as a callback."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer


class Call(Callback):
    """Calls a function of (trainer, record) after every epoch; what it returns is not looked at."""

    def __init__(self, function: Callable[[Trainer, Record], object]) -> None:
        self.function = function

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Call it."""
        self.function(trainer, record)
