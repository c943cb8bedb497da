"""What kernels compute with while they are written: numbers of the machine, whose arithmetic writes instructions.

See `vectors`, which loads and stores them.
"""

import os
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from pellucid.errors import PellucidError
from pellucid.ops.numba_ops.compile.instructions import has

FLOAT = 4  # bytes of a float32
FLOAT32, BFLOAT16, FLOAT16 = 0, 1, 2  # forms that numbers have in memory; in registers all are float32
BYTES = (4, 2, 2)  # of a number in each form

_REAL, _INDEX = ir.FloatType(), ir.IntType(64)
# Products may be joined with sums; NaN and infinity keep their meaning.
_FLAGS = ("contract", "nsz")


def _lanes() -> int:
    """Float32 lanes of one register: as forced, or those of the instructions that are used."""
    forced = os.environ.get("PELLUCID_VECTOR_WIDTH")
    if forced:
        if forced not in {"4", "8", "16"}:
            raise PellucidError(f"PELLUCID_VECTOR_WIDTH: expected 4, 8 or 16 lanes of float32, got {forced!r}")
        return int(forced)
    return 16 if has("avx512") else 8 if has("avx2") else 4


LANES = _lanes()
VECTOR = LANES * FLOAT  # bytes of one register

_VECTOR_TYPE = ir.VectorType(_REAL, LANES)


@dataclass(frozen=True)
class Integer:
    """A 64-bit integer of the machine: an address, a distance in bytes, a count."""

    builder: Any
    value: Any

    def _other(self, other: "Integer | int") -> Any:
        return other.value if isinstance(other, Integer) else ir.Constant(_INDEX, int(other))

    def __add__(self, other: "Integer | int") -> "Integer":
        return Integer(self.builder, self.builder.add(self.value, self._other(other)))

    def __sub__(self, other: "Integer | int") -> "Integer":
        return Integer(self.builder, self.builder.sub(self.value, self._other(other)))

    def __mul__(self, other: "Integer | int") -> "Integer":
        return Integer(self.builder, self.builder.mul(self.value, self._other(other)))

    def __floordiv__(self, other: int) -> "Integer":
        return Integer(self.builder, self.builder.sdiv(self.value, self._other(other)))

    def half(self) -> "Integer":
        """Half of it, rounded down."""
        return Integer(self.builder, self.builder.ashr(self.value, ir.Constant(_INDEX, 1)))

    def odd(self) -> "Integer":
        """1 if it is odd, else 0."""
        return Integer(self.builder, self.builder.and_(self.value, ir.Constant(_INDEX, 1)))

    def smaller(self, other: "Integer | int") -> "Integer":
        """The smaller of the two."""
        value = self._other(other)
        less = self.builder.icmp_signed("<", self.value, value)
        return Integer(self.builder, self.builder.select(less, self.value, value))

    def equals(self, other: int) -> "Integer":
        """1 if it is that number, else 0."""
        return self._flag("==", other)

    def reaches(self, other: int) -> "Integer":
        """1 if it is that number or more, else 0."""
        return self._flag(">=", other)

    def larger_than(self, other: "Integer | int") -> "Integer":
        """1 if it is larger, else 0."""
        return self._flag(">", other)

    def _flag(self, order: str, other: "Integer | int") -> "Integer":
        holds = self.builder.icmp_signed(order, self.value, self._other(other))
        return Integer(self.builder, self.builder.zext(holds, _INDEX))


@dataclass(frozen=True)
class Vector:
    """LANES float32 in one register."""

    builder: Any
    value: Any

    def _other(self, other: "Vector | float") -> Any:
        return other.value if isinstance(other, Vector) else ir.Constant(_VECTOR_TYPE, [float(other)] * LANES)

    def __add__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fadd(self.value, self._other(other), flags=_FLAGS))

    def __sub__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fsub(self.value, self._other(other), flags=_FLAGS))

    def __mul__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fmul(self.value, self._other(other), flags=_FLAGS))

    __radd__ = __add__
    __rmul__ = __mul__

    def __gt__(self, other: "Vector | float") -> "Mask":
        return Mask(self.builder, self.builder.fcmp_ordered(">", self.value, self._other(other)))

    def at_least(self, low: "Vector") -> "Vector":
        """The larger of the two in each lane; a NaN stays NaN."""
        return (low > self).choose(low, self)

    def at_most(self, high: "Vector") -> "Vector":
        """The smaller of the two in each lane; a NaN stays NaN."""
        return (self > high).choose(high, self)


@dataclass(frozen=True)
class Mask:
    """One truth value a lane."""

    builder: Any
    value: Any

    def __and__(self, other: "Mask") -> "Mask":
        return Mask(self.builder, self.builder.and_(self.value, other.value))

    def choose(self, yes: Vector, no: Vector) -> Vector:
        """In each lane one of the two."""
        return Vector(self.builder, self.builder.select(self.value, yes.value, no.value))
