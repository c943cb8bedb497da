"""Gradient of the filters of a 3x3 convolution of images with few channels: the direct sum, in registers.

The nine taps of one channel and LANES filters stay in registers while the kernel walks over an image.
"""

from typing import Any

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Sides
from pellucid.ops.memory import channels_last, padded
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share, thread_count
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
from pellucid.ops.numba_ops.convolution.few_channels import SIDE, TAPS, Image
from pellucid.ops.numba_ops.winograd.calls import as_bits, form_of


def _parts(units: int) -> int:
    return max(min(thread_count(), units), 1)


def _write_taps(
    code: Code, form: int, image: tuple[Integer, ...], dy: Integer, y: Integer | None, sums: Integer
) -> None:
    """Add the nine taps of one channel, and the sum of dy, of one image and LANES filters to `sums`."""
    frame, frame_row, pixel, height, width, dy_pixel = image
    taps = [code.variable(code.number(0.0)) for _ in range(TAPS)]
    total = code.variable(code.number(0.0))
    with code.loop(height) as p, code.loop(width) as q:
        place, corner = (p * width + q) * dy_pixel, frame + frame_row * p + pixel * q
        value = code.load_form(dy + place, form)
        if y is not None:
            value = (code.load_form(y + place, form) > 0.0).choose(value, code.number(0.0))
        total.set(total.get() + value)
        for tap, result in enumerate(taps):
            number = code.broadcast(corner + frame_row * (tap // SIDE) + pixel * (tap % SIDE))
            result.set(result.get() + number * value)
    for tap, result in enumerate([*taps, total]):
        place = sums + VECTOR * tap
        code.store(place, code.load(place) + result.get())


def _taps_of(form: int) -> Any:
    """The kernel's innermost piece for gradients of a form."""

    def taps(
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
        _write_taps(code, form, (frame, frame_row, pixel, height, width, dy_pixel), dy, None, sums)

    return vector_code(taps)


def _masked_taps_of(form: int) -> Any:
    """The same behind a ReLU with output y."""

    def masked_taps(
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
        _write_taps(code, form, (frame, frame_row, pixel, height, width, dy_pixel), dy, y, sums)

    return vector_code(masked_taps)


_taps, _taps_bfloat16, _taps_float16 = map(_taps_of, (FLOAT32, BFLOAT16, FLOAT16))
_masked_taps, _masked_bfloat16, _masked_float16 = map(_masked_taps_of, (FLOAT32, BFLOAT16, FLOAT16))


@inner
def _add_taps(image: Image, start: int, dy: int, y: int, sums: int) -> None:
    """Of one channel and LANES filters; y: 0 where nothing masks dy."""
    pixel, dy_pixel = image.channels * FLOAT, image.filters * BYTES[image.form]
    frame_row, height, width = (image.width + 2) * pixel, image.height, image.width
    if image.form == FLOAT32:
        if y:
            _masked_taps(start, frame_row, pixel, height, width, dy_pixel, dy, y, sums)
        else:
            _taps(start, frame_row, pixel, height, width, dy_pixel, dy, sums)
    elif image.form == BFLOAT16:
        if y:
            _masked_bfloat16(start, frame_row, pixel, height, width, dy_pixel, dy, y, sums)
        else:
            _taps_bfloat16(start, frame_row, pixel, height, width, dy_pixel, dy, sums)
    elif y:
        _masked_float16(start, frame_row, pixel, height, width, dy_pixel, dy, y, sums)
    else:
        _taps_float16(start, frame_row, pixel, height, width, dy_pixel, dy, sums)


@parted(stages=1)
def _correlate(arguments: int, stage: int, part: int) -> None:
    image = read(Image, arguments, 0)
    number = BYTES[image.form]
    frame_image = (image.height + 2) * (image.width + 2) * image.channels * FLOAT
    size = image.height * image.width * image.filters * number
    first, last = share(image.number, part, image.parts)
    vectors = image.filters // LANES
    for n in range(first, last):
        for c in range(image.channels):
            start = image.frame + n * frame_image + c * FLOAT
            for k in range(vectors):
                at = n * size + k * LANES * number
                place = ((part * image.channels + c) * vectors + k) * (TAPS + 1)
                y = image.mask + at if image.mask else 0
                _add_taps(image, start, image.output + at, y, image.other + place * VECTOR)


def weight_gradient(dy: Array, y: Array | None, x: Array, padding: Sides, dw: Array, db: Array | None) -> None:
    """Gradients dw (K, C, 3, 3) and, unless None, db (K,), written; y: output of a ReLU that masks dy, or None.

    dy and y may have 16 bits; all else is float32.
    """
    dy, y, frame = channels_last(dy), None if y is None else channels_last(y), padded(x, padding)
    (N, C), (K, P, Q) = x.shape[:2], dy.shape[1:]
    parts = _parts(N)
    sums = np.zeros((parts, C, K // LANES, TAPS + 1, LANES), np.float32)
    mask, form = 0 if y is None else address(as_bits(y)), form_of(dy.dtype)
    _correlate(parts, Image(address(frame), address(as_bits(dy)), mask, address(sums), 0, N, P, Q, C, K, parts, form))
    total = sums.sum(axis=0)
    dw[...] = total[:, :, :TAPS].transpose(1, 3, 0, 2).reshape(K, C, SIDE, SIDE)
    if db is not None:
        db[...] = total[0, :, TAPS].reshape(K)
