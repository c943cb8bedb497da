"""Number formats of a network by name."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pellucid.errors import PellucidError

FormatName = Literal["float64", "float32", "float16", "bfloat16"]

FORMATS: tuple[FormatName, ...] = ("float64", "float32", "float16", "bfloat16")
"""What weights, activations and gradients can be stored in."""


def float_type(name: str) -> np.dtype[Any]:
    """NumPy's type of that name. Raises PellucidError for a name that is none of FORMATS."""
    if name not in FORMATS:
        raise PellucidError(f"number format {name!r}: expected one of {', '.join(FORMATS)}")
    if name == "bfloat16":
        import ml_dtypes

        kind: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return kind
    return np.dtype(name)


def checked_float(kind: Any) -> np.dtype[Any]:
    """NumPy's type of a network's numbers. Raises PellucidError for what is none of FORMATS."""
    try:
        found: np.dtype[Any] | None = np.dtype(kind)
    except (TypeError, ValueError):
        found = float_type(kind) if isinstance(kind, str) else None
    if kind is None or found is None or not any(float_type(name) == found for name in FORMATS):
        said = kind.__name__ if isinstance(kind, type) else repr(kind)
        raise PellucidError(f"dtype: expected one of {', '.join(FORMATS)}, got {' '.join(said.split())}")
    return found


def float_name(kind: np.dtype[Any]) -> FormatName:
    """The name, one of FORMATS, of a NumPy type."""
    return next(name for name in FORMATS if float_type(name) == kind)
