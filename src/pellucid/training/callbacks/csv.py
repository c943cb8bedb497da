"""The history as a table that spreadsheets read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pellucid.files import write_whole
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer


class CSV(Callback):
    """Writes a line an epoch into a file: "epoch", "step", "rate", "train.loss", "test.accuracy", and so on."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Write the table of all epochs so far, whole."""
        if trainer.communicator.rank != 0:
            return
        rows = [_flat(line) for line in trainer.state.history]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.path, text.getvalue().encode())


def _flat(record: Record) -> dict[str, float]:
    """The record with measures called "part.measure"."""
    flat: dict[str, float] = {}
    for name, value in record.items():
        inner = value if isinstance(value, dict) else None
        flat |= {name: value} if inner is None else {f"{name}.{key}": number for key, number in inner.items()}
    return flat
