"""The steps of an integer network that have weights: convolutions, affine layers, transposed convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pellucid import ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry, Sides, sides
from pellucid.ops.memory import frozen, never_changes
from pellucid.plan.integer_steps import MOST_SIDE, Images, IntegerStep, check_bytes, check_window, fitted
from pellucid.plan.weight_levels import checked_bits, largest_level, pack

LARGEST_SHIFT = 62
LARGEST_TOTAL = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class IntegerAffine(IntegerStep):
    """Sums of weights times inputs, with bias, scaling, clipping and max-pool in one step.

    weight: (K, C/groups, R, S) int8 levels of `bits` bits, the filter of each output. bias: (K,) int32. multiplier,
    shift: (K,) int32, the factor of each filter. zeros: of input and output. low, high: bounds of the output; ReLU
    has low = output zero. padding, same: see IntegerPool2d. pool: side of the max-pool's squares. logits: whether
    this gives the network's output, whose totals are scaled to int32 and not clipped.
    """

    weight: Array
    bits: int
    bias: Array
    multiplier: Array
    shift: Array
    zeros: Pair = (0, 0)
    low: int = 0
    stride: Pair = (1, 1)
    padding: Pair | Sides = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pool: int = 1
    logits: bool = False
    high: int = 255
    same: str = ""

    def __post_init__(self) -> None:
        """Have numbers that can never change: kernels and plans keep their own form of them."""
        for name in ("weight", "bias", "multiplier", "shift"):
            values = getattr(self, name)
            if isinstance(values, np.ndarray) and not never_changes(values):  # what isn't one is refused by `check`
                object.__setattr__(self, name, frozen(values))

    @cached_property
    def geometry(self) -> Geometry:
        """Where the windows stand on an image of the usual size."""
        return Geometry(self.stride, sides(self.padding), self.dilation, self.groups)

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Arrays that fit the channels; kernels trust them, and so does the exported C."""
        super().check(shapes, like)
        C, K = self.input_shape[0], self.output_shape[0]
        if self.groups < 1 or C % self.groups or K % self.groups:
            raise ValueError(f"{self.groups} groups for {C} and {K} channels")
        if self.weight.ndim != 4 or self.weight.shape[:2] != (K, C // self.groups):
            raise ValueError(f"filters {self.weight.shape} for {C} and {K} channels")
        for name, values in (("bias", self.bias), ("multiplier", self.multiplier), ("shift", self.shift)):
            if values.shape != (K,) or values.dtype != np.int32:
                raise ValueError(f"expected {name} of {K} numbers of 32 bits")
        if self.shift.min(initial=1) < 1 or self.shift.max(initial=1) > LARGEST_SHIFT:
            raise ValueError(f"expected shifts from 1 to {LARGEST_SHIFT}")
        if self.multiplier.min(initial=0) < 0:
            raise ValueError("a multiplier below 0")
        if self.logits and (self.multiplier > (np.int64(1) << self.shift.astype(np.int64))).any():
            raise ValueError("logits scaled by more than 1")
        check_bytes(*self.zeros, self.low, self.high)
        check_window(self.kernel, replace(self.geometry, padding=PLAIN.padding), "", (1, MOST_SIDE, MOST_SIDE))
        if not 1 <= self.pool <= MOST_SIDE or min(self.geometry.padding) < 0:
            raise ValueError(f"a pool of {self.pool}, a padding of {self.padding}")
        levels = np.abs(self.weight.astype(np.int64))
        if levels.max(initial=0) > largest_level(checked_bits(self.bits)):
            raise ValueError(f"weights that {self.bits} bits don't hold")
        total = 255 * levels.sum(axis=(1, 2, 3)) + np.abs(self.bias.astype(np.int64))
        if total.max(initial=0) > LARGEST_TOTAL:
            raise ValueError(f"sums of up to {total.max()} do not fit 32 bits")

    @property
    def wide(self) -> bool:
        """As logits."""
        return self.logits

    @property
    def kernel(self) -> Pair:
        """Height and width of the window."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def weight_bytes(self) -> int:
        """Packed weights; bias and multiplier of four bytes, shift of one."""
        return len(pack(self.weight, self.bits)) + 9 * len(self.bias)


@dataclass(frozen=True, eq=False)
class IntegerConv2d(IntegerAffine):
    """Convolution of integers. A Linear layer is one whose window is the whole image."""

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """uint8, or int32 logits."""
        geometry = fitted(self.geometry, self.same, (xs[0].shape[2], xs[0].shape[3]), self.kernel)
        scaling = (self.weight, self.bias, self.multiplier, self.shift)
        if self.logits:
            return ops.integer_logits(xs[0], *scaling, self.zeros[0], geometry)
        return ops.integer_conv2d(xs[0], *scaling, self.zeros, self.low, geometry, self.pool, self.high)

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """Windows that give the output."""
        super().check(shapes, like)
        check_window(self.kernel, self.geometry, self.same, self.input_shape)
        P, Q = self.geometry.output_size(self.input_shape[1:], self.kernel)
        if self.output_shape[1:] != (P // self.pool, Q // self.pool):
            raise ValueError(f"windows give {P}x{Q}, in pools of {self.pool} no {self.output_shape}")

    @property
    def multiply_adds(self) -> int:
        """For one sample."""
        _, P, Q = self.output_shape
        return math.prod(self.weight.shape) * P * Q * self.pool**2


@dataclass(frozen=True, eq=False)
class IntegerConvTranspose2d(IntegerAffine):
    """Transposed convolution of integers: see layers.ConvTranspose2d, and ops.integer_conv_transpose2d."""

    output_padding: Pair = (0, 0)

    def forward(self, xs: Sequence[Array], size: Pair | None = None) -> Array:
        """uint8, or int32 logits."""
        x = xs[0]
        scaling = (self.weight, self.bias, self.multiplier, self.shift, self.grown((x.shape[2], x.shape[3])))
        if self.logits:
            return ops.integer_transposed_logits(x, *scaling, self.zeros[0], self.geometry)
        return ops.integer_conv_transpose2d(x, *scaling, self.zeros, self.low, self.geometry, self.pool, self.high)

    def grown(self, size: Pair) -> Pair:
        """Height and width of what comes of an image of that size, before the pool."""
        (down, across), span = self.stride, self.geometry.span(self.kernel)
        top, bottom, left, right = self.geometry.padding
        P = (size[0] - 1) * down - top - bottom + span[0] + self.output_padding[0]
        return P, (size[1] - 1) * across - left - right + span[1] + self.output_padding[1]

    def check(self, shapes: tuple[Images, ...], like: Images | None) -> None:
        """The output's size too."""
        super().check(shapes, like)
        if self.same or min(self.output_padding) < 0:
            raise ValueError(f"a padding {self.same!r}, {self.output_padding}")
        size = tuple(side // self.pool for side in self.grown((shapes[0][1], shapes[0][2])))
        if size != self.output_shape[1:]:
            raise ValueError(f"{shapes[0]} grows to {size}, not to {self.output_shape}")

    @property
    def multiply_adds(self) -> int:
        """For one sample."""
        _, H, W = self.input_shape
        return math.prod(self.weight.shape) * H * W
