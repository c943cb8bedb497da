"""How weights start. The scale comes from the layer's own fan-in, the number of inputs of one output."""

import math
from dataclasses import dataclass

import numpy as np

from pellucid.errors import PellucidError
from pellucid.layers.base import Initializer
from pellucid.ops.arrays import Array, Shape


@dataclass(frozen=True)
class Normal:
    """N(0, deviation^2)."""

    deviation: float

    def __call__(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Drawn numbers."""
        return rng.standard_normal(shape) * self.deviation


@dataclass(frozen=True)
class Constant:
    """The same value everywhere."""

    value: float

    def __call__(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Nothing is drawn."""
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Bilinear:
    """Filters (C, K / groups, R, S) of a transposed convolution that interpolates each channel bilinearly.

    Long, Shelhamer, Darrell 2015, section 3.3. Channel c goes to channel c of its group and to no other; the filter
    of size R is a triangle of half-width ceil(R / 2) about the centre, so that stride = ceil(R / 2) interpolates.
    """

    groups: int = 1

    def __call__(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Nothing is drawn."""
        C, K, R, S = shape
        triangles = []
        for size in (R, S):
            half = math.ceil(size / 2)
            centre = half - 1 if size % 2 else half - 0.5
            triangles.append(1 - np.abs(np.arange(size) - centre) / half)
        filters = np.zeros(shape)
        channel, of_group = np.arange(C), np.arange(C) % (C // self.groups)
        paired = of_group < K
        filters[channel[paired], of_group[paired]] = np.outer(*triangles)
        return filters


def weight_initializer(name: str, fan_in: int, groups: int = 1) -> Initializer:
    """Initializer by name.

    "he": N(0, 2 / fan_in), for layers followed by a ReLU (He et al. 2015, section 2.2).
    "xavier": N(0, 1 / fan_in), for those followed by sigmoid, tanh or nothing (Glorot, Bengio 2010).
    "zero": 0. "bilinear": the interpolating filters above.
    """
    if name == "he":
        return Normal(math.sqrt(2 / fan_in))
    if name == "xavier":
        return Normal(math.sqrt(1 / fan_in))
    if name == "zero":
        return Constant(0)
    if name == "bilinear":
        return Bilinear(groups)
    raise PellucidError(f"unknown initializer {name!r}: expected he, xavier, zero or bilinear")
