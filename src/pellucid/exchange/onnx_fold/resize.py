"""Images of another size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_fold.call import Call, Folded, checked_axis, room_for, wide
from pellucid.layers.interpolation import Interpolation
from pellucid.ops.arrays import Array, Shape


@dataclass(frozen=True)
class Resizing:
    """What Resize or Upsample asks for. scales, sizes: of every axis. regions: (start, end) of every axis."""

    sizes: list[int]
    scales: list[float]
    how: Interpolation
    regions: list[tuple[float, float]]
    outside: float


def resizing(call: Call, shape: Shape) -> Resizing:
    """What Resize or Upsample makes of a tensor of that shape."""
    rank, old = len(shape), call.operator == "Upsample" or call.opset < 11
    given = call.get("axes")
    axes = list(range(rank)) if given is None else [checked_axis(axis, rank) for axis in given]
    roi, scales, sizes = (None, call.maybe(1), None) if old else (call.maybe(1), call.maybe(2), call.maybe(3))
    every, lengths = [1.0] * rank, list(shape)
    if sizes is not None and sizes.size:
        wanted = [int(size) for size in sizes.reshape(-1)]
        for axis, size, factor in zip(axes, *_kept_ratio(call, shape, axes, wanted), strict=True):
            lengths[axis], every[axis] = size, factor
    else:
        factors = [float(s) for s in call.get("scales", []) or (() if scales is None else scales.reshape(-1))]
        for axis, factor in zip(axes, factors, strict=True):
            if not 0 < factor < 1 << 20:
                raise PellucidError(f"scales {factors[:8]}")
            lengths[axis], every[axis] = math.floor(shape[axis] * factor), factor
    regions = [(0.0, 1.0)] * rank
    if roi is not None and roi.size == 2 * len(axes):
        ends = [float(number) for number in roi.reshape(-1)]
        for i, axis in enumerate(axes):
            regions[axis] = ends[i], ends[len(axes) + i]
    how = Interpolation(
        _mode(call),
        "asymmetric" if old else call.get("coordinate_transformation_mode", "half_pixel"),
        "floor" if old else call.get("nearest_mode", "round_prefer_floor"),
        call.get("cubic_coeff_a", -0.75),
        bool(call.get("antialias", 0)),
        bool(call.get("exclude_outside", 0)),
    )
    return Resizing(lengths, every, how, regions, call.get("extrapolation_value", 0.0))


def _mode(call: Call) -> Any:
    mode = call.get("mode", "nearest")
    mode = "linear" if mode == "bilinear" else mode
    if mode not in {"nearest", "linear", "cubic"}:
        raise PellucidError(f"mode {mode}")
    return mode


def _kept_ratio(call: Call, shape: Shape, axes: list[int], wanted: list[int]) -> tuple[list[int], list[float]]:
    """Sizes and factors; one factor for all axes where the ratio of the sides is to be kept."""
    if len(wanted) != len(axes) or min(wanted, default=1) < 1:
        raise PellucidError(f"sizes {wanted[:8]}")
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    factors = [size / shape[axis] for size, axis in zip(wanted, axes, strict=True)]
    if policy == "stretch":
        return wanted, factors
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(shape[axis] * factor + 0.5) for axis in axes], [factor] * len(axes)


def _resize(call: Call) -> Array:
    x = wide(call[0])
    work = x.astype(np.float64) if x.dtype.kind != "f" else x
    asked = resizing(call, x.shape)
    room_for(asked.sizes)
    beyond = np.zeros(asked.sizes, bool)
    for axis in range(x.ndim):
        size, out = x.shape[axis], asked.sizes[axis]
        if size == out and asked.scales[axis] == 1 and asked.how.coordinates != "tf_crop_and_resize":
            continue
        room_for((size, out))
        matrix, outside = asked.how.matrix(size, out, asked.scales[axis], asked.regions[axis])
        work = np.moveaxis(np.tensordot(matrix.astype(work.dtype), work, (1, axis)), 0, axis)
        beyond |= outside.reshape(-1, *(1 for _ in range(x.ndim - axis - 1)))
    y = np.where(beyond, work.dtype.type(asked.outside), work)
    return y.astype(call[0].dtype)


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "Resize": _resize,
    "Upsample": _resize,
}
