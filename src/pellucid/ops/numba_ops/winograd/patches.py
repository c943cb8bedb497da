"""The pixels under a tile: straight from the images where it can be, else through a patch with a zero border.

A gradient that comes back through ReLU, or through a 2x2 max-pool and ReLU, is never written out in full: its
pixels are made where they are read, from the gradient behind, the layer's output and the pool's winners.
"""

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

PLAIN, MASKED, UNPOOLED = 0, 1, 2  # what an image is made of: itself; relu's gradient; that behind a 2x2 pool


class Images(NamedTuple):
    """Images stored channels last, or what makes them; addresses are integers."""

    kind: int  # PLAIN, MASKED or UNPOOLED
    values: int  # address of the images, or of the gradient dy
    outputs: int  # address of the output y whose sign masks the gradient
    winners: int  # address of the pool's winners, a byte each
    number: int  # of images
    height: int
    width: int
    channels: int
    form: int  # of the numbers; 16-bit ones only where the channels fill registers


class Window(NamedTuple):
    """A square of pixels of an image, from which a transform reads: addresses and distances in bytes."""

    start: int
    row: int
    pixel: int
    form: int


@vector_code
def _zero(code: Code, out: Integer, vectors: Integer) -> None:
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.number(0.0))


def _write_run(
    code: Code,
    run: tuple[Integer, Integer, Integer],
    write: Callable[[Integer, Integer, Integer | None], None],
) -> None:
    """`write(pixel, channel, rest)` writes one register of each pixel; `rest` is None for a whole one."""
    pixels, vectors, rest = run
    with code.loop(pixels) as pixel:
        with code.loop(vectors) as v:
            write(pixel, v * LANES, None)
        with code.loop(rest.smaller(1)):  # once if there is a rest
            write(pixel, vectors * LANES, rest)


def _load(code: Code, place: Integer, rest: Integer | None, form: int = FLOAT32) -> Vector:
    """A register, or the first `rest` numbers of one; there is no such rest of 16-bit numbers."""
    return code.load_form(place, form) if rest is None or form != FLOAT32 else code.load_first(place, rest)


@vector_code
def _copy(
    code: Code,
    values: Integer,
    channels: Integer,
    out: Integer,
    out_pixel: Integer,
    pixels: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    def write(pixel: Integer, c: Integer, some: Integer | None) -> None:
        source = values + (pixel * channels + c) * FLOAT
        code.store(out + out_pixel * pixel + c * FLOAT, _load(code, source, some))

    _write_run(code, (pixels, vectors, rest), write)


def _widen_of(form: int) -> Any:
    """Makes the code that widens whole registers of a form."""

    @vector_code
    def widen(code: Code, values: Integer, out: Integer, vectors: Integer) -> None:
        with code.loop(vectors) as v:
            code.store(out + v * VECTOR, code.load_form(values + v * (LANES * BYTES[form]), form))

    return widen


_widen_bfloat16, _widen_float16 = _widen_of(BFLOAT16), _widen_of(FLOAT16)


def _write_masked(
    code: Code,
    form: int,
    dy: Integer,
    y: Integer,
    channels: Integer,
    out: Integer,
    out_pixel: Integer,
    run: tuple[Integer, Integer, Integer],
) -> None:
    def write(pixel: Integer, c: Integer, some: Integer | None) -> None:
        place = (pixel * channels + c) * BYTES[form]
        passes = _load(code, y + place, some, form) > 0.0
        value = passes.choose(_load(code, dy + place, some, form), code.number(0.0))
        code.store(out + out_pixel * pixel + c * FLOAT, value)

    _write_run(code, run, write)


@vector_code
def _mask(
    code: Code,
    dy: Integer,
    y: Integer,
    channels: Integer,
    out: Integer,
    out_pixel: Integer,
    pixels: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    _write_masked(code, FLOAT32, dy, y, channels, out, out_pixel, (pixels, vectors, rest))


def _mask_of(form: int) -> Any:
    """Makes the same for whole registers of a form, side by side."""

    @vector_code
    def mask(code: Code, dy: Integer, y: Integer, out: Integer, vectors: Integer) -> None:
        nothing = code.integer(0)
        _write_masked(code, form, dy, y, nothing, out, nothing, (code.integer(1), vectors, nothing))

    return mask


_mask_bfloat16, _mask_float16 = _mask_of(BFLOAT16), _mask_of(FLOAT16)


def _write_unpooled(
    code: Code,
    form: int,
    dy: Integer,
    y: Integer,
    winner: Integer,
    element: Integer,
    first: Integer,
    channels: Integer,
    out: Integer,
    out_pixel: Integer,
    run: tuple[Integer, Integer, Integer],
) -> None:
    """Pixels `first` and on of a row, which starts at dy, y, winner; `element` is the row's first in its windows."""

    def write(pixel: Integer, c: Integer, some: Integer | None) -> None:
        j = pixel + first
        number = j.half() * channels + c
        place = number * BYTES[form]
        won = code.load_bytes(winner + number) if some is None else code.load_bytes_first(winner + number, some)
        passes = code.equal(won, element + j.odd()) & (_load(code, y + place, some, form) > 0.0)
        value = passes.choose(_load(code, dy + place, some, form), code.number(0.0))
        code.store(out + out_pixel * pixel + c * FLOAT, value)

    _write_run(code, run, write)


@vector_code
def _unpool(
    code: Code,
    dy: Integer,
    y: Integer,
    winner: Integer,
    element: Integer,
    first: Integer,
    channels: Integer,
    out: Integer,
    out_pixel: Integer,
    pixels: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    run = pixels, vectors, rest
    _write_unpooled(code, FLOAT32, dy, y, winner, element, first, channels, out, out_pixel, run)


def _unpool_of(form: int) -> Any:
    """Makes the same for pixels that fill registers, of a form."""

    @vector_code
    def unpool(
        code: Code,
        dy: Integer,
        y: Integer,
        winner: Integer,
        element: Integer,
        first: Integer,
        channels: Integer,
        out: Integer,
        out_pixel: Integer,
        pixels: Integer,
        vectors: Integer,
    ) -> None:
        run = pixels, vectors, code.integer(0)
        _write_unpooled(code, form, dy, y, winner, element, first, channels, out, out_pixel, run)

    return unpool


_unpool_bfloat16, _unpool_float16 = _unpool_of(BFLOAT16), _unpool_of(FLOAT16)


@inner
def _write_row(images: Images, n: int, i: int, first: int, pixels: int, out: int) -> None:
    """Some pixels of a row of an image, from column `first` on, each in whole registers."""
    channels = images.channels
    vectors, rest = channels // LANES, channels % LANES
    out_pixel = (vectors + (rest > 0)) * VECTOR
    number = BYTES[images.form]
    if images.kind == UNPOOLED:
        place = (n * (images.height // 2) + i // 2) * (images.width // 2) * channels
        dy, y = images.values + place * number, images.outputs + place * number
        winner, element = images.winners + place, i % 2 * 2
        if images.form == BFLOAT16:
            _unpool_bfloat16(dy, y, winner, element, first, channels, out, out_pixel, pixels, vectors)
        elif images.form == FLOAT16:
            _unpool_float16(dy, y, winner, element, first, channels, out, out_pixel, pixels, vectors)
        else:
            _unpool(dy, y, winner, element, first, channels, out, out_pixel, pixels, vectors, rest)
        return
    place = ((n * images.height + i) * images.width + first) * channels * number
    dy, y = images.values + place, images.outputs + place
    if images.form != FLOAT32:
        vectors = pixels * vectors
        if images.form == BFLOAT16:
            if images.kind == MASKED:
                _mask_bfloat16(dy, y, out, vectors)
            else:
                _widen_bfloat16(dy, out, vectors)
        elif images.kind == MASKED:
            _mask_float16(dy, y, out, vectors)
        else:
            _widen_float16(dy, out, vectors)
        return
    if rest == 0:  # the whole run lies side by side, here and there
        pixels, vectors = 1, pixels * vectors
    if images.kind == MASKED:
        _mask(dy, y, channels, out, out_pixel, pixels, vectors, rest)
    else:
        _copy(dy, channels, out, out_pixel, pixels, vectors, rest)


@inner
def read_window(images: Images, n: int, i: int, j: int, size: int, patch: int) -> Window:
    """The size x size pixels from row i and column j, which may hang over the rim.

    They are where they are if they lie there ready, else made in `patch`.
    """
    channels = images.channels
    inside = i >= 0 and j >= 0 and i + size <= images.height and j + size <= images.width
    # The last register of a pixel reaches into the next one; the very last pixel has none.
    ends = channels % LANES != 0 and n == images.number - 1 and i + size == images.height
    if images.kind == PLAIN and inside and not ends:
        pixel = channels * BYTES[images.form]
        start = images.values + ((n * images.height + i) * images.width + j) * pixel
        return Window(start, images.width * pixel, pixel, images.form)
    height, width = images.height, images.width
    if images.kind == UNPOOLED:  # an odd last row or column is in no window
        height, width = height // 2 * 2, width // 2 * 2
    vectors = (channels + LANES - 1) // LANES
    pixel = vectors * VECTOR
    first, last = min(max(-j, 0), size), min(max(width - j, 0), size)
    for u in range(size):
        row = patch + u * size * pixel
        if 0 <= i + u < height and first < last:
            _zero(row, first * vectors)
            _write_row(images, n, i + u, j + first, last - first, row + first * pixel)
            _zero(row + last * pixel, (size - last) * vectors)
        else:
            _zero(row, size * vectors)
    return Window(patch, size * pixel, pixel, FLOAT32)
