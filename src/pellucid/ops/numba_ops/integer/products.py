"""The innermost piece of the integer convolution: products of small whole numbers, summed into 32 bits.

Numbers lie side by side in words of 32 bits, and one instruction multiplies the numbers of a word with their
weights and adds them up, in every lane. Processors with AVX512-VNNI have it for four bytes (vpdpbusd, which also adds
to the total). Elsewhere bytes are widened, and it is vpmaddwd, which x86 has had since MMX: two 16-bit numbers a
word. Written as what it means, LLVM finds that one. Bytes times bytes without VNNI (vpmaddubsw) would be as dense as
with it, but its 16-bit sums overflow with 8-bit activations and weights.

Totals stay in registers until they are bytes, unless a pool wants to see them first.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.numba_ops.compile.instructions import has
from pellucid.ops.numba_ops.compile.tiles import BYTES_TIMES_SIGNED
from pellucid.ops.numba_ops.compile.vectors import LANES, Code, Integer
from pellucid.ops.numba_ops.integer.scaling import CONSTANTS, load_constants, load_limits, store_scaled
from pellucid.ops.numba_ops.words import WORD, Store, Way, Words, line_of

BYTES_IN_WORDS = LANES == 16 and has("vnni")
NUMBERS = 4 if BYTES_IN_WORDS else 2  # in a word
NUMBER = WORD // NUMBERS  # bytes of an activation while it is multiplied
ACTIVATION, WEIGHT = (np.uint8, np.int8) if BYTES_IN_WORDS else (np.int16, np.int16)
"""Types that activations and weights have while they are multiplied."""

_WORD = ir.IntType(32)
TOTALS = ir.VectorType(_WORD, LANES)
_HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)
_WIDE = ir.VectorType(_WORD, 2 * LANES)


def load_words(code: Code, address: Integer) -> Any:
    """LANES words from memory."""
    value = code.builder.load(code.builder.inttoptr(address.value, TOTALS.as_pointer()), typ=TOTALS)
    value.align = 1
    return value


def store_words(code: Code, address: Integer, value: Any) -> None:
    """LANES words to memory."""
    code.builder.store(value, code.builder.inttoptr(address.value, TOTALS.as_pointer())).align = 1


def nothing() -> Any:
    """A zero in every lane."""
    return ir.Constant(TOTALS, [0] * LANES)


def _everywhere(code: Code, address: Integer) -> Any:
    """A word from memory, in every lane."""
    word = code.builder.load(code.builder.inttoptr(address.value, _WORD.as_pointer()), typ=_WORD)
    word.align = 1
    one = code.builder.insert_element(ir.Constant(TOTALS, ir.Undefined), word, ir.Constant(_WORD, 0))
    return code.builder.shuffle_vector(one, one, nothing())


def add_products(code: Code, total: Any, x: Any, w: Any) -> Any:
    """In each lane total + x[0] w[0] + x[1] w[1] ..., the numbers of the words x and w."""
    build = code.builder
    if BYTES_IN_WORDS:
        signature = ir.FunctionType(TOTALS, [TOTALS] * 3)
        dot = cgutils.get_or_insert_function(build.module, signature, "llvm.x86.avx512.vpdpbusd.512")
        return build.call(dot, [total, x, w])
    x, w = (build.sext(build.bitcast(words, _HALVES), _WIDE) for words in (x, w))
    product = build.mul(x, w)
    even, odd = (
        build.shuffle_vector(product, product, ir.Constant(TOTALS, list(range(first, 2 * LANES, 2))))
        for first in (0, 1)
    )
    return build.add(total, build.add(even, odd))


def _ways(code: Code, constants: Integer, limits: Integer) -> list[Way]:
    """Bytes, by the constants and limits of `scaling`; or, where there are no constants, totals, int32."""
    finished = constants.larger_than(0)

    def scaled(panel: int) -> Store:
        factors, bounds = load_constants(code, constants + panel * CONSTANTS), load_limits(code, limits)
        return lambda out, total, some: store_scaled(code, out, total, factors, bounds, some)

    def plain(panel: int) -> Store:
        return lambda out, total, some: store_words(code, out, total)

    return [Way(finished, 1, True, scaled), Way(code.integer(1) - finished, WORD, False, plain)]


def _load(code: Code, address: Integer, everywhere: bool) -> Any:
    return _everywhere(code, address) if everywhere else load_words(code, address)


multiply_line = line_of(Words(TOTALS, nothing(), _load, add_products, BYTES_TIMES_SIGNED, CONSTANTS, _ways))
"""All filters at some neighbouring places, see `words.line_of`: as bytes, or where constants is 0 as totals, in whole
registers."""
