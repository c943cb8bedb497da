"""The numbers that kernels read and write: how each is stored, and in what it is computed.

Sixteen-bit floats are stored in 16 bits and computed with in float32. A kernel says `wide(x[i])` where it reads and
`narrow(value)` where it writes; `real(...)` is the type in between. The three are bound when the kernel is compiled
for a type of number (see jit.py), so a kernel is written once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numba import cuda
from numba.core import config

SIMULATED: bool = bool(config.ENABLE_CUDASIM)
"""Whether kernels run in Numba's simulator, on this machine's processor."""

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NOT_A_NUMBER = np.uint16(0x7FC0)  # in bfloat16


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def round_half(bits: Any) -> Any:
    """The upper 16 bits of a float32, rounded to the nearest, of two the even one."""
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def no_second(x: Any) -> Any:
    """The second number of a word of one."""
    return np.float32(0)


if SIMULATED:

    @cuda.jit(device=True)  # type: ignore[untyped-decorator]
    def widened(x: Any) -> Any:
        """The float32 whose upper half a bfloat16 is."""
        return (np.uint32(x) << np.uint32(16)).view(np.float32)

    @cuda.jit(device=True)  # type: ignore[untyped-decorator]
    def narrowed(x: Any) -> Any:
        """The bits of the nearest bfloat16."""
        return round_half(np.float32(x).view(np.uint32)) if x == x else NOT_A_NUMBER  # noqa: PLR0124

else:

    @cuda.jit(device=True)  # type: ignore[untyped-decorator]
    def widened(x: Any) -> Any:
        """The float32 whose upper half a bfloat16 is."""
        return cuda.libdevice.int_as_float(np.int32(np.uint32(x) << np.uint32(16)))

    @cuda.jit(device=True)  # type: ignore[untyped-decorator]
    def narrowed(x: Any) -> Any:
        """The bits of the nearest bfloat16."""
        return round_half(np.uint32(cuda.libdevice.float_as_int(x))) if x == x else NOT_A_NUMBER  # noqa: PLR0124


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def lower_half(word: Any) -> Any:
    """The first bfloat16 of two as float32."""
    return widened(word & np.uint32(0xFFFF))


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def upper_half(word: Any) -> Any:
    """The second bfloat16 of two as float32."""
    return widened(word >> np.uint32(16))


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def two_halves(lower: Any, upper: Any) -> Any:
    """A word of two bfloat16."""
    return np.uint32(narrowed(lower)) | (np.uint32(narrowed(upper)) << np.uint32(16))


@dataclass(frozen=True)
class Number:
    """A type of number in device memory, or of a word of two of them.

    name: of the arrays that it is read from. stored: as what a kernel sees it in memory. real: what it is computed
    in. count: numbers in a word. wide, upper: the first and the second of them (0 where there is none); narrow: a
    word of the first alone; packed: of both.
    """

    name: str
    stored: type[np.generic]
    real: type[np.generic]
    wide: Callable[[Any], Any]
    narrow: Callable[[Any], Any]
    count: int = 1
    upper: Callable[[Any], Any] = no_second
    packed: Callable[[Any, Any], Any] | None = None

    def pack(self) -> Callable[[Any, Any], Any]:
        """A word of two numbers, of which one alone takes the first."""
        if self.packed is not None:
            return self.packed
        narrow = self.narrow

        @cuda.jit(device=True)  # type: ignore[untyped-decorator]
        def first_alone(lower: Any, upper: Any) -> Any:
            return narrow(lower)

        return first_alone  # type: ignore[no-any-return]


def _same(kind: type[np.generic]) -> Number:
    return Number(np.dtype(kind).name, kind, kind, kind, kind)


NUMBERS = {
    "float32": _same(np.float32),
    "float64": _same(np.float64),
    "float16": Number("float16", np.float16, np.float32, np.float32, np.float16),
    "bfloat16": Number("bfloat16", np.uint16, np.float32, widened, narrowed),
    "bool": Number("bool", np.uint8, np.uint8, np.uint8, np.uint8),
    **{np.dtype(k).name: _same(k) for k in (np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64)},
}
"""By the names of their dtypes."""

PAIR = "bfloat16x2"
WORDS = {**NUMBERS, PAIR: Number("uint32", np.uint32, np.float32, lower_half, narrowed, 2, upper_half, two_halves)}
"""What kernels may read at a time: a number, or two bfloat16, as a thread that reads 16 bits leaves half of its way
to memory empty."""

FLOATS = ("float32", "float64", "float16", "bfloat16")
