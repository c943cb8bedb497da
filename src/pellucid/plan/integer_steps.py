"""The steps of an integer network. Each maps uint8 images (N, C, H, W) to uint8 images; the last one to int32."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from pellucid import ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, sides
from pellucid.plan.weight_levels import pack


@dataclass(frozen=True, eq=False)
class IntegerStep:
    """What all steps declare. Shapes are those of one sample, (C, H, W). name: of the layer it was made from."""

    name: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]

    def forward(self, x: Array) -> Array:
        """The step's output for a batch."""
        raise NotImplementedError

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants that the step needs, packed."""
        return 0


@dataclass(frozen=True, eq=False)
class IntegerConv2d(IntegerStep):
    """Convolution of integers, with bias, scaling, ReLU (low = output zero) and max-pool in one step.

    weight: (K, C/groups, R, S) int8 levels of `bits` bits. bias: (K,) int32. multiplier, shift: (K,) int32, the
    factor of each filter. zeros: of input and output. pool: side of the max-pool's squares. logits: whether this
    is the last step, whose totals are scaled to int32 and not clipped.
    A Linear layer is one whose window is the whole image.
    """

    weight: Array
    bits: int
    bias: Array
    multiplier: Array
    shift: Array
    zeros: Pair = (0, 0)
    low: int = 0
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pool: int = 1
    logits: bool = False

    def forward(self, x: Array) -> Array:
        """uint8, or int32 logits."""
        scaling = (self.weight, self.bias, self.multiplier, self.shift)
        if self.logits:
            return ops.integer_logits(x, *scaling, self.zeros[0], self.geometry)
        return ops.integer_conv2d(x, *scaling, self.zeros, self.low, self.geometry, self.pool)

    @cached_property
    def geometry(self) -> Geometry:
        """Where the windows stand."""
        return Geometry(self.stride, sides(self.padding), self.dilation, self.groups)

    @property
    def kernel(self) -> Pair:
        """Height and width of the window."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def weight_bytes(self) -> int:
        """Packed weights; bias and multiplier of four bytes, shift of one."""
        return len(pack(self.weight, self.bits)) + 9 * len(self.bias)

    @property
    def multiply_adds(self) -> int:
        """For one sample."""
        _, P, Q = self.output_shape
        return math.prod(self.weight.shape) * P * Q * self.pool**2


@dataclass(frozen=True, eq=False)
class IntegerPool2d(IntegerStep):
    """Max-pool or average over windows; see ops.integer_max_pool2d and ops.integer_avg_pool2d."""

    average: bool
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil: bool = False

    @cached_property
    def geometry(self) -> Geometry:
        """Where the windows stand."""
        return Geometry(self.stride, sides(self.padding))

    def forward(self, x: Array) -> Array:
        """uint8."""
        pool = ops.integer_avg_pool2d if self.average else ops.integer_max_pool2d
        return pool(x, self.kernel, self.geometry, self.ceil)


@dataclass(frozen=True, eq=False)
class IntegerTable(IntegerStep):
    """A function of each element by itself: its 256 results. table: (256,) uint8."""

    table: Array

    def forward(self, x: Array) -> Array:
        """uint8."""
        rows = self.table[x.transpose(0, 2, 3, 1)]
        y: Array = rows.transpose(0, 3, 1, 2)
        return y

    @property
    def weight_bytes(self) -> int:
        """One each."""
        return 256
