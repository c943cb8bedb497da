"""Sixteen-bit floats at the door of every op: stored in 16 bits, computed in 32.

float16 has 5 bits of exponent and 10 of fraction (IEEE 754), bfloat16 8 and 7 (that of float32, cut off). No op
computes in either: what comes in 16 bits is widened to float32, the backend works as always, so that all sums are
float32, and what comes out is rounded to the nearest number of the input's type. Batches go through in parts that
stay in the cache while they are wide, so that no tensor ever exists whole in 32 bits.

The backends have two functions for it, `widen` and `narrow`. A backend may do an op without it: the functions in its
IN_HALF, by the names of ops, take 16-bit arrays as they are, and return None for what they can't do; one that says
TAKES_HALVES takes them everywhere.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty, empty_images

WIDTH = 2  # bytes
PART_BYTES = 1 << 22  # of a tensor in float32 while it is computed with
WEIGHTS = 2  # times the weights' bytes that a part has at least: each part reads them, or sums their gradients

WRITTEN = ("dw", "db", "dgamma", "dbeta", "out")
"""Arguments that an op writes instead of returning; over the parts of a batch they are summed."""

UPDATED: dict[str, Sequence[str]] = {
    "sgd_update": "w",
    "momentum_update": "wv",
    "adagrad_update": "ws",
    "rmsprop_update": "ws",
    "adam_update": "wmv",
    "average_update": ("average",),
}
"""Arguments that an update changes."""

BY_SAMPLE = ("x", "y", "dy", "added", "keep", "winner")
"""Arguments with one entry a sample."""

SUMS = ("channel_dot", "channel_moments", "channel_products", "channel_sum")
"""Ops that add up over images and pixels."""

SAMPLE_NORMS = ("group_norm", "group_norm_backward", "layer_norm", "layer_norm_backward")

WHOLE = ("conv2d_weight_gradient", "mean_squared_error", "unbroadcast", *SAMPLE_NORMS, *SUMS)
"""Ops whose result belongs to the whole batch."""

MOVING = ("concat", "split")
"""Ops that move numbers and compute nothing."""

ARRAYS = ("array", "channels_last", "empty", "empty_images", "host", "padded", "zeros")
"""Functions that make arrays."""

OF_THEMSELVES = ("add_bias", "batch_norm", "batch_norm_backward", "batch_norm_inference", "dropout_keep")
"""Ops that take 16-bit arrays without help."""

FLOAT32_RESULT = ("squared_norm", *SUMS)
"""Ops whose result is a sum that would lose too much in 16 bits."""


@functools.cache
def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of the type are 16-bit floats."""
    return dtype.itemsize == WIDTH and dtype.name in {"float16", "bfloat16"}


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of the type are floating-point ones."""
    return dtype.kind == "f" or is_half(dtype)


@functools.cache
def taking_halves(backend: ModuleType, name: str) -> Callable[..., Any]:
    """The backend's op, taking 16-bit floats too. Any other type goes straight through."""
    function = getattr(backend, name)
    if getattr(backend, "TAKES_HALVES", False) or not callable(function):
        return function  # type: ignore[no-any-return]
    if name in {"widen", "narrow", *MOVING, *ARRAYS, *OF_THEMSELVES} or name.startswith("integer_"):
        return function  # type: ignore[no-any-return]
    names = tuple(inspect.signature(function).parameters)
    in_half = getattr(backend, "IN_HALF", {}).get(name)

    @functools.wraps(function)
    def op(*arguments: Any, **named: Any) -> Any:
        if arguments[0].dtype.itemsize != WIDTH:
            return function(*arguments, **named)
        if in_half is not None and (result := in_half(*arguments, **named)) is not None:
            return result
        return _Call(backend, name, {**dict(zip(names, arguments, strict=False)), **named}).run()

    return op


class _Call:
    """One call of an op with 16-bit arguments."""

    __slots__ = ("arguments", "backend", "first", "function", "in_parts", "name", "written")

    def __init__(self, backend: ModuleType, name: str, arguments: dict[str, Any]) -> None:
        self.backend, self.name, self.function = backend, name, getattr(backend, name)
        self.arguments = arguments
        self.first: Array = next(iter(arguments.values()))
        written = UPDATED.get(name, WRITTEN)
        self.in_parts = next(iter(arguments)) in BY_SAMPLE and name not in WHOLE and self.first.ndim > 1
        self.written = {key: arguments[key] for key in written if arguments.get(key) is not None}

    def run(self) -> Any:
        """The result: arrays of the first argument's type, numbers as they are."""
        apart = BY_SAMPLE if self.in_parts else ()
        kept = {key: self._wide(value) for key, value in self.arguments.items() if key not in apart}
        if self.in_parts:
            return self._parts(kept)
        result = self._result(self.function(**kept))
        self._write(kept)
        return result

    def _parts(self, kept: dict[str, Any]) -> Any:
        """Run part after part of the batch, and put the results one behind the other."""
        batch = {key: value for key, value in self.arguments.items() if key in BY_SAMPLE and value is not None}
        count = len(self.first)
        step = self._part(batch)
        sums = {key: np.zeros(value.shape, np.float32) for key, value in self.written.items()}
        results: list[Array] | None = None
        for start in range(0, max(count, 1), step):
            part = slice(start, start + step)
            given = {**kept, **{key: self._wide(value[part]) for key, value in batch.items()}}
            outputs = self.function(**{key: given.get(key) for key in self.arguments})
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            if results is None:
                results = [self._empty(count, output) for output in outputs]
            for result, output in zip(results, outputs, strict=True):
                if output.dtype != np.float32:
                    result[part] = output
                elif result.size:
                    self.backend.narrow(output, result.dtype, out=result[part])
            for key, total in sums.items():
                np.add(total, given[key], out=total)
        self._write(sums)
        assert results is not None
        return results[0] if len(results) == 1 else tuple(results)

    def _part(self, batch: dict[str, Array]) -> int:
        """Samples whose largest tensor, once it is wide, takes PART_BYTES."""
        largest = max(4 * value[:1].size for value in batch.values())
        least = 0
        weight = self.arguments.get("w")
        if weight is not None:
            least = WEIGHTS * 4 * weight.size
            if weight.ndim == 4:  # a convolution may make more channels than it is given
                largest *= max(1, -(-weight.shape[0] // self.first.shape[1]))
        return max(1, max(PART_BYTES, least) // max(1, largest))

    def _wide(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and is_half(value.dtype):
            return self.backend.widen(value)
        return value

    def _result(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._result, value))
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and self.name not in FLOAT32_RESULT:
            return self.backend.narrow(value, self.first.dtype)
        return value

    def _empty(self, count: int, part: Array) -> Array:
        """Room for the results of the whole batch, like those of a part."""
        kind = self.first.dtype if part.dtype == np.float32 else part.dtype
        if part.ndim < 2:  # the gradient that nobody wants
            return np.empty(0, kind)
        if part.ndim == 4:
            return empty_images((count, part.shape[1], part.shape[2], part.shape[3]), kind)
        return empty((count, *part.shape[1:]), kind)

    def _write(self, values: dict[str, Any]) -> None:
        for key, target in self.written.items():
            if target is not values[key]:
                target[...] = self.backend.narrow(values[key], target.dtype)
