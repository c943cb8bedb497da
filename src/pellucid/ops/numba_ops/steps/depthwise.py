"""Depthwise convolution, with what follows it: every channel by itself, a register of channels at a time.

Of windows of three or five taps a line, neighbouring places are computed together: the weights of a line of the
window are loaded once for them, and a pixel once for all that see it. Of others, as at the rim, several registers of
channels are. Some lines of some channels at a time, so that the weights of these and the lines that the next ones see
too stay in the first-level cache.
"""

from typing import Any, NamedTuple

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.steps.finish import limits, load, store
from pellucid.ops.numba_ops.steps.step import Call, Finish, Step, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights

NEAR = 24 * 1024  # bytes of the lines under a line of the output, of some channels
CACHE = 256 * 1024  # bytes of lines of all channels at a time
BESIDE = 6  # places that are computed together
FEW = 8  # lines of a part up to which parts are channels instead: lines are shared out less evenly
TOGETHER = 4  # registers of channels, where places aren't


class Depthwise(NamedTuple):
    """Addresses, and sizes."""

    images: int  # (N, H, W, C)
    output: int  # (N, P, Q, C)
    weights: int  # (R, S, C)
    bias: int
    bounds: int
    number: int
    height: int
    width: int
    channels: int
    rows: int
    columns: int
    kernel_rows: int
    kernel_columns: int
    down: int
    right: int
    top: int
    left: int
    row_dilation: int
    column_dilation: int
    by_channels: int  # whether a part is some registers of channels of all lines, else some lines
    group: int  # lines at a time
    near: int  # registers of channels at a time
    parts: int


@vector_code
def _places(
    code: Code,
    x: Integer,
    line: Integer,
    tap: Integer,
    step: Integer,
    w: Integer,
    w_line: Integer,
    w_tap: Integer,
    lines: Integer,
    taps: Integer,
    bias: Integer,
    bounds: Integer,
    out: Integer,
    pixel: Integer,
    count: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    """`count` places whose windows have `lines` x `taps` taps in the image; distances in bytes."""
    low, high = limits(code, bounds)

    def write(c: Integer, some: Integer | None, registers: int) -> None:
        places = [c + VECTOR * i for i in range(registers)]
        with code.loop(count) as k:
            totals = [code.variable(load(code, bias + at, some)) for at in places]
            with code.loop(lines) as u, code.loop(taps) as v:
                for at, total in zip(places, totals, strict=True):
                    value = load(code, x + step * k + line * u + tap * v + at, some)
                    total.set(total.get() + value * load(code, w + w_line * u + w_tap * v + at, some))
            for at, total in zip(places, totals, strict=True):
                store(code, out + pixel * k + at, total.get().at_least(low).at_most(high), some)

    groups = vectors // TOGETHER
    with code.loop(groups) as number:
        write(number * (VECTOR * TOGETHER), None, TOGETHER)
    with code.loop(vectors - groups * TOGETHER) as number:
        write((groups * TOGETHER + number) * VECTOR, None, 1)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest, 1)


def _places_of(taps: int, stride: int) -> Any:
    """Vector code for places `stride` pixels apart, with so many neighbouring taps on a line.

    A pixel is loaded once for all places that see it. Whole registers of channels.
    """

    def places(
        code: Code,
        x: Integer,
        line: Integer,
        w: Integer,
        w_line: Integer,
        lines: Integer,
        bias: Integer,
        bounds: Integer,
        out: Integer,
        pixel: Integer,
        whole: Integer,
        more: Integer,
        vectors: Integer,
    ) -> None:
        low, high = limits(code, bounds)

        def write(size: int, start: Integer, c: Integer, to: Integer) -> None:
            totals = [code.variable(code.load(bias + c)) for _ in range(size)]
            with code.loop(lines) as u:
                weights = [code.load(w + w_line * u + pixel * v + c) for v in range(taps)]
                for j in range((size - 1) * stride + taps):
                    value = code.load(start + line * u + pixel * j)
                    for k, total in enumerate(totals):
                        if 0 <= j - k * stride < taps:
                            total.set(total.get() + value * weights[j - k * stride])
            for k, total in enumerate(totals):
                code.store(to + pixel * k, total.get().at_least(low).at_most(high))

        with code.loop(vectors) as number:
            c = number * VECTOR
            with code.loop(whole) as block:
                write(BESIDE, x + pixel * (stride * BESIDE) * block + c, c, out + pixel * BESIDE * block + c)
            for size in range(1, BESIDE):
                with code.when(more.equals(size)):
                    write(size, x + pixel * (stride * BESIDE) * whole + c, c, out + pixel * BESIDE * whole + c)

    places.__name__ = f"places_{taps}_{stride}"
    return vector_code(places)


_places_3, _places_3_wide = _places_of(3, 1), _places_of(3, 2)
_places_5, _places_5_wide = _places_of(5, 1), _places_of(5, 2)


@inner
def _seen(place: int, taps: int, dilation: int, size: int) -> tuple[int, int]:
    """First and one past the last of the taps that lie in the image, of a window that begins at `place`."""
    first = max(0, (-place + dilation - 1) // dilation)
    return first, max(first, min(taps, (size - 1 - place) // dilation + 1))


@inner
def _stretch(
    work: Depthwise, images: int, output: int, n: int, p: int, q: int, count: int, channel: int, channels: int
) -> None:
    """Places q to q + count - 1 of a line, which see the same taps; `channels` from `channel` on."""
    pixel = work.channels * FLOAT
    i, j = p * work.down - work.top, q * work.right - work.left
    first, last = _seen(i, work.kernel_rows, work.row_dilation, work.height)
    left, right = _seen(j, work.kernel_columns, work.column_dilation, work.width)
    i, j = i + first * work.row_dilation, j + left * work.column_dilation
    c = channel * FLOAT
    x = images + ((n * work.height + i) * work.width + j) * pixel + c
    w = work.weights + (first * work.kernel_columns + left) * pixel + c
    out = output + ((n * work.rows + p) * work.columns + q) * pixel + c
    line, tap, step = work.row_dilation * work.width * pixel, work.column_dilation * pixel, work.right * pixel
    vectors, rest = channels // LANES, channels % LANES
    bias, bounds, w_line = work.bias + c, work.bounds, work.kernel_columns * pixel
    lines, taps = last - first, right - left
    done, whole, more = vectors, count // BESIDE, count % BESIDE
    if work.column_dilation > 1 and taps > 1:
        done = 0
    elif taps == 3 and (work.right == 1 or count == 1):
        _places_3(x, line, w, w_line, lines, bias, bounds, out, pixel, whole, more, vectors)
    elif taps == 3 and work.right == 2:
        _places_3_wide(x, line, w, w_line, lines, bias, bounds, out, pixel, whole, more, vectors)
    elif taps == 5 and (work.right == 1 or count == 1):
        _places_5(x, line, w, w_line, lines, bias, bounds, out, pixel, whole, more, vectors)
    elif taps == 5 and work.right == 2:
        _places_5_wide(x, line, w, w_line, lines, bias, bounds, out, pixel, whole, more, vectors)
    else:
        done = 0
    if done < vectors or rest:
        c = done * VECTOR
        _places(
            x + c, line, tap, step, w + c, w_line, pixel, lines, taps, bias + c, bounds, out + c, pixel, count,
            vectors - done, rest,
        )  # fmt: skip


@inner
def _convolve_line(work: Depthwise, images: int, output: int, number: int, channel: int, channels: int) -> None:
    """One line of the output, counted through all images; `channels` from `channel` on."""
    span = (work.kernel_columns - 1) * work.column_dilation
    # From `inner_first` to `inner_last` a window has all its columns in the image.
    inner_first = min(work.columns, (work.left + work.right - 1) // work.right)
    inner_last = max(inner_first, min(work.columns, (work.width - 1 - span + work.left) // work.right + 1))
    n, p = divmod(number, work.rows)
    for q in range(inner_first):
        _stretch(work, images, output, n, p, q, 1, channel, channels)
    if inner_first < inner_last:
        _stretch(work, images, output, n, p, inner_first, inner_last - inner_first, channel, channels)
    for q in range(inner_last, work.columns):
        _stretch(work, images, output, n, p, q, 1, channel, channels)


@inner
def convolve_some_lines(
    work: Depthwise, images: int, output: int, first: int, last: int, first_vector: int, last_vector: int
) -> None:
    """Lines `first` to `last` - 1 of the output, counted through all images, and some registers of channels.

    images, output: where their first lines would lie, which need not be in memory.
    """
    for vector in range(first_vector, last_vector, work.near):
        channel = vector * LANES
        channels = min(work.channels, min(vector + work.near, last_vector) * LANES) - channel
        for number in range(first, last):
            _convolve_line(work, images, output, number, channel, channels)


@parted(stages=1)
def convolve_depthwise(arguments: int, stage: int, part: int) -> None:
    """Some lines of the output, or some channels."""
    work = read(Depthwise, arguments, 0)
    first, last, first_vector, last_vector = 0, work.number * work.rows, 0, (work.channels + LANES - 1) // LANES
    if work.by_channels:
        first_vector, last_vector = share(last_vector, part, work.parts)
    else:
        first, last = share(last, part, work.parts)
    for number in range(first, last, work.group):
        end = min(number + work.group, last)
        convolve_some_lines(work, work.images, work.output, number, end, first_vector, last_vector)


def lines(
    shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish, parts: int
) -> tuple[Depthwise, list[Array]]:
    """What a kernel needs to convolve images `shape` (N, C, H, W), without addresses of what moves.

    parts: into which the work is cut. Beside it the arrays that it points to.
    """
    N, C, H, W = shape
    R, S = weights.shape[2:]
    size = geometry.output_size((H, W), (R, S))
    taps = weights.made("taps", lambda w: w[:, 0].transpose(1, 2, 0).copy())
    bias, bounds = weights.b, last.bounds()
    by_channels = N * size[0] < FEW * parts <= FEW * -(-C // LANES)
    group = max(1, CACHE // (geometry.stride[0] * W * C * FLOAT))
    near = max(TOGETHER, NEAR // (R * W * VECTOR))
    work = Depthwise(
        0, 0, address(taps), address(bias), address(bounds), N, H, W, C, *size, R, S,
        *geometry.stride, *geometry.before, *geometry.dilation,
        int(by_channels), group, near, parts,
    )  # fmt: skip
    return work, [taps, bias, bounds]


def convolution(shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish) -> Step:
    """The depthwise convolution of images `shape` (N, C, H, W) with w (C, 1, R, S), plus b (C,), and its bounds."""
    N, C, H, W = shape
    R, S = weights.shape[2:]
    size = geometry.output_size((H, W), (R, S))
    multiply_adds = N * C * size[0] * size[1] * R * S
    parts = min(parts_for(4 * multiply_adds), N * size[0])  # a quarter of a product's speed: it waits for memory
    work, kept = lines(shape, weights, geometry, last, parts)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [Call(convolve_depthwise, parts, (work._replace(images=inputs[0], output=output),))]

    return Step("depthwise", calls, 0, kept, multiply_adds)
