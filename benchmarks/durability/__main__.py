"""The command: each kind of blow so many times, and a table.

python -m benchmarks.durability [--times 100] [--kinds killed full-disk read-only two-processes ranks] [--seed 0]

Full disks and read-only folders need a system that lets this process mount, which is asked for at the start: root, or
`unshare -rm` before the command.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import matplotlib.figure  # here, so that the forked processes have it

from benchmarks.durability.blows import Disk, full_disk, killed, read_only, two_processes
from benchmarks.durability.chain import Chain
from benchmarks.durability.ranks import ranks_killed

BLOWS: dict[str, tuple[Callable[[Chain], None], str]] = {
    "killed": (killed, ""),
    "full-disk": (full_disk, "2m"),
    "read-only": (read_only, "64m"),
    "two-processes": (two_processes, ""),
}  # and the size of a disk of its own, where it needs one
RANKS = "ranks"
assert matplotlib.figure


def main() -> int:
    """Exit code 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="of each kind")
    parser.add_argument("--kinds", nargs="+", choices=[*BLOWS, RANKS], default=[*BLOWS, RANKS])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    rows, lost = [("blow", "times", "runs equal", "lost", "seconds")], 0
    with tempfile.TemporaryDirectory(prefix="durability-") as name:
        aside = Path(name)
        for kind in options.kinds:
            start = time.monotonic()
            if kind == RANKS:
                (aside / RANKS).mkdir()
                done, finished, found = ranks_killed(aside / RANKS, options.times)
            else:
                done, finished, found = _struck(kind, aside, options.times)
            for line in found:
                print(f"{kind}: lost: {line}", flush=True)
            lost += len(found)
            rows.append((kind, str(done), str(finished), str(len(found)), f"{time.monotonic() - start:.0f}"))
    for row in rows:
        print(f"{row[0]:14}" + "".join(f"{cell:>12}" for cell in row[1:]))
    return int(lost > 0)


def _struck(kind: str, aside: Path, times: int) -> tuple[int, int, list[str]]:
    """So many blows of a kind: how many, runs that ended as the one that was left alone, and what was lost."""
    blow, size = BLOWS[kind]
    place = aside / kind
    with ExitStack() as ends:
        if size:
            disk = Disk(place, size)
            ends.callback(disk.close)
        else:
            place.mkdir()
        chain = Chain(place, aside)
        for _ in range(times):
            blow(chain)
        chain.finish()
    return times, chain.finished, chain.lost


if __name__ == "__main__":
    sys.exit(main())
