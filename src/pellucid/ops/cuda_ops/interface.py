"""What a device is asked to do: by a card, or by the simulator in its stead."""

from __future__ import annotations

from typing import Any, Protocol

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.cuda_ops.jit import Compiled

Grid = int | tuple[int, ...]

PLACES_AHEAD = 2
"""Batches that may be under way to the device at a time."""


class Graph(Protocol):
    """Work that was recorded."""

    def replay(self) -> None:
        """Do it again."""


class Device(Protocol):
    """What a card does."""

    number: int
    name: str
    capability: Pair

    def allocate(self, size: int) -> int | None:
        """Address of so many bytes; None where there aren't."""

    def free(self, address: int) -> None:
        """Give memory back to the system; while work is recorded, which may wait for nothing, when it has been."""

    def memory(self) -> Pair:
        """Bytes free, and in all."""

    def upload(self, address: int, x: Array) -> None:
        """Copy a C-contiguous host array to the device."""

    def upload_ahead(self, address: int, x: Array, place: int) -> None:
        """As upload, beside the work under way; what is started from here on waits for it.

        It waits itself until what was brought to that place before was taken.
        """

    def taken(self, place: int) -> None:
        """What was brought to that place has been read by the work started so far."""

    def download(self, x: Array, address: int) -> None:
        """Copy from the device into a C-contiguous host array; waits for it."""

    def copy(self, target: int, source: int, size: int) -> None:
        """Copy bytes within the device."""

    def clear(self, address: int, size: int) -> None:
        """Set bytes to 0."""

    def launch(self, compiled: Compiled, grid: Grid, block: Grid, arguments: tuple[Any, ...]) -> None:
        """Run a kernel."""

    def synchronize(self) -> None:
        """Wait until all work is done; not while work is recorded."""

    def begin_capture(self) -> None:
        """From here on record work instead of doing it."""

    def end_capture(self) -> Graph:
        """What was recorded."""
