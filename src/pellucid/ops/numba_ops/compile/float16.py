"""float16 to float32 and back, of one number or of a register of them, as kernels are written.

LLVM converts its type `half` by an instruction (vcvtph2ps, fcvt) where there is one. x86 has it since F16C; before,
LLVM calls functions that nobody has linked, and the conversion is done on the bits here, as in Giesen 2012 ("Float to
half conversions"), to the same bits.
"""

import platform
from typing import Any

from llvmlite import ir

from pellucid.ops.numba_ops.compile.instructions import has

CONVERTS = has("avx2") or platform.machine().lower() not in {"x86_64", "amd64", "i386", "i686"}
"""Whether the processor has the conversion."""

SIGN, INFINITE, QUIET = 0x8000, 0x7C00, 0x0200
BETWEEN = 13  # bits that a float32's fraction has more
ABOVE = 0x47800000  # bits of 65536, the least power of two that is none of float16
NORMAL = 0x38800000  # of 2^-14, its least normal number
UNIT = 0x3F000000  # of 0.5: added to it, a float32 rounds where float16's subnormal numbers end
BIAS = (15 - 127) << 23  # between the two exponents


def widened(build: Any, bits: Any) -> Any:
    """The float32 that 16 bits stand for, exactly."""
    if CONVERTS:
        return build.fpext(build.bitcast(bits, alike(bits, ir.HalfType())), alike(bits, ir.FloatType()))
    number = _Words(build, bits)
    word = build.zext(bits, number.kind)
    scaled = build.shl(number.both(word, 0x7FFF), number.constant(BETWEEN))
    power = build.bitcast(number.constant((254 - 15) << 23), number.real)  # 2^112
    value = build.bitcast(build.fmul(build.bitcast(scaled, number.real), power), number.kind)
    special = build.icmp_unsigned("==", number.both(word, INFINITE), number.constant(INFINITE))
    value = build.select(special, build.or_(scaled, number.constant(0x7F800000)), value)
    sign = build.shl(number.both(word, SIGN), number.constant(16))
    return build.bitcast(build.or_(value, sign), number.real)


def narrowed(build: Any, value: Any) -> Any:
    """The bits of the float16 nearest to a float32, to even where two are as near; NaN stays NaN."""
    if CONVERTS:
        return build.bitcast(build.fptrunc(value, alike(value, ir.HalfType())), alike(value, ir.IntType(16)))
    number = _Words(build, value)
    word = build.bitcast(value, number.kind)
    size = number.both(word, 0x7FFFFFFF)
    cut = build.lshr(size, number.constant(BETWEEN))
    rounding = build.add(number.both(cut, 1), number.constant(BIAS + 0xFFF))
    normal = build.lshr(build.add(size, rounding), number.constant(BETWEEN))
    shifted = build.fadd(build.bitcast(size, number.real), build.bitcast(number.constant(UNIT), number.real))
    small = build.sub(build.bitcast(shifted, number.kind), number.constant(UNIT))
    nan = build.or_(number.both(cut, 0x3FF), number.constant(INFINITE | QUIET))
    unordered = build.icmp_unsigned(">", size, number.constant(0x7F800000))
    large = build.select(unordered, nan, number.constant(INFINITE))
    found = build.select(build.icmp_unsigned("<", size, number.constant(NORMAL)), small, normal)
    found = build.select(build.icmp_unsigned(">=", size, number.constant(ABOVE)), large, found)
    sign = number.both(build.lshr(word, number.constant(16)), SIGN)
    return build.trunc(build.or_(found, sign), alike(value, ir.IntType(16)))


def alike(value: Any, kind: Any) -> Any:
    """The type of as many numbers of a kind."""
    return ir.VectorType(kind, value.type.count) if isinstance(value.type, ir.VectorType) else kind


class _Words:
    """Words of 32 bits, as many as there are numbers in a value."""

    def __init__(self, build: Any, value: Any) -> None:
        self.build = build
        self.kind, self.real = alike(value, ir.IntType(32)), alike(value, ir.FloatType())
        self.count = value.type.count if isinstance(value.type, ir.VectorType) else 0

    def constant(self, bits: int) -> Any:
        """The same bits everywhere."""
        bits &= 0xFFFFFFFF
        return ir.Constant(self.kind, [bits] * self.count if self.count else bits)

    def both(self, value: Any, mask: int) -> Any:
        """The bits that are set in a mask too."""
        return self.build.and_(value, self.constant(mask))
