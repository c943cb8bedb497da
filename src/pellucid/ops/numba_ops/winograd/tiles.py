"""The transforms of a block of tiles to the Winograd domain: of images, and of gradients."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    LANES,
    VECTOR,
    Code,
    Integer,
    Vector,
    vector_code,
)
from pellucid.ops.numba_ops.winograd.patches import Images, read_window
from pellucid.ops.numba_ops.winograd.transforms import (
    PATCH,
    TILE,
    data_transform,
    output_adjoint,
    write_both_sides,
)


class Grid(NamedTuple):
    """How tiles cover images: `rows` x `columns` of them, the patch of the first from (-above, -left)."""

    rows: int
    columns: int
    above: int
    left: int


def _to_planes(code: Code, out: Integer, plane: Integer) -> Callable[[Integer, list[Vector]], None]:
    """What stores row i of a transformed square, each value to the plane of its point."""

    def write(i: Integer, values: list[Vector]) -> None:
        row = out + plane * (i * PATCH)
        for j, value in enumerate(values):
            code.store(row + plane * j, value)

    return write


def _patch_of(form: int) -> Any:
    """Makes the code that transforms a patch of numbers of a form."""

    @vector_code
    def transform(code: Code, start: Integer, row: Integer, pixel: Integer, out: Integer, plane: Integer) -> None:
        def read(j: Integer) -> list[Vector]:
            return [code.load_form(start + pixel * j + row * i, form) for i in range(PATCH)]

        write_both_sides(code, data_transform, (PATCH, PATCH), read, _to_planes(code, out, plane))

    return transform


_transform_patch, _transform_bfloat16, _transform_float16 = (_patch_of(form) for form in (FLOAT32, BFLOAT16, FLOAT16))


def _tile_of(form: int) -> Any:
    """Makes the code that transforms a tile of a gradient of a form, and adds its pixels to a total."""

    @vector_code
    def transform(
        code: Code, start: Integer, row: Integer, pixel: Integer, out: Integer, plane: Integer, total: Integer
    ) -> None:
        sum_of_pixels = code.variable(code.load(total))

        def read(j: Integer) -> list[Vector]:
            y = [code.load_form(start + pixel * j + row * i, form) for i in range(TILE)]
            sum_of_pixels.set(sum_of_pixels.get() + ((y[0] + y[1]) + (y[2] + y[3])))
            return y

        write_both_sides(code, output_adjoint, (TILE, PATCH), read, _to_planes(code, out, plane))
        code.store(total, sum_of_pixels.get())

    return transform


_transform_tile, _transform_bfloat16_tile, _transform_float16_tile = (
    _tile_of(form) for form in (FLOAT32, BFLOAT16, FLOAT16)
)


@inner
def transform_patches(images: Images, grid: Grid, first: int, count: int, out: int, plane: int, patch: int) -> None:
    """V = B^T d B of the patches under `count` tiles: (36, count, channels in whole registers), planes apart."""
    row = (images.channels + LANES - 1) // LANES * VECTOR
    for t in range(count):
        n, place = divmod(first + t, grid.rows * grid.columns)
        i, j = place // grid.columns * TILE - grid.above, place % grid.columns * TILE - grid.left
        window = read_window(images, n, i, j, PATCH, patch)
        if window.form == FLOAT32:
            for c in range(0, row, VECTOR):
                _transform_patch(window.start + c, window.row, window.pixel, out + t * row + c, plane)
        elif window.form == BFLOAT16:
            for c in range(0, row, VECTOR):
                _transform_bfloat16(window.start + c // 2, window.row, window.pixel, out + t * row + c, plane)
        else:
            for c in range(0, row, VECTOR):
                _transform_float16(window.start + c // 2, window.row, window.pixel, out + t * row + c, plane)


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
            to = out + t * row + c
            if window.form == FLOAT32:
                _transform_tile(window.start + c, window.row, window.pixel, to, plane, total + c)
            elif window.form == BFLOAT16:
                _transform_bfloat16_tile(window.start + c // 2, window.row, window.pixel, to, plane, total + c)
            else:
                _transform_float16_tile(window.start + c // 2, window.row, window.pixel, to, plane, total + c)
