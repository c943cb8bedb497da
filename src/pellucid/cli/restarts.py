"""Training that is started again when something ended it, from its last checkpoint."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from pellucid.cli.app import INTERRUPTED, USER_ERROR
from pellucid.cli.output import print_note
from pellucid.errors import PellucidError
from pellucid.launcher import launch
from pellucid.recipes.own_network import is_trusting
from pellucid.training.folder import RunFolder

FINAL = {0, USER_ERROR, INTERRUPTED}
"""Exit codes after which another try would change nothing, or isn't wanted."""


def supervise(begin: Sequence[str], go_on: Sequence[str], run: RunFolder, launcher: str, restarts: int) -> int:
    """Run `pellucid train` with the arguments `begin`; after each end that came from outside, with `go_on`.

    launcher: what goes before the command, such as "mpiexec -n 4"; "" for a process alone. run: the folder, which
    shows whether there is something to go on with. restarts: how many at most. Returns the exit code.
    """
    if launch() is not None:
        raise PellucidError(
            "--restarts is for the process that starts the others: "
            "pellucid train --restarts 3 --launcher 'mpiexec -n 4'"
        )
    words = [*_words(launcher), sys.executable, "-m", "pellucid", "train", *(["--trust"] if is_trusting() else [])]
    arguments = begin
    for left in range(restarts, -1, -1):
        code, stopped = _run([*words, *arguments])
        if stopped:
            return INTERRUPTED
        if code in FINAL or _finished(run):
            return code if code in FINAL else 0
        if left:
            print_note(f"training ended with code {code}; it goes on (restarts left: {left - 1})")
            arguments = go_on if run.checkpoint.exists() else begin
            _clear(run)
    raise PellucidError(f"training ended {restarts + 1} times, the last time with code {code}: {run.path} is kept")


def _words(launcher: str) -> list[str]:
    try:
        return shlex.split(launcher)
    except ValueError as error:
        raise PellucidError(f"--launcher {launcher}: {error}") from error


def _run(command: Sequence[str]) -> tuple[int, bool]:
    """Run a command to its end: its code, and whether somebody has asked this process to stop meanwhile."""
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        raise PellucidError(f"cannot run {command[0]}: {error.strerror or error}") from error
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if number == signal.SIGTERM:  # Ctrl-C reaches the child by itself
            child.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return child.wait(), bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _finished(run: RunFolder) -> bool:
    """Whether the end came when everything was done."""
    from pellucid.recipes import load_recipe
    from pellucid.training.checkpoint import read_state
    from pellucid.weights import read_arrays

    if not run.checkpoint.exists():
        return False
    state = read_state(read_arrays(run.checkpoint)[1], run.checkpoint)
    return bool(state.epoch >= load_recipe(run.recipe).training.epochs)


def _clear(run: RunFolder) -> None:
    """A run that was ended before its first checkpoint begins anew: in an empty folder.

    Raises PellucidError where another process has begun in it meanwhile.
    """
    if not run.path.is_dir():
        return
    held = run.hold()
    try:
        if not run.checkpoint.exists():
            run.sweep()
            run.recipe.unlink(missing_ok=True)
            run.history.unlink(missing_ok=True)
    finally:
        if held is not None:
            os.close(held)
