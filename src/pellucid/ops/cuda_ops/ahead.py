"""Batches that the host makes, copied over while the device still works on those before them.

They go on a stream of their own into memory that waits for them, two batches in turn, and from there, in the order of
all other work, to where the steps read them. The stream waits with a batch until the last one in its place was taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.arrays import DeviceArray, assign, empty_like, memory_order
from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.interface import PLACES_AHEAD


class Ahead:
    """Where batches wait: memory for each of the places, by the shapes of their arrays."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[int, int, tuple[int, ...], str], DeviceArray] = {}
        self.turn = 0

    def bring(self, targets: Sequence[DeviceArray], values: Sequence[Array]) -> None:
        """Copy host arrays into device arrays of their shapes; what is started from here on finds them there."""
        place = self.turn % PLACES_AHEAD
        self.turn += 1
        for number, (target, value) in enumerate(zip(targets, values, strict=True)):
            key = place, number, target.shape, target.dtype.name
            room = self.waiting.get(key)
            if room is None:
                room = self.waiting[key] = empty_like(target)
                device().taken(place)  # its memory may be that of arrays which work under way still reads
            dense = np.ascontiguousarray(value.astype(target.dtype, copy=False).transpose(memory_order(room)))
            if dense.size:
                device().upload_ahead(room.address, dense, place)
                assign(target, room)
        device().taken(place)
