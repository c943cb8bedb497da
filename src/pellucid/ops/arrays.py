"""What an array is here: its type, and how an image is laid out in memory."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]


def pair(value: int | Pair) -> Pair:
    """(height, width) of a setting that may be given as one number for both."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
