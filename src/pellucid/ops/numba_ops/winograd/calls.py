"""The way from arrays to the kernels."""

import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, Sides
from pellucid.ops.memory import channels_last, empty_images
from pellucid.ops.numba_ops.compile.parts import thread_count
from pellucid.ops.numba_ops.compile.vectors import BFLOAT16, FLOAT16, FLOAT32, LANES, address
from pellucid.ops.numba_ops.winograd.cut import cut_convolution, cut_weight_gradient
from pellucid.ops.numba_ops.winograd.filter_sums import Sums, sum_weight_gradient
from pellucid.ops.numba_ops.winograd.filters import FILTER
from pellucid.ops.numba_ops.winograd.forward import Filters, Work, convolve
from pellucid.ops.numba_ops.winograd.outputs import Target
from pellucid.ops.numba_ops.winograd.patches import MASKED, PLAIN, UNPOOLED, Images
from pellucid.ops.numba_ops.winograd.product import PANEL
from pellucid.ops.numba_ops.winograd.tiles import Grid

LEAST_CHANNELS = 5  # with fewer channels in or out the transforms cost more than the products save
FILTER_SIZE = 9  # weights of a filter for one channel
LINE = 64  # bytes of a cache line

FORMS = {"float32": FLOAT32, "bfloat16": BFLOAT16, "float16": FLOAT16}

_kept = threading.local()


@cache
def form_of(dtype: np.dtype[Any]) -> int:
    """How kernels call numbers of the type; -1 for others. A type's name takes NumPy a microsecond to find."""
    return FORMS.get(dtype.name, -1)


def as_bits(x: Array) -> Array:
    """The array; where its numbers have 16 bits, which Numba doesn't know, these bits."""
    return x.view(np.uint16) if x.dtype.itemsize == 2 else x


@dataclass(frozen=True)
class Gradient:
    """The gradient of a convolution's output: dy, or dy behind a ReLU with output y and a 2x2 max-pool.

    In 16 bits only of channels that fill registers.
    """

    dy: Array
    size: Pair  # of the convolution's output, before a pool
    y: Array | None = None
    winner: Array | None = None

    def images(self) -> Images:
        """As images to be made where they are read; the arrays are stored channels last."""
        N, K = self.dy.shape[:2]
        kind = PLAIN if self.y is None else MASKED if self.winner is None else UNPOOLED
        outputs = 0 if self.y is None else address(as_bits(self.y))
        winners = 0 if self.winner is None else address(self.winner)
        return Images(kind, address(as_bits(self.dy)), outputs, winners, N, *self.size, K, form_of(self.dy.dtype))

    def channels_last(self) -> "Gradient":
        """The same with arrays that are stored channels last."""
        y, winner = (None if a is None else channels_last(a) for a in (self.y, self.winner))
        return Gradient(channels_last(self.dy), self.size, y, winner)


def suits(images: Array, w: Array, geometry: Geometry) -> bool:
    """Whether Winograd's algorithm does the convolution with w of such images, or its gradients."""
    return images.dtype == w.dtype == np.float32 and _suit(images, w, geometry)


def suits_half(x: Array, w: Array, geometry: Geometry) -> bool:
    """Whether the convolution with w can read the images as 16-bit numbers, and write such."""
    whole_registers = x.shape[1] % LANES == 0 and w.shape[0] % LANES == 0
    return whole_registers and form_of(x.dtype) >= 0 and _suit(x, w, geometry)


def _suit(images: Array, w: Array, geometry: Geometry) -> bool:
    K, C, R, S = w.shape
    return (
        R == S == 3
        and geometry.stride == (1, 1)
        and geometry.dilation == (1, 1)
        and geometry.groups == 1
        and min(C, K) >= LEAST_CHANNELS
        and images.size > 0
    )


def _scratch(size: int) -> int:
    """Address of this thread's scratch memory, at least `size` bytes of it, aligned to a cache line."""
    if getattr(_kept, "size", 0) < size:
        _kept.memory = np.empty(size + LINE, np.uint8)
        _kept.address = -(-address(_kept.memory) // LINE) * LINE
        _kept.size = size
    return int(_kept.address)


def _images(x: Array) -> Images:
    N, C, H, W = x.shape
    return Images(PLAIN, address(as_bits(x)), 0, 0, N, H, W, C, form_of(x.dtype))


Jobs = tuple[int, Images, Target, Filters, Grid, Work]
"""What `convolve` is called with."""


def _jobs(images: Images, w: Array, strides: Pair, rotated: bool, target: Target, before: Pair) -> Jobs:
    """Cut the work; `strides` lead in w from input to input and from output to output, in filters.

    before: rows above and columns to the left of the images; what lies below and to the right follows from the
    size of the target. The arrays that lie behind the addresses are the caller's to keep.
    """
    size = (target.height, target.width)
    multiply_adds = images.number * target.height * target.width * target.channels * images.channels * FILTER_SIZE
    cut = cut_convolution(images.number, images.channels, target.channels, size, before, thread_count(multiply_adds))
    scratch = _scratch(cut.scratch + cut.result)
    transformed = scratch + cut.scratch
    filters = Filters(
        address(w), strides[0] * FILTER, strides[1] * FILTER, int(rotated), transformed, cut.passing, cut.some, 0
    )
    return cut.work.parts, images, target, filters, cut.grid, cut.work._replace(scratch=scratch)


def _whole_panels(b: Array | None, channels: int) -> Array:
    """The bias in whole panels."""
    if b is not None and channels % PANEL == 0 and b.flags.c_contiguous and b.dtype == np.float32:
        return b
    full = np.zeros(-(-channels // PANEL) * PANEL, np.float32)
    if b is not None:
        full[:channels] = b
    return full


def _size(x: Array, padding: Sides) -> Pair:
    """(P, Q) of the convolution."""
    top, bottom, left, right = padding
    return x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2


def convolution(x: Array, w: Array, b: Array | None, padding: Sides, relu: bool) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C, 3, 3), plus b (K,), through ReLU if asked for: (N, K, P, Q).

    The result has the type of x; w and b are float32.
    """
    y = empty_images((x.shape[0], w.shape[0], *_size(x, padding)), x.dtype)
    x, w, bias = channels_last(x), np.ascontiguousarray(w), _whole_panels(b, w.shape[0])
    convolve(*_forward(x, w, bias, padding, relu, y))
    return y


def pooled_convolution(x: Array, w: Array, b: Array | None, padding: Sides) -> tuple[Array, Array]:
    """The 2x2 max-pool of the convolution's ReLU: y (N, K, P//2, Q//2) and the winner of each window."""
    P, Q = _size(x, padding)
    shape = (x.shape[0], w.shape[0], P // 2, Q // 2)
    y, winner = empty_images(shape, x.dtype), empty_images(shape, np.uint8)
    if y.size:
        x, w, bias = channels_last(x), np.ascontiguousarray(w), _whole_panels(b, w.shape[0])
        convolve(*_forward(x, w, bias, padding, True, y, winner))
    return y, winner


def _forward(
    x: Array, w: Array, bias: Array, padding: Sides, relu: bool, y: Array, winner: Array | None = None
) -> Jobs:
    """x channels last, w in order, bias in whole panels."""
    winners = 0 if winner is None else address(winner)
    form, size = form_of(y.dtype), _size(x, padding)
    target = Target(address(as_bits(y)), winners, address(bias), int(relu), *size, w.shape[0], form)
    return _jobs(_images(x), w, (1, w.shape[1]), False, target, (padding[0], padding[2]))


def input_gradient(gradient: Gradient, w: Array, input_size: Pair, padding: Sides) -> Array:
    """Gradient dx (N, C, H, W), of dy's type: the convolution of it with the filters rotated by half a turn."""
    gradient, w, zero = gradient.channels_last(), np.ascontiguousarray(w), _whole_panels(None, w.shape[1])
    C = w.shape[1]
    dx = empty_images((gradient.dy.shape[0], C, *input_size), gradient.dy.dtype)
    target = Target(address(as_bits(dx)), 0, address(zero), 0, *input_size, C, form_of(dx.dtype))
    convolve(*_jobs(gradient.images(), w, (C, 1), True, target, (2 - padding[0], 2 - padding[2])))
    return dx


def weight_gradient(gradient: Gradient, x: Array, padding: Sides, dw: Array, db: Array | None) -> None:
    """Gradients dw (K, C, 3, 3) and, unless None, db (K,), written."""
    gradient, x = gradient.channels_last(), channels_last(x)
    (N, K), C = gradient.dy.shape[:2], x.shape[1]
    cut = cut_weight_gradient(N, C, K, gradient.size, (padding[0], padding[2]), thread_count())
    scratch = _scratch(cut.scratch + cut.result)
    totals = scratch + cut.scratch
    weights, bias = _written(dw, dw.shape), _written(db, (K,))
    sums = Sums(totals + cut.total, totals, address(weights), address(bias))
    work = cut.work._replace(scratch=scratch)
    sum_weight_gradient(work.parts, _images(x), gradient.images(), cut.grid, sums, work)
    for array, result in ((dw, weights), (db, bias)):
        if array is not None and array is not result:
            array[...] = result


def _written(array: Array | None, shape: tuple[int, ...]) -> Array:
    """The array itself where a kernel can write it, else one to be copied or forgotten."""
    if array is not None and array.flags.c_contiguous and array.dtype == np.float32:
        return array
    return np.empty(shape, np.float32)


def backward(
    gradient: Gradient, x: Array, w: Array, dw: Array, db: Array | None, padding: Sides, wanted: bool
) -> Array:
    """Gradients dw and db written; dx if `wanted`, else an empty array."""
    gradient = gradient.channels_last()
    weight_gradient(gradient, x, padding, dw, db)
    if not wanted:
        return np.empty(0, gradient.dy.dtype)
    return input_gradient(gradient, w, (x.shape[2], x.shape[3]), padding)
