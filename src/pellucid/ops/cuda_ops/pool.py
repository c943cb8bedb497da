"""Device memory from a pool, so that a step allocates nothing after the first.

Allocating on a card waits for all that runs there. So a block whose array has died waits in a list for the next
array of its size; all work is in order on one stream, so what still reads it comes before what will write it.
"""

from __future__ import annotations

import sys
from collections import defaultdict

from pellucid.errors import OutOfMemoryError
from pellucid.ops.cuda_ops.device import device

SMALLEST = 512  # bytes: sizes below are rounded up to it
UNLIMITED = 1 << 62
SHARED_TO = 1 << 20  # bytes: up to here sizes are rounded up to powers of two, so that layers share their blocks
COARSE = 1 << 16  # bytes: beyond, to multiples of this
IDLE_SHARE = 0.5  # of the card's memory that may lie idle; beyond it a block goes back to the system


class Pool:
    """Idle blocks by size. limit: bytes that may lie idle, by default a share of the card's.

    keeps: whether its idle blocks stay, since work that is recorded writes to them.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.idle: dict[int, list[int]] = defaultdict(list)
        self.idle_bytes = 0
        self.limit, self.keeps = limit, False

    def take(self, size: int) -> Block:
        """A block of at least that size. Raises OutOfMemoryError."""
        rounded = rounded_size(size)
        waiting = self.idle[rounded]
        if waiting:
            self.idle_bytes -= rounded
            return Block(waiting.pop(), rounded, self)
        address = device().allocate(rounded)
        if address is None:  # perhaps what lies idle in other sizes would do, or with those that record nothing
            for one in (self, _common):
                if not one.keeps:
                    one.release()
            address = device().allocate(rounded)
        if address is None:
            free, total = device().memory()
            raise OutOfMemoryError(rounded, free, total, device().name)
        return Block(address, rounded, self)

    def give_back(self, address: int, size: int) -> None:
        """The block is free for the next who asks for its size."""
        if self.limit is None:
            self.limit = int(IDLE_SHARE * device().memory()[1])
        if self.idle_bytes + size > self.limit:
            device().free(address)
            return
        self.idle[size].append(address)
        self.idle_bytes += size

    def release(self) -> None:
        """Give all idle blocks back to the system."""
        for blocks in self.idle.values():
            for address in blocks:
                device().free(address)
        self.idle.clear()
        self.idle_bytes = 0

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.release()


class Block:
    """Owner of a block while arrays look into it; its end puts it back into the pool."""

    __slots__ = ("address", "pool", "size")

    def __init__(self, address: int, size: int, pool: Pool) -> None:
        self.address, self.size, self.pool = address, size, pool

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.pool.give_back(self.address, self.size)


def rounded_size(size: int) -> int:
    """The size of the block that an array of so many bytes gets."""
    if size <= SMALLEST:
        return SMALLEST
    return 1 << (size - 1).bit_length() if size <= SHARED_TO else size + -size % COARSE


_pool = _common = Pool()


def pool() -> Pool:
    """The pool that arrays come from at present."""
    return _pool


def use_pool(new: Pool) -> Pool:
    """Let arrays come from another pool; the one before."""
    global _pool
    before, _pool = _pool, new
    return before
