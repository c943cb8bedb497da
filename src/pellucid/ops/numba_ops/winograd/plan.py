"""How a convolution is cut into blocks, and where its scratch memory is: the way from arrays to kernels."""

import threading
from dataclasses import dataclass

import numba
import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.cores import threads
from pellucid.ops.memory import channels_last, empty, empty_images
from pellucid.ops.numba_ops.vectors import FLOAT, LANES, VECTOR, address
from pellucid.ops.numba_ops.winograd.filters import FILTER
from pellucid.ops.numba_ops.winograd.forward import Filters, Work, convolve
from pellucid.ops.numba_ops.winograd.patches import MASKED, PLAIN, UNPOOLED, Images
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS, SKEW
from pellucid.ops.numba_ops.winograd.tiles import Grid, Target
from pellucid.ops.numba_ops.winograd.transforms import POINTS, TILE
from pellucid.ops.numba_ops.winograd.weight_gradient import Sums, sum_weight_gradient

CACHE = 128 * 1024  # bytes of a block, which shares the second-level cache with what is prefetched for the next
LEAST_SUMMED = 16  # tiles of a block of the weight gradient, which reads and writes all of dU for each block
GROUP = 2  # panels between two output transforms
LARGEST_BLOCK = 96  # tiles
LEAST_CHANNELS = 5  # with fewer channels in or out the transforms cost more than the products save

_kept = threading.local()


@dataclass(frozen=True)
class Gradient:
    """The gradient of a convolution's output: dy, or dy behind a ReLU with output y and a 2x2 max-pool."""

    dy: Array
    size: Pair  # of the convolution's output, before a pool
    y: Array | None = None
    winner: Array | None = None

    def images(self) -> Images:
        """As images to be made where they are read; the arrays are stored channels last."""
        N, K = self.dy.shape[:2]
        kind = PLAIN if self.y is None else MASKED if self.winner is None else UNPOOLED
        outputs, winners = (0 if a is None else address(a) for a in (self.y, self.winner))
        return Images(kind, address(self.dy), outputs, winners, N, *self.size, K)

    def channels_last(self) -> "Gradient":
        """The same with arrays that are stored channels last."""
        y, winner = (None if a is None else channels_last(a) for a in (self.y, self.winner))
        return Gradient(channels_last(self.dy), self.size, y, winner)


def suits(images: Array, w: Array, stride: Pair, dilation: Pair, groups: int) -> bool:
    """Whether Winograd's algorithm does the convolution with w of such images, or its gradients."""
    K, C, R, S = w.shape
    return (
        (R, S, *stride, *dilation, groups) == (3, 3, 1, 1, 1, 1, 1)
        and min(C, K) >= LEAST_CHANNELS
        and images.dtype == w.dtype == np.float32
        and images.size > 0
    )


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _scratch(size: int) -> int:
    """Address of this thread's scratch memory, at least `size` bytes of it, aligned to a cache line."""
    if getattr(_kept, "size", 0) < size:
        _kept.memory = np.empty(size + 64, np.uint8)
        _kept.address = _up(_kept.memory.ctypes.data, 64)
        _kept.size = size
    return int(_kept.address)


def _images(x: Array) -> Images:
    N, C, H, W = x.shape
    return Images(PLAIN, address(x), 0, 0, N, H, W, C)


def _grid(height: int, width: int, padding: Pair) -> Grid:
    return Grid(-(-height // TILE), -(-width // TILE), *padding)


def _convolve(images: Images, filters: tuple[Array, int, int, int], target: Target, padding: Pair) -> None:
    """Run it: `filters` are w, the strides from input to input and output to output, and whether rotated."""
    grid = _grid(target.height, target.width, padding)
    tiles, panels = images.number * grid.rows * grid.columns, -(-target.channels // PANEL)
    group = min(GROUP, panels)
    parts = min(threads(), numba.config.NUMBA_NUM_THREADS)
    by_channels = int(-(-tiles // ROWS) < parts <= panels)
    row = _up(images.channels, LANES) * FLOAT
    tile = POINTS * (row + group * PANEL * FLOAT)
    block = min(max(CACHE // tile, 1), LARGEST_BLOCK, tiles if by_channels else -(-tiles // parts) + ROWS)
    block = _up(block, ROWS)
    patch = max(POINTS * row, TILE * TILE * group * PANEL * FLOAT, 4 * (VECTOR + LANES))
    size = _up(block * tile + 2 * POINTS * SKEW + patch, 4096) + SKEW
    transformed = POINTS * panels * (images.channels * PANEL * FLOAT + SKEW)
    scratch = _scratch(parts * size + transformed)
    w, input_stride, output_stride, rotated = filters
    kernels = Filters(address(w), input_stride, output_stride, rotated, scratch + parts * size)
    convolve(parts, images, target, kernels, grid, Work(parts, by_channels, block, group, scratch, size))


def _padded(b: Array | None, channels: int) -> Array:
    """The bias in whole panels."""
    if b is not None and channels % PANEL == 0 and b.flags.c_contiguous and b.dtype == np.float32:
        return b
    full = np.zeros(_up(channels, PANEL), np.float32)
    if b is not None:
        full[:channels] = b
    return full


def convolution(x: Array, w: Array, b: Array | None, padding: Pair, relu: bool) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C, 3, 3), plus b (K,), through ReLU if asked for: (N, K, P, Q)."""
    P, Q = x.shape[2] + 2 * padding[0] - 2, x.shape[3] + 2 * padding[1] - 2
    y = empty_images((x.shape[0], w.shape[0], P, Q), np.float32)
    _forward(x, w, b, padding, relu, y, None, (P, Q))
    return y


def pooled_convolution(x: Array, w: Array, b: Array | None, padding: Pair) -> tuple[Array, Array]:
    """The 2x2 max-pool of the convolution's ReLU: y (N, K, P//2, Q//2) and the winner of each window."""
    P, Q = x.shape[2] + 2 * padding[0] - 2, x.shape[3] + 2 * padding[1] - 2
    shape = (x.shape[0], w.shape[0], P // 2, Q // 2)
    y, winner = empty_images(shape, np.float32), empty_images(shape, np.uint8)
    _forward(x, w, b, padding, True, y, winner, (P, Q))
    return y, winner


def _forward(
    x: Array, w: Array, b: Array | None, padding: Pair, relu: bool, y: Array, winner: Array | None, size: Pair
) -> None:
    x, w, bias = channels_last(x), np.ascontiguousarray(w), _padded(b, w.shape[0])
    winners = 0 if winner is None else address(winner)
    target = Target(address(y), winners, address(bias), int(relu), *size, w.shape[0])
    _convolve(_images(x), (w, FILTER, w.shape[1] * FILTER, 0), target, padding)


def input_gradient(gradient: Gradient, w: Array, input_size: Pair, padding: Pair) -> Array:
    """Dx (N, C, H, W): the convolution of the gradient with the filters rotated by half a turn."""
    gradient, w, zero = gradient.channels_last(), np.ascontiguousarray(w), _padded(None, w.shape[1])
    C = w.shape[1]
    dx = empty_images((gradient.dy.shape[0], C, *input_size), np.float32)
    target = Target(address(dx), 0, address(zero), 0, *input_size, C)
    _convolve(gradient.images(), (w, C * FILTER, FILTER, 1), target, (2 - padding[0], 2 - padding[1]))
    return dx


def weight_gradient(gradient: Gradient, x: Array, padding: Pair, dw: Array, db: Array | None) -> None:
    """Dw (K, C, 3, 3) and, unless None, db (K,), written."""
    gradient, x = gradient.channels_last(), channels_last(x)
    (N, K), C = gradient.dy.shape[:2], x.shape[1]
    grid = _grid(*gradient.size, padding)
    tiles = N * grid.rows * grid.columns
    parts = min(threads(), numba.config.NUMBA_NUM_THREADS, tiles)
    rows, columns = _up(C, ROWS), _up(K, PANEL)
    tile = POINTS * FLOAT * (_up(C, LANES) + columns)
    block = min(max(CACHE // tile, LEAST_SUMMED), LARGEST_BLOCK, -(-tiles // parts))
    patch = POINTS * max(_up(C, LANES), columns) * FLOAT
    size = _up(block * tile + 2 * POINTS * SKEW + patch, 4096) + SKEW
    total, du = columns * FLOAT, POINTS * (rows * columns * FLOAT + SKEW)
    scratch = _scratch(parts * (size + total + du))
    totals = scratch + parts * size
    out = dw if dw.flags.c_contiguous and dw.dtype == np.float32 else empty(dw.shape, np.float32)
    bias = np.empty(K, np.float32) if db is None or not db.flags.c_contiguous else db
    sums = Sums(totals + parts * total, totals, address(out), address(bias))
    sum_weight_gradient(parts, _images(x), gradient.images(), grid, sums, Work(parts, 0, block, 0, scratch, size))
    if out is not dw:
        dw[...] = out
    if db is not None and bias is not db:
        db[...] = bias


def backward(
    gradient: Gradient, x: Array, w: Array, dw: Array, db: Array | None, padding: Pair, wanted: bool
) -> Array:
    """Dw and db written; dx if `wanted`, else an empty array."""
    gradient = gradient.channels_last()
    weight_gradient(gradient, x, padding, dw, db)
    if not wanted:
        return np.empty(0, np.float32)
    return input_gradient(gradient, w, (x.shape[2], x.shape[3]), padding)
