"""How a window is moved over an image: stride, padding on each side, dilation, and groups of channels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import index
from typing import Any

from pellucid.errors import InputError
from pellucid.ops.arrays import Pair

MOST = 1 << 24  # pixels of a stride, padding or dilation: no image is so large

Sides = tuple[int, int, int, int]
"""Rows or columns beyond the top, bottom, left and right of an image."""


def sides(value: int | Pair | Sides) -> Sides:
    """(top, bottom, left, right) of a padding given as one number, as (rows, columns), or by side."""
    if isinstance(value, int):
        return value, value, value, value
    if len(value) == 2:
        return int(value[0]), int(value[0]), int(value[1]), int(value[1])
    top, bottom, left, right = value
    return int(top), int(bottom), int(left), int(right)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the windows of a convolution or a pool stand.

    stride: pixels from one window to the next, (down, across).
    padding: rows and columns that the image is continued by, (top, bottom, left, right).
    dilation: pixels from one element of a window to the next, (down, across).
    groups: parts into which channels are divided; each output sees the inputs of its own part.
    """

    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        """See to it that kernels get whole numbers that make sense. Raises InputError."""
        given = {"stride": (self.stride, 2, 1), "padding": (self.padding, 4, 0), "dilation": (self.dilation, 2, 1)}
        for name, (value, count, least) in given.items():
            object.__setattr__(self, name, _whole(name, value, count, least))
        object.__setattr__(self, "groups", _whole("groups", (self.groups,), 1, 1)[0])
        object.__setattr__(self, "_hash", hash((self.stride, self.padding, self.dilation, self.groups)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def symmetric(self) -> bool:
        """Whether opposite sides are padded alike."""
        top, bottom, left, right = self.padding
        return top == bottom and left == right

    @property
    def before(self) -> Pair:
        """Padding above and to the left."""
        return self.padding[0], self.padding[2]

    @property
    def after(self) -> Pair:
        """Padding below and to the right."""
        return self.padding[1], self.padding[3]

    def span(self, kernel: Pair) -> Pair:
        """Pixels from the first to the last that a window covers, (rows, columns)."""
        return self.dilation[0] * (kernel[0] - 1) + 1, self.dilation[1] * (kernel[1] - 1) + 1

    def output_size(self, size: Pair, kernel: Pair, ceil: bool = False) -> Pair:
        """(P, Q): windows that stand wholly on an image (H, W) with its padding; less than 1 where none does.

        ceil: also a last, ragged window for rows or columns that would be left over, unless it would start beyond
        the image, on padding alone.
        """
        top, bottom, left, right = self.padding
        span = self.span(kernel)
        P = _windows(size[0], top, bottom, span[0], self.stride[0], ceil)
        Q = _windows(size[1], left, right, span[1], self.stride[1], ceil)
        return P, Q

    def same(self, size: Pair, kernel: Pair, lower: bool = False) -> Geometry:
        """With the padding that gives an image of that size ceil(size / stride) windows.

        What can't be halved goes after the image (below, to the right), or with `lower` before it.
        """
        span, padding = self.span(kernel), []
        for axis in (0, 1):
            last = (-(-size[axis] // self.stride[axis]) - 1) * self.stride[axis]
            total = max(0, last + span[axis] - size[axis])
            less, more = total // 2, total - total // 2
            padding += [more, less] if lower else [less, more]
        return replace(self, padding=sides((padding[0], padding[1], padding[2], padding[3])))


def _whole(name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """So many whole numbers from the least upwards. Raises InputError."""
    try:
        found = tuple(map(index, value))
    except TypeError:
        found = ()
    if len(found) != count or not all(least <= number < MOST for number in found):
        shown = value[0] if name == "groups" else value
        raise InputError(
            f"geometry: {name}: expected whole numbers of at least {least}, {count} of them, got {shown!r}"
        )
    return found


def _windows(size: int, before: int, after: int, span: int, stride: int, ceil: bool) -> int:
    """How many there are along one axis."""
    room = size + before + after - span
    if not ceil:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + before else count


PLAIN = Geometry()
"""Every place, no padding, no holes, one group."""
