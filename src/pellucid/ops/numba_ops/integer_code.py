"""The innermost piece of the integer convolution: products of pairs of 16-bit numbers, summed into 32 bits.

x86 has had one instruction for it since MMX: vpmaddwd multiplies neighbouring 16-bit numbers and adds each two
products. Written as what it means, LLVM finds it, and where the processor has VNNI it finds vpdpwssd, which adds
to the total as well; elsewhere it writes what there is. Bytes times bytes (vpmaddubsw) would be twice as dense, but
its 16-bit sums overflow with 8-bit activations and weights.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.numba_ops.vectors import LANES, Code, Integer, vector_code

PAIR = 4  # bytes of two 16-bit numbers
FILTERS = 2 * LANES  # filters that one call computes: two registers of 32-bit totals
TAP = FILTERS * PAIR  # bytes of the weights of one pair of taps

_WORD = ir.IntType(32)
_TOTALS = ir.VectorType(_WORD, LANES)
_HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)
_WIDE = ir.VectorType(_WORD, 2 * LANES)
_LONG = ir.IntType(64)
_LONGS = ir.VectorType(_LONG, LANES)
_BYTES = ir.VectorType(ir.IntType(8), LANES)


def _load(code: Code, address: Integer, kind: Any) -> Any:
    value = code.builder.load(code.builder.inttoptr(address.value, kind.as_pointer()), typ=kind)
    value.align = 2
    return value


def _pair_everywhere(code: Code, address: Integer) -> Any:
    """Two 16-bit numbers from memory, in every lane."""
    one = code.builder.insert_element(
        ir.Constant(_TOTALS, ir.Undefined), _load(code, address, _WORD), ir.Constant(_WORD, 0)
    )
    lanes = code.builder.shuffle_vector(one, one, ir.Constant(_TOTALS, [0] * LANES))
    return code.builder.bitcast(lanes, _HALVES)


def _add_products(code: Code, total: Any, x: Any, w: Any) -> Any:
    """total[i] + x[2i] w[2i] + x[2i + 1] w[2i + 1]: vpmaddwd and vpaddd, or vpdpwssd."""
    build = code.builder
    product = build.mul(build.sext(x, _WIDE), build.sext(w, _WIDE))
    even, odd = (
        build.shuffle_vector(product, product, ir.Constant(_TOTALS, list(range(first, 2 * LANES, 2))))
        for first in (0, 1)
    )
    return build.add(total, build.add(even, odd))


def _write(
    code: Code,
    pixels: int,
    x: Integer,
    pixel: Integer,
    rows: Integer,
    row: Integer,
    taps: Integer,
    w: Integer,
    total: Integer,
    width: Integer,
) -> None:
    places = [[cgutils.alloca_once(code.builder, _TOTALS) for _ in range(2)] for _ in range(pixels)]
    for place in (place for both in places for place in both):
        code.builder.store(ir.Constant(_TOTALS, [0] * LANES), place)
    with code.loop(rows) as r, code.loop(taps) as t:
        weights = w + (r * taps + t) * TAP
        filters = [_load(code, weights + half * LANES * PAIR, _HALVES) for half in range(2)]
        for j in range(pixels):
            pair = _pair_everywhere(code, x + r * row + pixel * j + t * PAIR)
            for half in range(2):
                place = places[j][half]
                code.builder.store(_add_products(code, code.builder.load(place), pair, filters[half]), place)
    for j in range(pixels):
        for half in range(2):
            target = total + width * j + half * LANES * PAIR
            pointer = code.builder.inttoptr(target.value, _TOTALS.as_pointer())
            code.builder.store(code.builder.load(places[j][half]), pointer).align = PAIR


@vector_code
def totals_of_6(
    code: Any, x: Any, pixel: Any, rows: Any, row: Any, taps: Any, w: Any, total: Any, width: Any
) -> None:
    """Totals of FILTERS filters at 6 neighbouring places.

    x: address of the first place's window, int16; pixel: bytes from a place to the next; rows: of the window;
    row: bytes between them; taps: pairs in a row. w: packed weights. total: int32, `width` bytes a place.
    """
    _write(code, 6, x, pixel, rows, row, taps, w, total, width)


@vector_code
def totals_of_4(
    code: Any, x: Any, pixel: Any, rows: Any, row: Any, taps: Any, w: Any, total: Any, width: Any
) -> None:
    """The same at 4 neighbouring places."""
    _write(code, 4, x, pixel, rows, row, taps, w, total, width)


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
