"""All cells of the depth experiment: trained in parallel, each kept in a file of its own, none trained twice."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from pellucid import ops
from pellucid.analysis.depth.cells import Cell, Result, Settings, part_of
from pellucid.analysis.depth.families import Member, family
from pellucid.data import Data, load_data
from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.files import read_whole, write_whole
from pellucid.recipes.depth_cell import train_cell

Progress = Callable[[Cell, Result, int, int], None]
"""Called with a finished cell, its result, how many are finished, and of how many."""


@dataclass(frozen=True)
class Experiment:
    """The whole grid: every depth on every part of the data with every seed."""

    settings: Settings
    depths: Sequence[int]
    fractions: Sequence[float]
    seeds: int

    @property
    def cells(self) -> list[Cell]:
        """Seed by seed, so that an early end leaves whole rounds."""
        fractions, depths = sorted(set(self.fractions)), sorted(set(self.depths))
        return [Cell(d, f, seed) for seed in range(self.seeds) for f in fractions for d in depths]


def run_experiment(
    experiment: Experiment, folder: Path, *, workers: int, backend: str = "auto", progress: Progress | None = None
) -> tuple[list[Member], dict[Cell, Result]]:
    """Train every cell that the folder doesn't hold yet. Returns the networks, and all results.

    workers: processes, of one thread each; 1: this process. Raises PellucidError before anything is trained where the
    folder can't be written or holds cells of another experiment, or the experiment doesn't fit the data;
    KeyboardInterrupt where a signal asked to stop: what is finished is kept.
    """
    if experiment.seeds < 1 or workers < 1:
        raise PellucidError(f"seeds {experiment.seeds}, workers {workers}: expected at least 1 of each")
    settings = experiment.settings
    data = load_data(settings.data)
    for fraction in experiment.fractions:
        part_of(data.train, fraction, 0)
    shape, classes = data.train.image_shape, data.train.classes
    members = family(settings.budget, settings.size, experiment.depths, shape, classes)
    _claim(folder, settings)
    results = {cell: found for cell in experiment.cells if (found := _kept(folder, cell))}
    missing = [cell for cell in experiment.cells if cell not in results]
    work = _Work(settings, members, backend)
    done = work.here(missing, data) if workers == 1 else work.in_parallel(missing, workers)
    for cell, result in done:
        write_whole(_file(folder, cell), json.dumps(asdict(cell) | asdict(result), indent=1).encode())
        results[cell] = result
        if progress is not None:
            progress(cell, result, len(results), len(experiment.cells))
    return members, results


def _claim(folder: Path, settings: Settings) -> None:
    """Let the folder belong to these settings, or see that it does."""
    file, wanted = folder / "settings.json", asdict(settings)
    if not file.exists():
        write_whole(file, json.dumps(wanted, indent=1).encode())
        return
    found = parse_json(read_whole(file), str(file))
    if not isinstance(found, dict):
        raise PellucidError(f"{file}: expected the settings of an experiment")
    for name, value in wanted.items():
        if found.get(name) != value:
            raise PellucidError(f"{folder} holds an experiment with {name} {found.get(name)}, this one has {value}")


def _file(folder: Path, cell: Cell) -> Path:
    return folder / "cells" / f"{cell.name}.json"


def _kept(folder: Path, cell: Cell) -> Result | None:
    """The result of a cell that was finished before."""
    file = _file(folder, cell)
    if not file.exists():
        return None
    try:
        found = parse_json(read_whole(file), str(file))
        return msgspec.convert({name: found[name] for name in Result.__dataclass_fields__}, Result)
    except (PellucidError, ValueError, KeyError, TypeError):
        raise PellucidError(
            f"{file}: expected a cell's result, got something else; delete it to train anew"
        ) from None


@dataclass(frozen=True)
class _Work:
    """How cells are trained."""

    settings: Settings
    members: list[Member]
    backend: str

    def train(self, cell: Cell, data: Data) -> Result:
        """One cell."""
        member = next(member for member in self.members if member.depth == cell.depth)
        result = train_cell(cell, member, self.settings, data)
        if result is None:
            raise KeyboardInterrupt
        return result

    def here(self, cells: list[Cell], data: Data) -> Iterator[tuple[Cell, Result]]:
        """One after the other, in this process."""
        for cell in cells:
            with ops.use_backend(self.backend):
                result = self.train(cell, data)
            yield cell, result

    def in_parallel(self, cells: list[Cell], workers: int) -> Iterator[tuple[Cell, Result]]:
        """In processes of their own, which share nothing with this one; as they come."""
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, spawn, _start, (self,))
        try:
            # one alone compiles the kernels, which the others then find on the disk
            first = [pool.submit(_train, cell) for cell in cells[:1]]
            for future in first:
                yield future.result()
            for future in as_completed([pool.submit(_train, cell) for cell in cells[1:]]):
                yield future.result()
        except BrokenProcessPool:
            raise PellucidError(
                "a process of the experiment died (out of memory?); the same command goes on"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_work: _Work
_data: Data


def _start(work: _Work) -> None:
    """A worker's first act."""
    global _work, _data
    ops.set_threads(1)
    ops.set_backend(work.backend)
    _work, _data = work, load_data(work.settings.data)


def _train(cell: Cell) -> tuple[Cell, Result]:
    """A worker's task."""
    return cell, _work.train(cell, _data)
