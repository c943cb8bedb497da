"""Kills of a random rank under mpiexec, while `pellucid train --restarts` goes on by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.durability.jobs import PATIENCE
from benchmarks.jobs import MPIEXEC, differences, ranks_below, write_digits
from pellucid.training.folder import RunFolder

RANKS = 2
EPOCHS_A_KILL = 2
KILLS_A_RUN = 10
LATEST = 1.0  # seconds that a job, once it trains, is killed after at the latest


def ranks_killed(folder: Path, times: int) -> tuple[int, int, list[str]]:
    """So many kills: how many there were, runs that ended as the one that was left alone, and what was lost."""
    write_digits(folder / "digits", 200, 40)
    kills, finished, lost = 0, 0, []
    for number in range(-(-times // KILLS_A_RUN)):
        wanted = min(KILLS_A_RUN, times - kills)
        if wanted < KILLS_A_RUN or not number:  # one that is left alone, of as many epochs
            whole = RunFolder(folder / f"whole{number}")
            subprocess.run(_command(folder, whole, wanted, 0), check=True, capture_output=True, env=_environment())
        run = RunFolder(folder / f"killed{number}")
        with (folder / "output").open("wb") as output:
            job = subprocess.Popen(
                _command(folder, run, wanted, 4 * wanted), stdout=output, stderr=output, env=_environment()
            )
            last: set[int] = set()
            for _ in range(wanted):
                last = _kill_one(job, run, last)
                kills += bool(last)
                if not last:
                    break
            code = job.wait()
        found = [f"code {code}: {(folder / 'output').read_text()}"] if code else differences(whole, run)
        lost += found
        finished += not found
    return kills, finished, lost


def _command(folder: Path, run: RunFolder, kills: int, restarts: int) -> list[str]:
    settings = {
        "training.weight_bits": 0, "training.batch_size": 20, "training.log_every": 5,
        "training.checkpoint_seconds": 0.0,
    }  # fmt: skip
    return [
        sys.executable, "-m", "pellucid", "train", "tiny-digits", "--data", str(folder / "digits"),
        "--out", str(run.path), "--epochs", str(EPOCHS_A_KILL * kills), "--backend", "numpy", "--threads", "1",
        "--restarts", str(restarts), "--launcher", f"{MPIEXEC} -n {RANKS}",
        *(f"--set={key}={value}" for key, value in settings.items()),
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    return os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def _kill_one(job: subprocess.Popen[bytes], run: RunFolder, last: set[int]) -> set[int]:
    """Kill a rank of a job that wasn't killed before; its ranks. None of them where training has ended meanwhile.

    A quarter of the kills come while the ranks start; every second of the others while a file is being written.
    """
    found: set[int] = set()
    end = time.monotonic() + PATIENCE
    while len(found) < RANKS or found & last:
        if job.poll() is not None:
            return set()
        if time.monotonic() > end:
            raise SystemExit("no new ranks have come")
        found = set(ranks_below(job.pid))
        time.sleep(0.01)
    if random.random() < 0.75:
        before = _stamp(run.checkpoint)
        while _stamp(run.checkpoint) == before and job.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
    time.sleep(random.uniform(0, LATEST))
    in_write, moment = random.random() < 0.5, time.monotonic() + LATEST
    while in_write and time.monotonic() < moment and not run.broken_off():
        time.sleep(0.0002)
    try:
        os.kill(random.choice(sorted(found)), signal.SIGKILL)
    except ProcessLookupError:
        return set()
    return found


def _stamp(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
