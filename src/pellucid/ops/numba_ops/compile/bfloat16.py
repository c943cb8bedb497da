"""bfloat16 in the processor's own products: rounding a register to it, and sums of two products in each lane.

LLVM's type `bfloat` is one of our own here: llvmlite has none. Both instructions take numbers below 2^-126 for 0.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

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


def rounded_bits(number: Vector) -> Any:
    """Bits of the nearest bfloat16 of each lane, to even where two are as near: LANES of 16 bits."""
    build = number.builder
    return build.bitcast(build.fptrunc(number.value, _NUMBERS), _BITS)


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
