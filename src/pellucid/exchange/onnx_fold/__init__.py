"""What the operators of ONNX say, in NumPy: for what is known when a file is read, such as shapes and constants.

One function an operator, found in FOLDS by its name; it gives an array, or a list of them where the operator has
several outputs. Each follows the text of the standard (https://onnx.ai/onnx/operators) for every opset that is read.
16-bit floats are worked on in float32. What would take more room than MOST_NUMBERS is refused before it is made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_fold import constants, elements, integers, layout, norms, resize, sums, windows
from pellucid.exchange.onnx_fold.call import MOST_NUMBERS, Call, Folded
from pellucid.ops.arrays import Array

__all__ = ["FOLDS", "MOST_NUMBERS", "Call", "fold"]

FOLDS: dict[str, Callable[[Call], Folded]] = {
    **elements.FOLDS,
    **constants.FOLDS,
    **layout.FOLDS,
    **sums.FOLDS,
    **windows.FOLDS,
    **norms.FOLDS,
    **resize.FOLDS,
    **integers.FOLDS,
}
"""By operator."""

_FAULTS = (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError, AttributeError, MemoryError)


def fold(call: Call) -> list[Array]:
    """What comes out. Raises PellucidError where inputs and settings don't fit each other."""
    try:
        with np.errstate(all="ignore"):
            found = FOLDS[call.operator](call)
    except PellucidError:
        raise
    except _FAULTS as error:
        raise PellucidError(" ".join(str(error).split())[:200] or type(error).__name__) from error
    return found if isinstance(found, list) else [found]
