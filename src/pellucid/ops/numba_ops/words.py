"""Products of words along a line of places: each of 32 bits, with two bfloat16, or two or four bytes, side by side.

Words of a window lie in lines, as in an image stored channels last, and are multiplied where they lie. A block is
some neighbouring places times one or two panels of filters, of a register each; its sums stay in registers until they
have become what is stored. On matrix tiles it is one or two tiles of places instead, and sums go through memory. What
a word is, how it is multiplied, and what becomes of a sum, is told by `Words`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from numba.core import cgutils

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.tiles import ROWS, TILES, sums_on_tiles
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, Code, Integer, vector_code

WORD = 4  # bytes

MANY, MANY_ALONE = {4: (6, 12), 8: (6, 12), 16: (14, 14)}[LANES]
"""Places of the largest block of two panels, and of one. Of the 32 registers of AVX-512 a block of 14 takes 28 sums
and two of filters. With the sixteen of AVX2 twelve sums leave room for two of filters, one of places and one of
products; those of a larger block would go through memory."""

FEWER: tuple[int, ...] = {4: (), 8: (), 16: (8, 7)}[LANES]
SOME = 4
"""Places of smaller blocks, of two panels and of any."""

Window = tuple[int, int, int, int, int, int]
"""Lines, bytes from one to the next; pieces of a line, bytes from one to the next; words of a piece; bytes of a panel
of filters, which may have more lines."""

Edges = tuple[int, int]
"""Words with which the first place's line begins, and the last one's ends, that are 0: they are not multiplied."""

Store = Callable[[Integer, Any, Integer | None], None]
"""Stores a register of sums at an address: of all its filters, or of the first so many."""


class Way(NamedTuple):
    """One of the ways to end."""

    taken: Integer  # 1 if it is this one, else 0
    size: int  # bytes of what is stored of a sum
    partly: bool  # whether only the filters that there are, are stored
    of_panel: Callable[[int], Store]  # by the panel's number in the block


class Words(NamedTuple):
    """What they are."""

    totals: Any  # type of a register of sums
    zero: Any  # what sums begin with
    load: Callable[[Code, Integer, bool], Any]  # a register of them, or one in every lane
    add: Callable[[Code, Any, Any, Any], Any]  # total, words of places, words of filters
    on_tiles: str  # the same, of tiles
    constants: int  # bytes of those of a panel
    ways: Callable[[Code, Integer, Integer], list[Way]]  # by the addresses of constants and limits
    there: bool = True  # whether the processor multiplies them so; else nothing is written
    edges: bool = False  # whether what lies around an image is 0, and pieces are whole lines


def _finish(
    code: Code,
    words: Words,
    panels: int,
    own: tuple[Integer, Integer, Integer],
    each: Callable[[int, Integer | None, int, Store], None],
) -> None:
    """All ways to end.

    own: constants, limits, filters. each: stores all sums of a panel, by its number, how many of its filters there
    are, bytes of what is stored of a sum, and what stores one.
    """
    constants, limits, filters = own
    for way in words.ways(code, constants, limits):
        with code.when(way.taken):
            for i in range(panels):
                store, last = way.of_panel(i), i == panels - 1 and way.partly
                left = filters - i * LANES
                whole = left.larger_than(LANES - 1) if last else code.integer(1)
                with code.when(whole):
                    each(i, None, way.size, store)
                if last:
                    with code.when(code.integer(1) - whole):
                        each(i, left, way.size, store)


def _block(words: Words, places: int, panels: int) -> Any:
    """Makes the kernel of a block of `places` neighbouring places and some panels of filters.

    It takes x: address of the first place's window; pixel: bytes from a place to the next; the window (see `Window`),
    before, after: its `Edges`, if it is the first or the last of the line. w: packed panels. out: where the first
    place's filters go, `width` bytes a place, of the `filters` that are left. constants, limits: see `Words`.
    """

    @vector_code
    def written(
        code: Any, x: Any, pixel: Any, lines: Any, line: Any, pieces: Any, piece: Any, count: Any, panel: Any,
        before: Any, after: Any, w: Any, out: Any, width: Any, constants: Any, limits: Any, filters: Any,
    ) -> None:  # fmt: skip
        if not words.there:
            return
        build = code.builder
        sums = [[cgutils.alloca_once(build, words.totals) for _ in range(panels)] for _ in range(places)]
        for total in (total for some in sums for total in some):
            build.store(words.zero, total)

        def multiply(own: Integer, at: Integer, some: range) -> None:
            factors = [words.load(code, own + panel * i, False) for i in range(panels)]
            for j in some:
                numbers = words.load(code, at + pixel * j, True)
                for i in range(panels):
                    build.store(words.add(code, build.load(sums[j][i]), numbers, factors[i]), sums[j][i])

        with code.loop(lines) as r, code.loop(pieces) as s:
            own, at, every = w + (r * pieces + s) * count * VECTOR, x + r * line + s * piece, range(places)
            runs = [(code.integer(0), count, every)]
            if words.edges:
                end = count - after
                runs = [(code.integer(0), before, every[1:]), (before, end, every), (end, count, every[:-1])]
            for begin, end, some in runs:
                if some:
                    with code.loop(end - begin) as t:
                        multiply(own + (begin + t) * VECTOR, at + (begin + t) * WORD, some)

        def each(i: int, some: Integer | None, size: int, store: Store) -> None:
            for j in range(places):
                store(out + width * j + i * LANES * size, build.load(sums[j][i]), some)

        _finish(code, words, panels, (constants, limits, filters), each)

    @inner
    def block(
        x: int, pixel: int, window: Window, edges: Edges, w: int, out: int, width: int, constants: int, limits: int,
        filters: int,
    ) -> None:  # fmt: skip
        lines, line, pieces, piece, count, panel = window
        written(
            x, pixel, lines, line, pieces, piece, count, panel, edges[0], edges[1], w, out, width, constants, limits,
            filters,
        )  # fmt: skip

    return block


def _block_on_tiles(words: Words, tiles: int, panels: int) -> Any:
    """The same of one or two tiles of `rows` places each; second: places from the first tile's to the other's."""

    @vector_code
    def written(
        code: Any, x: Any, pixel: Any, second: Any, rows: Any, lines: Any, line: Any, pieces: Any, piece: Any,
        count: Any, panel: Any, w: Any, out: Any, width: Any, constants: Any, limits: Any, filters: Any,
    ) -> None:  # fmt: skip
        if not (words.there and TILES):
            return
        sums = sums_on_tiles(
            code, words.on_tiles, tiles, panels, x, pixel, pixel * second, lines, line, pieces, piece, count, w,
            panel,
        )  # fmt: skip

        def each(i: int, some: Integer | None, size: int, store: Store) -> None:
            for t in range(tiles):
                with code.loop(rows) as j:
                    place = sums + (j * panels + (t * ROWS * panels + i)) * VECTOR
                    total = code.builder.load(
                        code.builder.inttoptr(place.value, words.totals.as_pointer()), typ=words.totals
                    )
                    store(out + width * (second * t + j) + i * LANES * size, total, some)

        _finish(code, words, panels, (constants, limits, filters), each)

    @inner
    def block(
        x: int, pixel: int, second: int, rows: int, window: Window, w: int, out: int, width: int, constants: int,
        limits: int, filters: int,
    ) -> None:  # fmt: skip
        lines, line, pieces, piece, count, panel = window
        written(
            x, pixel, second, rows, lines, line, pieces, piece, count, panel, w, out, width, constants, limits,
            filters,
        )  # fmt: skip

    return block


def _blocks(words: Words, panels: int) -> Any:
    """Makes the kernel of `places` neighbouring places, which takes what a block does: as few blocks as there can be.

    What doesn't fill a block is done with some of its neighbours again.
    """
    most, few = (MANY, FEWER) if panels == 2 else (MANY_ALONE, ())
    many, some, one = _block(words, most, panels), _block(words, SOME, panels), _block(words, 1, panels)
    smaller, smallest = few or (most, most)
    fewer, fewest = (_block(words, places, panels) for places in few) if few else (many, many)

    @inner
    def blocks(
        x: int, pixel: int, window: Window, edges: Edges, w: int, places: int, out: int, width: int, constants: int,
        limits: int, filters: int,
    ) -> None:  # fmt: skip
        before, after = edges
        q = 0
        while q < places:
            rest = places - q
            if rest < SOME <= places:
                q, rest = places - SOME, SOME
            size = 1 if places < SOME else SOME
            if rest >= most and rest != 2 * SOME and not (smaller < most and rest - most in (1, 2)):
                size = most
            elif smaller < most and rest >= smaller:
                size = smaller
            elif smaller < most and rest >= smallest:
                size = smallest
            at, into, rim = x + q * pixel, out + q * width, (before if q == 0 else 0, after if size == rest else 0)
            if size == most:
                many(at, pixel, window, rim, w, into, width, constants, limits, filters)
            elif size == smaller:
                fewer(at, pixel, window, rim, w, into, width, constants, limits, filters)
            elif size == smallest:
                fewest(at, pixel, window, rim, w, into, width, constants, limits, filters)
            elif size == SOME:
                some(at, pixel, window, rim, w, into, width, constants, limits, filters)
            else:
                one(at, pixel, window, rim, w, into, width, constants, limits, filters)
            q += size

    return blocks


def line_of(words: Words) -> Any:
    """Makes the kernel of a line: all filters at `places` neighbouring places.

    It takes what a block does, and panels: how many there are; size: bytes of what is stored of a sum; rows: places
    of a tile, which then are `tiles.configure`d, or 0. constants may be 0.
    """
    two, alone = _blocks(words, 2), _blocks(words, 1)
    two_tiles, two_tiles_few = _block_on_tiles(words, 2, 2), _block_on_tiles(words, 2, 1)
    tile, tile_few = _block_on_tiles(words, 1, 2), _block_on_tiles(words, 1, 1)
    apart = words.constants

    @inner
    def multiply_on_tiles(
        x: int, pixel: int, window: Window, w: int, places: int, out: int, width: int, constants: int, limits: int,
        filters: int, rows: int, both: bool,
    ) -> None:  # fmt: skip
        for begin in range(0, places, 2 * rows):
            q = min(begin, places - rows)
            second = min(begin + rows, places - rows) - q
            at, into = x + q * pixel, out + q * width
            if second > 0 and both:
                two_tiles(at, pixel, second, rows, window, w, into, width, constants, limits, filters)
            elif second > 0:
                two_tiles_few(at, pixel, second, rows, window, w, into, width, constants, limits, filters)
            elif both:
                tile(at, pixel, 0, rows, window, w, into, width, constants, limits, filters)
            else:
                tile_few(at, pixel, 0, rows, window, w, into, width, constants, limits, filters)

    @inner
    def multiply_line(
        x: int, pixel: int, window: Window, edges: Edges, w: int, panels: int, places: int, out: int, width: int,
        size: int, constants: int, limits: int, filters: int, rows: int,
    ) -> None:  # fmt: skip
        for panel in range(0, panels, 2):
            own, left = constants + panel * apart if constants else 0, filters - panel * LANES
            weights, into, both = w + panel * window[5], out + panel * LANES * size, panel + 1 < panels
            if TILES and 0 < rows <= places:
                multiply_on_tiles(x, pixel, window, weights, places, into, width, own, limits, left, rows, both)
            elif both:
                two(x, pixel, window, edges, weights, places, into, width, own, limits, left)
            else:
                alone(x, pixel, window, edges, weights, places, into, width, own, limits, left)

    return multiply_line
