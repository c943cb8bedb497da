"""The history of a run as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

from pellucid.documents import parse_json, utf8
from pellucid.errors import PellucidError
from pellucid.files import read_whole, write_whole
from pellucid.training.state import Record, is_epoch, is_step
from pellucid.training.trainer import Callback, Trainer


class History(Callback):
    """Appends a line an epoch, and one every `every` steps (0: none), to a file.

    Epoch lines have "train", "validation", "test" and so on; step lines have "loss". A run that goes on from a
    checkpoint first drops what was written after that checkpoint, and a line broken off.
    """

    def __init__(self, path: Path, every: int = 0) -> None:
        self.path, self.every = path, every
        self.file: IO[str] | None = None

    def start(self, trainer: Trainer) -> None:
        """Bring the file to the state of the trainer, and open it."""
        if trainer.communicator.rank != 0:
            return
        steps = [line for line in read_history(self.path, epochs=False) if line["step"] <= trainer.state.step]
        lines = sorted([*steps, *trainer.state.history], key=lambda line: (line["step"], "loss" not in line))
        write_whole(self.path, "".join(map(_line, lines)).encode())
        try:
            self.file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise PellucidError(f"cannot write {self.path}: {error.strerror or error}") from error

    def looks(self, trainer: Trainer, step: int) -> bool:
        """The loss is all it wants."""
        return False

    def step(self, trainer: Trainer, loss: float) -> None:
        """A line now and then."""
        state = trainer.state
        if self.every and state.step % self.every == 0:
            rate = trainer.optimizer.rate * trainer.schedule(state.step - 1)
            self._append({"step": state.step, "epoch": state.epoch + 1, "loss": loss, "rate": rate})

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """The epoch's line."""
        self._append(record)

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def _append(self, record: Record) -> None:
        if self.file is None:
            return
        try:
            self.file.write(_line(record))
            self.file.flush()
        except OSError as error:
            raise PellucidError(f"cannot write {self.path}: {error.strerror or error}") from error


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"


def read_history(path: Path, *, epochs: bool = True) -> list[Record]:
    """The epoch lines (or step lines) of a history file, without a line broken off; none where there is no file.

    Raises PellucidError, naming the line, for one that is neither, but not the last.
    """
    if not path.exists():
        return []
    lines = utf8(read_whole(path), str(path)).split("\n")
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line, f"{path}:{number}", "a line of a history")
            if not (is_epoch(record) or is_step(record)):
                raise PellucidError(f"{path}:{number}: no line of a history, {line[:60]!r}")
        except PellucidError:
            if number == len(lines):  # broken off: a whole one ends with a line feed
                continue
            raise
        if is_epoch(record) is epochs:
            records.append(record)
    return records
