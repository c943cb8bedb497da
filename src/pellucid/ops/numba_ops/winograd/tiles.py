"""The transforms of a whole block of tiles: images to the Winograd domain and back."""

from collections.abc import Callable
from typing import NamedTuple

from pellucid.ops.numba_ops.parts import inner
from pellucid.ops.numba_ops.vectors import FLOAT, LANES, VECTOR, Code, Integer, Vector, vector_code
from pellucid.ops.numba_ops.winograd.patches import Images, read_window
from pellucid.ops.numba_ops.winograd.transforms import (
    PATCH,
    TILE,
    data_transform,
    output_adjoint,
    output_transform,
    write_both_sides,
)


class Grid(NamedTuple):
    """How tiles cover images: `rows` x `columns` of them, the patch of the first from (-above, -left)."""

    rows: int
    columns: int
    above: int
    left: int


class Target(NamedTuple):
    """Where output tiles go: images stored channels last, and what happens to them on the way."""

    values: int  # address of the output
    winners: int  # address of the 2x2 max-pool's winners; 0 without a pool
    bias: int  # address of one number a channel, in whole registers
    relu: int  # whether negative outputs become 0
    height: int  # of the convolution's output, before a pool
    width: int
    channels: int


@vector_code
def _transform_patch(code: Code, start: Integer, row: Integer, pixel: Integer, out: Integer, plane: Integer) -> None:
    def read(j: Integer) -> list[Vector]:
        return [code.load(start + pixel * j + row * i) for i in range(PATCH)]

    write_both_sides(code, data_transform, (PATCH, PATCH), read, _to_planes(code, out, plane))


def _to_planes(code: Code, out: Integer, plane: Integer) -> Callable[[Integer, list[Vector]], None]:
    """What stores row i of a transformed square, each value to the plane of its point."""

    def write(i: Integer, values: list[Vector]) -> None:
        row = out + plane * (i * PATCH)
        for j, value in enumerate(values):
            code.store(row + plane * j, value)

    return write


@vector_code
def _transform_tile(
    code: Code, start: Integer, row: Integer, pixel: Integer, out: Integer, plane: Integer, total: Integer
) -> None:
    sum_of_pixels = code.variable(code.load(total))

    def read(j: Integer) -> list[Vector]:
        y = [code.load(start + pixel * j + row * i) for i in range(TILE)]
        sum_of_pixels.set(sum_of_pixels.get() + ((y[0] + y[1]) + (y[2] + y[3])))
        return y

    write_both_sides(code, output_adjoint, (TILE, PATCH), read, _to_planes(code, out, plane))
    code.store(total, sum_of_pixels.get())


@inner
def transform_patches(images: Images, grid: Grid, first: int, count: int, out: int, plane: int, patch: int) -> None:
    """V = B^T d B of the patches under `count` tiles: (36, count, channels in whole registers), planes apart."""
    row = (images.channels + LANES - 1) // LANES * VECTOR
    for t in range(count):
        n, place = divmod(first + t, grid.rows * grid.columns)
        i, j = place // grid.columns * TILE - grid.above, place % grid.columns * TILE - grid.left
        window = read_window(images, n, i, j, PATCH, patch)
        for c in range(0, row, VECTOR):
            _transform_patch(window.start + c, window.row, window.pixel, out + t * row + c, plane)


@inner
def transform_tiles(
    images: Images, grid: Grid, first: int, count: int, out: int, plane: int, row: int, patch: int, total: int
) -> None:
    """A dY A^T of `count` tiles: (36, count, row bytes); adds each channel's pixels to `total`, the bias gradient."""
    for t in range(count):
        n, place = divmod(first + t, grid.rows * grid.columns)
        i, j = place // grid.columns * TILE, place % grid.columns * TILE
        window = read_window(images, n, i, j, TILE, patch)
        for c in range(0, (images.channels + LANES - 1) // LANES * VECTOR, VECTOR):
            _transform_tile(window.start + c, window.row, window.pixel, out + t * row + c, plane, total + c)


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


@vector_code
def _output_tile(
    code: Code, m: Integer, plane: Integer, bias: Integer, relu: Integer, out: Integer, row: Integer, pixel: Integer
) -> None:
    def write(i: Integer, values: list[Vector]) -> None:
        for j, value in enumerate(values):
            code.store(out + row * i + pixel * j, value)

    _write_outputs(code, m, plane, bias, relu, write)


@vector_code
def _pooled_tile(
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
            code.store(out + row * i + pixel * j, best)
            code.store_bytes(winner + winner_row * i + winner_pixel * j, number)


@vector_code
def _copy(code: Code, source: Integer, out: Integer, vectors: Integer) -> None:
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.load(source + v * VECTOR))


@vector_code
def _copy_rest(code: Code, source: Integer, out: Integer, rest: Integer) -> None:
    code.store_first(out, code.load(source), rest)


@inner
def _copy_pixels(
    source: int, size: int, target: int, row: int, pixel: int, height: int, width: int, channels: int
) -> None:
    """The upper left height x width pixels of a patch of size x size to an image."""
    vectors, rest = channels // LANES, channels % LANES
    between = (channels + LANES - 1) // LANES * VECTOR
    for i in range(min(size, height)):
        for j in range(min(size, width)):
            start, out = source + (i * size + j) * between, target + i * row + j * pixel
            _copy(start, out, vectors)
            if rest:
                _copy_rest(start + vectors * VECTOR, out + vectors * VECTOR, rest)


@inner
def _write_tile(
    m: int, plane: int, target: Target, n: int, i: int, j: int, k: int, channels: int, patch: int
) -> None:
    """Channels k to k + channels - 1 of the output tile at row i, column j."""
    pixel = target.channels * FLOAT
    row = target.width * pixel
    out = target.values + ((n * target.height + i) * target.width + j) * pixel + k * FLOAT
    bias = target.bias + k * FLOAT
    whole = i + TILE <= target.height and j + TILE <= target.width and channels % LANES == 0
    padded = (channels + LANES - 1) // LANES * VECTOR
    to, to_row, to_pixel = (out, row, pixel) if whole else (patch, TILE * padded, padded)
    for c in range(0, padded, VECTOR):
        _output_tile(m + c, plane, bias + c, target.relu, to + c, to_row, to_pixel)
    if not whole:
        _copy_pixels(patch, TILE, out, row, pixel, target.height - i, target.width - j, channels)


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
    if left_h >= 2 and left_w >= 2 and channels % LANES == 0:
        out, winner = target.values + place * FLOAT, target.winners + place
        for c in range(0, channels, LANES):
            _pooled_tile(
                m + c * FLOAT, plane, bias + c * FLOAT, target.relu, out + c * FLOAT, winner + c,
                row * FLOAT, pixel * FLOAT, row, pixel,
            )  # fmt: skip
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
                rest = min(LANES, channels - c)
                _store_pooled(start, target.values + at * FLOAT, target.winners + at, rest)


@vector_code
def _store_pooled(code: Code, start: Integer, out: Integer, winner: Integer, rest: Integer) -> None:
    code.store_first(out, code.load(start), rest)
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
    """Y = A^T M A of `count` tiles, with bias, ReLU and pool; M is (36, count, channels), row bytes a tile."""
    for t in range(count):
        n, place = divmod(first + t, grid.rows * grid.columns)
        i, j = place // grid.columns * TILE, place % grid.columns * TILE
        if target.winners:
            _write_pooled(m + t * row, plane, target, n, i, j, k, channels, patch)
        else:
            _write_tile(m + t * row, plane, target, n, i, j, k, channels, patch)
