"""Filters of an integer convolution, as its kernels read them."""

import weakref
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.memory import never_changes
from pellucid.ops.numba_ops.compile.vectors import LANES
from pellucid.ops.numba_ops.integer.products import NUMBERS, WEIGHT
from pellucid.ops.numba_ops.integer.scaling import LIMITS, constants

UNCLIPPED = (0, -(1 << 31), (1 << 31) - 1)

_packed: dict[int, tuple[Any, Pair, Array]] = {}


class Target(NamedTuple):
    """Where the places of a convolution's output lie, in bytes, if not one behind the other."""

    start: int  # the first
    pixel: int  # from one to the next
    line: int
    image: int


@dataclass(frozen=True)
class Filters:
    """A layer's numbers.

    w: (K, C/groups, R, S) int8. b, multiplier, shift: (K,) int32, as the op takes them. limits: zero, low and high of
    the output. wide: whether it is int32, not clipped.
    """

    w: Array
    b: Array
    multiplier: Array
    shift: Array
    limits: tuple[int, int, int] = UNCLIPPED
    wide: bool = False

    def constants(self, groups: int = 1) -> Array:
        """See `scaling`; none where numbers are scaled one by one. groups: that begin with a register each."""
        numbers = (self.w, self.b, self.multiplier, self.shift, self.limits[0])
        found = None if self.wide else constants(*numbers, groups)
        return np.empty(0, np.int64) if found is None else found

    def bounds(self) -> Array:
        """Low and high."""
        return np.array(self.limits[1:], LIMITS)

    def plain(self) -> Array:
        """What scaling one by one reads: b, multiplier, shift, half and zero, (K, 5) int64."""
        shift = self.shift.astype(np.int64)
        columns = [self.b, self.multiplier, shift, np.left_shift(np.int64(1), shift - 1)]
        return np.stack([*columns, np.full(len(shift), self.limits[0])], axis=1).astype(np.int64)


def packed(w: Array, R: int, groups: int = 1) -> Array:
    """Weights (K, C, ...) as WEIGHT (blocks of filters, R, words, LANES, NUMBERS).

    R: pieces of a window whose taps lie side by side, as they do in an image: its rows, or its taps. The last word of
    each is filled up with weights of 0. groups: of filters, that begin with a block each. Weights that can never
    change (see `frozen`) are packed once.
    """
    known = _packed.get(id(w))
    if known is not None and known[0]() is w and known[1] == (R, groups):
        return known[2]
    K = w.shape[0] // groups
    taps = w.transpose(0, 2, 3, 1).reshape(groups, K, R, -1)
    blocks, words = -(-K // LANES), -(-taps.shape[3] // NUMBERS)
    padded = np.zeros((groups, blocks * LANES, R, words * NUMBERS), WEIGHT)
    padded[:, :K, :, : taps.shape[3]] = taps
    ordered = padded.reshape(groups * blocks, LANES, R, words, NUMBERS).transpose(0, 2, 3, 1, 4)
    made = np.ascontiguousarray(ordered)
    if never_changes(w):
        key = id(w)
        _packed[key] = (weakref.ref(w, lambda _: _forget(key)), (R, groups), made)
    return made


def _forget(key: int) -> None:
    _packed.pop(key, None)
