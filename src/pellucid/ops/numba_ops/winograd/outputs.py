"""The transform of output tiles back from the Winograd domain, and what follows the convolution on the way."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import (
    BFLOAT16,
    BYTES,
    FLOAT,
    FLOAT16,
    FLOAT32,
    LANES,
    VECTOR,
    Code,
    Integer,
    Vector,
    vector_code,
)
from pellucid.ops.numba_ops.winograd.tiles import Grid
from pellucid.ops.numba_ops.winograd.transforms import PATCH, TILE, output_transform, write_both_sides


class Target(NamedTuple):
    """Where output tiles go: images stored channels last, and what happens to them on the way."""

    values: int  # address of the output
    winners: int  # address of the 2x2 max-pool's winners; 0 without a pool
    bias: int  # address of one number a channel, in whole registers
    relu: int  # whether negative outputs become 0
    height: int  # of the convolution's output, before a pool
    width: int
    channels: int
    form: int  # of the output's numbers; 16-bit ones only where the channels fill registers
    added: int = 0  # address of images like the output that are added before ReLU; 0 for none; float32, no pool


def _write_outputs(
    code: Code,
    m: Integer,
    plane: Integer,
    bias: Integer,
    relu: Integer,
    write: Callable[[Integer, list[Vector]], None],
) -> None:
    """A^T M A, bias and ReLU; `write(i, values)` stores row i."""
    shift, low = code.load(bias), code.either(relu, 0.0, -float("inf"))

    def read(j: Integer) -> list[Vector]:
        return [code.load(m + plane * j + plane * (PATCH * i)) for i in range(PATCH)]

    def finish(i: Integer, values: list[Vector]) -> None:
        write(i, [(y + shift).at_least(low) for y in values])

    write_both_sides(code, output_transform, (PATCH, TILE), read, finish)


def _tile_of(form: int) -> Any:
    """Makes the code that stores a tile in numbers of a form."""

    @vector_code
    def tile(
        code: Code,
        m: Integer,
        plane: Integer,
        bias: Integer,
        relu: Integer,
        out: Integer,
        row: Integer,
        pixel: Integer,
    ) -> None:
        def write(i: Integer, values: list[Vector]) -> None:
            for j, value in enumerate(values):
                code.store_form(out + row * i + pixel * j, value, form)

        _write_outputs(code, m, plane, bias, relu, write)

    return tile


_output_tile, _output_bfloat16, _output_float16 = (_tile_of(form) for form in (FLOAT32, BFLOAT16, FLOAT16))


def _pooled_of(form: int) -> Any:
    """Makes the code that stores the largest of each square of a tile in numbers of a form, and which it is."""

    @vector_code
    def pooled(
        code: Code,
        m: Integer,
        plane: Integer,
        bias: Integer,
        relu: Integer,
        out: Integer,
        winner: Integer,
        row: Integer,
        pixel: Integer,
        winner_row: Integer,
        winner_pixel: Integer,
    ) -> None:
        tile = code.memory(TILE * TILE)

        def write(i: Integer, values: list[Vector]) -> None:
            for j, value in enumerate(values):
                code.store(tile + i * (TILE * VECTOR) + VECTOR * j, value)

        _write_outputs(code, m, plane, bias, relu, write)
        with code.loop(TILE // 2) as i:
            for j in range(TILE // 2):
                corner = tile + i * (2 * TILE * VECTOR) + 2 * j * VECTOR
                best, number = code.load(corner), code.number(0.0)
                for element in (1, 2, 3):
                    other = code.load(corner + (element // 2 * TILE + element % 2) * VECTOR)
                    number = (other > best).choose(code.number(float(element)), number)
                    best = best.at_least(other)
                code.store_form(out + row * i + pixel * j, best, form)
                code.store_bytes(winner + winner_row * i + winner_pixel * j, number)

    return pooled


_pooled_tile, _pooled_bfloat16, _pooled_float16 = (_pooled_of(form) for form in (FLOAT32, BFLOAT16, FLOAT16))


@vector_code
def _added_tile(
    code: Code,
    m: Integer,
    plane: Integer,
    bias: Integer,
    relu: Integer,
    out: Integer,
    row: Integer,
    pixel: Integer,
    added: Integer,
) -> None:
    low = code.either(relu, 0.0, -float("inf"))

    def write(i: Integer, values: list[Vector]) -> None:
        for j, value in enumerate(values):
            other = code.load(added + row * i + pixel * j)
            code.store(out + row * i + pixel * j, (value + other).at_least(low))

    _write_outputs(code, m, plane, bias, code.integer(0), write)


@vector_code
def _add_rest(code: Code, source: Integer, added: Integer, relu: Integer, out: Integer, rest: Integer) -> None:
    """Up to a register of a pixel."""
    value = code.load(source) + code.load_first(added, rest)
    code.store_first(out, value.at_least(code.either(relu, 0.0, -float("inf"))), rest)


@inner
def _add_pixels(
    source: int, added: int, relu: int, target: int, row: int, pixel: int, height: int, width: int, channels: int
) -> None:
    """The upper left height x width pixels of a tile plus those of another image."""
    between = (channels + LANES - 1) // LANES * VECTOR
    for i in range(min(TILE, height)):
        for j in range(min(TILE, width)):
            start, place = source + (i * TILE + j) * between, i * row + j * pixel
            for c in range(0, channels, LANES):
                at = place + c * FLOAT
                _add_rest(start + c * FLOAT, added + at, relu, target + at, min(LANES, channels - c))


def _copy_of(form: int) -> Any:
    """Makes the code that stores whole registers in numbers of a form."""

    @vector_code
    def copy(code: Code, source: Integer, out: Integer, vectors: Integer) -> None:
        with code.loop(vectors) as v:
            code.store_form(out + v * (LANES * BYTES[form]), code.load(source + v * VECTOR), form)

    return copy


_copy, _narrow_bfloat16, _narrow_float16 = (_copy_of(form) for form in (FLOAT32, BFLOAT16, FLOAT16))


@vector_code
def _copy_rest(code: Code, source: Integer, out: Integer, rest: Integer) -> None:
    code.store_first(out, code.load(source), rest)


@inner
def _copy_channels(source: int, out: int, vectors: int, form: int) -> None:
    if form == FLOAT32:
        _copy(source, out, vectors)
    elif form == BFLOAT16:
        _narrow_bfloat16(source, out, vectors)
    else:
        _narrow_float16(source, out, vectors)


@inner
def _copy_pixels(
    source: int, size: int, target: int, row: int, pixel: int, height: int, width: int, channels: int, form: int
) -> None:
    """The upper left height x width pixels of a patch of size x size to an image."""
    vectors, rest = channels // LANES, channels % LANES
    between = (channels + LANES - 1) // LANES * VECTOR
    for i in range(min(size, height)):
        for j in range(min(size, width)):
            start, out = source + (i * size + j) * between, target + i * row + j * pixel
            _copy_channels(start, out, vectors, form)
            if rest:
                _copy_rest(start + vectors * VECTOR, out + vectors * VECTOR, rest)


@inner
def _write_tile(
    m: int, plane: int, target: Target, n: int, i: int, j: int, k: int, channels: int, patch: int
) -> None:
    """Channels k to k + channels - 1 of the output tile at row i, column j."""
    number = BYTES[target.form]
    pixel = target.channels * number
    row = target.width * pixel
    out = target.values + ((n * target.height + i) * target.width + j) * pixel + k * number
    bias = target.bias + k * FLOAT
    whole = i + TILE <= target.height and j + TILE <= target.width and channels % LANES == 0
    padded = (channels + LANES - 1) // LANES * VECTOR
    if whole and target.form == BFLOAT16:
        for c in range(0, padded, VECTOR):
            _output_bfloat16(m + c, plane, bias + c, target.relu, out + c // 2, row, pixel)
        return
    if whole and target.form == FLOAT16:
        for c in range(0, padded, VECTOR):
            _output_float16(m + c, plane, bias + c, target.relu, out + c // 2, row, pixel)
        return
    if target.added:
        added = target.added + (out - target.values)
        if whole:
            for c in range(0, padded, VECTOR):
                _added_tile(m + c, plane, bias + c, target.relu, out + c, row, pixel, added + c)
            return
        for c in range(0, padded, VECTOR):
            _output_tile(m + c, plane, bias + c, 0, patch + c, TILE * padded, padded)
        height, width = target.height - i, target.width - j
        _add_pixels(patch, added, target.relu, out, row, pixel, height, width, channels)
        return
    to, to_row, to_pixel = (out, row, pixel) if whole else (patch, TILE * padded, padded)
    for c in range(0, padded, VECTOR):
        _output_tile(m + c, plane, bias + c, target.relu, to + c, to_row, to_pixel)
    if not whole:
        _copy_pixels(patch, TILE, out, row, pixel, target.height - i, target.width - j, channels, target.form)


@inner
def _write_pooled(
    m: int, plane: int, target: Target, n: int, i: int, j: int, k: int, channels: int, patch: int
) -> None:
    """The same, of the pooled output; i and j are the tile's place before the pool."""
    height, width, pixel = target.height // 2, target.width // 2, target.channels
    row = width * pixel
    place = ((n * height + i // 2) * width + j // 2) * pixel + k
    bias = target.bias + k * FLOAT
    left_h, left_w = height - i // 2, width - j // 2
    number = BYTES[target.form]
    if left_h >= 2 and left_w >= 2 and channels % LANES == 0:
        out, winner = target.values + place * number, target.winners + place
        out_row, out_pixel = row * number, pixel * number
        for c in range(0, channels, LANES):
            at, from_bias, to, won = m + c * FLOAT, bias + c * FLOAT, out + c * number, winner + c
            if target.form == FLOAT32:
                _pooled_tile(at, plane, from_bias, target.relu, to, won, out_row, out_pixel, row, pixel)
            elif target.form == BFLOAT16:
                _pooled_bfloat16(at, plane, from_bias, target.relu, to, won, out_row, out_pixel, row, pixel)
            else:
                _pooled_float16(at, plane, from_bias, target.relu, to, won, out_row, out_pixel, row, pixel)
        return
    between = VECTOR + LANES
    for c in range(0, channels, LANES):
        _pooled_tile(
            m + c * FLOAT, plane, bias + c * FLOAT, target.relu, patch, patch + VECTOR,
            2 * between, between, 2 * between, between,
        )  # fmt: skip
        for u in range(min(2, left_h)):
            for v in range(min(2, left_w)):
                at, start = place + u * row + v * pixel + c, patch + (2 * u + v) * between
                rest, out = min(LANES, channels - c), target.values + at * number
                if target.form == FLOAT32:
                    _store_pooled(start, out, target.winners + at, rest)
                else:
                    _copy_channels(start, out, 1, target.form)
                    _copy_winners(start, target.winners + at, rest)


@vector_code
def _store_pooled(code: Code, start: Integer, out: Integer, winner: Integer, rest: Integer) -> None:
    code.store_first(out, code.load(start), rest)
    code.copy_bytes_first(start + VECTOR, winner, rest)


@vector_code
def _copy_winners(code: Code, start: Integer, winner: Integer, rest: Integer) -> None:
    code.copy_bytes_first(start + VECTOR, winner, rest)


@inner
def transform_outputs(
    m: int,
    plane: int,
    row: int,
    target: Target,
    grid: Grid,
    first: int,
    count: int,
    k: int,
    channels: int,
    patch: int,
) -> None:
    """Outputs A^T M A of `count` tiles, with bias, ReLU and pool; M is (36, count, channels), row bytes a tile."""
    for t in range(count):
        n, place = divmod(first + t, grid.rows * grid.columns)
        i, j = place // grid.columns * TILE, place % grid.columns * TILE
        if target.winners:
            _write_pooled(m + t * row, plane, target, n, i, j, k, channels, patch)
        else:
            _write_tile(m + t * row, plane, target, n, i, j, k, channels, patch)
