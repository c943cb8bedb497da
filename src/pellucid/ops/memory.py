"""Arrays that come from a pool, so that a training step allocates nothing after the first.

A step makes the same arrays over and over. Fresh memory costs a page fault for every 4 KiB of it, more
than many layers cost; so a block whose array has died waits in a list for the next array of its size, or, if it is
a large one, for one that is up to four times smaller: what the first layers need at the end of a backward pass serves
the last ones before it.
Whoever asks sees ordinary NumPy arrays and needs to give nothing back.

How much may wait follows from what was needed of late: twice as much as all arrays together had at their
largest moment among the last few thousand. What has waited longest goes back to the system first.
"""

import threading
from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.geometry import Sides, sides

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
POOLED_FROM = 1 << 14  # bytes: below this the system's allocator is as fast
SHARED_TO = 1 << 20  # bytes: up to here sizes are rounded up to powers of two, so that layers share their blocks
RECENT = 2048  # arrays; how far back it is looked for the largest need, at most twice as far
SPARE = 2  # idle blocks may have so much of what was needed at once: not every block fits every array
ROOMY = 4  # times what is asked for that a large block may have

_Memory = tuple[Array, int]  # and the aligned address in it

_idle: dict[int, list[tuple[_Memory, int]]] = defaultdict(list)  # by size, each with the moment when it became idle
_lock = threading.RLock()  # re-entrant: a collection inside the lock may release another block
_idle_bytes = _used_bytes = 0
_moment = 0  # how many arrays have been given out
_need = _need_before = 0  # the most that was used at once, in this stretch of RECENT arrays and in the one before


class _Block:
    """Owner of a block while arrays look into it; its end puts the block back among the idle ones."""

    __slots__ = ("__array_interface__", "memory", "size")

    def __init__(self, size: int, shape: Shape, typestr: str) -> None:
        global _idle_bytes, _used_bytes, _moment, _need
        with _lock:
            blocks = _idle[size]
            if not blocks and size > SHARED_TO:
                size = min((s for s, some in _idle.items() if some and size <= s <= ROOMY * size), default=size)
                blocks = _idle[size]
            if blocks:
                self.memory, _ = blocks.pop()
                _idle_bytes -= size
            else:
                fresh = np.empty(size + ALIGNMENT, np.uint8)
                self.memory = fresh, fresh.ctypes.data + -fresh.ctypes.data % ALIGNMENT
            _used_bytes += size
            _need = max(_need, _used_bytes)
            _moment += 1
            if _moment % RECENT == 0:
                _next_stretch()
        self.size = size
        self.__array_interface__ = {"shape": shape, "typestr": typestr, "data": (self.memory[1], False), "version": 3}

    def __del__(self) -> None:
        global _idle_bytes, _used_bytes
        memory, size = getattr(self, "memory", None), getattr(self, "size", None)
        if memory is None or size is None or _lock is None:  # never filled, or the interpreter is ending
            return
        with _lock:
            _idle[size].append((memory, _moment))
            _idle_bytes += size
            _used_bytes -= size
            if _idle_bytes > SPARE * max(_need, _need_before):
                _give_back()


def _next_stretch() -> None:
    """Forget the need of long ago, and what was kept for it."""
    global _need, _need_before
    _need_before, _need = _need, _used_bytes
    _give_back()


def _give_back() -> None:
    """Let go of the blocks that have waited longest until no more wait than were needed of late."""
    global _idle_bytes
    while _idle_bytes > SPARE * max(_need, _need_before):
        size = min((size for size, blocks in _idle.items() if blocks), key=lambda size: _idle[size][0][1])
        del _idle[size][0]
        _idle_bytes -= size


def empty(shape: Shape, dtype: npt.DTypeLike) -> Array:
    """Array of undefined contents, C-contiguous, aligned to a cache line, from the pool."""
    kind = np.dtype(dtype)
    if kind.hasobject:  # whose undefined contents would be followed
        raise PellucidError(f"array: expected numbers, got {kind}")
    size = kind.itemsize
    for length in shape:
        size *= length
    if size < POOLED_FROM:
        return np.empty(shape, kind)
    rounded = 1 << (size - 1).bit_length() if size <= SHARED_TO else size + -size % 4096
    array = np.asarray(_Block(rounded, shape, kind.str))
    return array if array.dtype == kind else array.view(kind)  # bfloat16 comes as two bytes


def empty_images(shape: Shape, dtype: npt.DTypeLike) -> Array:
    """Undefined images of logical shape (N, C, H, W), stored channels last."""
    N, C, H, W = shape
    return empty((N, H, W, C), dtype).transpose(0, 3, 1, 2)


def zeros(shape: int | Shape, dtype: npt.DTypeLike) -> Array:
    """Array of zeros, C-contiguous; its memory is given when it is first written."""
    return np.zeros(shape, dtype)


def array(x: Any, dtype: npt.DTypeLike | None = None) -> Array:
    """What the ops of a host backend take: x as a NumPy array, itself if it is one of that type."""
    return np.asarray(x, dtype)


def frozen(x: Array) -> Array:
    """A copy that nobody can ever write, also not through another view: kernels may keep their own form of it.

    An array that is merely marked as read-only can be marked as writable again, or be written through its base.
    """
    return np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape)


def never_changes(x: Array) -> bool:
    """Whether an array is one of `frozen`, or a view of one: its memory is that of bytes."""
    base: Any = x
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, bytes)


def host(x: Any) -> Array:
    """A NumPy array of the same numbers: of a host backend's array, itself."""
    return np.asarray(x)


def channels_last(x: Array) -> Array:
    """The images themselves where they are stored channels last, else a copy that is."""
    rows = x.transpose(0, 2, 3, 1)
    if rows.flags.c_contiguous:
        return x
    y = empty_images(x.shape, x.dtype)
    y[...] = x
    return y


def padded(x: Array, padding: int | Pair | Sides, value: float = 0.0) -> Array:
    """Images (N, C, H, W) with a frame of `value` around them: (N, C, top + H + bottom, left + W + right).

    padding: one number, (rows, columns) or (top, bottom, left, right).
    """
    N, C, H, W = x.shape
    top, bottom, left, right = sides(padding)
    if not (top or bottom or left or right):
        return channels_last(x)
    frame = empty_images((N, C, top + H + bottom, left + W + right), x.dtype)
    frame[:, :, :top] = value
    frame[:, :, top + H :] = value
    frame[:, :, top : top + H, :left] = value
    frame[:, :, top : top + H, left + W :] = value
    frame[:, :, top : top + H, left : left + W] = x
    return frame


def idle_bytes() -> int:
    """Of all blocks that wait for an array."""
    return _idle_bytes


def release() -> None:
    """Give every idle block back to the system."""
    global _idle_bytes
    with _lock:
        _idle.clear()
        _idle_bytes = 0
