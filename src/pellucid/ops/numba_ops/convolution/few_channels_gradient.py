"""Gradient of the filters of a 3x3 convolution of images with few channels: the direct sum, in registers.

The nine taps of one channel and LANES filters stay in registers while the kernel walks over an image.
"""

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Sides
from pellucid.ops.memory import channels_last, padded
from pellucid.ops.numba_ops.compile.parts import parted, read, share, thread_count
from pellucid.ops.numba_ops.compile.vectors import FLOAT, FLOAT32, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.convolution.few_channels import SIDE, TAPS, Image


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
    image = read(Image, arguments, 0)
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


def weight_gradient(dy: Array, y: Array | None, x: Array, padding: Sides, dw: Array, db: Array | None) -> None:
    """Gradients dw (K, C, 3, 3) and, unless None, db (K,), written; y: output of a ReLU that masks dy, or None."""
    dy, y, frame = channels_last(dy), None if y is None else channels_last(y), padded(x, padding)
    (N, C), (K, P, Q) = x.shape[:2], dy.shape[1:]
    parts = _parts(N)
    sums = np.zeros((parts, C, K // LANES, TAPS + 1, LANES), np.float32)
    mask = 0 if y is None else address(y)
    _correlate(parts, Image(address(frame), address(dy), mask, address(sums), 0, N, P, Q, C, K, parts, FLOAT32))
    total = sums.sum(axis=0)
    dw[...] = total[:, :, :TAPS].transpose(1, 3, 0, 2).reshape(K, C, SIDE, SIDE)
    if db is not None:
        db[...] = total[0, :, TAPS].reshape(K)
