"""Which of a machine's cores a rank computes on, where several ranks share the machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

Cores = frozenset[int]


def allowed_cores() -> Cores:
    """Numbers of the cores that this process may run on; none where the system doesn't say."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def undo_binding(ranks: int) -> None:
    """Let this process run wherever its launcher may, if it has been bound to less than its share of that.

    Open MPI binds each rank to one core unless it is told otherwise, and all threads of the rank with it. What a
    batch system has set aside for the job binds the launcher too, and is kept. ranks: those on this machine.
    """
    if "OMPI_COMM_WORLD_RANK" not in os.environ or not hasattr(os, "sched_setaffinity"):
        return
    mine, launchers = allowed_cores(), frozenset(os.sched_getaffinity(os.getppid()))
    if mine < launchers and len(mine) < len(launchers) // ranks:
        os.sched_setaffinity(0, launchers)


def share_of_cores(rank: int, cores: Sequence[Cores], granted: float = math.inf) -> int:
    """Number of threads of one of a machine's ranks, at least one. cores: which of them each rank may use.

    Ranks that may use the same cores share them evenly; one that has its own, as Slurm gives them, uses all.
    granted: what a container lets all ranks take together.
    """
    rivals = [other for other, theirs in enumerate(cores) if theirs == cores[rank]]
    together = min(len(cores[rank]) or os.cpu_count() or 1, granted * len(rivals) / len(cores))
    each, rest = divmod(math.floor(together), len(rivals))
    return max(1, each + (rivals.index(rank) < rest))
