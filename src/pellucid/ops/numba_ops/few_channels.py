"""3x3 convolutions of images with few channels, such as the first layer of a network: the direct sum, in registers.

With one input channel a number of the output takes 9 multiply-adds, so memory is the bottleneck: what counts is
to read the image and write the output once. A block of neighbouring pixels times PANEL filters stays in registers,
as in the product of matrices, but its left factor is read from the image itself: along a row of the image, the
windows of neighbouring pixels begin one pixel apart. The weight gradient keeps the nine taps of one channel and
LANES filters in registers while it walks over an image.
"""

from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.memory import channels_last, empty, empty_images, padded
from pellucid.ops.numba_ops.parts import inner, parted, places, read, share, thread_count
from pellucid.ops.numba_ops.vectors import FLOAT, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS

MOST_CHANNELS = 4  # of the input; with more, Winograd's algorithm
SIDE, TAPS = 3, 9

_REGISTERS = PANEL // LANES


class _Image(NamedTuple):
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


class _Source(NamedTuple):
    """What the first stage makes the frame and the panels of weights from."""

    images: int  # (N, height, width, C)
    height: int
    width: int
    above: int
    left: int
    weights: int  # (K, C, 3, 3)
    bias: int  # (K,); 0 without one


_IMAGE, _SOURCE = places(_Image, _Source)


def suits(images: Array, w: Array, stride: Pair, dilation: Pair, groups: int) -> bool:
    """Whether these kernels do the convolution of such images with w, or its weight gradient."""
    K, C, R, S = w.shape
    return bool(
        (R, S, *stride, *dilation, groups) == (SIDE, SIDE, 1, 1, 1, 1, 1)
        and C <= MOST_CHANNELS
        and K % PANEL == 0
        and images.dtype == w.dtype == np.float32
        and images.size > 0
    )


def wide_enough(x: Array, padding: Pair) -> bool:
    """Whether a row of the output fills a block of the forward kernel."""
    return bool(x.shape[3] + 2 * padding[1] - 2 >= ROWS)


@vector_code
def _pixels(
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
    """ROWS neighbouring pixels of one panel of filters; `length` numbers of each of 3 rows of the image count."""
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
        code.store(out + out_pixel * r + VECTOR * c, sums[r, c].get().at_least(low))


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
def _frame_lines(image: _Image, source: _Source, first: int, last: int) -> None:
    """Lines of the images with their border: (N, P + 2, Q + 2, C)."""
    C, height = image.channels, image.height + 2
    line, before, pixels = (image.width + 2) * C, source.left * C, source.width * C
    for number in range(first, last):
        n, i = number // height, number % height - source.above
        out = image.frame + number * line * FLOAT
        if 0 <= i < source.height:
            _clear(out, before // LANES, before % LANES)
            start = source.images + (n * source.height + i) * pixels * FLOAT
            _copy(start, out + before * FLOAT, pixels // LANES, pixels % LANES)
            _clear(out + (before + pixels) * FLOAT, before // LANES, before % LANES)
        else:
            _clear(out, line // LANES, line % LANES)


@inner
def _pack_weights(image: _Image, source: _Source) -> None:
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
def _convolve_lines(image: _Image, first: int, last: int) -> None:
    """Lines of the output, in all images together."""
    pixel, out_pixel = image.channels * FLOAT, image.filters * FLOAT
    frame_row, length = (image.width + 2) * pixel, SIDE * image.channels
    bias = image.other + TAPS * image.channels * out_pixel
    for line in range(first, last):
        n, p = line // image.height, line % image.height
        start = image.frame + (n * (image.height + 2) + p) * frame_row
        out = image.output + line * image.width * out_pixel
        for q in range(0, image.width, ROWS):
            j = min(q, image.width - ROWS)  # the last block overlaps the one before
            for k in range(0, image.filters, PANEL):
                weights = image.other + k * TAPS * pixel
                to = out + j * out_pixel + k * FLOAT
                _pixels(
                    start + j * pixel, frame_row, pixel, length, weights, bias + k * FLOAT, image.relu, to, out_pixel
                )


@parted(stages=2)
def _convolve(arguments: int, stage: int, part: int) -> None:
    """Frame and weights first, then the output. Jobs: _Image, _Source."""
    image, source = read(_Image, arguments, _IMAGE), read(_Source, arguments, _SOURCE)
    if stage == 0:
        first, last = share(image.number * (image.height + 2), part, image.parts)
        _frame_lines(image, source, first, last)
        if part == 0:
            _pack_weights(image, source)
    else:
        first, last = share(image.number * image.height, part, image.parts)
        _convolve_lines(image, first, last)


def convolution(x: Array, w: Array, b: Array | None, padding: Pair, relu: bool) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C, 3, 3), plus b (K,), through ReLU if asked for: (N, K, P, Q)."""
    x, w = channels_last(x), np.ascontiguousarray(w)
    (N, C, H, W), K = x.shape, w.shape[0]
    P, Q = H + 2 * padding[0] - 2, W + 2 * padding[1] - 2
    y = empty_images((N, K, P, Q), np.float32)
    frame = empty((N, P + 2, Q + 2, C), np.float32)
    weights = empty((TAPS * C * K + K,), np.float32)
    bias = None if b is None else np.ascontiguousarray(b, np.float32)
    parts = max(min(thread_count(y.size * C * TAPS), N * P), 1)
    image = _Image(address(frame), address(y), 0, address(weights), int(relu), N, P, Q, C, K, parts)
    source = _Source(address(x), H, W, *padding, address(w), 0 if bias is None else address(bias))
    _convolve(parts, image, source)
    return y


def _parts(units: int) -> int:
    return max(min(thread_count(), units), 1)


def _write_taps(code: Code, image: tuple[Integer, ...], dy: Integer, y: Integer | None, sums: Integer) -> None:
    """Add the nine taps of one channel, and the sum of dy, of one image and LANES filters to `sums`."""
    frame, frame_row, pixel, height, width, dy_pixel = image
    taps = [code.variable(code.number(0.0)) for _ in range(TAPS)]
    total = code.variable(code.number(0.0))
    with code.loop(height) as p, code.loop(width) as q:
        place, corner = (p * width + q) * dy_pixel, frame + frame_row * p + pixel * q
        value = code.load(dy + place)
        if y is not None:
            value = (code.load(y + place) > 0.0).choose(value, code.number(0.0))
        total.set(total.get() + value)
        for tap, result in enumerate(taps):
            number = code.broadcast(corner + frame_row * (tap // SIDE) + pixel * (tap % SIDE))
            result.set(result.get() + number * value)
    for tap, result in enumerate([*taps, total]):
        place = sums + VECTOR * tap
        code.store(place, code.load(place) + result.get())


@vector_code
def _taps(
    code: Code,
    frame: Integer,
    frame_row: Integer,
    pixel: Integer,
    height: Integer,
    width: Integer,
    dy_pixel: Integer,
    dy: Integer,
    sums: Integer,
) -> None:
    _write_taps(code, (frame, frame_row, pixel, height, width, dy_pixel), dy, None, sums)


@vector_code
def _masked_taps(
    code: Code,
    frame: Integer,
    frame_row: Integer,
    pixel: Integer,
    height: Integer,
    width: Integer,
    dy_pixel: Integer,
    dy: Integer,
    y: Integer,
    sums: Integer,
) -> None:
    _write_taps(code, (frame, frame_row, pixel, height, width, dy_pixel), dy, y, sums)


@parted(stages=1)
def _correlate(arguments: int, stage: int, part: int) -> None:
    image = read(_Image, arguments, 0)
    pixel, dy_pixel = image.channels * FLOAT, image.filters * FLOAT
    frame_row, size = (image.width + 2) * pixel, image.height * image.width * dy_pixel
    first, last = share(image.number, part, image.parts)
    vectors = image.filters // LANES
    for n in range(first, last):
        for c in range(image.channels):
            start = image.frame + n * (image.height + 2) * frame_row + c * FLOAT
            for k in range(vectors):
                dy = image.output + n * size + k * VECTOR
                place = ((part * image.channels + c) * vectors + k) * (TAPS + 1)
                sums = image.other + place * VECTOR
                if image.mask:
                    y = image.mask + n * size + k * VECTOR
                    _masked_taps(start, frame_row, pixel, image.height, image.width, dy_pixel, dy, y, sums)
                else:
                    _taps(start, frame_row, pixel, image.height, image.width, dy_pixel, dy, sums)


def weight_gradient(dy: Array, y: Array | None, x: Array, padding: Pair, dw: Array, db: Array | None) -> None:
    """Dw (K, C, 3, 3) and, unless None, db (K,), written; y is the output of a ReLU that masks dy, or None."""
    dy, y, frame = channels_last(dy), None if y is None else channels_last(y), padded(x, padding)
    (N, C), (K, P, Q) = x.shape[:2], dy.shape[1:]
    parts = _parts(N)
    sums = np.zeros((parts, C, K // LANES, TAPS + 1, LANES), np.float32)
    mask = 0 if y is None else address(y)
    _correlate(parts, _Image(address(frame), address(dy), mask, address(sums), 0, N, P, Q, C, K, parts))
    total = sums.sum(axis=0)
    dw[...] = total[:, :, :TAPS].transpose(1, 3, 0, 2).reshape(K, C, SIDE, SIDE)
    if db is not None:
        db[...] = total[0, :, TAPS].reshape(K)
