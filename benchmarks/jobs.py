"""Training jobs of several processes, seen from outside: small data, how a run ended, who its ranks are."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data import mnist_dataset, write_idx
from pellucid.training.folder import RunFolder
from pellucid.weights import read_arrays

MPIEXEC = Path(sys.executable).parent / "mpiexec"
CLOCKS = ("seconds", "images_per_second")
RANK_VARIABLES = (b"PMI_RANK=", b"OMPI_COMM_WORLD_RANK=")


def write_digits(folder: Path, train: int, test: int) -> None:
    """The first of MNIST's digits as an IDX set."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        digits = mnist_dataset(train=part == "train")
        write_idx(folder / f"{part}-images-idx3-ubyte", np.asarray(digits.inputs)[:count, 0])
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.asarray(digits.targets)[:count].astype(np.uint8))


def history(run: RunFolder) -> list[dict[str, Any]]:
    """What a run has written down, without what clocks said."""
    lines = [json.loads(line) for line in run.history.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in lines]


def differences(one: RunFolder, other: RunFolder) -> list[str]:
    """In what two runs' folders differ that should be equal bit for bit."""
    found = []
    for name in ("model", "best"):
        mine, theirs = (read_arrays(getattr(run, name))[0] for run in (one, other))
        found += [f"{name}: {key}" for key in mine if not np.array_equal(mine[key], theirs[key])]
    if history(one) != history(other):
        found.append("history")
    names = [{path.name for path in run.path.iterdir()} for run in (one, other)]
    if names[0] != names[1]:
        found.append(f"files {sorted(names[0] ^ names[1])}")
    return found


def ranks_below(process: int) -> list[int]:
    """Processes below this one, at any depth, that were started as a rank of something."""
    found = []
    for child in _children(process):
        if any(name in _content(child, "environ") for name in RANK_VARIABLES):
            found.append(child)
        found += ranks_below(child)
    return found


def _children(process: int) -> list[int]:
    threads = Path(f"/proc/{process}/task")
    try:
        return [int(child) for thread in threads.iterdir() for child in (thread / "children").read_text().split()]
    except OSError:  # it has just ended
        return []


def _content(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""
