"""The integer ops, by their steps: each is prepared, and run at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.integer import winograd
from pellucid.ops.numba_ops.integer.convolution import convolution, suits
from pellucid.ops.numba_ops.integer.depthwise import depthwise
from pellucid.ops.numba_ops.integer.depthwise import suits as depthwise_suits
from pellucid.ops.numba_ops.integer.elementwise import addition, pooled
from pellucid.ops.numba_ops.integer.filters import Filters
from pellucid.ops.numba_ops.integer.taps import by_taps, convolved, met_pixels, spread, start_of_totals
from pellucid.ops.numba_ops.integer.transposed import transposed
from pellucid.ops.numba_ops.layout import images, rows
from pellucid.ops.numba_ops.steps.step import Step
from pellucid.ops.numpy_ops import integer as definition
from pellucid.ops.numpy_ops.integer import integer_concat, integer_multiply, integer_sum

__all__ = [
    "integer_add",
    "integer_avg_pool2d",
    "integer_concat",
    "integer_conv2d",
    "integer_conv_transpose2d",
    "integer_logits",
    "integer_max_pool2d",
    "integer_multiply",
    "integer_sum",
    "integer_transposed_logits",
]


def integer_conv2d(
    x: Array,
    w: Array,
    b: Array,
    multiplier: Array,
    shift: Array,
    zeros: Pair = (0, 0),
    low: int = 0,
    geometry: Geometry = PLAIN,
    pool: int = 1,
    high: int = definition.HIGHEST,
) -> Array:
    """The convolution's totals as activations, pooled: (N, K, P/pool, Q/pool) uint8; see the definition."""
    return _convolved(x, Filters(w, b, multiplier, shift, (zeros[1], low, high)), zeros[0], geometry, pool)


def integer_logits(
    x: Array, w: Array, b: Array, multiplier: Array, shift: Array, zero: int = 0, geometry: Geometry = PLAIN
) -> Array:
    """The last layer: round(total * factor), not clipped: (N, K, P, Q) int32."""
    return _convolved(x, Filters(w, b, multiplier, shift, wide=True), zero, geometry, 1)


def integer_conv_transpose2d(
    x: Array,
    w: Array,
    b: Array,
    multiplier: Array,
    shift: Array,
    size: Pair,
    zeros: Pair = (0, 0),
    low: int = 0,
    geometry: Geometry = PLAIN,
    pool: int = 1,
    high: int = definition.HIGHEST,
) -> Array:
    """The transposed convolution's totals as activations, pooled: uint8; see the definition."""
    filters = Filters(w, b, multiplier, shift, (zeros[1], low, high))
    return _grown(x, filters, zeros[0], size, geometry, pool)


def integer_transposed_logits(
    x: Array,
    w: Array,
    b: Array,
    multiplier: Array,
    shift: Array,
    size: Pair,
    zero: int = 0,
    geometry: Geometry = PLAIN,
) -> Array:
    """A last layer that is a transposed convolution: (N, K, *size) int32; see the definition."""
    return _grown(x, Filters(w, b, multiplier, shift, wide=True), zero, size, geometry, 1)


def _grown(x: Array, filters: Filters, zero: int, size: Pair, geometry: Geometry, pool: int) -> Array:
    """A transposed convolution."""
    step, kind = transposed(x.shape, filters, zero, size, geometry, pool), np.int32 if filters.wide else np.uint8
    if step is not None:
        return _run(step, [rows(x)], (len(x), *size, len(filters.w)), kind)
    met = met_pixels(spread, size, _size(x), _window(filters.w), geometry)
    scaling = _scaling(filters.b, filters.multiplier, filters.shift)
    return by_taps(kind, x, filters.w, scaling, zero, filters.limits, met, geometry.groups, pool)


def integer_add(
    xs: Sequence[Array],
    zeros: Sequence[int],
    multipliers: Sequence[int],
    shift: int,
    zero: int = 0,
    low: int = 0,
    high: int = definition.HIGHEST,
) -> Array:
    """The sum of images, each with a scale of its own, uint8; see the definition, which does all but the common."""
    if len(xs) != 2 or xs[0].shape != xs[1].shape:
        return definition.integer_add(xs, zeros, multipliers, shift, zero, low, high)
    stored = [rows(x) for x in xs]
    step = addition(stored[0].size, zeros, multipliers, shift, zero, low, high)
    return _run(step, stored, stored[0].shape, np.uint8)


def integer_max_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> Array:
    """Largest value of each window of uint8 images; padding takes no part, and a window of nothing else gives 0."""
    if geometry.dilation != (1, 1):
        return definition.integer_max_pool2d(x, kernel, geometry, ceil)
    return _pooled(x, kernel, geometry, ceil, average=False)


def integer_avg_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> Array:
    """Mean of the pixels that each window covers, halves rounded upwards; see the definition."""
    if geometry.dilation != (1, 1):
        return definition.integer_avg_pool2d(x, kernel, geometry, ceil)
    return _pooled(x, kernel, geometry, ceil, average=True)


def _pooled(x: Array, kernel: Pair, geometry: Geometry, ceil: bool, average: bool) -> Array:
    P, Q = geometry.output_size(_size(x), kernel, ceil)
    step = pooled(x.shape, kernel, geometry, ceil, average)
    return _run(step, [rows(x)], (len(x), P, Q, x.shape[1]), np.uint8)


def _scaling(b: Array, multiplier: Array, shift: Array) -> tuple[Array, Array, Array]:
    """Each as vectors of registers read it: number beside number."""
    return np.ascontiguousarray(b), np.ascontiguousarray(multiplier), np.ascontiguousarray(shift)


def _size(x: Array) -> Pair:
    return x.shape[2], x.shape[3]


def _window(w: Array) -> Pair:
    return w.shape[2], w.shape[3]


def _convolved(x: Array, filters: Filters, zero: int, geometry: Geometry, pool: int) -> Array:
    step = convolution_step(x.shape, filters, zero, geometry, pool)
    kind = np.int32 if filters.wide else np.uint8
    if step is None:
        return _by_taps(kind, x, filters, zero, geometry, pool)
    P, Q = (places // pool for places in geometry.output_size(_size(x), _window(filters.w)))
    return _run(step, [rows(x)], (len(x), P, Q, len(filters.w)), kind)


def convolution_step(
    shape: tuple[int, ...], filters: Filters, zero: int, geometry: Geometry, pool: int
) -> Step | None:
    """The convolution of images `shape` (N, C, H, W) uint8 whose zero is `zero`; None where it goes tap by tap."""
    if geometry.groups > 1 and depthwise_suits(filters, geometry, pool):
        return depthwise(shape, filters, zero, geometry)
    if winograd.suits(shape, filters, geometry, pool):
        return winograd.convolution(shape, filters, zero, geometry, pool)
    return convolution(shape, filters, zero, geometry, pool) if suits(filters, geometry, pool) else None


def _by_taps(kind: Any, x: Array, filters: Filters, zero: int, geometry: Geometry, pool: int) -> Array:
    """A convolution in groups that are small, that a pool follows, or whose totals are not scaled as vectors."""
    size, window = _size(x), _window(filters.w)
    met = met_pixels(convolved, geometry.output_size(size, window), size, window, geometry)
    b, multiplier, shift = _scaling(filters.b, filters.multiplier, filters.shift)
    scaling = (start_of_totals(filters.w, b, zero), multiplier, shift)
    return by_taps(kind, x, filters.w, scaling, zero, filters.limits, met, geometry.groups, pool)


def _run(step: Step, inputs: Sequence[Array], shape: tuple[int, ...], kind: Any) -> Array:
    """Run a step, whose output (N, P, Q, K) has that shape; as images."""
    y = empty(shape, kind)
    if y.size:
        scratch = empty((step.scratch + 1,), np.uint8)
        places = [x.ctypes.data for x in inputs]
        for call in step.calls(places, y.ctypes.data, scratch.ctypes.data):
            call.kernel(call.parts, *call.jobs)
    return images(y)
