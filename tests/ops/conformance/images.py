"""Cases of the ops that look at windows of images: convolution and pooling."""

from typing import Any

import ml_dtypes
import numpy as np

from ops.conformance.arrays import Source
from ops.conformance.cases import Case, Maker, any_shape, exact, of_absolute_values
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry, Sides, sides


def around(s: Source, most: int) -> Sides:
    """A padding, one time in three the same on opposite sides."""
    if s.pick(True, False, False):
        return sides(s.pair(0, most))
    top, bottom = s.pair(0, most)
    left, right = s.pair(0, most)
    return top, bottom, left, right


def convolution(s: Source, least: int = 1) -> tuple[Array, Array, Geometry]:
    """x, w and the geometry of a convolution with at least `least` output rows and columns.

    Half of them are of the most usual kind, 3x3 with stride 1.
    """
    N, C, more_rows, more_columns = s.images()
    usual = s.pick(True, False)
    kernel = (3, 3) if usual else s.pair(1, 5)
    stride = (1, 1) if usual else s.pair(1, 3)
    padding = (1, 1, 1, 1) if usual and s.pick(True, False) else around(s, 2)
    dilation = (1, 1) if usual else s.pair(1, 2)
    groups = s.pick(1, 1, C, 2 if C % 2 == 0 else 1)
    K = groups * (s.pick(1, 2) if groups > 1 else s.pick(1, 2, 3, 8, 16, 17, 40))
    geometry = Geometry(stride, padding, dilation, groups)
    H, W = (
        max(1, span - before - after + (least - 1) * step) + more - 1
        for span, before, after, step, more in zip(
            geometry.span(kernel), geometry.before, geometry.after, stride, (more_rows, more_columns), strict=True
        )
    )
    x, w = s.normal((N, C, H, W)), s.normal((K, C // groups, *kernel))
    return x, w, geometry


def _output(x: Array, w: Array, geometry: Geometry) -> tuple[int, ...]:
    return numpy_ops.conv2d(x, w, None, geometry).shape


def conv2d(s: Source, least: int = 1) -> Case:
    x, w, geometry = convolution(s, least)
    return Case([x, w, s.pick(None, s.vector(w.shape[0])), geometry])


def conv2d_input_gradient(s: Source) -> Case:
    x, w, geometry = convolution(s)
    dy = s.normal(_output(x, w, geometry))
    return Case([dy, w, x.shape[2:], geometry])


def conv2d_weight_gradient(s: Source) -> Case:
    x, w, geometry = convolution(s)
    dy = s.normal(_output(x, w, geometry))
    out = s.pick(None, np.full(w.shape, np.nan, w.dtype))
    return Case([dy, x, w.shape[2:], geometry, out])


def conv2d_backward(s: Source, least: int = 1) -> Case:
    x, w, geometry = convolution(s, least)
    dy = s.normal(_output(x, w, geometry))
    dw, db = np.full(w.shape, np.nan, w.dtype), s.pick(None, np.full(w.shape[0], np.nan, w.dtype))
    written = (3,) if db is None else (3, 4)
    return Case([dy, x, w, dw, db, geometry, s.pick(True, False)], written)


def conv2d_relu_backward(s: Source) -> Case:
    case = conv2d_backward(s)
    y = s.normal(case.arguments[0].shape)
    arguments = [case.arguments[0], y, *case.arguments[1:]]
    return Case(arguments, tuple(place + 1 for place in case.written))


def conv2d_relu_max_pool2d(s: Source) -> Case:
    case = conv2d(s, least=2)
    return Case(case.arguments, compare=_winners(case))


def _winners(case: Case) -> Any:
    """A check of `winner` that leaves open which of two nearly equal values is the larger."""
    wide: list[Any] = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in case.arguments]
    epsilon = float(ml_dtypes.finfo(case.arguments[0].dtype).eps)
    tolerance = 8 * epsilon * of_absolute_values(numpy_ops.conv2d, wide, ())[0]
    before = np.maximum(numpy_ops.conv2d(*wide), 0)

    def check(got: list[Array], expected: list[Array]) -> None:
        np.testing.assert_allclose(got[0], expected[0], rtol=0, atol=tolerance)
        assert got[1].dtype == expected[1].dtype
        n, k, p, q = np.indices(got[1].shape)
        chosen = before[n, k, 2 * p + got[1] // 2, 2 * q + got[1] % 2]
        np.testing.assert_allclose(chosen, expected[0], rtol=0, atol=2 * tolerance)

    return check


def conv2d_relu_max_pool2d_backward(s: Source) -> Case:
    case = conv2d_backward(s, least=2)
    size = case.arguments[0].shape
    pooled = (*size[:2], size[2] // 2, size[3] // 2)
    winner = s.shuffled(s.rng.integers(0, 4, pooled).astype(np.uint8))
    arguments = [s.normal(pooled), s.normal(pooled), winner, size[2:], *case.arguments[1:]]
    return Case(arguments, tuple(place + 3 for place in case.written))


def pooling(s: Source) -> tuple[Array, Pair, Geometry, bool]:
    """x, kernel, geometry and ceil; half of them 2x2 with stride 2; ties among the values."""
    kernel, stride = ((2, 2), (2, 2)) if s.pick(True, False) else (s.pair(1, 4), s.pair(1, 4))
    dilation = s.pick((1, 1), (1, 1), (1, 1), (2, 1), (3, 2))
    span = Geometry(dilation=dilation).span(kernel)
    rows, columns = (s.pair(0, s.pick(size // 2, size - 1)) for size in span)
    geometry = Geometry(stride, (*rows, *columns), dilation)
    N, C, more_rows, more_columns = s.images()
    x = s.few((N, C, span[0] + more_rows - 1, span[1] + more_columns - 1))
    return x, kernel, geometry, s.pick(True, False)


def max_pool2d(s: Source) -> Case:
    x, *geometry = pooling(s)
    if s.pick(True, False, False):
        x[s.rng.random(x.shape) < 0.1] = np.nan
    return Case([x, *geometry], bound=exact)


def max_pool2d_backward(s: Source) -> Case:
    x, kernel, geometry, ceil = pooling(s)
    y, winner = numpy_ops.max_pool2d(x, kernel, geometry, ceil)
    return Case([s.normal(y.shape), s.shuffled(winner), x.shape[2:], kernel, geometry])


def avg_pool2d(s: Source) -> Case:
    return Case([*pooling(s), s.pick(True, False)])


def avg_pool2d_backward(s: Source) -> Case:
    x, kernel, geometry, ceil = pooling(s)
    size = (x.shape[2], x.shape[3])
    dy = s.normal((*x.shape[:2], *geometry.output_size(size, kernel, ceil)))
    return Case([dy, size, kernel, geometry, s.pick(True, False)])


def resample(s: Source) -> Case:
    shape = s.images()
    taps = []
    for side in shape[2:]:
        out, count = s.whole(1, 9), s.whole(1, 4)
        weights = s.rng.standard_normal((out, count)) * (s.rng.random((out, count)) < 0.8)
        taps += [
            s.shuffled(s.rng.integers(0, side, (out, count)).astype(np.int32)),
            s.shuffled(weights.astype(s.dtype)),
        ]
    return Case([s.normal(shape), *taps])


def global_avg_pool2d(s: Source) -> Case:
    return Case([s.normal(s.images())])


def global_avg_pool2d_backward(s: Source) -> Case:
    return Case([s.normal(s.images()[:2]), s.pair(1, 9)])


def joined(s: Source) -> Case:
    shape = s.images() if s.pick(True, False, True) else any_shape(s)
    other = (*shape[:2], 1, 1) if len(shape) == 4 and s.pick(True, False) else shape
    return Case([s.normal(shape), s.normal(other)])


def unbroadcast(s: Source) -> Case:
    shape = s.images()
    return Case([s.normal(shape), s.pick(shape, (*shape[:2], 1, 1), (1, shape[1], 1, 1))])


def _parts(s: Source) -> tuple[tuple[int, ...], list[int], tuple[int, ...]]:
    """Samples, channels of each part, and size of an image, or of none."""
    N, _, H, W = s.images()
    channels = [s.pick(1, 2, 3, 5, 8, 16, 17) for _ in range(s.whole(1, 4))]
    return (N,), channels, s.pick((), (H, W))


def concat(s: Source) -> Case:
    samples, channels, size = _parts(s)
    return Case([s.normal((*samples, count, *size)) for count in channels], bound=exact)


def split(s: Source) -> Case:
    samples, channels, size = _parts(s)
    return Case([s.normal((*samples, sum(channels), *size)), tuple(channels)], bound=exact)


IMAGES: dict[str, Maker] = {
    "add": joined,
    "multiply": joined,
    "unbroadcast": unbroadcast,
    "concat": concat,
    "split": split,
    "conv2d": conv2d,
    "conv2d_relu": conv2d,
    "conv2d_relu_max_pool2d": conv2d_relu_max_pool2d,
    "conv2d_input_gradient": conv2d_input_gradient,
    "conv2d_weight_gradient": conv2d_weight_gradient,
    "conv2d_backward": conv2d_backward,
    "conv2d_relu_backward": conv2d_relu_backward,
    "conv2d_relu_max_pool2d_backward": conv2d_relu_max_pool2d_backward,
    "max_pool2d": max_pool2d,
    "max_pool2d_backward": max_pool2d_backward,
    "avg_pool2d": avg_pool2d,
    "avg_pool2d_backward": avg_pool2d_backward,
    "resample": resample,
    "global_avg_pool2d": global_avg_pool2d,
    "global_avg_pool2d_backward": global_avg_pool2d_backward,
}
