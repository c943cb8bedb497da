"""Pickled dicts of float arrays, read by a small interpreter of our own.

A pickle is a program for a stack machine, which may name any function to be called, build values so deep or so often
doubled that they end a process, and ask for memory that no file holds. Here only the instructions that a dict of
arrays needs are known; the few names that a pickled array is made of lead to plain arrays, every other one is refused
before anything is imported or called; keys are text; and all arrays together have no more elements than the file has
room for. So the work grows with the file and with nothing else.

Source: pickletools of Python's library, which describes every instruction; it reads them here.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Shape

TYPES = ("f2", "f4", "f8")
MOST_INSTRUCTIONS = 100_000
MOST_AXES = 8

_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_REMEMBER = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_RECALL = {"GET", "BINGET", "LONG_BINGET"}


def unpickle_arrays(content: bytes, source: str) -> dict[str, Array]:
    """The float64 arrays of a pickled dict, by key. source: what messages call it.

    Raises PellucidError for a pickle that holds or names anything else, and for a damaged one.
    """
    try:
        found = _Machine(content, source).run()
    except PellucidError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, MemoryError) as error:
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


class _Mark:
    """Where on the stack the items of a collection begin."""


class _Name:
    """One of the admitted names."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


class _DType:
    """A float type; its state tells the order of the bytes."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or code not in TYPES:
            raise ValueError(f"array type {str(code)[:20] if isinstance(code, str) else type(code).__name__}")
        self.dtype = np.dtype(code)


class _Array:
    """An array, empty until its state comes."""

    array: Array | None = None


class _Machine:
    """The stack, what was put aside by number, and how many more elements arrays may have."""

    def __init__(self, content: bytes, source: str) -> None:
        self.content, self.source = content, source
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.room = len(content) // 2  # no float has less than two bytes
        self.text = len(content)

    def run(self) -> Any:
        """What the program leaves."""
        for count, (opcode, argument) in enumerate(self._instructions()):
            if count >= MOST_INSTRUCTIONS:
                raise ValueError(f"more than {MOST_INSTRUCTIONS} instructions")
            if opcode == "STOP":
                return self.stack.pop()
            self._do(opcode, argument)
        raise ValueError("it has no end")

    def _instructions(self) -> Iterator[tuple[str, Any]]:
        for opcode, argument, _ in pickletools.genops(self.content):
            yield opcode.name, argument

    def _do(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        if opcode in {"PROTO", "FRAME"}:
            return
        if opcode in _NUMBERS or opcode in _TEXT or opcode in _BYTES:
            stack.append(argument)
        elif opcode in _CONSTANTS:
            stack.append(_CONSTANTS[opcode])
        elif opcode == "MARK":
            stack.append(_Mark)
        elif opcode in {"EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"}:
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode]())
        elif opcode in _SHORT_TUPLES:
            stack.append(tuple([self._taken() for _ in range(_SHORT_TUPLES[opcode])][::-1]))
        elif opcode == "TUPLE":
            stack.append(tuple(self._marked()))
        elif opcode == "LIST":
            stack.append(self._marked())
        elif opcode == "DICT":
            stack.append(self._filled({}, self._marked()))
        elif opcode == "APPEND":
            item = self._taken()
            self._top(list).append(item)
        elif opcode == "APPENDS":
            items = self._marked()
            self._top(list).extend(items)
        elif opcode == "SETITEM":
            value, key = self._taken(), self._taken()
            self._filled(self._top(dict), [key, value])
        elif opcode == "SETITEMS":
            items = self._marked()
            self._filled(self._top(dict), items)
        elif opcode in _REMEMBER:
            self.memo[len(self.memo) if argument is None else argument] = self._top(object)
        elif opcode in _RECALL:
            stack.append(self.memo[argument])
        elif opcode == "GLOBAL":
            stack.append(self._named(*argument.split(" ", 1)))
        elif opcode == "STACK_GLOBAL":
            name, module = self._taken(), self._taken()
            stack.append(self._named(module, name))
        elif opcode == "REDUCE":
            arguments, function = self._taken(), self._taken()
            if not isinstance(function, _Name) or not isinstance(arguments, tuple):
                raise TypeError("a call of something else than an array's parts")
            stack.append(function.make(self, *arguments))
        elif opcode == "BUILD":
            state = self._taken()
            self._build(self._top(object), state)
        else:
            raise ValueError(f"instruction {opcode}, which no array needs")

    def _taken(self) -> Any:
        value = self.stack.pop()
        if value is _Mark:
            raise ValueError("a value is missing")
        return value

    def _top(self, kind: type) -> Any:
        if not self.stack or self.stack[-1] is _Mark or not isinstance(self.stack[-1], kind):
            raise TypeError(f"expected a {kind.__name__}")
        return self.stack[-1]

    def _marked(self) -> list[Any]:
        """What lies above the last mark, taken away with it."""
        start = len(self.stack) - 1
        while start >= 0 and self.stack[start] is not _Mark:
            start -= 1
        if start < 0:
            raise ValueError("a mark is missing")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    @staticmethod
    def _filled(target: dict[str, Any], items: list[Any]) -> dict[str, Any]:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise TypeError(f"a key of type {type(key).__name__}, expected text")
            target[key] = value
        return target

    def _named(self, module: object, name: object) -> _Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        make = _ADMITTED.get((module.replace("numpy._core.", "numpy.core."), name))
        if make is None:
            raise PellucidError(
                f"{self.source}: refused, as the pickle names {module}.{name}; expected NumPy arrays and nothing else"
            )
        return _Name(make)

    def _build(self, made: object, state: object) -> None:
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
