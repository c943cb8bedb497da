"""Programs on several ranks, by the mpiexec that lies beside this Python."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np

from pellucid import ops
from pellucid.data import mnist_dataset, write_idx

MPIEXEC = Path(sys.executable).parent / "mpiexec"
PATHS = f"{Path(ops.__file__).parents[2]}{os.pathsep}{Path(__file__).parents[1]}"
ENVIRONMENT = os.environ | {
    "PELLUCID_BACKEND": "numpy",  # no compiling: the processes live for a second
    "PYTHONPATH": PATHS,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}


def launcher() -> list[str]:
    """mpiexec, told that there may be more ranks than cores. MPICH takes that for granted."""
    return [str(MPIEXEC), *(["--bind-to", "none", "--map-by", ":OVERSUBSCRIBE"] if _is_open_mpi() else [])]


@cache
def _is_open_mpi() -> bool:
    version = subprocess.run([MPIEXEC, "--version"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return "Open MPI" in version.stdout or "PRRTE" in version.stdout


def mpiexec(ranks: int, *program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same program (Python's arguments) on every rank."""
    return _run([(ranks, program)], environment)


def side_by_side(*programs: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[str]:
    """A rank for each program."""
    return _run([(1, program) for program in programs], environment)


def _run(parts: list[tuple[int, tuple[str, ...]]], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = launcher()
    for number, (count, program) in enumerate(parts):
        command += [":"] * (number > 0) + ["-n", str(count), sys.executable, *program]
    return subprocess.run(
        command, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=60, check=False
    )


def write_digits(folder: Path, train: int = 96, test: int = 48, first: int = 0) -> Path:
    """Some of MNIST's digits as an IDX set."""
    folder.mkdir()
    for part, count in (("train", train), ("t10k", test)):
        digits = mnist_dataset(train=part == "train").subset(range(first, first + count))
        write_idx(folder / f"{part}-images-idx3-ubyte", np.asarray(digits.inputs)[:, 0])
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.asarray(digits.targets).astype(np.uint8))
    return folder
