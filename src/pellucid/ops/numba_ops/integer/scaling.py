"""From totals of 32 bits to bytes: multiplied by their filter's factor, rounded, shifted, clipped.

    y = clip(zero + ((total + b) * multiplier + half >> shift))

is (total * multiplier + offset >> shift), clipped, with an offset of 64 bits a filter. The multiplications are of 32
bits by 32, of the even lanes of a register and of the odd ones. Where a total's factor is so large that the result
might not fit 32 bits, or the offset 64, which no trained network has, numbers are scaled one after the other.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, vector_code

CONSTANTS = 6 * VECTOR
"""Bytes of the constants of LANES filters: multipliers, offsets and shifts of even and of odd ones, 64 bits each."""

LIMITS = np.int32
"""Type of the two limits, low and high, in memory."""

_WORD, _LONG = ir.IntType(32), ir.IntType(64)
_TOTALS = ir.VectorType(_WORD, LANES)
_LONGS = ir.VectorType(_LONG, LANES // 2)
_BYTES = ir.VectorType(ir.IntType(8), LANES)
_ROOM = 1 << 62


def constants(w: Array, b: Array, multiplier: Array, shift: Array, zero: int, groups: int = 1) -> Array | None:
    """Those of all filters w (K, ...), int64 (blocks, 6, LANES / 2); None where some might not fit their bits.

    groups: of filters, that begin with a block each.
    """
    most = 255 * np.abs(w.reshape(len(w), -1).astype(np.int64)).sum(axis=1) + np.abs(b.astype(np.int64))
    scaled = most.astype(np.float64) * multiplier
    half = np.left_shift(np.int64(1), shift.astype(np.int64) - 1)
    room = scaled + half + abs(zero) * 2.0**shift < _ROOM
    if not (room & (scaled / 2.0**shift < _ROOM >> 32) & (most < _ROOM >> 31)).all():
        return None
    offset = b.astype(np.int64) * multiplier + half + np.left_shift(np.int64(zero), shift.astype(np.int64))
    each = len(w) // groups
    blocks = -(-each // LANES) * groups
    filled = np.zeros((3, groups, blocks // groups * LANES), np.int64)
    for row, values in zip(filled, (multiplier, offset, shift), strict=True):
        row[:, :each] = values.reshape(groups, each)
    pairs = filled.reshape(3, blocks, LANES // 2, 2)
    return np.ascontiguousarray(pairs.transpose(1, 0, 3, 2)).reshape(blocks, 6, LANES // 2)


def load_constants(code: Code, address: Integer) -> list[Any]:
    """Of LANES filters, in registers."""
    found = []
    for i in range(6):
        place = code.builder.inttoptr((address + i * VECTOR).value, _LONGS.as_pointer())
        value = code.builder.load(place, typ=_LONGS)
        value.align = 8
        found.append(value)
    return found


def load_limits(code: Code, address: Integer) -> tuple[Any, Any]:
    """Low and high, in every lane."""
    build, found = code.builder, []
    for i in range(2):
        value = build.load(build.inttoptr((address + 4 * i).value, _WORD.as_pointer()), typ=_WORD)
        value.align = 4
        single = build.insert_element(ir.Constant(_TOTALS, ir.Undefined), value, ir.Constant(_WORD, 0))
        found.append(build.shuffle_vector(single, single, ir.Constant(_TOTALS, [0] * LANES)))
    return found[0], found[1]


def larger(code: Code, a: Any, b: Any) -> Any:
    """In each lane the larger of two words."""
    return code.builder.select(code.builder.icmp_signed(">", a, b), a, b)


def _low_half(code: Code, value: Any) -> Any:
    """Of 64 bits the lower 32 with their sign: LLVM then multiplies them as such."""
    up = ir.Constant(_LONGS, [32] * (LANES // 2))
    return code.builder.ashr(code.builder.shl(value, up), up)


def scaled(code: Code, total: Any, factors: list[Any], limits: tuple[Any, Any]) -> Any:
    """LANES totals as numbers between the limits, int32."""
    build = code.builder
    up = ir.Constant(_LONGS, [32] * (LANES // 2))
    pairs = build.bitcast(total, _LONGS)
    halves = []
    for i, own in enumerate((_low_half(code, pairs), build.ashr(pairs, up))):
        multiplier, offset, shift = (factors[2 * j + i] for j in range(3))
        product = build.add(build.mul(own, _low_half(code, multiplier)), offset)
        halves.append(build.bitcast(build.ashr(product, shift), _TOTALS))
    order = [lane + LANES - 1 if lane % 2 else lane for lane in range(LANES)]
    value = larger(code, build.shuffle_vector(*halves, ir.Constant(_TOTALS, order)), limits[0])
    return build.select(build.icmp_signed("<", value, limits[1]), value, limits[1])


def store_scaled(
    code: Code, out: Integer, total: Any, factors: list[Any], limits: tuple[Any, Any], count: Integer | None
) -> None:
    """LANES totals as bytes, or the first `count`."""
    value = code.builder.trunc(scaled(code, total, factors, limits), _BYTES)
    if count is None:
        code.builder.store(value, code.builder.inttoptr(out.value, _BYTES.as_pointer())).align = 1
    else:
        code.store_small_first(out, value, count)


@vector_code
def scale_squares(
    code: Any, total: Any, places: Any, side: Any, place: Any, line: Any, blocks: Any, rest: Any, constants: Any,
    limits: Any, out: Any, width: Any,
) -> None:  # fmt: skip
    """Of neighbouring squares of side x side totals the largest, as bytes.

    total: address of the first square's first, int32, `place` bytes to its neighbour, `line` bytes to the one below.
    blocks: of LANES filters; rest: how many are in the last. out: `width` bytes a square.
    """
    bounds = load_limits(code, limits)
    best = cgutils.alloca_once(code.builder, _TOTALS)

    def write(q: Integer, block: Integer, some: Integer | None) -> None:
        corner = total + q * side * place + block * VECTOR
        code.builder.store(ir.Constant(_TOTALS, [-(1 << 31)] * LANES), best)
        with code.loop(side) as i, code.loop(side) as j:
            pointer = code.builder.inttoptr((corner + i * line + j * place).value, _TOTALS.as_pointer())
            value = code.builder.load(pointer, typ=_TOTALS)
            value.align = 4
            code.builder.store(larger(code, code.builder.load(best), value), best)
        factors = load_constants(code, constants + block * CONSTANTS)
        store_scaled(code, out + q * width + block * LANES, code.builder.load(best), factors, bounds, some)

    with code.loop(places) as q:
        whole = blocks - 1
        with code.loop(whole) as block:
            write(q, block, None)
        write(q, whole, rest)
