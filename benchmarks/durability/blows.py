"""What happens to a run, once each time it is called: a process killed, a disk full, a folder read-only, a rival."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

from benchmarks.durability.chain import Chain
from benchmarks.durability.jobs import PATIENCE, Job
from pellucid.errors import PellucidError

REFUSED = 2


def killed(chain: Chain) -> None:
    """SIGKILL at a random moment; every second time while a file is being written."""
    job = chain.go_on()
    in_write = random.random() < 0.5
    _wait(job, random.uniform(0, chain.latest), lambda: in_write and bool(chain.run.broken_off()))
    if job.kill() == 0:
        chain.close()
    else:
        chain.says(job.code == -9, f"code {job.code}: {job.said()}")
        chain.look()


def full_disk(chain: Chain) -> None:
    """No room is left at a random moment, or before the process starts; later there is."""
    before = random.random() < 0.3
    filler = chain.place / "filler"
    if before:
        _fill(filler)
    job = chain.go_on()
    if not before:
        _wait(job, random.uniform(0, chain.latest))
        _fill(filler)
    code = job.wait()
    filler.unlink()
    _look_at_refusal(chain, job, code, "No space left on device")


def read_only(chain: Chain) -> None:
    """The folder can't be written any more at a random moment, or before the process goes on; later it can."""
    before = random.random() < 0.3 and chain.run.recipe.exists()
    job = None if before else chain.go_on()
    while job is not None and not chain.run.recipe.exists() and not job.ended():
        time.sleep(0.002)
    if job is not None:
        _wait(job, random.uniform(0, chain.latest))
    _writable(chain.run.path, False)
    job = job or chain.go_on()
    code = job.wait()
    _writable(chain.run.path, True)
    _look_at_refusal(chain, job, code, "Read-only file system")


def two_processes(chain: Chain) -> None:
    """Two processes begin or go on with one run, at nearly the same moment: one works, one is refused."""
    jobs = [chain.go_on()]
    if random.random() < 0.5:
        _wait(jobs[0], random.uniform(0, chain.latest))
    jobs.append(chain.go_on())
    end = time.monotonic() + PATIENCE
    while not any(job.ended() for job in jobs):
        if time.monotonic() > end:
            chain.says(False, "two processes train in one folder")
            break
        time.sleep(0.002)
    jobs.sort(key=lambda job: not job.ended())
    loser, winner = jobs
    if loser.code == 0:  # one was done before the other had begun
        loser, winner = winner, loser
        loser.wait()
    chain.says(loser.code == REFUSED and _refuses(loser), f"code {loser.code}: {loser.said()}")
    _wait(winner, random.uniform(0, chain.latest / 2))
    if winner.kill() == 0:
        chain.close()
    else:
        chain.says(winner.code == -9, f"code {winner.code}: {winner.said()}")
        chain.look()


def _refuses(job: Job) -> bool:
    lines = [line for line in job.said().splitlines() if line.startswith("pellucid: ")]
    wanted = ("trains in this folder", "has trained in this folder", "nothing to resume", "exists: expected a new")
    return len(lines) == 1 and any(text in lines[0] for text in wanted)


def _look_at_refusal(chain: Chain, job: Job, code: int, reason: str) -> None:
    """A process that met an obstacle says so in a line; a start that was refused leaves no folder."""
    if code == 0:  # it was done before that
        chain.close()
        return
    said = job.said()
    lines = [line for line in said.splitlines() if line.startswith("pellucid: ")]
    right = code == REFUSED and len(lines) == 1 and reason in lines[0] and "Traceback" not in said
    chain.says(right, f"code {code}: {said}")
    if chain.run.path.exists():
        chain.says(chain.run.recipe.exists(), "a refused start leaves a folder")
    chain.look()


def _wait(job: Job, seconds: float, until: object = None) -> None:
    """Until that time is over, the job has ended, or what `until` asks is so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not job.ended():
        if callable(until) and until():
            return
        time.sleep(0.001)


def _fill(filler: Path) -> None:
    """Leave a few kilobytes at most: less than any of a run's larger files needs."""
    spare = random.choice([0, 0, 4096, 16384])
    with filler.open("wb", buffering=0) as file:
        size, piece = 0, bytes(1 << 16)
        while piece:
            try:
                size += file.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]
        os.truncate(filler, max(0, size - spare))


class Disk:
    """A small disk of its own at a folder, where the system lets this process have one."""

    def __init__(self, place: Path, size: str) -> None:
        place.mkdir()
        self.place = place
        _system("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))

    def close(self) -> None:
        """Give it back."""
        _system("umount", "-R", "-l", str(self.place))


def _writable(folder: Path, yes: bool) -> None:
    """Lay a read-only view of the folder over it, or take it away.

    The view is made read-only elsewhere, where nobody has a file open, and only then laid over the folder.
    """
    view = folder.with_name("view")
    view.mkdir(exist_ok=True)
    if yes:
        _system("umount", "-l", str(folder))
        _system("umount", "-l", str(view))
    else:
        _system("mount", "--bind", str(folder), str(view))
        _system("mount", "-o", "remount,bind,ro", str(view))
        _system("mount", "--bind", str(view), str(folder))


def _system(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PellucidError(done.stderr.strip())
