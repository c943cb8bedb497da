"""Matrix tiles (AMX, Intel's server processors since 2023): sixteen registers' worth of sums from one instruction.

A tile has up to 16 rows of up to 64 bytes. One instruction adds to a tile of sums, of places times 16 filters, a tile
of places times one of filters: each row of the first has 16 words of 32 bits, each word two bfloat16 or four bytes
side by side, and row s of the second has word s of 16 filters. That is how images and packed panels lie in memory:

         words                  filters                   filters
       +-------+               +---------+               +---------+
    p  | x     |        words  | w       |            p  | sums    |
    l  | row p | 64 bytes      | row s   | 64 bytes   l  |         | 16 int32 or float32
       +-------+               +---------+               +---------+

The shapes of the eight tiles are set once a thread, for as long as it multiplies: sums are tiles 0 to 3, places 4 and
filters 5; 6 and 7 are the same where fewer than 16 words are left.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.instructions import has
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, vector_code

TILES = LANES == 16 and has("amx")
"""Whether the processor has them, and its system lets us."""

ROWS = 16
"""Most places of a tile; words, and filters."""

_FEWEST = 4  # places, of fewer than which vectors multiply as fast

_BYTE, _INDEX = ir.IntType(8), ir.IntType(64)
_ROW = 64  # bytes
_PLACES, _FILTERS, _REST = 4, 5, 2  # numbers of tiles; _REST: from those to the ones of fewer words

BFLOAT16S, BYTES_TIMES_SIGNED = "tdpbf16ps", "tdpbusd"


def rows_of(places: int) -> int:
    """Rows that tiles have where so many places are neighbours; 0 where vectors multiply."""
    return min(ROWS, places) if TILES and places >= _FEWEST else 0


def shapes(rows: int, words: int) -> Array:
    """What `configure` reads, where tiles have `rows` places and a sum goes over lines of so many words."""
    found, rest = np.zeros(64, np.uint8), words % ROWS
    found[0] = 1
    tall, wide = found[48:56], found[16:32].view(np.uint16)
    tall[: _FILTERS + 1], wide[: _FILTERS + 1] = rows, _ROW
    tall[_FILTERS] = ROWS
    if rest:
        tall[_PLACES + _REST], wide[_PLACES + _REST] = rows, 4 * rest
        tall[_FILTERS + _REST], wide[_FILTERS + _REST] = rest, _ROW
    return found


def _write(code: Code, name: str, arguments: list[Any]) -> None:
    signature = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    code.builder.call(cgutils.get_or_insert_function(code.builder.module, signature, "llvm.x86." + name), arguments)


def _pointer(code: Code, address: Integer) -> Any:
    return code.builder.inttoptr(address.value, _BYTE.as_pointer())


def _tile(number: int) -> Any:
    return ir.Constant(_BYTE, number)


@vector_code
def configure(code: Code, address: Integer) -> None:
    """Give this thread's tiles the `shapes` at an address."""
    if TILES:
        _write(code, "ldtilecfg", [_pointer(code, address)])


@vector_code
def release(code: Code) -> None:
    """This thread multiplies no more."""
    if TILES:
        _write(code, "tilerelease", [])


def sums_on_tiles(
    code: Code,
    kind: str,
    tiles: int,
    panels: int,
    x: Integer,
    pixel: Integer,
    second: Integer,
    lines: Integer,
    line: Integer,
    pieces: Integer,
    piece: Integer,
    words: Integer,
    w: Integer,
    panel: Integer,
) -> Integer:
    """Address of the sums (tiles, ROWS, panels, ROWS) of one or two tiles of places and as many panels.

    They lie on the stack. x: address of the first place's window; pixel: bytes from a place to the next; second: to
    the second tile's first; lines: of the window, `line` bytes apart; pieces: of a line, `piece` bytes apart; words:
    of a piece. w: packed panels, `panel` bytes apart.
    """
    sums = code.memory(tiles * ROWS * panels)
    if not TILES:
        return sums

    def load(number: int, address: Integer, apart: Integer) -> None:
        _write(code, "tileloadd64", [_tile(number), _pointer(code, address), apart.value])

    def multiply(places: Integer, filters: Integer, rest: int) -> None:
        """All tiles with all panels, each time with one of the two that are there already."""
        here, there = None, None
        for t in range(tiles):
            for i in range(panels) if t == 0 else reversed(range(panels)):
                if there != i:
                    load(_FILTERS + rest, filters + panel * i, code.integer(_ROW))
                if here != t:
                    load(_PLACES + rest, places + second * t, pixel)
                here, there = t, i
                numbers = [t * panels + i, _PLACES + rest, _FILTERS + rest]
                _write(code, kind, [_tile(number) for number in numbers])

    for number in range(tiles * panels):
        _write(code, "tilezero", [_tile(number)])
    full = words // ROWS
    left = words - full * ROWS
    with code.loop(lines) as r, code.loop(pieces) as p:
        places, filters = x + r * line + p * piece, w + (r * pieces + p) * words * _ROW
        with code.loop(full) as s:
            multiply(places + s * _ROW, filters + s * (ROWS * _ROW), 0)
        with code.when(left):
            multiply(places + full * _ROW, filters + full * (ROWS * _ROW), _REST)
    for t in range(tiles):
        for i in range(panels):
            target = sums + (t * ROWS * panels + i) * VECTOR
            stored = [_tile(t * panels + i), _pointer(code, target), code.integer(panels * VECTOR).value]
            _write(code, "tilestored64", stored)
    return sums
