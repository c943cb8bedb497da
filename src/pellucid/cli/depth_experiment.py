"""`pellucid depth-experiment`: does depth help, at an equal budget?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from pellucid.cli.flags import Count
from pellucid.cli.output import print_note

if TYPE_CHECKING:
    from pellucid.analysis.depth import Cell, Result


def depth_experiment(
    *,
    budget: Annotated[
        Literal["parameters", "operations", "receptive-field"], Parameter(help="What all networks have in common.")
    ] = "parameters",
    size: Annotated[
        Count | None,
        Parameter(help="Of the budget: parameters, multiply-adds, or pixels a side that each stage's filters see."),
    ] = None,
    depths: Annotated[
        list[int] | None, Parameter(consume_multiple=True, negative="", help="Convolutions, by default 3 6 9 12.")
    ] = None,
    data_fractions: Annotated[
        list[float] | None,
        Parameter(consume_multiple=True, negative="", help="Parts of the data, by default 0.005 0.02 0.08."),
    ] = None,
    seeds: Annotated[Count, Parameter(help="Trainings of every network on every part of the data.")] = 5,
    steps: Annotated[Count, Parameter(help="Training steps, whatever the amount of data.")] = 400,
    data: Annotated[str, Parameter(help="What is learnt: mnist, or a directory.")] = "mnist",
    workers: Annotated[Count | None, Parameter(help="Trainings at a time; by default one a core.")] = None,
    backend: Annotated[
        Literal["auto", "numba", "numpy"], Parameter(help="What computes: compiled kernels, or plain NumPy.")
    ] = "auto",
    out: Annotated[Path | None, Parameter(help="Folder of the experiment; by default runs/depth-BUDGET.")] = None,
) -> None:
    """Train a family of networks from shallow and wide to deep and narrow, at an equal budget, and compare them.

    Every finished training is kept: the same command after an interruption, or with more seeds, goes on from there.
    """
    from pellucid.analysis.depth import BUDGETS, Findings, Settings, write_report
    from pellucid.ops.cores import available_cores
    from pellucid.recipes.depth_experiment import Experiment, run_experiment

    settings = Settings(budget, BUDGETS[budget] if size is None else size, steps, data=data)
    chosen, parts = depths or [3, 6, 9, 12], data_fractions or [0.005, 0.02, 0.08]
    experiment = Experiment(settings, chosen, parts, seeds)
    folder = out or Path("runs") / f"depth-{budget}"
    members, results = run_experiment(
        experiment, folder, workers=workers or available_cores(), backend=backend, progress=_Progress()
    )
    listed = " ".join(map(str, chosen)), " ".join(f"{part:g}" for part in parts)
    command = (
        f"pellucid depth-experiment --budget {budget} --size {settings.size} --depths {listed[0]} "
        f"--data-fractions {listed[1]} --seeds {seeds} --steps {steps} --data {data}"
    )
    print_note(str(write_report(Findings(settings, members, results), folder, command)))


class _Progress:
    """A line a finished training, with the time that is left."""

    def __init__(self) -> None:
        self.start, self.done = time.monotonic(), 0

    def __call__(self, cell: Cell, result: Result, finished: int, total: int) -> None:
        """Print it."""
        self.done += 1
        left = (time.monotonic() - self.start) / self.done * (total - finished)
        print_note(
            f"{finished}/{total}: {cell.depth} convolutions, {result.images:,} images, seed {cell.seed}: "
            f"{100 * result.accuracy:.2f} % ({left / 60:.0f} min left)"
        )
