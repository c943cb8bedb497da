"""Arrays that come from a pool, so that a training step allocates nothing after the first.

A step makes the same arrays over and over. Fresh memory costs a page fault for every 4 KiB of it, more
than many layers cost; so a block whose array has died waits in a list for the next array of its size, or, if it is
a large one, for one that is up to four times smaller: what the first layers need at the end of a backward pass serves
the last ones before it.
Whoever asks sees ordinary NumPy arrays and needs to give nothing back.
"""

import threading
from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.geometry import Sides, sides

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
POOLED_FROM = 1 << 14  # bytes: below this the system's allocator is as fast
SHARED_TO = 1 << 20  # bytes: up to here sizes are rounded up to powers of two, so that layers share their blocks
CAPACITY = 1 << 31  # bytes of idle blocks kept; beyond it a block goes back to the system
ROOMY = 4  # times what is asked for that a large block may have

_idle: dict[int, list[tuple[Array, int]]] = defaultdict(list)  # by size: memory, and the aligned address in it
_lock = threading.RLock()  # re-entrant: a collection inside the lock may release another block
_idle_bytes = 0


class _Block:
    """Owner of a block while arrays look into it; its end puts the block back among the idle ones."""

    __slots__ = ("__array_interface__", "memory", "size")

    def __init__(self, size: int, shape: Shape, typestr: str) -> None:
        global _idle_bytes
        with _lock:
            blocks = _idle[size]
            if not blocks and size > SHARED_TO:
                size = min((s for s, some in _idle.items() if some and size <= s <= ROOMY * size), default=size)
                blocks = _idle[size]
            if blocks:
                self.memory = blocks.pop()
                _idle_bytes -= size
            else:
                fresh = np.empty(size + ALIGNMENT, np.uint8)
                self.memory = fresh, fresh.ctypes.data + -fresh.ctypes.data % ALIGNMENT
        self.size = size
        self.__array_interface__ = {"shape": shape, "typestr": typestr, "data": (self.memory[1], False), "version": 3}

    def __del__(self) -> None:
        global _idle_bytes
        memory = getattr(self, "memory", None)
        if memory is None or _lock is None:  # never filled, or the interpreter is ending
            return
        with _lock:
            if _idle_bytes + self.size <= CAPACITY:
                _idle[self.size].append(memory)
                _idle_bytes += self.size


def empty(shape: Shape, dtype: npt.DTypeLike) -> Array:
    """Array of undefined contents, C-contiguous, aligned to a cache line, from the pool."""
    kind = np.dtype(dtype)
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


def release() -> None:
    """Give every idle block back to the system."""
    global _idle_bytes
    with _lock:
        _idle.clear()
        _idle_bytes = 0
