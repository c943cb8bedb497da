"""One run after the other, each struck until it is finished, and what is looked at after every blow."""

from __future__ import annotations

import itertools
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.durability.jobs import Job, begin
from benchmarks.jobs import CLOCKS, differences, history, write_digits
from pellucid.recipes import load_recipe, open_model
from pellucid.training.callbacks.history import read_history
from pellucid.training.checkpoint import read_state
from pellucid.training.folder import RunFolder
from pellucid.weights import read_arrays

SETTINGS = {"training.weight_bits": 0, "training.batch_size": 10, "training.log_every": 5,
            "training.checkpoint_seconds": 0.0}  # fmt: skip
EPOCHS = 6
BLOWS = 4  # about so many in a run: the latest comes after this part of the time that a whole one takes


class Chain:
    """Runs in a folder. lost: what was found that should not be."""

    def __init__(self, place: Path, aside: Path) -> None:
        self.place, self.aside = place, aside
        self.lost: list[str] = []
        self.finished = 0  # runs that came to their end, equal to the one that was left alone
        self.numbers = itertools.count(1)
        self.data = aside / "digits"
        if not self.data.exists():
            write_digits(self.data, 200, 40)
        self.whole = RunFolder(aside / "whole")
        start = time.monotonic()
        if not self.whole.path.exists():
            job = begin(self._new(self.whole.path), aside / "whole.txt", aside)
            if job.wait():
                raise SystemExit(job.said())
        self.latest = max(0.2, (time.monotonic() - start) / BLOWS)
        self.lines = {_key(line) for line in history(self.whole)}
        self.run = RunFolder(place / "run0")
        self.step = -1

    def _new(self, folder: Path) -> list[str]:
        flags = [f"--set={key}={value}" for key, value in SETTINGS.items()]
        return ["train", "tiny-digits", "--data", str(self.data), "--out", str(folder), "--epochs", str(EPOCHS),
                "--backend", "numpy", "--threads", "1", *flags]  # fmt: skip

    def go_on(self) -> Job:
        """A process that begins the run, or goes on with it."""
        begun = self.run.recipe.exists()
        arguments = ["train", "--resume", str(self.run.path)] if begun else self._new(self.run.path)
        if begun:
            arguments += ["--backend", "numpy", "--threads", "1"]
        return begin(arguments, self.aside / f"said{next(self.numbers) % 8}.txt", self.aside)

    def says(self, right: bool, what: str) -> None:
        """Note a loss, unless it's right."""
        if not right:
            self.lost.append(what)

    def look(self) -> None:
        """Read the run's folder as it is."""
        run, done = self.run, False
        if not run.recipe.exists():
            self.says(self.step < 0, "the recipe is gone")
            return
        try:
            load_recipe(run.recipe)
            for file in (run.model, run.best):
                if file.exists():
                    read_arrays(file)
            if run.model.exists():
                open_model(run.path)
            if run.checkpoint.exists():
                state = read_state(read_arrays(run.checkpoint)[1], run.checkpoint)
                self.says(state.step >= self.step, f"the checkpoint went back from {self.step} to {state.step}")
                self.step, done = state.step, state.epoch >= EPOCHS
            else:
                self.says(self.step < 0, "the checkpoint is gone")
            kept = [*read_history(run.history), *read_history(run.history, epochs=False)]
        except Exception as error:
            self.lost.append(f"{type(error).__name__}: {error}")
            return
        self.says({_key(line) for line in kept} <= self.lines, "the history has other lines than the run left alone")
        if done:  # struck between its last checkpoint and its end
            self.close()

    def close(self) -> None:
        """The run is finished: compare it, and let the next one begin."""
        found = differences(self.whole, self.run)
        self.says(not found, f"at the end: {found}")
        self.finished += not found
        shutil.rmtree(self.run.path, ignore_errors=True)
        self.run, self.step = RunFolder(self.place / f"run{next(self.numbers)}"), -1

    def finish(self) -> None:
        """Let the last run come to its end undisturbed."""
        if self.run.recipe.exists():
            job = self.go_on()
            self.says(job.wait() == 0, f"undisturbed, code {job.code}: {job.said()}")
            self.close()


def _key(line: dict[str, Any]) -> str:
    return repr(sorted((key, value) for key, value in line.items() if key not in CLOCKS))
