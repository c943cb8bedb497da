"""Depthwise convolution, with what follows it: every channel by itself, a register of channels at a time.

The weights of a 3x3 window stay in registers while a stretch of places is computed; the stretch is so short that the
three lines under it stay in the first-level cache from one register of channels to the next.
"""

from typing import NamedTuple

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.parts import inner, parted, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, VECTOR, Code, Integer, address, vector_code
from pellucid.ops.numba_ops.steps.finish import limits, load, store
from pellucid.ops.numba_ops.steps.step import Call, Finish, Step, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights

STRETCH = 6 * 1024  # numbers of a line under a stretch of places
SIDE = 3


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

    def write(c: Integer, some: Integer | None) -> None:
        shift = load(code, bias + c, some)
        with code.loop(count) as k:
            total = code.variable(shift)
            with code.loop(lines) as u, code.loop(taps) as v:
                value = load(code, x + step * k + line * u + tap * v + c, some)
                total.set(total.get() + value * load(code, w + w_line * u + w_tap * v + c, some))
            store(code, out + pixel * k + c, total.get().at_least(low).at_most(high), some)

    with code.loop(vectors) as number:
        write(number * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@vector_code
def _places_3x3(
    code: Code,
    x: Integer,
    line: Integer,
    tap: Integer,
    step: Integer,
    w: Integer,
    w_tap: Integer,
    bias: Integer,
    bounds: Integer,
    out: Integer,
    pixel: Integer,
    count: Integer,
    vectors: Integer,
    rest: Integer,
) -> None:
    """The same of whole 3x3 windows."""
    low, high = limits(code, bounds)

    def write(c: Integer, some: Integer | None) -> None:
        shift = load(code, bias + c, some)
        taps = [(u, v) for u in range(SIDE) for v in range(SIDE)]
        weights = [load(code, w + w_tap * (u * SIDE + v) + c, some) for u, v in taps]
        with code.loop(count) as k:
            start = x + step * k + c
            total = shift
            for (u, v), weight in zip(taps, weights, strict=True):
                total = total + load(code, start + line * u + tap * v, some) * weight
            store(code, out + pixel * k + c, total.at_least(low).at_most(high), some)

    with code.loop(vectors) as number:
        write(number * VECTOR, None)
    with code.loop(rest.smaller(1)):
        write(vectors * VECTOR, rest)


@inner
def _seen(place: int, taps: int, dilation: int, size: int) -> tuple[int, int]:
    """First and one past the last of the taps that lie in the image, of a window that begins at `place`."""
    first = max(0, (-place + dilation - 1) // dilation)
    return first, max(first, min(taps, (size - 1 - place) // dilation + 1))


@inner
def _stretch(work: Depthwise, images: int, output: int, n: int, p: int, q: int, count: int) -> None:
    """Places q to q + count - 1 of a line, which see the same taps."""
    pixel = work.channels * FLOAT
    i, j = p * work.down - work.top, q * work.right - work.left
    first, last = _seen(i, work.kernel_rows, work.row_dilation, work.height)
    left, right = _seen(j, work.kernel_columns, work.column_dilation, work.width)
    i, j = i + first * work.row_dilation, j + left * work.column_dilation
    x = images + ((n * work.height + i) * work.width + j) * pixel
    w = work.weights + (first * work.kernel_columns + left) * pixel
    out = output + ((n * work.rows + p) * work.columns + q) * pixel
    line, tap, step = work.row_dilation * work.width * pixel, work.column_dilation * pixel, work.right * pixel
    vectors, rest = work.channels // LANES, work.channels % LANES
    if work.kernel_rows == SIDE and work.kernel_columns == SIDE and last - first == SIDE and right - left == SIDE:
        _places_3x3(x, line, tap, step, w, pixel, work.bias, work.bounds, out, pixel, count, vectors, rest)
    else:
        _places(
            x, line, tap, step, w, work.kernel_columns * pixel, pixel, last - first, right - left,
            work.bias, work.bounds, out, pixel, count, vectors, rest,
        )  # fmt: skip


@inner
def convolve_line(work: Depthwise, images: int, output: int, number: int) -> None:
    """One line of the output, counted through all images.

    images, output: where their first lines would lie, which need not be in memory.
    """
    longest = max(4, STRETCH // (work.channels * work.right))
    span = (work.kernel_columns - 1) * work.column_dilation
    # From `inner_first` to `inner_last` a window has all its columns in the image.
    inner_first = min(work.columns, (work.left + work.right - 1) // work.right)
    inner_last = max(inner_first, min(work.columns, (work.width - 1 - span + work.left) // work.right + 1))
    n, p = divmod(number, work.rows)
    for q in range(inner_first):
        _stretch(work, images, output, n, p, q, 1)
    for q in range(inner_first, inner_last, longest):
        _stretch(work, images, output, n, p, q, min(longest, inner_last - q))
    for q in range(inner_last, work.columns):
        _stretch(work, images, output, n, p, q, 1)


@parted(stages=1)
def convolve_depthwise(arguments: int, stage: int, part: int) -> None:
    """Some lines of the output."""
    work = read(Depthwise, arguments, 0)
    first, last = share(work.number * work.rows, part, work.parts)
    for number in range(first, last):
        convolve_line(work, work.images, work.output, number)


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
    work = Depthwise(
        0, 0, address(taps), address(bias), address(bounds), N, H, W, C, *size, R, S,
        *geometry.stride, *geometry.before, *geometry.dilation, parts,
    )  # fmt: skip
    return work, [taps, bias, bounds]


def convolution(shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish) -> Step:
    """The depthwise convolution of images `shape` (N, C, H, W) with w (C, 1, R, S), plus b (C,), and its bounds."""
    N, C, H, W = shape
    R, S = weights.shape[2:]
    size = geometry.output_size((H, W), (R, S))
    multiply_adds = N * C * size[0] * size[1] * R * S
    parts = min(parts_for(8 * multiply_adds), N * size[0])  # an eighth of a product's speed: it waits for memory
    work, kept = lines(shape, weights, geometry, last, parts)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [Call(convolve_depthwise, parts, (work._replace(images=inputs[0], output=output),))]

    return Step("depthwise", calls, 0, kept, multiply_adds)
