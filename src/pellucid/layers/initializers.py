"""How weights start. The scale comes from the layer's own fan-in, the number of inputs of one output."""

import math
from functools import partial

import numpy as np

from pellucid.errors import PellucidError
from pellucid.layers.base import Initializer
from pellucid.ops.arrays import Array, Shape


def normal(deviation: float) -> Initializer:
    """N(0, deviation^2)."""
    return partial(_normal, deviation)


def constant(value: float) -> Initializer:
    """The same value everywhere."""
    return partial(_constant, value)


def bilinear(groups: int = 1) -> Initializer:
    """Filters (C, K / groups, R, S) of a transposed convolution that interpolates each channel bilinearly.

    Long, Shelhamer, Darrell 2015, section 3.3. Channel c goes to channel c of its group and to no other; the filter
    of size R is a triangle of half-width ceil(R / 2) about the centre, so that stride = ceil(R / 2) interpolates.
    """
    return partial(_bilinear, groups)


# Functions of the module, not closures: a network can be pickled, and so are its initializers.


def _normal(deviation: float, rng: np.random.Generator, shape: Shape) -> Array:
    return rng.standard_normal(shape) * deviation


def _constant(value: float, rng: np.random.Generator, shape: Shape) -> Array:
    return np.full(shape, value)


def _bilinear(groups: int, rng: np.random.Generator, shape: Shape) -> Array:
    return _triangles(shape, groups)


def _triangles(shape: Shape, groups: int) -> Array:
    C, K, R, S = shape
    triangles = []
    for size in (R, S):
        half = math.ceil(size / 2)
        centre = half - 1 if size % 2 else half - 0.5
        triangles.append(1 - np.abs(np.arange(size) - centre) / half)
    filters = np.zeros(shape)
    channel, of_group = np.arange(C), np.arange(C) % (C // groups)
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
        return normal(math.sqrt(2 / fan_in))
    if name == "xavier":
        return normal(math.sqrt(1 / fan_in))
    if name == "zero":
        return constant(0)
    if name == "bilinear":
        return bilinear(groups)
    raise PellucidError(f"unknown initializer {name!r}: expected he, xavier, zero or bilinear")
