"""How processes that train one network together talk. A process alone has nothing to say."""

from collections.abc import Mapping
from typing import Protocol

from pellucid.ops.arrays import Array


class Communicator(Protocol):
    """Processes numbered 0 .. ranks - 1; each calls the same methods in the same order."""

    @property
    def rank(self) -> int:
        """This process's number; 0 writes files and talks to people."""

    @property
    def local_rank(self) -> int:
        """This process's number among those on its machine."""

    @property
    def ranks(self) -> int:
        """Number of processes."""

    def all_reduce(self, array: Array) -> Array:
        """Sum over all ranks, in place, the same bits on each; returns the array."""

    def broadcast(self, array: Array) -> Array:
        """Rank 0's values, in place; returns the array."""

    def all_gather(self, arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
        """Every rank's arrays by name, of any shapes, in the order of the ranks."""

    def barrier(self) -> None:
        """Wait until all ranks are here."""


class Alone:
    """The communicator of a process that trains by itself."""

    rank = local_rank = 0
    ranks = 1

    def all_reduce(self, array: Array) -> Array:
        """The array."""
        return array

    def broadcast(self, array: Array) -> Array:
        """The array."""
        return array

    def all_gather(self, arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
        """This process's own."""
        return [dict(arrays)]

    def barrier(self) -> None:
        """Nobody to wait for."""
