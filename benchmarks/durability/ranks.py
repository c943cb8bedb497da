"""Kill a random rank at a random time, again and again, and see whether training ends as if nothing had happened.

python -m benchmarks.kills [--times 20] [--ranks 2] [--backend numba] [--images 600]

Every second kill waits for a checkpoint that is being written. `pellucid train --restarts` goes on by itself.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.jobs import MPIEXEC, differences, ranks_below, write_digits
from pellucid.training.folder import RunFolder

EPOCHS_A_KILL = 3
LATEST = 1.5  # seconds after its start that a job is killed at the latest
PATIENCE = 100.0  # seconds for something to happen at all


def command(folder: Path, out: str, ranks: int, epochs: int, backend: str, restarts: int) -> list[str]:
    launcher = f"{MPIEXEC} -n {ranks}"
    settings = {
        "training.weight_bits": 0, "training.batch_size": 25, "training.log_every": 5,
        "training.checkpoint_seconds": 0.0,
    }  # fmt: skip
    return [
        sys.executable, "-m", "pellucid", "train", "tiny-digits", "--data", str(folder / "digits"),
        "--out", str(folder / out), "--epochs", str(epochs), "--backend", backend, "--threads", "1",
        "--restarts", str(restarts), "--launcher", launcher,
        *(f"--set={key}={value}" for key, value in settings.items()),
    ]  # fmt: skip


def kill_one(job: subprocess.Popen[bytes], run: RunFolder, ranks: int, last: set[int], in_write: bool) -> set[int]:
    """Kill a rank of a job that wasn't killed before; its ranks. None of them where training has ended meanwhile."""
    found: set[int] = set()
    end = time.monotonic() + PATIENCE
    while len(found) < ranks or found & last:
        if job.poll() is not None:
            return set()
        if time.monotonic() > end:
            raise SystemExit("no new ranks have come")
        found = set(ranks_below(job.pid))
        time.sleep(0.005)
    time.sleep(random.uniform(0, LATEST))
    moment = time.monotonic() + LATEST
    while in_write and time.monotonic() < moment and not list(run.path.glob(f".{run.checkpoint.name}.*")):
        time.sleep(0.0002)
    try:
        os.kill(random.choice(sorted(found)), signal.SIGKILL)
    except ProcessLookupError:
        return set()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--images", type=int, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_digits(folder / "digits", options.images, options.images // 3)
        shared = (options.ranks, EPOCHS_A_KILL * options.times, options.backend)
        subprocess.run(command(folder, "whole", *shared, 0), check=True, stdout=subprocess.DEVNULL)
        run = RunFolder(folder / "killed")
        with (folder / "output").open("wb") as output:
            job = subprocess.Popen(command(folder, "killed", *shared, options.times), stdout=output, stderr=output)
            last: set[int] = set()
            for kill in range(options.times):
                last = kill_one(job, run, options.ranks, last, in_write=kill % 2 == 1)
                if not last:
                    raise SystemExit(f"training ended after {kill} kills: {(folder / 'output').read_text()}")
            code = job.wait()
        found = differences(RunFolder(folder / "whole"), run)
        if code or found:
            raise SystemExit(f"code {code}, different: {found}\n{(folder / 'output').read_text()}")
    print(
        f"{options.times} of {options.times} kills survived: {options.ranks} ranks, same weights, history and files "
        "as without"
    )


if __name__ == "__main__":
    main()
