"""What started this process: somebody, or an MPI launcher that started others like it.

Launchers say so in environment variables, which can be read without MPI and before anything is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """This process's number, from 0, among how many, and by what they were started."""

    rank: int
    ranks: int
    by: str


_VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "Open MPI's mpiexec"),
    ("PMI_RANK", "PMI_SIZE", "mpiexec"),  # MPICH, Intel MPI, and Slurm with --mpi=pmi2
    # of a step: a Slurm batch script, which runs once, has the size of its job in other variables
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "srun"),
)
"""Variables of rank and number of ranks; launchers within a Slurm job come before Slurm."""


def launch(environment: Mapping[str, str] | None = None) -> Launch | None:
    """How this process was started as one of several; None where it stands alone."""
    given = os.environ if environment is None else environment
    for rank, ranks, by in _VARIABLES:
        if given.get(rank, "").isdigit() and given.get(ranks, "").isdigit():
            found = Launch(int(given[rank]), int(given[ranks]), by)
            return found if found.ranks > 1 else None
    return None


def speaks() -> bool:
    """Whether this process is the one that talks to people."""
    found = launch()
    return found is None or found.rank == 0
