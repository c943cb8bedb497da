"""What an array is here: its type, and how an image is laid out in memory."""

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import InputError

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]


def pair(value: int | Pair, setting: str) -> Pair:
    """(height, width) of a setting that may be given as one number for both. Raises InputError for anything else."""
    both: Any = (value, value) if np.isscalar(value) else value
    try:
        height, width = map(operator.index, both)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1 or isinstance(value, bool):
        raise InputError(f"{setting}: expected one whole number or (height, width), of at least 1, got {value!r}")
    return height, width
