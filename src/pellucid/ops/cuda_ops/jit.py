"""Kernels: functions that every thread of a grid runs, compiled for the types of the arrays they are given.

    @kernel("T1 T1 r")
    def scaled(x, y, factor):
        for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
            y[i] = narrow(wide(x[i]) * factor)

One word an argument says what it is: a letter for the type and, for an array, its number of axes.

    T, S  as stored: the types of number that the kernel is compiled for     R  what T is computed in
    D, F  float64, float32     B, H, I, L  uint8, int8, int32, int64         U  uint64
    n     a whole number (int64)     r  a number of type R     d  float64    u  uint64

Arrays lie without gaps, the last axis closest together. `wide`, `narrow` and `real` belong to T, `wide_source`
and `narrow_source` to S. A kernel for WORD_TYPES reads T in words of one or two numbers: `wide` is the first of them,
`upper` the second, `pack` makes a word of two, and IN_WORD says how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.types import FLOATS, NUMBERS, PAIR, SIMULATED, WORDS, Number

ARRAYS = {"D": "float64", "F": "float32", "B": "uint8", "H": "int8", "I": "int32", "L": "int64", "U": "uint64"}
SCALARS = {"n": np.int64, "d": np.float64, "u": np.uint64}

THREADS = 4 if SIMULATED else 256
"""Threads of a block. In the simulator each is a thread of the system, so there are few."""

MOST_BLOCKS = 2 if SIMULATED else 132 * 16
"""Blocks of a grid whose threads go on to further numbers: what keeps a large card busy."""


def real(x: Any) -> Any:
    """A number in the type that T is computed in."""
    raise NotImplementedError("bound when a kernel is compiled")


wide = narrow = upper = wide_source = narrow_source = real
IN_WORD = 1


def pack(lower: Any, upper: Any) -> Any:
    """A word of two numbers, bound as `real` is."""
    raise NotImplementedError("bound when a kernel is compiled")


WORD_TYPES = (*FLOATS, PAIR)
"""What a kernel is compiled for that reads words of one or two numbers."""


class Helper:
    """A function that kernels call, compiled with each of them for its types."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        """Never itself: a kernel's own copy is called."""
        raise NotImplementedError("called within a kernel only")


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function that kernels call and that uses `real`."""
    return Helper(function)


@helper
def split(i: int, n: int) -> Any:
    """(i // n, i % n) for numbers below 2^32: a division of 32 bits without a sign costs a tenth of one of 64."""
    whole, part = np.uint32(i), np.uint32(n)
    quotient = whole // part
    return np.int64(quotient), np.int64(whole - quotient * part)


def bound(function: Any, number: Number, source: Number) -> Any:
    """The function with `real`, `wide` and `narrow` of its own, and so the helpers it calls."""
    names: dict[str, Any] = {"real": number.real, "wide": number.wide, "narrow": number.narrow}
    names |= {"upper": number.upper, "wide_source": source.wide, "narrow_source": source.narrow}
    if "pack" in function.__code__.co_names:
        names |= {"pack": number.pack()}
    names["IN_WORD"] = number.count
    own = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = own.get(name)
        if isinstance(value, Helper):
            own[name] = cuda.jit(device=True)(bound(value.function, number, source))
        elif name in names:
            own[name] = names[name]
    return FunctionType(function.__code__, own, function.__name__, None, function.__closure__)


class Compiled:
    """A kernel for one pair of types. The device fills in `entry` when it first runs it."""

    __slots__ = ("entry", "function", "name", "number", "source", "words")

    def __init__(self, name: str, words: list[str], function: Any, number: Number, source: Number) -> None:
        self.name, self.words, self.number, self.source = name, words, number, source
        self.function = bound(function, number, source)
        self.entry: Any = None

    def type_of(self, word: str) -> type[np.generic]:
        """What the numbers of an argument are stored as."""
        letter = word[0]
        if letter in {"R", "r"}:
            return self.number.real
        if letter in SCALARS:
            return SCALARS[letter]
        return {"T": self.number, "S": self.source}.get(letter, NUMBERS.get(ARRAYS.get(letter, ""))).stored  # type: ignore[union-attr]


RELATED = {
    "float64": ("float64", "float32", "float16", "bfloat16"),  # weights of classes
    "float32": ("float32", "float16", "bfloat16", "float64", "uint8"),  # integers are pooled as float32
    "uint8": ("uint8", "float32"),
    "float16": ("float16", "float32"),
    "bfloat16": ("bfloat16", "float32"),
    PAIR: ("bfloat16", "float32"),
    "int64": ("int64", "int32", "uint8"),  # labels
}
"""Types S that meet a type T: vectors beside 16-bit images are often float32, and the other way round."""


class Kernel:
    """A kernel as written; it is compiled for types of number as they come."""

    def __init__(
        self, function: Callable[..., Any], arguments: str, types: tuple[str, ...], sources: tuple[str, ...]
    ) -> None:
        self.function, self.words, self.types, self.sources = function, arguments.split(), types, sources
        self.name = f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}"
        self._compiled: dict[tuple[str, str], Compiled] = {}

    def of(self, number: str, source: str | None = None) -> Compiled:
        """The kernel for T and S, by the names of their dtypes."""
        key = (number, source or ("float32" if number == PAIR else number))
        found = self._compiled.get(key)
        if found is None:
            found = Compiled(self.name, self.words, self.function, WORDS[key[0]], NUMBERS[key[1]])
            self._compiled[key] = found
        return found

    def usual(self) -> list[Compiled]:
        """The kernel for all types that it is likely to be used with."""
        if not any(word[0] == "S" for word in self.words):
            return [self.of(number) for number in self.types]
        return [
            self.of(number, source)
            for number in self.types
            for source in (self.sources or RELATED.get(number, (number,)))
        ]


KERNELS: list[Kernel] = []
"""Every kernel there is."""


def kernel(
    arguments: str,
    types: tuple[str, ...] = ("float32", "float64", "float16", "bfloat16"),
    sources: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel. types: what it makes sense for; sources: which types S meet T, if not the related ones."""

    def declare(function: Callable[..., Any]) -> Kernel:
        KERNELS.append(Kernel(function, arguments, types, sources))
        return KERNELS[-1]

    return declare


def channel_blocks(count: int, channels: int) -> int:
    """How many blocks run over `count` numbers such that each thread meets numbers of one channel only.

    The last axis is that of the channels: threads go on by the size of the grid, which is a multiple of `channels`.
    """
    unit = channels // math.gcd(channels, THREADS)
    return unit * max(1, min(MOST_BLOCKS // unit, -(-count // (THREADS * unit))))


def blocks(count: int, threads: int = THREADS) -> int:
    """How many blocks run over `count` numbers, one or more a thread."""
    return max(1, min(MOST_BLOCKS, -(-count // threads)))
