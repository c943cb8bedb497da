"""The steps of an integer network that have no weights, and what all steps declare.

Each maps uint8 images (N, C, H, W) to uint8 images. Features are images of one pixel; what gives the network's
output gives int32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from pellucid import ops
from pellucid.layers.resize import rows_after, with_edges
from pellucid.layers.sliding import SAME, SAME_LOWER
from pellucid.layers.window import Window
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, Sides, sides
from pellucid.ops.memory import channels_last

MOST_SIDE = 65_535  # of an image or a window, as the C holds it in 16 bits

Images = tuple[int, int, int]
"""(C, H, W) of one sample."""


@dataclass(frozen=True, eq=False)
class IntegerStep:
    """What all steps declare.

    name: of the layer it was made from, and of the value it gives. inputs: names of the values it sees. input_shape:
    of the first of them. output_shape: of what it gives.
    """

    name: str
    inputs: tuple[str, ...]
    input_shape: Images
    output_shape: Images

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """The output for a batch of each input. size: height and width of the value that it is `sized_by`."""
        raise NotImplementedError

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Raise ValueError unless inputs of these shapes give the output's. like: of the value so named."""
        if len(shapes) != 1:
            raise ValueError(f"expected one input, got {len(shapes)}")

    @property
    def sized_by(self) -> str:
        """Name of a value whose height and width it takes, if it does."""
        return ""

    @property
    def wide(self) -> bool:
        """Whether it gives int32 and not bytes."""
        return False

    @property
    def output_bytes(self) -> int:
        """Of one sample."""
        return prod(self.output_shape) * (4 if self.wide else 1)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants that the step needs, packed."""
        return 0


@dataclass(frozen=True, eq=False)
class IntegerPool2d(IntegerStep):
    """Max-pool or average over windows; see ops.integer_max_pool2d and ops.integer_avg_pool2d.

    padding: (rows, columns), or by side. same: "same" or "same-lower" where it follows from the image's size.
    """

    average: bool
    kernel: Pair
    stride: Pair
    padding: Pair | Sides = (0, 0)
    ceil: bool = False
    dilation: Pair = (1, 1)
    same: str = ""

    @cached_property
    def geometry(self) -> Geometry:
        """Where the windows stand on an image of the usual size."""
        return Geometry(self.stride, sides(self.padding), self.dilation)

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """uint8."""
        pool = ops.integer_avg_pool2d if self.average else ops.integer_max_pool2d
        geometry = fitted(self.geometry, self.same, (xs[0].shape[2], xs[0].shape[3]), self.kernel)
        return pool(xs[0], self.kernel, geometry, self.ceil)

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Windows that give the output, each with a pixel in it."""
        super().check(shapes, like)
        check_window(self.kernel, self.geometry, self.same, self.input_shape, self.ceil)
        P, Q = self.geometry.output_size(self.input_shape[1:], self.kernel, self.ceil)
        if self.output_shape != (self.input_shape[0], P, Q):
            raise ValueError(f"windows give {(self.input_shape[0], P, Q)}, not {self.output_shape}")
        for axis in (0, 1):
            start = np.arange((P, Q)[axis]) * self.stride[axis] - self.geometry.before[axis]
            first = -(-np.maximum(0, -start) // self.dilation[axis])  # of the window's elements, not before the image
            inside = start + first * self.dilation[axis] < self.input_shape[1 + axis]
            if not (inside & (first < self.kernel[axis])).all():
                raise ValueError("a window that covers nothing of the image")


@dataclass(frozen=True, eq=False)
class IntegerTable(IntegerStep):
    """A function of each element by itself: its 256 results. table: (256,) uint8."""

    table: Array

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """uint8."""
        rows = self.table[xs[0].transpose(0, 2, 3, 1)]
        y: Array = rows.transpose(0, 3, 1, 2)
        return y

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """A table of all bytes."""
        super().check(shapes, like)
        if self.output_shape != self.input_shape:
            raise ValueError(f"a table makes no {self.output_shape} of {self.input_shape}")
        if self.table.shape != (256,) or self.table.dtype != np.uint8:
            raise ValueError("expected a table of 256 bytes")

    @property
    def weight_bytes(self) -> int:
        """One each."""
        return 256


@dataclass(frozen=True, eq=False)
class IntegerAdd(IntegerStep):
    """The sum of its inputs, each with its scale, rounded once; see ops.integer_add.

    zeros, multipliers: of each input. shift: of their sum. zero, low, high: of the output. As logits, the sum is
    given as it is.
    """

    zeros: tuple[int, ...]
    multipliers: tuple[int, ...]
    shift: int
    zero: int = 0
    low: int = 0
    high: int = 255
    logits: bool = False

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """uint8, or int32 logits."""
        if self.logits:
            return ops.integer_sum(xs, self.zeros, self.multipliers)
        return ops.integer_add(xs, self.zeros, self.multipliers, self.shift, self.zero, self.low, self.high)

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Inputs of one shape, or of one pixel."""
        _check_elementwise(self, shapes, len(self.zeros))
        check_bytes(*self.zeros, self.zero, self.low, self.high)
        largest = 255 * sum(abs(multiplier) for multiplier in self.multipliers) + (1 << max(0, self.shift - 1))
        if len(self.multipliers) != len(shapes) or not 1 <= self.shift <= 30 or largest >= 1 << 31:
            raise ValueError(f"expected sums of 32 bits of {len(shapes)} inputs")

    @property
    def wide(self) -> bool:
        """As logits."""
        return self.logits

    @property
    def weight_bytes(self) -> int:
        """Two numbers of 32 bits an input, four of the output."""
        return 8 * len(self.inputs) + 16


@dataclass(frozen=True, eq=False)
class IntegerMultiply(IntegerStep):
    """The product of two inputs; the second may have one pixel. zeros: of both. See ops.integer_multiply."""

    zeros: Pair
    multiplier: int
    shift: int
    zero: int = 0
    low: int = 0
    high: int = 255

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """uint8."""
        x, by = xs
        scaling = (self.multiplier, self.shift, self.zero, self.low, self.high)
        return ops.integer_multiply(x, by, self.zeros, *scaling)

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Inputs of one shape, or the second of one pixel."""
        _check_elementwise(self, shapes, 2)
        check_bytes(*self.zeros, self.zero, self.low, self.high)
        if not 1 <= self.shift <= 62 or not 0 <= self.multiplier < 1 << 31:
            raise ValueError("expected a multiplier of 31 bits, and a shift from 1 to 62")

    @property
    def weight_bytes(self) -> int:
        """Seven numbers of 32 bits."""
        return 28


@dataclass(frozen=True, eq=False)
class IntegerConcat(IntegerStep):
    """The channels of its inputs side by side, on one scale. tables: (inputs, 256) uint8, see ops.integer_concat."""

    tables: Array

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """uint8."""
        return ops.integer_concat(xs, self.tables)

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Inputs of one height and width, with a table each."""
        if self.tables.shape != (len(shapes), 256) or self.tables.dtype != np.uint8:
            raise ValueError(f"expected {len(shapes)} tables of 256 bytes")
        if self.output_shape != (sum(shape[0] for shape in shapes), *shapes[0][1:]):
            raise ValueError(f"channels of {shapes} side by side are not {self.output_shape}")
        if len({shape[1:] for shape in shapes}) > 1:
            raise ValueError(f"inputs of several sizes: {shapes}")

    @property
    def weight_bytes(self) -> int:
        """256 an input."""
        return 256 * len(self.inputs)


@dataclass(frozen=True, eq=False)
class IntegerFlatten(IntegerStep):
    """Images as features in the order C, H, W, for a layer that joins features: images of one pixel."""

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """The same numbers."""
        return channels_last(xs[0].reshape(len(xs[0]), -1, 1, 1))

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """As many features as there are numbers."""
        super().check(shapes, like)
        if self.output_shape != (prod(shapes[0]), 1, 1):
            raise ValueError(f"{shapes[0]} has no {self.output_shape} features")


@dataclass(frozen=True, eq=False)
class IntegerOrder(IntegerStep):
    """Channels in another order, or some of them: channel c is the input's channel order[c]."""

    order: tuple[int, ...]

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """The same numbers."""
        return channels_last(xs[0][:, list(self.order)])

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Channels that there are."""
        super().check(shapes, like)
        if self.output_shape != (len(self.order), *shapes[0][1:]):
            raise ValueError(f"{len(self.order)} channels of {shapes[0]} are not {self.output_shape}")
        if not all(0 <= channel < shapes[0][0] for channel in self.order):
            raise ValueError(f"expected channels from 0 to {shapes[0][0] - 1}")

    @property
    def weight_bytes(self) -> int:
        """A number of 16 bits a channel."""
        return 2 * len(self.order)


@dataclass(frozen=True, eq=False)
class IntegerRepeatEdges(IntegerStep):
    """A map with its outermost rows and columns repeated until what grows from it covers another value.

    See layers.RepeatEdges: `before`, and the kernel, stride and padding of the transposed convolution after it.
    """

    like: str
    before: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    logits: bool = False

    @property
    def grows(self) -> Window:
        """The window of what grows it."""
        return Window(self.kernel, Geometry(self.stride, sides(self.padding)))

    @property
    def sized_by(self) -> str:
        """What it covers."""
        return self.like

    @property
    def wide(self) -> bool:
        """As logits."""
        return self.logits

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """The map in its frame."""
        x = xs[0]
        assert size is not None
        return with_edges(x, self.before, rows_after(self.grows, self.before, (x.shape[2], x.shape[3]), size))

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """A map and an image to cover."""
        super().check(shapes, like)
        check_covered(like)
        assert like is not None
        check_window(self.kernel, self.grows.geometry, "", (1, MOST_SIDE, MOST_SIDE))
        if min(self.before) < 0:
            raise ValueError(f"{self.before} rows and columns before a map")
        after = rows_after(self.grows, self.before, shapes[0][1:], like[1:])
        size = (self.before[i] + shapes[0][1 + i] + after[i] for i in (0, 1))
        if self.output_shape != (shapes[0][0], *size):
            raise ValueError(f"{shapes[0]} with its edges is not {self.output_shape}")


@dataclass(frozen=True, eq=False)
class IntegerCropLike(IntegerStep):
    """The upper left corner of a map, of another value's height and width."""

    like: str
    logits: bool = False

    @property
    def sized_by(self) -> str:
        """What it covers."""
        return self.like

    @property
    def wide(self) -> bool:
        """As logits."""
        return self.logits

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """The corner."""
        assert size is not None
        return channels_last(xs[0][:, :, : size[0], : size[1]])

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """A map at least as large."""
        super().check(shapes, like)
        check_covered(like)
        assert like is not None
        if self.output_shape != (shapes[0][0], *like[1:]) or shapes[0][1] < like[1] or shapes[0][2] < like[2]:
            raise ValueError(f"{shapes[0]} like {like} is not {self.output_shape}")


def fitted(geometry: Geometry, same: str, size: Pair, kernel: Pair) -> Geometry:
    """Where windows stand on images of size (H, W), whose padding follows from it where `same` says so."""
    return geometry.same(size, kernel, lower=same == SAME_LOWER) if same else geometry


def check_window(kernel: Pair, geometry: Geometry, same: str, shape: Images, ceil: bool = False) -> None:
    """Raise ValueError unless such a window, with `ceil` a ragged one, stands once at least on images (C, H, W)."""
    steps = (*kernel, *geometry.stride, *geometry.dilation, geometry.groups)
    if not all(1 <= step <= MOST_SIDE for step in steps) or not all(0 <= p <= MOST_SIDE for p in geometry.padding):
        raise ValueError(f"a window {kernel} with {geometry}")
    if same not in {"", SAME, SAME_LOWER}:
        raise ValueError(f"a padding {same!r}")
    if fitted(geometry, same, shape[1:], kernel).padding != geometry.padding:
        raise ValueError(f"padding {geometry.padding} is not {same!r} on images {shape}")
    if min(geometry.output_size(shape[1:], kernel, ceil)) < 1:
        raise ValueError(f"no window {kernel} with {geometry} on images {shape}")


def check_bytes(*numbers: int) -> None:
    """Raise ValueError unless all are values of an activation."""
    if not all(0 <= number <= 255 for number in numbers):
        raise ValueError(f"expected numbers from 0 to 255, got {numbers}")


def check_covered(like: Images | None) -> None:
    """Raise ValueError where there is no value whose size is to be taken."""
    if like is None:
        raise ValueError("it takes the size of a value that is not named")


def _check_elementwise(step: IntegerStep, shapes: tuple[Images, ...], count: int) -> None:
    """Raise ValueError unless there are so many inputs, of the output's shape or of one pixel of it."""
    if len(shapes) != count:
        raise ValueError(f"expected {count} inputs, got {len(shapes)}")
    for shape in shapes:
        if shape not in (step.output_shape, (step.output_shape[0], 1, 1)):
            raise ValueError(f"inputs {shapes} for {step.output_shape}")
