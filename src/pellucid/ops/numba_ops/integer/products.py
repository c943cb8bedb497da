"""The innermost piece of the integer convolution: products of small whole numbers, summed into 32 bits.

Numbers lie side by side in words of 32 bits, and one instruction multiplies the numbers of a word with their
weights and adds them up, in every lane. Processors with AVX512-VNNI have it for four bytes (vpdpbusd, which also adds
to the total). Elsewhere bytes are widened, and it is vpmaddwd, which x86 has had since MMX: two 16-bit numbers a
word. Written as what it means, LLVM finds that one. Bytes times bytes without VNNI (vpmaddubsw) would be as dense as
with it, but its 16-bit sums overflow with 8-bit activations and weights.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.numba_ops.compile.instructions import has
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, vector_code

WORD = 4  # bytes
BYTES_IN_WORDS = LANES == 16 and has("vnni")
NUMBERS = 4 if BYTES_IN_WORDS else 2  # in a word
ACTIVATION, WEIGHT = (np.uint8, np.int8) if BYTES_IN_WORDS else (np.int16, np.int16)
"""Types that activations and weights have while they are multiplied."""

_WORD = ir.IntType(32)
_TOTALS = ir.VectorType(_WORD, LANES)
_HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)
_WIDE = ir.VectorType(_WORD, 2 * LANES)
_LONG = ir.IntType(64)
_LONGS = ir.VectorType(_LONG, LANES)
_BYTES = ir.VectorType(ir.IntType(8), LANES)


def _load(code: Code, address: Integer, kind: Any) -> Any:
    value = code.builder.load(code.builder.inttoptr(address.value, kind.as_pointer()), typ=kind)
    value.align = 1
    return value


def _everywhere(code: Code, address: Integer) -> Any:
    """A word from memory, in every lane."""
    one = code.builder.insert_element(
        ir.Constant(_TOTALS, ir.Undefined), _load(code, address, _WORD), ir.Constant(_WORD, 0)
    )
    return code.builder.shuffle_vector(one, one, ir.Constant(_TOTALS, [0] * LANES))


def _add_products(code: Code, total: Any, x: Any, w: Any) -> Any:
    """In each lane total + x[0] w[0] + x[1] w[1] ..., the numbers of the words x and w."""
    build = code.builder
    if BYTES_IN_WORDS:
        signature = ir.FunctionType(_TOTALS, [_TOTALS] * 3)
        dot = cgutils.get_or_insert_function(build.module, signature, "llvm.x86.avx512.vpdpbusd.512")
        return build.call(dot, [total, x, w])
    x, w = (build.sext(build.bitcast(words, _HALVES), _WIDE) for words in (x, w))
    product = build.mul(x, w)
    even, odd = (
        build.shuffle_vector(product, product, ir.Constant(_TOTALS, list(range(first, 2 * LANES, 2))))
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
    total: Integer,
    width: Integer,
) -> None:
    places = [[cgutils.alloca_once(code.builder, _TOTALS) for _ in range(registers)] for _ in range(pixels)]
    for place in (place for some in places for place in some):
        code.builder.store(ir.Constant(_TOTALS, [0] * LANES), place)
    block = rows * words * VECTOR
    with code.loop(rows) as r, code.loop(words) as t:
        weights = w + (r * words + t) * VECTOR
        filters = [_load(code, weights + block * i, _TOTALS) for i in range(registers)]
        for j in range(pixels):
            numbers = _everywhere(code, x + r * row + pixel * j + t * WORD)
            for i in range(registers):
                place = places[j][i]
                code.builder.store(_add_products(code, code.builder.load(place), numbers, filters[i]), place)
    for j in range(pixels):
        for i in range(registers):
            target = total + width * j + i * VECTOR
            pointer = code.builder.inttoptr(target.value, _TOTALS.as_pointer())
            code.builder.store(code.builder.load(places[j][i]), pointer).align = WORD


@vector_code
def totals_of_6(
    code: Any, x: Any, pixel: Any, rows: Any, row: Any, words: Any, w: Any, total: Any, width: Any
) -> None:
    """Totals of 2 LANES filters at 6 neighbouring places.

    x: address of the first place's window, ACTIVATION; pixel: bytes from a place to the next; rows: of the window;
    row: bytes between them; words: in a row. w: packed weights. total: int32, `width` bytes a place.
    """
    _write(code, 6, 2, x, pixel, rows, row, words, w, total, width)


@vector_code
def totals_of_4(
    code: Any, x: Any, pixel: Any, rows: Any, row: Any, words: Any, w: Any, total: Any, width: Any
) -> None:
    """The same at 4 neighbouring places."""
    _write(code, 4, 2, x, pixel, rows, row, words, w, total, width)


@vector_code
def few_totals_of_6(
    code: Any, x: Any, pixel: Any, rows: Any, row: Any, words: Any, w: Any, total: Any, width: Any
) -> None:
    """Totals of LANES filters at 6 neighbouring places."""
    _write(code, 6, 1, x, pixel, rows, row, words, w, total, width)


@vector_code
def few_totals_of_4(
    code: Any, x: Any, pixel: Any, rows: Any, row: Any, words: Any, w: Any, total: Any, width: Any
) -> None:
    """The same at 4 neighbouring places."""
    _write(code, 4, 1, x, pixel, rows, row, words, w, total, width)


def _fill(code: Code, value: Integer) -> Any:
    """A 64-bit number in every lane."""
    one = code.builder.insert_element(ir.Constant(_LONGS, ir.Undefined), value.value, ir.Constant(_WORD, 0))
    return code.builder.shuffle_vector(one, one, ir.Constant(_TOTALS, [0] * LANES))


def _larger(code: Code, a: Any, b: Any) -> Any:
    return code.builder.select(code.builder.icmp_signed(">", a, b), a, b)


def _scale(
    code: Code, totals: list[Integer], channel: Integer, factors: tuple[Integer, ...], limits: tuple[Any, ...]
) -> Any:
    """The largest of LANES totals at several places, scaled and clipped: 64-bit numbers."""
    build = code.builder
    bias, multiplier, shift, half = factors
    zero, low, high = limits
    total = _load(code, totals[0] + channel * 4, _TOTALS)
    for other in totals[1:]:
        total = _larger(code, total, _load(code, other + channel * 4, _TOTALS))
    total = build.add(total, _load(code, bias + channel * 4, _TOTALS))
    product = build.mul(build.sext(total, _LONGS), build.sext(_load(code, multiplier + channel * 4, _TOTALS), _LONGS))
    product = build.add(product, _load(code, half + channel * 8, _LONGS))
    scaled = build.add(build.ashr(product, _load(code, shift + channel * 8, _LONGS)), zero)
    scaled = _larger(code, scaled, low)
    return build.select(build.icmp_signed("<", scaled, high), scaled, high)


def _write_bytes(
    code: Code,
    offsets: list[Integer],
    places: Integer,
    step: Integer,
    total: Integer,
    blocks: Integer,
    factors: tuple[Integer, ...],
    limits: tuple[Integer, ...],
    out: Integer,
    width: Integer,
) -> None:
    everywhere = tuple(_fill(code, limit) for limit in limits)
    with code.loop(places) as q:
        corner = total + q * step
        with code.loop(blocks) as block:
            channel = block * LANES
            scaled = _scale(code, [corner + offset for offset in offsets], channel, factors, everywhere)
            target = code.builder.inttoptr((out + q * width + channel).value, _BYTES.as_pointer())
            code.builder.store(code.builder.trunc(scaled, _BYTES), target).align = 1


@vector_code
def scale_line(
    code: Any, total: Any, places: Any, step: Any, blocks: Any, bias: Any, multiplier: Any, shift: Any, half: Any,
    zero: Any, low: Any, high: Any, out: Any, width: Any,
) -> None:  # fmt: skip
    """One line of totals as bytes: clip(zero + ((total + bias) * multiplier + half >> shift)).

    total: address of the first place's, `step` bytes a place; blocks: of LANES channels; bias, multiplier: int32,
    shift, half: int64, one a channel; out: `width` bytes a place.
    """
    start = [code.integer(0)]
    _write_bytes(
        code, start, places, step, total, blocks, (bias, multiplier, shift, half), (zero, low, high), out, width
    )


@vector_code
def scale_pooled_line(
    code: Any, total: Any, places: Any, step: Any, blocks: Any, bias: Any, multiplier: Any, shift: Any, half: Any,
    zero: Any, low: Any, high: Any, out: Any, width: Any, line: Any,
) -> None:  # fmt: skip
    """The same of the largest in each square of 2x2 totals; line: bytes from one line of totals to the next."""
    right = step * 1
    corners = [code.integer(0), right, line * 1, line + right]
    _write_bytes(
        code, corners, places, step * 2, total, blocks, (bias, multiplier, shift, half), (zero, low, high), out, width
    )
