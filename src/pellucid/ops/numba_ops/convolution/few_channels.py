"""3x3 convolutions of images with few channels, such as the first layer of a network: the direct sum, in registers.

With one input channel a number of the output takes 9 multiply-adds, so memory is the bottleneck: what counts is
to read the image and write the output once. A block of neighbouring pixels times PANEL filters stays in registers,
as in the product of matrices, but its left factor is read from the image itself: along a row of the image, the
windows of neighbouring pixels begin one pixel apart.
"""

from typing import Any, NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry, Sides
from pellucid.ops.memory import channels_last, empty, empty_images
from pellucid.ops.numba_ops.compile.parts import inner, parted, places, read, share, thread_count
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
    address,
    vector_code,
)
from pellucid.ops.numba_ops.winograd.calls import as_bits, form_of
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS

MOST_CHANNELS = 4  # of the input; with more, Winograd's algorithm
SIDE, TAPS = 3, 9

_FLOAT32 = np.dtype(np.float32)

_REGISTERS = PANEL // LANES


class Image(NamedTuple):
    """Images with a border, their convolution, and what the work needs; addresses, sizes, counts."""

    frame: int  # (N, P + 2, Q + 2, C)
    output: int  # (N, P, Q, K): y, or dy
    mask: int  # (N, P, Q, K): a ReLU's output that masks dy; 0 if there is none
    other: int  # panels of weights and then the bias; or the sums of every part
    relu: int
    number: int
    height: int  # P
    width: int  # Q
    channels: int  # C
    filters: int  # K
    parts: int
    form: int  # of the output's numbers


class Source(NamedTuple):
    """What the first stage makes the frame and the panels of weights from."""

    images: int  # (N, height, width, C)
    height: int
    width: int
    above: int
    left: int
    weights: int  # (K, C, 3, 3)
    bias: int  # (K,); 0 without one


_IMAGE, _SOURCE = places(Image, Source)


def suits(images: Array, w: Array, geometry: Geometry) -> bool:
    """Whether these kernels do the convolution of such images with w, or its weight gradient."""
    return images.dtype == w.dtype == np.float32 and fits(images, w, geometry)


def fits(images: Array, w: Array, geometry: Geometry) -> bool:
    """The same, whatever the types of the numbers."""
    K, C, R, S = w.shape
    return bool(
        R == S == SIDE
        and geometry.stride == (1, 1)
        and geometry.dilation == (1, 1)
        and geometry.groups == 1
        and C <= MOST_CHANNELS
        and K % PANEL == 0
        and images.size > 0
    )


def wide_enough(x: Array, padding: Sides) -> bool:
    """Whether a row of the output fills a block of the forward kernel."""
    return bool(x.shape[3] + padding[2] + padding[3] - 2 >= ROWS)


def _pixels_of(form: int) -> Any:
    """Makes the code for ROWS neighbouring pixels of one panel of filters, stored in numbers of a form.

    `length` numbers of each of 3 rows of the image count.
    """

    @vector_code
    def pixels(
        code: Code,
        frame: Integer,
        frame_row: Integer,
        pixel: Integer,
        length: Integer,
        weights: Integer,
        bias: Integer,
        relu: Integer,
        out: Integer,
        out_pixel: Integer,
    ) -> None:
        cells = [(r, c) for r in range(ROWS) for c in range(_REGISTERS)]
        sums = {(r, c): code.variable(code.load(bias + VECTOR * c)) for r, c in cells}
        for u in range(SIDE):
            left, right = frame + frame_row * u, weights + length * (PANEL * FLOAT * u)
            with code.loop(length) as s:
                columns = [code.load(right + s * (PANEL * FLOAT) + VECTOR * c) for c in range(_REGISTERS)]
                for r in range(ROWS):
                    number = code.broadcast(left + pixel * r + s * FLOAT)
                    for c in range(_REGISTERS):
                        sums[r, c].set(sums[r, c].get() + number * columns[c])
        low = code.either(relu, 0.0, -float("inf"))
        for r, c in cells:
            code.store_form(out + out_pixel * r + LANES * BYTES[form] * c, sums[r, c].get().at_least(low), form)

    return pixels


_pixels, _pixels_bfloat16, _pixels_float16 = (_pixels_of(form) for form in (FLOAT32, BFLOAT16, FLOAT16))


@vector_code
def _copy(code: Code, source: Integer, out: Integer, vectors: Integer, rest: Integer) -> None:
    """Numbers side by side: whole registers, and a rest."""
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.load(source + v * VECTOR))
    code.store_first(out + vectors * VECTOR, code.load_first(source + vectors * VECTOR, rest), rest)


@vector_code
def _clear(code: Code, out: Integer, vectors: Integer, rest: Integer) -> None:
    with code.loop(vectors) as v:
        code.store(out + v * VECTOR, code.number(0.0))
    code.store_first(out + vectors * VECTOR, code.number(0.0), rest)


@vector_code
def _gather(code: Code, source: Integer, distance: Integer, out: Integer) -> None:
    code.store(out, code.gather([source + distance * lane for lane in range(LANES)]))


@inner
def _frame_lines(image: Image, source: Source, first: int, last: int) -> None:
    """Lines of the images with their border: (N, P + 2, Q + 2, C)."""
    C, height = image.channels, image.height + 2
    line, before, pixels = (image.width + 2) * C, source.left * C, source.width * C
    after = line - before - pixels
    for number in range(first, last):
        n, i = number // height, number % height - source.above
        out = image.frame + number * line * FLOAT
        if 0 <= i < source.height:
            _clear(out, before // LANES, before % LANES)
            start = source.images + (n * source.height + i) * pixels * FLOAT
            _copy(start, out + before * FLOAT, pixels // LANES, pixels % LANES)
            _clear(out + (before + pixels) * FLOAT, after // LANES, after % LANES)
        else:
            _clear(out, line // LANES, line % LANES)


@inner
def _pack_weights(image: Image, source: Source) -> None:
    """Weights as (panels, 3, 3, C, PANEL), then the bias."""
    C, K = image.channels, image.filters
    for k in range(0, K, LANES):
        panel, column = k // PANEL, k % PANEL
        for tap in range(TAPS):
            for c in range(C):
                place = image.other + (((panel * TAPS + tap) * C + c) * PANEL + column) * FLOAT
                _gather(source.weights + ((k * C + c) * TAPS + tap) * FLOAT, C * TAPS * FLOAT, place)
    bias = image.other + K * TAPS * C * FLOAT
    if source.bias:
        _copy(source.bias, bias, K // LANES, 0)
    else:
        _clear(bias, K // LANES, 0)


@inner
def _convolve_lines(image: Image, first: int, last: int) -> None:
    """Lines of the output, in all images together."""
    pixel, number = image.channels * FLOAT, BYTES[image.form]
    out_pixel = image.filters * number
    frame_row, length = (image.width + 2) * pixel, SIDE * image.channels
    biases = image.other + TAPS * image.channels * image.filters * FLOAT
    for line in range(first, last):
        n, p = line // image.height, line % image.height
        start = image.frame + (n * (image.height + 2) + p) * frame_row
        out = image.output + line * image.width * out_pixel
        for q in range(0, image.width, ROWS):
            j = min(q, image.width - ROWS)  # the last block overlaps the one before
            for k in range(0, image.filters, PANEL):
                place, weights, bias = start + j * pixel, image.other + k * TAPS * pixel, biases + k * FLOAT
                to = out + j * out_pixel + k * number
                if image.form == FLOAT32:
                    _pixels(place, frame_row, pixel, length, weights, bias, image.relu, to, out_pixel)
                elif image.form == BFLOAT16:
                    _pixels_bfloat16(place, frame_row, pixel, length, weights, bias, image.relu, to, out_pixel)
                else:
                    _pixels_float16(place, frame_row, pixel, length, weights, bias, image.relu, to, out_pixel)


@parted(stages=2)
def convolve(arguments: int, stage: int, part: int) -> None:
    """Frame and weights first, then the output. Jobs: Image, Source."""
    image, source = read(Image, arguments, _IMAGE), read(Source, arguments, _SOURCE)
    if stage == 0:
        first, last = share(image.number * (image.height + 2), part, image.parts)
        _frame_lines(image, source, first, last)
        if part == 0:
            _pack_weights(image, source)
    else:
        first, last = share(image.number * image.height, part, image.parts)
        _convolve_lines(image, first, last)


def convolution(
    x: Array, w: Array, b: Array | None, padding: Sides, relu: bool, dtype: np.dtype[Any] = _FLOAT32
) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C, 3, 3), plus b (K,), through ReLU if asked for: (N, K, P, Q).

    All float32 but the result, which has the given type.
    """
    x, w = channels_last(x), np.ascontiguousarray(w)
    (N, C, H, W), K = x.shape, w.shape[0]
    top, bottom, left, right = padding
    P, Q = H + top + bottom - 2, W + left + right - 2
    y = empty_images((N, K, P, Q), dtype)
    frame = empty((N, P + 2, Q + 2, C), np.float32)
    weights = empty((TAPS * C * K + K,), np.float32)
    bias = None if b is None else np.ascontiguousarray(b, np.float32)
    parts = max(min(thread_count(y.size * C * TAPS), N * P), 1)
    image = Image(
        address(frame), address(as_bits(y)), 0, address(weights), int(relu), N, P, Q, C, K, parts, form_of(dtype)
    )
    source = Source(address(x), H, W, top, left, address(w), 0 if bias is None else address(bias))
    convolve(parts, image, source)
    return y
