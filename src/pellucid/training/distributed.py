"""Processes that train one network together, over MPI; see docs/distributed.md.

MPI brings the processes together and adds up what they have. Here is what it leaves open: waiting that gives the
core to others and that ends, so that a lost machine never means a hang, and a way out for all when one fails.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.launcher import Launch, launch
from pellucid.ops.arrays import Array
from pellucid.ops.container import granted_cores
from pellucid.ops.half import is_half
from pellucid.training.communicator import Alone, Communicator
from pellucid.training.cores import allowed_cores, share_of_cores, undo_binding
from pellucid.weights import pack, unpack

if TYPE_CHECKING:
    from mpi4py.MPI import Comm, Request

PATIENCE = "PELLUCID_PATIENCE"
"""Environment variable: seconds that a rank waits for the others before it takes them for lost."""

DEFAULT_PATIENCE, LONGEST = 120.0, 1e7

YIELDING = 2e-3  # seconds of waiting in which the core is only offered to others
NAP = 1e-4  # seconds slept between looks from then on: another rank may need this core to get here

GRACE = 0.5  # seconds in which rank 0 may say what another rank was about to say
LAST_RESORT = 3  # seconds after which a rank that tries to end the others ends at least itself


class LostRankError(Exception):
    """Another rank does not answer any more."""


class MPI:
    """The communicator of the processes that mpiexec or srun started.

    world: MPI's own. patience: seconds to wait for the others in one operation. local_rank: this process's number
    among those on its machine.
    """

    def __init__(self, world: Comm, patience: float = DEFAULT_PATIENCE, local_rank: int = 0) -> None:
        self.world, self.patience, self.local_rank = world, patience, local_rank
        self.rank: int = world.rank
        self.ranks: int = world.size
        self._library = importlib.import_module("mpi4py.MPI")

    def all_reduce(self, array: Array) -> Array:
        """Sum over all ranks, in place, the same bits on each; 16-bit floats are added up in float32."""
        half = is_half(array.dtype)
        total = np.ascontiguousarray(ops.host(ops.widen(array) if half else array))
        self._wait(self.world.Iallreduce(self._library.IN_PLACE, total))
        if total is not array:
            array[...] = ops.narrow(ops.array(total), array.dtype) if half else total
        return array

    def broadcast(self, array: Array) -> Array:
        """Rank 0's values, in place."""
        whole = np.ascontiguousarray(ops.host(array))
        self._wait(self.world.Ibcast(whole.reshape(-1).view(np.uint8), 0))
        if whole is not array:
            array[...] = whole
        return array

    def all_gather(self, arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
        """Every rank's arrays by name, in the order of the ranks."""
        mine = np.frombuffer(pack(arrays), np.uint8)
        sizes = np.empty(self.ranks, np.int64)
        self._wait(self.world.Iallgather(np.array([len(mine)], np.int64), sizes))
        everything = np.empty(sizes.sum(), np.uint8)
        self._wait(self.world.Iallgatherv(mine, (everything, sizes)))
        return [unpack(part.tobytes())[0] for part in np.split(everything, np.cumsum(sizes)[:-1])]

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        self._wait(self.world.Ibarrier())

    def fail(self, message: str, code: int, above: str = "") -> None:
        """Say what went wrong on this rank, in one line, and end every rank now, with this exit code.

        above: lines before it. Where all ranks met the same, the first says it. On a machine that is cut off, MPI
        would wait to tell the others; then this process ends by itself.
        """
        if self.rank != 0:
            time.sleep(GRACE)
        line = f"{above}pellucid: rank {self.rank} of {self.ranks}: {' '.join(message.split())}\n"
        print(line, end="", file=sys.__stderr__)  # one write: another rank may end this one between two
        for stream in (sys.stdout, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI's own lines
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_RESORT)
        self.world.Abort(code)

    def _wait(self, request: Request) -> None:
        """Until an operation is done. Raises LostRankError where it fails, or takes longer than the patience.

        MPI's own waiting spins. Where ranks share a core, that keeps it from the rank that all are waiting for.
        """
        start = time.monotonic()
        try:
            while not request.Test():
                waited = time.monotonic() - start
                if waited < YIELDING:
                    os.sched_yield()
                elif waited < self.patience:
                    time.sleep(NAP)
                else:
                    raise LostRankError(
                        f"another rank has not answered for {self.patience:g} s and is taken for lost"
                    )
        except self._library.Exception as error:
            raise LostRankError(f"the connection to another rank is lost ({error})") from error


def join_ranks() -> Communicator:
    """The communicator of this process: MPI where it was started as one of several, else alone.

    Takes its share of the machine's cores, and lets only rank 0 print. Raises PellucidError, on every rank, where
    mpi4py is missing, or belongs to another MPI than the launcher.
    """
    launched = launch()
    if launched is None:
        return Alone()
    patience = _patience()
    world = _world(launched, patience)
    communicator = MPI(world, patience, _settle(world))
    sys.excepthook = partial(_end_all, communicator)
    return communicator


def _end_all(communicator: MPI, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What happens to an exception that nobody has caught: this rank says it, and all end.

    MPI would wait, at the end of this process, for the others, who wait for it.
    """
    if isinstance(error, LostRankError):
        communicator.fail(str(error), 1)
    communicator.fail(f"{kind.__name__}: {error}", 1, "".join(traceback.format_exception(kind, error, trace)))


def _settle(world: Comm) -> int:
    """Take this rank's share of the machine's cores; keep quiet if it is not rank 0. Its number on the machine."""
    neighbours = world.Split_type(importlib.import_module("mpi4py.MPI").COMM_TYPE_SHARED)
    undo_binding(neighbours.size)
    ops.set_threads(share_of_cores(neighbours.rank, neighbours.allgather(allowed_cores()), granted_cores()))
    local_rank: int = neighbours.rank
    neighbours.Free()
    if world.rank != 0:
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    return local_rank


def _patience() -> float:
    given = os.environ.get(PATIENCE, "")
    try:
        patience = float(given) if given else DEFAULT_PATIENCE
    except ValueError:
        patience = 0.0
    if not 0 < patience < LONGEST:
        raise PellucidError(f"{PATIENCE}={given}: expected a number of seconds above 0")
    return patience


def _world(launched: Launch, patience: float) -> Comm:
    """All processes, connected.

    Importing mpi4py.MPI connects them, and lets no other Python thread run until all have come.
    """
    faulthandler.dump_traceback_later(patience, exit=True)
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"  # only the main thread talks
        library: Any = importlib.import_module("mpi4py.MPI")
    except ImportError as error:
        raise PellucidError(
            f"{launched.by} started {launched.ranks} processes, which need mpi4py to train together, but "
            f"{error}: pip install 'pellucid[mpi]'"
        ) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
    world: Comm = library.COMM_WORLD
    if world.size != launched.ranks:
        name = library.Get_library_version().split(",")[0].split("\n")[0].strip("\0 ")
        raise PellucidError(
            f"{launched.by} started {launched.ranks} processes, but each finds {world.size}: mpi4py here uses "
            f"{' '.join(name.split())}; expected the mpiexec of the same MPI (or srun with the right --mpi)"
        )
    return world
