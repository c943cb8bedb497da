"""Pickled dicts of float arrays.

The few names that a pickled array is made of lead to plain arrays; keys are text; and all arrays together have no
more elements than the file has room for. See `pellucid.pickles` for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Shape
from pellucid.pickles import UNREADABLE, PickleMachine

TYPES = ("f2", "f4", "f8")
MOST_AXES = 8


def unpickle_arrays(content: bytes, source: str) -> dict[str, Array]:
    """The float64 arrays of a pickled dict, by key. source: what messages call it.

    Raises PellucidError for a pickle that holds or names anything else, and for a damaged one.
    """
    try:
        found = _Machine(content, source).run(content)
    except PellucidError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PellucidError(f"{source}: not a pickle of arrays ({reason})") from error
    if not isinstance(found, dict):
        raise PellucidError(f"{source}: expected a dict of arrays, got {_described(found)}")
    for key, value in found.items():
        if not isinstance(value, _Array) or value.array is None:
            raise PellucidError(f"{source}: expected a dict of arrays, got {_described(value)} under {key!r}")
    return {key: value.array for key, value in found.items()}


def _described(value: object) -> str:
    return "one array" if isinstance(value, _Array) else type(value).__name__


class _DType:
    """A float type; its state tells the order of the bytes."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or code not in TYPES:
            raise ValueError(f"array type {str(code)[:20] if isinstance(code, str) else type(code).__name__}")
        self.dtype = np.dtype(code)


class _Array:
    """An array, empty until its state comes."""

    array: Array | None = None


class _Machine(PickleMachine):
    """A machine that also counts how many more elements and bytes arrays may have."""

    expected = "NumPy arrays"

    def __init__(self, content: bytes, source: str) -> None:
        super().__init__(_ADMITTED, source)
        self.room = len(content) // 2  # no float has less than two bytes
        self.text = len(content)

    def build(self, made: object, state: object) -> None:
        """Give an array or its type its state."""
        if not isinstance(state, tuple):
            raise TypeError("a state of another kind")
        if isinstance(made, _DType):
            if state[1] not in ("<", ">", "=", "|"):
                raise ValueError("an order of bytes that there isn't")
            made.dtype = made.dtype.newbyteorder(state[1])
        elif isinstance(made, _Array):
            _, shape, kind, fortran, elements = state
            made.array = self.elements(elements, kind, shape, fortran=bool(fortran))
        else:
            raise TypeError("a state of what is no array")

    def count_bytes(self, count: int) -> None:
        """Take in that text was turned into so many bytes: each of them stands in the file."""
        self.text -= count
        if self.text < 0:
            raise ValueError("more bytes than the file has")

    def elements(self, content: object, kind: object, shape: object, *, fortran: bool) -> Array:
        """The float64 numbers that these bytes hold."""
        if not isinstance(content, bytes | bytearray) or not isinstance(kind, _DType):
            raise TypeError("an array of something else than floats")
        numbers = np.frombuffer(content, kind.dtype)
        self.room -= numbers.size
        if self.room < 0:
            raise ValueError("more numbers than the file has room for")
        rows: Array = numbers.reshape(_shape(shape), order="F" if fortran else "C")
        return rows.astype(np.float64)


def _shape(given: object) -> Shape:
    whole = isinstance(given, tuple) and len(given) <= MOST_AXES
    if not whole or not all(type(side) is int and 0 <= side < 1 << 32 for side in given):  # type: ignore[attr-defined]
        raise ValueError("a shape that isn't a few whole numbers")
    return given  # type: ignore[return-value]


def _data_type(machine: _Machine, *arguments: object) -> _DType:
    return _DType(*arguments)


def _reconstructed(machine: _Machine, *_: object) -> _Array:
    """An array still empty; its state follows."""
    return _Array()


def _from_buffer(
    machine: _Machine, content: object, kind: object, shape: object, order: object, *_: object
) -> _Array:
    """An array as pickle's protocol 5 writes it."""
    made = _Array()
    made.array = machine.elements(content, kind, shape, fortran=isinstance(order, str) and order == "F")
    return made


def _encoded(machine: _Machine, text: object, encoding: object) -> bytes:
    """Bytes as protocol 2 writes them."""
    if not isinstance(text, str) or not isinstance(encoding, str) or encoding not in {"latin1", "latin-1"}:
        raise ValueError("text in another encoding than latin-1")
    machine.count_bytes(len(text))
    return text.encode("latin-1")


def _never_called(machine: _Machine, *_: object) -> None:
    """`numpy.ndarray` is only an argument of `_reconstruct`."""
    raise TypeError("a call of numpy.ndarray")


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _never_called,
    ("numpy", "dtype"): _data_type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstructed,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encoded,
}
