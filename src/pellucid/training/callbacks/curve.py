"""The history as a picture."""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid.files import write_whole
from pellucid.training.state import Record, TrainingState
from pellucid.training.trainer import Callback, Trainer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# colours that stay apart for every kind of colour vision (Okabe, Ito 2008); markers and dashes say it twice
STYLES = {
    "train": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "validation": {"color": "#009E73", "marker": "s", "linestyle": "--"},
    "test": {"color": "#D55E00", "marker": "^", "linestyle": "-."},
}
OTHER = {"color": "#000000", "marker": "d", "linestyle": ":"}
TRACE = "train, while learning"
"""The pale line: losses of the batches as they came, with dropout and augmentation, by weights of that moment."""

LEFT = 0.5  # percent below which what is missing isn't stretched further
PERCENTS = (0, 50, 70, 80, 90, 95, 97, 98, 99, 99.5, 100)


class Curve(Callback):
    """After every epoch, draws loss and primary measure so far into a PNG file, while training goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.drawn = 0  # epochs of the last picture
        self.thread: threading.Thread | None = None
        self.error: Exception | None = None

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Start drawing, unless the last picture isn't finished yet; `end` makes up for it.

        The last epoch's is waited for: behind its checkpoint nobody would draw it any more.
        """
        last = trainer.state.epoch >= trainer.total_epochs or bool(trainer.stop_reason)
        if last or self.thread is None or not self.thread.is_alive():
            self._draw(trainer)
        if last:
            self._wait()

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Let the last picture be complete."""
        self._wait()
        if len(trainer.state.history) > self.drawn > 0:
            self._draw(trainer)
            self._wait()

    def _draw(self, trainer: Trainer) -> None:
        if trainer.communicator.rank != 0:
            return
        self._wait()
        state, primary = copy.copy(trainer.state), trainer.task.primary
        state.history, state.trace = list(state.history), list(state.trace)
        self.drawn = len(state.history)
        self.thread = threading.Thread(target=self._work, args=(state, primary), name="curve")
        self.thread.start()

    def _work(self, state: TrainingState, primary: str) -> None:
        try:
            write_whole(self.path, draw_curve(state.history, state.trace, primary))
        except Exception as error:
            self.error = error

    def _wait(self) -> None:
        """Until the picture is there; what went wrong in the thread is raised here."""
        if self.thread is not None:
            self.thread.join()
        if self.error is not None:
            error, self.error = self.error, None
            raise error


def draw_curve(history: Sequence[Record], trace: Sequence[tuple[float, float]], primary: str) -> bytes:
    """PNG of a history: left the losses, right the primary measure of each part of the data.

    trace: (place in epochs, mean training loss about there), within the epochs.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")  # without pyplot: Agg, and no global state
    left, right = figure.subplots(1, 2)
    if trace:
        left.plot(*zip(*trace, strict=True), color=STYLES["train"]["color"], linewidth=1, alpha=0.45, label=TRACE)
    epochs = [record["epoch"] for record in history]
    for name in [name for name, value in history[-1].items() if isinstance(value, dict)]:
        losses = [record[name]["loss"] for record in history]
        values = [100 * record[name][primary] for record in history]
        style = {"markersize": 5, "linewidth": 1.5, **STYLES.get(name, OTHER)}
        left.plot(epochs, losses, label=f"{name} {losses[-1]:.4f}", **style)
        right.plot(epochs, values, label=f"{name} {values[-1]:.2f} %", **style)
    left.set_yscale("log")
    if all(0 <= 100 * record[name][primary] <= 100 for record in history for name in STYLES if name in record):
        _stretch(right)
    for axes, text in ((left, "loss"), (right, f"{primary} (%)")):
        _finish(axes, text, len(history))
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _stretch(axes: Axes) -> None:
    """Room for the last percents, where most of training goes on: what is missing to 100 counts by its logarithm."""
    axes.set_yscale(
        "function",
        functions=(
            lambda value: -np.log10(np.maximum(100 + LEFT - value, 1e-3)),
            lambda place: 100 + LEFT - 10.0**-place,
        ),
    )


def _finish(axes: Axes, text: str, epochs: int) -> None:
    """Labels, whole epochs, plain numbers, a light grid."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes.set(xlabel="epoch", ylabel=text, xlim=(0, epochs + 0.2))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if axes.get_yscale() == "function":
        low, high = axes.get_ylim()
        shown = [percent for percent in PERCENTS if low <= percent <= min(high, 100.0)]
        if len(shown) > 2:
            axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
