"""What a person sees while training runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pellucid.training.never_predicted import never_predicted
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

APART = "   "  # between the parts of a line
SMOOTHING = 0.95  # weight of the past in the loss that the bar shows
LINES = 10  # an epoch's lines between epochs, for who wants many


class Progress(Callback):
    """A line an epoch on standard output, and below it, on a terminal, a bar: epoch, images/s, loss, time left.

    verbosity: 0 nothing, 1 as said, 2 also ten lines within each epoch.
    """

    def __init__(self, verbosity: int = 1) -> None:
        self.verbosity, self.loss = verbosity, 0.0
        self.bar: Bar | None = None

    def start(self, trainer: Trainer) -> None:
        """Show the bar."""
        self.loss = 0.0
        if trainer.communicator.rank != 0:
            self.verbosity = 0
        if self.verbosity and sys.stdout.isatty():
            self.bar = _bar()
            self.bar.start()
            self.bar.add_task("", total=trainer.total_steps, completed=trainer.state.step, text="")
        state = trainer.state
        if state.step:
            self._say(f"goes on in epoch {state.epoch + 1} at step {state.step} of {trainer.total_steps}")

    def looks(self, trainer: Trainer, step: int) -> bool:
        """The loss is all it wants."""
        return False

    def step(self, trainer: Trainer, loss: float) -> None:
        """Move the bar."""
        if not self.verbosity:
            return
        state = trainer.state
        self.loss = SMOOTHING * self.loss + (1 - SMOOTHING) * loss if self.loss else loss
        text = f"{state.images / state.epoch_seconds:5.0f} images/s   loss {self.loss:.4f}"
        if self.bar is not None:
            place = f"epoch {state.epoch + 1}/{trainer.total_epochs}"
            self.bar.update(self.bar.task_ids[0], completed=state.step, description=place, text=text)
        if self.verbosity > 1 and state.batch * LINES // len(trainer.loader) > (state.batch - 1) * LINES // len(
            trainer.loader
        ):
            self._say(f"epoch {state.epoch + 1}   step {state.step}/{trainer.total_steps}   {text}")

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """The epoch's line."""
        line = summary(record, trainer.total_epochs, trainer.task.primary)
        self._say(line if self.bar is None else folded(line, self.bar.console.width))
        if self.verbosity and (missed := never_predicted(trainer)):
            self._say(missed)

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _say(self, line: str) -> None:
        if not self.verbosity:
            return
        if self.bar is not None:
            self.bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)


def _bar() -> Bar:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    return Bar(*columns, refresh_per_second=4, transient=True)


def summary(record: Record, epochs: int, primary: str) -> str:
    """An epoch in one line: loss and primary measure of every part, speed."""
    parts = [f"epoch {record['epoch']}/{epochs}"]
    for name, measures in record.items():
        if isinstance(measures, dict):
            parts.append(f"{name}: loss {measures['loss']:.4f}, {primary} {percent(measures[primary])}")
    parts.append(f"{record['images_per_second']:.0f} images/s, {record['seconds']:.1f} s")
    return APART.join(parts)


def folded(line: str, width: int) -> str:
    """The line, broken between its parts where a terminal of that width is too narrow for it."""
    lines: list[str] = []
    for part in line.split(APART):
        if lines and len(lines[-1]) + len(APART) + len(part) <= width:
            lines[-1] += APART + part
        else:
            lines.append(2 * APART + part if lines else part)
    return "\n".join(lines)


def percent(value: float) -> str:
    """A fraction as a person reads it."""
    return f"{100 * value:.2f} %"
