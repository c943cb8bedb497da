"""What an argument that is no array must be, by its name; each function gives it in its one form.

A ValueError says what is expected.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pellucid.ops.geometry import Geometry, sides

HIGHEST = 255  # of 8 bits


def anything(value: Any) -> Any:
    """Whatever it is: what an array is to be made of."""
    return value


def number(value: Any) -> Any:
    """A real number, as it is."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return value
    if isinstance(value, np.ndarray) and not value.ndim and value.dtype.kind in "fiu":
        return value[()]
    raise ValueError("a number")


def whole(value: Any) -> int:
    """A whole number."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError("a whole number") from None


def whole_numbers(value: Any) -> tuple[int, ...]:
    """A sequence of whole numbers."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise ValueError("whole numbers")
    return tuple(map(whole, value))


def level(value: Any) -> int:
    """A whole number of 8 bits."""
    found = whole(value)
    if not 0 <= found <= HIGHEST:
        raise ValueError(f"a whole number from 0 to {HIGHEST}")
    return found


def levels(value: Any) -> tuple[int, ...]:
    """Whole numbers of 8 bits."""
    return tuple(map(level, whole_numbers(value)))


def shape(value: Any) -> tuple[int, ...]:
    """Lengths of axes; of one axis it may be a number."""
    found = whole_numbers(value if isinstance(value, Iterable) else (value,))
    if min(found, default=0) < 0:
        raise ValueError("lengths of at least 0")
    return found


def pair(value: Any) -> tuple[int, int]:
    """(height, width), each at least 1."""
    found = whole_numbers(value)
    if len(found) != 2 or min(found) < 1:
        raise ValueError("(height, width), each at least 1")
    return found[0], found[1]


def flag(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError("True or False")
    return bool(value)


def geometry(value: Any) -> Geometry:
    """A Geometry, which has seen to its numbers itself."""
    if not isinstance(value, Geometry):
        raise ValueError("a Geometry")
    return value


def padding(value: Any) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of one number, (rows, columns) or all four."""
    found = whole(value) if not isinstance(value, Iterable) else whole_numbers(value)
    if isinstance(found, tuple) and len(found) not in {2, 4}:
        raise ValueError("one number, (rows, columns) or (top, bottom, left, right)")
    around = sides(found)  # type: ignore[arg-type]
    if min(around) < 0:
        raise ValueError("numbers of at least 0")
    return around


def share(value: Any) -> Any:
    """A number from 0 to below 1."""
    found = number(value)
    if not 0 <= found < 1:
        raise ValueError("a number from 0 to below 1")
    return found


def at_least_one(value: Any) -> int:
    """A whole number from 1."""
    found = whole(value)
    if found < 1:
        raise ValueError("a whole number of at least 1")
    return found


def not_negative(value: Any) -> int:
    """A whole number from 0."""
    found = whole(value)
    if found < 0:
        raise ValueError("a whole number of at least 0")
    return found


def summing(value: Any) -> Any:
    """A function that sums an array over processes."""
    if value is not None and not callable(value):
        raise ValueError("a function of an array, or None")
    return value


def float_kind(value: Any) -> np.dtype[Any]:
    """A type of numbers."""
    try:
        found: np.dtype[Any] = np.dtype(value)
        return found
    except TypeError:
        raise ValueError("a type of numbers") from None


def source(value: Any) -> np.random.Generator:
    """A source of random numbers."""
    if not isinstance(value, np.random.Generator):
        raise ValueError("a numpy.random.Generator")
    return value


def or_none(form: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """That form, or None."""
    return lambda value: None if value is None else form(value)


SETTINGS: dict[str, Callable[[Any], Any]] = {
    "all_reduce": summing,
    "alpha": number,
    "beta": number,
    "beta1": share,
    "beta2": share,
    "ceil": flag,
    "channels": shape,
    "convolved": pair,
    "count": or_none(number),
    "count_padding": flag,
    "decay": number,
    "decoupled": flag,
    "dtype": or_none(float_kind),
    "epsilon": number,
    "first": not_negative,
    "geometry": geometry,
    "groups": at_least_one,
    "high": number,
    "ignore_label": or_none(whole),
    "input_gradient": flag,
    "input_size": pair,
    "kernel": pair,
    "label_smoothing": share,
    "low": number,
    "momentum": number,
    "multiplier": not_negative,
    "multipliers": whole_numbers,
    "nesterov": flag,
    "normalizer": or_none(number),
    "padding": padding,
    "pool": at_least_one,
    "rate": number,
    "rng": source,
    "scale": number,
    "shape": shape,
    "shift": at_least_one,
    "size": pair,
    "slope": number,
    "step": number,
    "tanh": flag,
    "total": or_none(not_negative),
    "value": number,
    "weight_decay": number,
    "x": anything,
    "zero": level,
    "zeros": levels,
}
