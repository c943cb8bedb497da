"""Images of another size: every way of interpolating is a matrix a side, so its adjoint is the matrix transposed.

A pixel of the output lies somewhere between pixels of the input; `coordinates` says where (i: of the output, n and m:
pixels before and after, s = m / n):

    half_pixel            (i + 1/2) / s - 1/2           as areas, whose middles are at 1/2
    pytorch_half_pixel    the same, and 0 where m = 1
    half_pixel_symmetric  the same about the middle of the image, where n s isn't whole
    align_corners         i (n - 1) / (m - 1)           the outermost pixels upon each other
    asymmetric            i / s
    tf_crop_and_resize    as align_corners, of the part `region` of the image

`mode` says what it is made of: the nearest pixel, the two neighbours, or four (Keys 1981). See ONNX, Resize.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.host import back, wide
from pellucid.ops.arrays import Array, Pair, Shape, pair

Mode = Literal["nearest", "linear", "cubic"]
Coordinates = Literal[
    "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "tf_crop_and_resize"
]
Rounding = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
MODES = ("nearest", "linear", "cubic")
COORDINATES: tuple[Coordinates, ...] = (
    "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "tf_crop_and_resize",
)  # fmt: skip
ROUNDINGS: dict[str, Callable[[float], float]] = {
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}
MOST_ROWS = 1 << 14  # of a matrix


@dataclass(frozen=True)
class Interpolation:
    """How pixels are made of others; see above.

    nearest: which of two equally near pixels. cubic: Keys' parameter a. antialias: whether shrinking takes the mean
    over what a pixel covers. exclude_outside: whether pixels beyond the rim count nothing, instead of as the rim.
    """

    mode: Mode = "nearest"
    coordinates: Coordinates = "half_pixel"
    nearest: Rounding = "round_prefer_floor"
    cubic: float = -0.75
    antialias: bool = False
    exclude_outside: bool = False

    def position(self, i: int, size: int, scale: float, out: int, region: tuple[float, float]) -> float:
        """Where pixel i of the output lies on the input."""
        length, kind = scale * size, self.coordinates
        if kind == "asymmetric":
            return i / scale
        if kind == "align_corners":
            return 0.0 if length == 1 else i * (size - 1) / (length - 1)
        if kind == "tf_crop_and_resize":
            start, end = region
            if out > 1:
                return start * (size - 1) + i * (end - start) * (size - 1) / (out - 1)
            return 0.5 * (start + end) * (size - 1)
        if kind == "pytorch_half_pixel" and out == 1:
            return -0.5
        shift = size / 2 * (1 - out / length) if kind == "half_pixel_symmetric" else 0.0
        return shift + (i + 0.5) / scale - 0.5

    def taps(self, x: float, scale: float) -> list[tuple[int, float]]:
        """The pixels that a place is made of, and their weights."""
        if self.mode == "nearest":
            return [(int(ROUNDINGS[self.nearest](x)), 1.0)]
        shrink = min(scale, 1.0) if self.antialias else 1.0
        kernel, reach = (_triangle, 1.0) if self.mode == "linear" else (self._keys, 2.0)
        first, last = math.floor(x - reach / shrink) + 1, math.ceil(x + reach / shrink) - 1
        found = [(j, kernel((x - j) * shrink)) for j in range(first, last + 1)]
        total = sum(weight for _, weight in found) if self.antialias else 1.0
        return [(j, weight / total) for j, weight in found]

    def _keys(self, x: float) -> float:
        a, d = self.cubic, abs(x)
        if d <= 1:
            return ((a + 2) * d - (a + 3)) * d * d + 1
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a if d < 2 else 0.0

    def matrix(
        self, size: int, out: int, scale: float | None = None, region: tuple[float, float] = (0.0, 1.0)
    ) -> tuple[Array, Array]:
        """(out, size) weights; and which pixels of the output lie beyond the image (out,), for a region of it."""
        scale = out / size if scale is None else scale
        weights, beyond = np.zeros((out, size)), np.zeros(out, bool)
        for i in range(out):
            x = self.position(i, size, scale, out, region)
            beyond[i] = self.coordinates == "tf_crop_and_resize" and not 0 <= x <= size - 1
            taps = self.taps(x, scale)
            if self.exclude_outside:
                taps = [(j, w) for j, w in taps if 0 <= j < size]
                total = sum(w for _, w in taps)
                taps = [(j, w / total) for j, w in taps]
            for j, w in taps:
                weights[i, min(max(j, 0), size - 1)] += w
        return weights, beyond


def _triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


_Sums = tuple[Array, Array, Array, Array]
_Taps = tuple[_Sums, _Sums, Array | None]


def taps(matrix: Array) -> tuple[Array, Array]:
    """The places (rows, most) of what isn't 0 in each row of a matrix, int32, and what is there; filled up."""
    rows, found = np.nonzero(matrix)
    counts = np.bincount(rows, minlength=len(matrix))
    number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its row
    # Filled up with a place that is there already, so that a NaN stays where it belongs.
    first = (matrix != 0).argmax(axis=1).astype(np.int32)
    places = first[:, None].repeat(max(1, counts.max(initial=0)), axis=1)
    weights = np.zeros(places.shape)
    places[rows, number], weights[rows, number] = found, matrix[rows, found]
    return places, weights


def _resampled(x: Array, made: _Sums) -> Array:
    y: Array = ops.resample(x, *made)
    return y


class Resize(Layer):
    """Images (C, H, W) brought to another height and width.

    size: (H, W) of the output; or scale: factors of both, so that the output has floor(factor * side); of both, the
    size is the output's, and where its pixels lie follows from the scale. mode:
    "nearest", "linear" or "cubic"; coordinates: where its pixels lie; nearest, cubic, antialias, exclude_outside: see
    `Interpolation`. region: (top, left, bottom, right), parts of the sides, for tf_crop_and_resize; what lies beyond
    the image is `outside`. Raises PellucidError without a size and a scale, and for what is no image.

    >>> pl.nn.Resize((7, 15), mode="linear").output_shape((3, 32, 32))
    (3, 7, 15)
    >>> pl.nn.Resize(scale=2).forward(np.array([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    sees_all = True
    keeps = ("seen",)

    def __init__(
        self,
        size: int | Pair | None = None,
        *,
        scale: float | tuple[float, float] | None = None,
        mode: Mode = "nearest",
        coordinates: Coordinates = "half_pixel",
        nearest: Rounding = "round_prefer_floor",
        cubic: float = -0.75,
        antialias: bool = False,
        exclude_outside: bool = False,
        region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
        outside: float = 0.0,
    ) -> None:
        self.size = None if size is None else pair(size, "size")
        factors: Any = (scale, scale) if np.isscalar(scale) else scale
        self.scale = None if scale is None else (float(factors[0]), float(factors[1]))
        self.region, self.outside = tuple(region), float(outside)
        if size is None and scale is None:
            raise self.error("a size or a scale", "neither")
        if self.scale is not None and not all(0 < factor < MOST_ROWS for factor in self.scale):
            raise self.error("factors above 0", scale)
        if mode not in MODES or coordinates not in COORDINATES or nearest not in ROUNDINGS:
            raise self.error("a known mode, coordinates and rounding", f"{mode!r}, {coordinates!r}, {nearest!r}")
        self.how = Interpolation(mode, coordinates, nearest, cubic, antialias, exclude_outside)
        self.on_host = not self.inside  # what lies beyond the image is put in there
        self._taps: dict[Pair, _Taps] = {}

    def _sides(self, size: Pair) -> Pair:
        if self.size is not None:
            return self.size
        assert self.scale is not None
        return math.floor(size[0] * self.scale[0]), math.floor(size[1] * self.scale[1])

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H', W')."""
        C, H, W = self.image_shape(input_shape)
        size = self._sides((H, W))
        if not all(1 <= side <= MOST_ROWS for side in size):
            raise self.error(f"an output of 1 to {MOST_ROWS:,} rows and columns", size)
        return (C, *size)

    def _built(self, size: Pair) -> _Taps:
        """What pixels are made of, and where the output lies beyond the image; for images of that size."""
        if size not in self._taps:
            out, scales = self._sides(size), self.scale or (None, None)
            sides = [
                self.how.matrix(size[i], out[i], scales[i], (self.region[i], self.region[i + 2])) for i in (0, 1)
            ]
            beyond = sides[0][1][:, None] | sides[1][1][None, :]
            (rows, _), (columns, _) = sides
            forward, backward = (*taps(rows), *taps(columns)), (*taps(rows.T), *taps(columns.T))
            self._taps = {size: (forward, backward, beyond if beyond.any() else None)}  # of the size seen last
        return self._taps[size]

    @property
    def inside(self) -> bool:
        """Whether no pixel of the output lies beyond the image."""
        return self.how.coordinates != "tf_crop_and_resize"

    def sums(self, size: Pair) -> _Sums:
        """What `ops.resample` makes of images of that size: rows, their weights, columns, their weights."""
        return self._built(size)[0]

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Rows, then columns."""
        self.check(x)
        size = (x.shape[2], x.shape[3])
        made, _, beyond = self._built(size)
        if context.keep:
            self.seen = size
        y = _resampled(x, made)
        return y if beyond is None else back(np.where(beyond, np.float32(self.outside), wide(y)), x.dtype)

    def backward(self, dy: Array) -> Array:
        """The matrices transposed."""
        _, made, beyond = self._built(self.seen)
        inner = dy if beyond is None else back(np.where(beyond, np.float32(0), wide(dy)), dy.dtype)
        return _resampled(inner, made)

    def describe(self) -> str:
        """The size or scale, and the mode."""
        factors = " x ".join(f"{factor:g}" for factor in self.scale or ())
        given = f"to {self.size[0]}x{self.size[1]}" if self.size else f"times {factors}"
        return f"{given}, {self.how.mode}, {self.how.coordinates}"

    def __getstate__(self) -> dict[str, Any]:
        """A copy works them out anew."""
        return {**super().__getstate__(), "_taps": {}}
