"""bfloat16 to float32 and back, and in the processor's own products: sums of two products in each lane.

LLVM's type `bfloat` is one of our own here: llvmlite has none. Both instructions take numbers below 2^-126 for 0.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.numba_ops.compile.float16 import alike
from pellucid.ops.numba_ops.compile.instructions import has
from pellucid.ops.numba_ops.compile.registers import LANES, Integer, Vector

PRODUCTS = LANES == 16 and has("bf16")
"""Whether the processor multiplies bfloat16 (vdpbf16ps)."""

PAIR = 4  # bytes of two numbers, which are multiplied and summed in one lane


class _BFloat(ir.types.Type):  # type: ignore[misc]
    """LLVM's bfloat."""

    intrinsic_name = "bf16"

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


SUMS = ir.VectorType(ir.FloatType(), LANES)
NO_SUMS = ir.Constant(SUMS, [0.0] * LANES)
_NUMBERS, _PAIRS = ir.VectorType(_BFloat(), LANES), ir.VectorType(_BFloat(), 2 * LANES)
_BITS, _WORDS = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(ir.IntType(32), LANES)


def widened(build: Any, bits: Any) -> Any:
    """The float32 that 16 bits stand for, of one number or of a register of them."""
    word = alike(bits, ir.IntType(32))
    return build.bitcast(build.shl(build.zext(bits, word), _each(word, 16)), alike(bits, ir.FloatType()))


def narrowed(build: Any, value: Any) -> Any:
    """The bits of the bfloat16 nearest to a float32, to even where two are as near; NaN stays NaN.

    Of a register by the processor's instruction; where it has none, LLVM would call a function that isn't there. By
    hand half a last unit is added, less a hair where the even one is below.
    """
    if PRODUCTS and value.type == SUMS:
        return build.bitcast(build.fptrunc(value, _NUMBERS), _BITS)
    word = alike(value, ir.IntType(32))
    bits = build.bitcast(value, word)
    cut = build.lshr(bits, _each(word, 16))
    rounding = build.add(_each(word, 0x7FFF), build.and_(cut, _each(word, 1)))
    nearest = build.lshr(build.add(bits, rounding), _each(word, 16))
    unordered = build.fcmp_unordered("uno", value, value)
    found = build.select(unordered, build.or_(cut, _each(word, 0x40)), nearest)
    return build.trunc(found, alike(value, ir.IntType(16)))


def _each(kind: Any, number: int) -> Any:
    """A constant, the same in every lane."""
    return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)


def pairs(build: Any, address: Integer, everywhere: bool) -> Any:
    """2 LANES numbers from memory; or one pair of them, in every lane."""
    if not everywhere:
        value = build.load(build.inttoptr(address.value, _PAIRS.as_pointer()), typ=_PAIRS)
        value.align = PAIR
        return value
    word = build.load(build.inttoptr(address.value, ir.IntType(32).as_pointer()), typ=ir.IntType(32))
    word.align = PAIR
    one = build.insert_element(ir.Constant(_WORDS, ir.Undefined), word, ir.Constant(ir.IntType(32), 0))
    return build.bitcast(build.shuffle_vector(one, one, ir.Constant(_WORDS, [0] * LANES)), _PAIRS)


def with_products(total: Vector, x: Any, w: Any) -> Vector:
    """In each lane total + x[0] w[0] + x[1] w[1], the numbers of the pairs x and w: sums in float32."""
    build = total.builder
    signature = ir.FunctionType(SUMS, [SUMS, _PAIRS, _PAIRS])
    dot = cgutils.get_or_insert_function(build.module, signature, "llvm.x86.avx512bf16.dpbf16ps.512")
    return Vector(build, build.call(dot, [total.value, x, w]))
