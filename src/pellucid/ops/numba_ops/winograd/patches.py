"""The pixels under a tile: straight from the images where it can be, else through a patch with a zero border.

A gradient that comes back through ReLU, or through a 2x2 max-pool and ReLU, is never written out in full: its
pixels are made where they are read, from the gradient behind, the layer's output and the pool's winners.
"""

from typing import NamedTuple

from pellucid.ops.numba_ops.jit import jit
from pellucid.ops.numba_ops.vectors import FLOAT, LANES, VECTOR, vector_code

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


class Window(NamedTuple):
    """A square of pixels of an image, from which a transform reads: addresses and distances in bytes."""

    start: int
    row: int
    pixel: int


def padded_channels(channels: int) -> int:
    """Channels in whole registers."""
    return -(-channels // LANES) * LANES


@vector_code
def _zero(code, out, vectors):  # type: ignore[no-untyped-def]
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.number(0.0))


@vector_code
def _copy(code, source, out, vectors):  # type: ignore[no-untyped-def]
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.load(source + v * VECTOR))


@vector_code
def _copy_rest(code, source, out, rest):  # type: ignore[no-untyped-def]
    code.store(out, code.load_first(source, rest))


@vector_code
def _mask(code, dy, y, out, vectors):  # type: ignore[no-untyped-def]
    with code.loop(vectors) as v:
        passes = code.load(y + v * VECTOR) > 0.0
        code.store(out + v * VECTOR, passes.choose(code.load(dy + v * VECTOR), code.number(0.0)))


@vector_code
def _mask_rest(code, dy, y, out, rest):  # type: ignore[no-untyped-def]
    passes = code.load_first(y, rest) > 0.0
    code.store(out, passes.choose(code.load_first(dy, rest), code.number(0.0)))


@vector_code
def _unpool(code, dy, y, winner, element, out, vectors):  # type: ignore[no-untyped-def]
    with code.loop(vectors) as v:
        won = code.equal(code.load_bytes(winner + v * LANES), element)
        passes = won & (code.load(y + v * VECTOR) > 0.0)
        code.store(out + v * VECTOR, passes.choose(code.load(dy + v * VECTOR), code.number(0.0)))


@vector_code
def _unpool_rest(code, dy, y, winner, element, out, rest):  # type: ignore[no-untyped-def]
    passes = code.equal(code.load_bytes_first(winner, rest), element) & (code.load_first(y, rest) > 0.0)
    code.store(out, passes.choose(code.load_first(dy, rest), code.number(0.0)))


@jit(cache=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _write_pixel(images: Images, n: int, i: int, j: int, out: int) -> None:
    """One pixel of an image, in whole registers."""
    channels = images.channels
    vectors, rest = channels // LANES, channels % LANES
    full = vectors * LANES
    if images.kind == UNPOOLED:
        height, width = images.height // 2, images.width // 2
        if i // 2 >= height or j // 2 >= width:  # an odd last row or column is in no window
            _zero(out, vectors + (rest > 0))
            return
        place = ((n * height + i // 2) * width + j // 2) * channels
    else:
        place = ((n * images.height + i) * images.width + j) * channels
    values, outputs = images.values + place * FLOAT, images.outputs + place * FLOAT
    winners, element = images.winners + place, (i % 2) * 2 + j % 2
    if images.kind == PLAIN:
        _copy(values, out, vectors)
        if rest:
            _copy_rest(values + full * FLOAT, out + full * FLOAT, rest)
    elif images.kind == MASKED:
        _mask(values, outputs, out, vectors)
        if rest:
            _mask_rest(values + full * FLOAT, outputs + full * FLOAT, out + full * FLOAT, rest)
    else:
        _unpool(values, outputs, winners, element, out, vectors)
        if rest:
            at = full * FLOAT
            _unpool_rest(values + at, outputs + at, winners + full, element, out + at, rest)


@jit(cache=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def read_window(images: Images, n: int, i: int, j: int, size: int, patch: int) -> Window:
    """The size x size pixels from row i and column j, which may hang over the rim; `patch` is used if they must be made."""
    channels = images.channels
    inside = i >= 0 and j >= 0 and i + size <= images.height and j + size <= images.width
    # The last register of a pixel reaches into the next one; the very last pixel has none.
    ends = channels % LANES != 0 and n == images.number - 1 and i + size == images.height
    if images.kind == PLAIN and inside and not ends:
        start = images.values + ((n * images.height + i) * images.width + j) * channels * FLOAT
        return Window(start, images.width * channels * FLOAT, channels * FLOAT)
    vectors = (channels + LANES - 1) // LANES
    pixel = vectors * VECTOR
    for u in range(size):
        for v in range(size):
            out = patch + (u * size + v) * pixel
            if 0 <= i + u < images.height and 0 <= j + v < images.width:
                _write_pixel(images, n, i + u, j + v, out)
            else:
                _zero(out, vectors)
    return Window(patch, size * pixel, pixel)
