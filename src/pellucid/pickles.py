"""Pickles, read by a small interpreter of our own that calls nothing but what its user admits.

A pickle is a program for a stack machine, which may name any function to be called, build values so deep or so often
doubled that they end a process, and ask for memory that no file holds. Here only the instructions that numbers, text,
lists, dicts and admitted names need are known; every other name is refused before anything is imported or called.
So the work grows with the file and with nothing else.

Source: pickletools of Python's library, which describes every instruction; it reads them here.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pellucid.errors import PellucidError

MOST_INSTRUCTIONS = 100_000
UNREADABLE = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)
"""What damaged bytes may raise within the machine, beside PellucidError."""

_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_REMEMBER = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_RECALL = {"GET", "BINGET", "LONG_BINGET"}


class Mark:
    """Where on the stack the items of a collection begin."""


class Name:
    """One of the admitted names, and what a call of it makes."""

    def __init__(self, title: str, make: Callable[..., Any]) -> None:
        self.title, self.make = title, make


class PickleMachine:
    """The stack, and what was put aside by number.

    admitted: by module and name what may be called; it is given this machine and the arguments.
    source: what messages call the file. expected: what they say that it should hold. most: instructions at most.
    keys: types that a dict's keys may have.
    """

    expected = "numbers, text, lists and dicts"

    def __init__(
        self,
        admitted: Mapping[tuple[str, str], Callable[..., Any]],
        source: str,
        *,
        most: int = MOST_INSTRUCTIONS,
        keys: tuple[type, ...] = (str,),
    ) -> None:
        self.admitted, self.source, self.most, self.keys = admitted, source, most, keys
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes | io.BytesIO) -> Any:
        """What the program leaves; of a stream, which then stands behind the program's end.

        Raises PellucidError for a name that is not admitted, one of UNREADABLE for a damaged program.
        """
        self.stack, self.memo = [], {}
        for count, (opcode, argument) in enumerate(_instructions(content)):
            if count >= self.most:
                raise ValueError(f"more than {self.most} instructions")
            if opcode == "STOP":
                return self.taken()
            self._do(opcode, argument)
        raise ValueError("it has no end")

    def build(self, made: object, state: object) -> None:
        """Give what an admitted name has made its state."""
        raise TypeError("a state of what has none")

    def persistent(self, key: object) -> Any:
        """What is kept beside the pickle under that key."""
        raise ValueError("a reference to what lies outside of it")

    def _do(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        if opcode in {"PROTO", "FRAME"}:
            return
        if opcode in _NUMBERS or opcode in _TEXT or opcode in _BYTES:
            stack.append(argument)
        elif opcode in _CONSTANTS:
            stack.append(_CONSTANTS[opcode])
        elif opcode == "MARK":
            stack.append(Mark)
        elif opcode in {"EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"}:
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode]())
        elif opcode in _SHORT_TUPLES:
            stack.append(tuple([self.taken() for _ in range(_SHORT_TUPLES[opcode])][::-1]))
        elif opcode == "TUPLE":
            stack.append(tuple(self._marked()))
        elif opcode == "LIST":
            stack.append(self._marked())
        elif opcode == "DICT":
            stack.append(self.filled({}, self._marked()))
        elif opcode == "APPEND":
            item = self.taken()
            self._top(list).append(item)
        elif opcode == "APPENDS":
            items = self._marked()
            self._top(list).extend(items)
        elif opcode == "SETITEM":
            value, key = self.taken(), self.taken()
            self.filled(self._top(dict), [key, value])
        elif opcode == "SETITEMS":
            items = self._marked()
            self.filled(self._top(dict), items)
        elif opcode in _REMEMBER:
            self.memo[len(self.memo) if argument is None else argument] = self._top(object)
        elif opcode in _RECALL:
            stack.append(self.memo[argument])
        elif opcode == "GLOBAL":
            stack.append(self._named(*argument.split(" ", 1)))
        elif opcode == "STACK_GLOBAL":
            name, module = self.taken(), self.taken()
            stack.append(self._named(module, name))
        elif opcode == "REDUCE":
            arguments, function = self.taken(), self.taken()
            if not isinstance(function, Name) or not isinstance(arguments, tuple):
                raise TypeError("a call of something else than an admitted name")
            stack.append(function.make(self, *arguments))
        elif opcode == "BUILD":
            state = self.taken()
            self.build(self._top(object), state)
        elif opcode == "BINPERSID":
            stack.append(self.persistent(self.taken()))
        else:
            raise ValueError(f"instruction {opcode}, which no such file needs")

    def taken(self) -> Any:
        """The topmost value, taken away."""
        value = self.stack.pop()
        if value is Mark:
            raise ValueError("a value is missing")
        return value

    def _top(self, kind: type) -> Any:
        if not self.stack or self.stack[-1] is Mark or not isinstance(self.stack[-1], kind):
            raise TypeError(f"expected a {kind.__name__}")
        return self.stack[-1]

    def _marked(self) -> list[Any]:
        """What lies above the last mark, taken away with it."""
        start = len(self.stack) - 1
        while start >= 0 and self.stack[start] is not Mark:
            start -= 1
        if start < 0:
            raise ValueError("a mark is missing")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def filled(self, target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
        """The dict, with keys and values that follow each other."""
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, self.keys):
                wanted = " or ".join("text" if kind is str else "a number" for kind in self.keys)
                raise TypeError(f"a key of type {type(key).__name__}, expected {wanted}")
            target[key] = value
        return target

    def _named(self, module: object, name: object) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        make = self.admitted.get((module.replace("numpy._core.", "numpy.core."), name))
        if make is None:
            raise self.refused(module, name)
        return Name(name, make)

    def refused(self, module: str, name: str) -> PellucidError:
        """The error for a name that is not admitted."""
        return PellucidError(
            f"{self.source}: refused, as the pickle names {module}.{name}; expected {self.expected} and nothing else"
        )


def _instructions(content: bytes | io.BytesIO) -> Iterator[tuple[str, Any]]:
    for opcode, argument, _ in pickletools.genops(content):
        yield opcode.name, argument
