"""The innermost piece of the integer convolution: products of small whole numbers, summed into 32 bits.

Numbers lie side by side in words of 32 bits, and one instruction multiplies the numbers of a word with their
weights and adds them up, in every lane. Processors with AVX512-VNNI have it for four bytes (vpdpbusd, which also adds
to the total). Elsewhere bytes are widened, and it is vpmaddwd, which x86 has had since MMX: two 16-bit numbers a
word. Written as what it means, LLVM finds that one. Bytes times bytes without VNNI (vpmaddubsw) would be as dense as
with it, but its 16-bit sums overflow with 8-bit activations and weights.

A tile is some neighbouring places times one or two registers of filters. Its totals stay in registers until they are
bytes, unless a pool wants to see them first.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.numba_ops.compile.instructions import has
from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, vector_code
from pellucid.ops.numba_ops.integer.scaling import CONSTANTS, load_constants, load_limits, store_scaled

WORD = 4  # bytes
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


def _write(
    code: Code,
    pixels: int,
    registers: int,
    x: Integer,
    pixel: Integer,
    rows: Integer,
    row: Integer,
    words: Integer,
    w: Integer,
    out: Integer,
    width: Integer,
    constants: Integer,
    limits: Integer,
    filters: Integer,
) -> None:
    """See `_tile`."""
    build = code.builder
    places = [[cgutils.alloca_once(build, TOTALS) for _ in range(registers)] for _ in range(pixels)]
    for place in (place for some in places for place in some):
        build.store(nothing(), place)
    block = rows * words * VECTOR
    with code.loop(rows) as r, code.loop(words) as t:
        weights = w + (r * words + t) * VECTOR
        factors = [load_words(code, weights + block * i) for i in range(registers)]
        for j in range(pixels):
            numbers = _everywhere(code, x + r * row + pixel * j + t * WORD)
            for i in range(registers):
                place = places[j][i]
                build.store(add_products(code, build.load(place), numbers, factors[i]), place)
    finished = constants.larger_than(0)
    with code.loop(finished):  # once, or not at all
        bounds = load_limits(code, limits)
        for i in range(registers):
            factors = load_constants(code, constants + i * CONSTANTS)
            left = filters - i * LANES
            whole = left.larger_than(LANES - 1) if i == registers - 1 else code.integer(1)
            for some, times in ((None, whole), (left, code.integer(1) - whole)):
                if some is None or i == registers - 1:
                    with code.loop(times):
                        for j in range(pixels):
                            total = build.load(places[j][i])
                            store_scaled(code, out + width * j + i * LANES, total, factors, bounds, some)
    with code.loop(code.integer(1) - finished):
        for j in range(pixels):
            for i in range(registers):
                store_words(code, out + width * j + i * VECTOR, build.load(places[j][i]))


def _tile(pixels: int, registers: int) -> Any:
    """Makes the kernel of a tile of `pixels` neighbouring places and `registers` * LANES filters.

    It takes x: address of the first place's window, ACTIVATION; pixel: bytes from a place to the next; rows: of the
    window; row: bytes between them; words: in a row. w: packed weights. out: where the first place's filters go,
    `width` bytes a place: bytes, by the `constants` and `limits` of `scaling`, of the `filters` that there are; or,
    where constants is 0, totals, int32, in whole registers.
    """

    @vector_code
    def written(
        code: Any, x: Any, pixel: Any, rows: Any, row: Any, words: Any, w: Any, out: Any, width: Any, constants: Any,
        limits: Any, filters: Any,
    ) -> None:  # fmt: skip
        _write(code, pixels, registers, x, pixel, rows, row, words, w, out, width, constants, limits, filters)

    @inner
    def tile(
        x: int, pixel: int, rows: int, row: int, words: int, w: int, out: int, width: int, constants: int,
        limits: int, filters: int,
    ) -> None:  # fmt: skip
        written(x, pixel, rows, row, words, w, out, width, constants, limits, filters)

    return tile


MANY, SOME = 7, 4
"""Places of a tile of two registers of filters; twice as many of one."""

many, some, one = _tile(MANY, 2), _tile(SOME, 2), _tile(1, 2)
many_few, some_few, one_few = _tile(2 * MANY, 1), _tile(SOME, 1), _tile(1, 1)


@inner
def multiply_line(
    x: int, pixel: int, rows: int, row: int, words: int, w: int, blocks: int, places: int, out: int, width: int,
    number: int, constants: int, limits: int, filters: int,
) -> None:  # fmt: skip
    """All filters at `places` neighbouring places; see `_tile`. blocks: of LANES filters; number: bytes of each in
    out.

    What doesn't fill a tile is done with some of its neighbours again.
    """
    for block in range(0, blocks, 2):
        weights, both = w + block * rows * words * VECTOR, block + 1 < blocks
        own, left = constants + block * CONSTANTS if constants else 0, filters - block * LANES
        most = MANY if both else 2 * MANY
        q = 0
        while q < places:
            rest = places - q
            if rest < SOME <= places:
                q = places - SOME
            place, into = x + q * pixel, out + q * width + block * LANES * number
            if places < SOME:
                if both:
                    one(place, pixel, rows, row, words, weights, into, width, own, limits, left)
                else:
                    one_few(place, pixel, rows, row, words, weights, into, width, own, limits, left)
                q += 1
            elif rest >= most and rest != 2 * SOME:
                if both:
                    many(place, pixel, rows, row, words, weights, into, width, own, limits, left)
                else:
                    many_few(place, pixel, rows, row, words, weights, into, width, own, limits, left)
                q += most
            else:
                if both:
                    some(place, pixel, rows, row, words, weights, into, width, own, limits, left)
                else:
                    some_few(place, pixel, rows, row, words, weights, into, width, own, limits, left)
                q += SOME
