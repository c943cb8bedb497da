"""The folder of a training run, and where each of its files lies."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import PellucidError

RUNS = Path("runs")
LAST = "last"


@dataclass(frozen=True)
class RunFolder:
    """Files of one run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it ran."""
        return self.path / "recipe.toml"

    @property
    def history(self) -> Path:
        """One line of JSON an epoch."""
        return self.path / "history.jsonl"

    @property
    def curve(self) -> Path:
        """Picture of the history."""
        return self.path / "curve.png"

    @property
    def model(self) -> Path:
        """Weights after the last completed epoch."""
        return self.path / "model.safetensors"

    @property
    def best(self) -> Path:
        """Weights after the best epoch so far."""
        return self.path / "best.safetensors"

    @property
    def checkpoint(self) -> Path:
        """All that a resumed run needs."""
        return self.path / "checkpoint.safetensors"

    @property
    def held_out(self) -> Path:
        """Which images were held out of training, where the data don't say."""
        return self.path / "held-out.json"

    @property
    def begun(self) -> Path:
        """A mark that stands there while a start writes; the next sweep takes it away where that was killed."""
        return self.path / f".{self.recipe.name}.begun"

    def hold(self) -> int | None:
        """Keep other processes from training in this folder, until the returned file is closed or the process ends.

        None where the system can't. Raises PellucidError where another one trains in it.
        """
        try:
            import fcntl

            opened = os.open(self.path, os.O_RDONLY)
        except (ImportError, OSError):
            return None
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(opened)
            raise PellucidError(f"{self.path}: another process trains in this folder") from None
        except OSError:  # a file system without locks
            os.close(opened)
            return None
        return opened

    @property
    def files(self) -> tuple[Path, ...]:
        """All that training writes."""
        return self.recipe, self.history, self.curve, self.model, self.best, self.checkpoint, self.held_out

    def broken_off(self) -> list[Path]:
        """Temporary files of a process that was killed while it wrote."""
        return [part for file in self.files for part in self.path.glob(f".{file.name}.*")]

    def sweep(self) -> None:
        """Remove the temporary files of a killed process. Only who holds the folder may: others' are in use."""
        for part in self.broken_off():
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def new_run_folder(name: str, path: Path | None = None) -> Iterator[RunFolder]:
    """A new folder runs/<date-time>-<name>, or the given path, to which runs/last then points.

    It is for the block that writes what a new run begins with: its recipe last, which makes it a run. Meanwhile no
    other process begins there. A block that fails leaves no folder. What a start that was killed has left is taken
    for nothing. Raises PellucidError where the folder holds something, or can't be made.
    """
    folder = path or new_run_path(name)
    try:
        if path is None:
            made = [folder := _made(name)]
        else:
            made = [place for place in (folder, *folder.parents) if not place.exists()]
            _check_empty(RunFolder(folder))
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PellucidError(f"cannot make the run folder {folder}: {error.strerror or error}") from error
    run = RunFolder(folder)
    held = run.hold()
    try:
        _check_empty(run)  # once more: now nobody else can begin
        try:
            _remove(_of_a_killed_start(run))
            _mark(run)
            yield run
            run.begun.unlink(missing_ok=True)
            point_last(folder)
        except BaseException:
            _remove([*run.files, *run.broken_off(), *made])
            raise
    finally:
        if held is not None:
            os.close(held)


def _check_empty(run: RunFolder) -> None:
    """Raise PellucidError where a folder holds something other than the rest of a start that was killed."""
    folder = run.path
    if folder.exists() and (not folder.is_dir() or {*folder.iterdir()} - {*_of_a_killed_start(run)}):
        raise PellucidError(f"{folder} exists: expected a new or empty folder for a new run")


def _of_a_killed_start(run: RunFolder) -> list[Path]:
    """What was written before the recipe. A model is that only beside the mark: else somebody has put it there."""
    if run.recipe.exists():
        return run.broken_off()
    return [*([run.model] if run.begun.exists() else []), run.held_out, *run.broken_off()]


def _mark(run: RunFolder) -> None:
    try:
        run.begun.touch()
    except OSError as error:
        raise PellucidError(f"cannot write {run.begun}: {error.strerror or error}") from error


def _remove(places: list[Path]) -> None:
    """Files, and folders that are empty then."""
    for place in places:
        with contextlib.suppress(OSError):
            place.rmdir() if place.is_dir() else place.unlink(missing_ok=True)


def _made(name: str) -> Path:
    """A folder that nobody else has made: of runs that begin in the same moment, each gets its own."""
    while True:
        folder = new_run_path(name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def new_run_path(name: str) -> Path:
    """runs/<date-time>-<name>, with a number behind it if it's taken."""
    path = RUNS / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def point_last(folder: Path) -> None:
    """Let runs/last point to a folder: a symbolic link that is swapped in one move."""
    link = RUNS / LAST
    try:
        RUNS.mkdir(parents=True, exist_ok=True)
        if link.exists() and not link.is_symlink():
            raise PellucidError(
                f"{link}: expected a symbolic link to the last run, got a file or folder of that name"
            )
        with tempfile.TemporaryDirectory(dir=RUNS, prefix=".last.") as aside:
            new = Path(aside) / LAST
            new.symlink_to(os.path.relpath(folder.resolve(), RUNS.resolve()), target_is_directory=True)
            new.replace(link)
    except OSError as error:
        raise PellucidError(f"cannot make the link {link}: {error.strerror or error}") from error


def find_run(name: str | Path) -> Path:
    """A path as it is where something lies there, else that of the run of this name in runs/, if there is one."""
    path = Path(name)
    named = RUNS / path
    return named if len(path.parts) == 1 and not path.exists() and RunFolder(named).recipe.exists() else path


def open_run_folder(path: Path) -> RunFolder:
    """The folder of an earlier run. Raises PellucidError where there is none."""
    if not RunFolder(path).recipe.exists():
        if path.suffix == ".safetensors" and not path.exists():
            raise PellucidError(f"{path}: no such file")
        hint = "" if path.exists() else " (nothing was trained here yet)" if path == RUNS / LAST else ""
        raise PellucidError(f"no run {path}{hint}: expected a run folder, such as runs/last")
    # what runs/last points to may change while this run goes on
    with contextlib.suppress(OSError):
        path = Path(os.path.relpath(path.resolve()))
    return RunFolder(path)
