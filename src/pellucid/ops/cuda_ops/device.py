"""The card that everything runs on: memory, copies, launches. In the simulator it is this machine.

All work goes in order onto one stream, so memory that was given back may be used again at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.cuda_ops.interface import Device, Grid
from pellucid.ops.cuda_ops.jit import Compiled
from pellucid.ops.cuda_ops.types import SIMULATED

if TYPE_CHECKING:
    from pellucid.ops.cuda_ops.arrays import DeviceArray

_current: Device | None = None


def set_device(number: int) -> None:
    """Make the card of that number the one that everything runs on. Raises PellucidError where it can't."""
    global _current
    if _current is not None:
        if _current.number != number:
            raise PellucidError(
                f"GPU {number}: this process uses GPU {_current.number}; another one needs another process"
            )
        return
    if SIMULATED:
        if number:
            raise PellucidError(f"GPU {number}: the simulator has GPU 0 only")
        from pellucid.ops.cuda_ops.simulator import Simulated

        _current = Simulated()
        return
    from pellucid.ops.cuda_ops.card import Card

    _current = Card(number)


def count() -> int:
    """How many cards there are. Raises PellucidError where what it takes to use one is missing."""
    if SIMULATED:
        return 1
    from pellucid.ops.cuda_ops.card import count_cards

    return count_cards()


def device() -> Device:
    """The card that everything runs on."""
    if _current is None:
        set_device(0)
    assert _current is not None
    return _current


def launch(compiled: Compiled, grid: Grid, block: Grid, *arguments: Any) -> None:
    """Run a kernel on arrays and numbers; arrays as its words say: contiguous, of that type and rank."""
    for word, x in zip(compiled.words, arguments, strict=True):
        if len(word) > 1:
            _check(compiled, word, x)
    device().launch(compiled, grid, block, arguments)


MOST_NUMBERS = 1 << 32
"""Of an array that a kernel runs over: its threads divide in 32 bits (jit.split)."""


def _check(compiled: Compiled, word: str, x: DeviceArray) -> None:
    stored = {"T": compiled.number.name, "S": compiled.source.name}.get(word[0])
    name = stored or np.dtype(compiled.type_of(word)).name
    fits = x.dtype.name == name or (x.dtype.name == "bool" and name == "uint8")
    if not fits or x.ndim != int(word[1:]) or not x.flags.c_contiguous:
        raise PellucidError(
            f"GPU kernel {compiled.name}: expected {word[1:]} axes of {name}, contiguous, got {x.dtype} {x.shape}"
        )
    if word[0] == "T" and x.size >= MOST_NUMBERS:
        raise PellucidError(f"GPU kernel {compiled.name}: expected fewer than 2^32 numbers, got shape {x.shape}")
