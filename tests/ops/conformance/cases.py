"""A case of each op: arguments, and a bound of the numbers that are added up in each result.

The backend gets the arguments in the drawn type, the definition the same numbers in float64. Results may differ by
8 rounding errors (epsilon) of the bound. Where an op is linear in each argument the bound is the definition of the
absolute values: the sum of the magnitudes of all terms. In any order, n terms are rounded n times in the worst case
and sqrt(n) times typically, by epsilon times a partial sum, which the bound exceeds by as much; and Winograd's
algorithm adds a few errors of the largest terms around. A term left out or counted twice is far outside.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ops.conformance.arrays import Source
from pellucid.ops.arrays import Array
from pellucid.ops.numpy_ops import sample_norms

EPSILON = 1e-5  # of batch normalisation
BOUNDS = ((-math.inf, math.inf), (0.0, math.inf), (0.0, 0.5))  # of what is clipped

Bound = Callable[..., list[float]]


def call(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[Array]:
    """All results of an op: what it returns, then the arguments that it writes."""
    returned = op(*arguments)
    several = isinstance(returned, tuple | list)
    results = list(returned) if several else [] if returned is None else [returned]
    return [np.asarray(result) for result in results] + [arguments[place] for place in written]


def of_absolute_values(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    """Largest sum of magnitudes in each result of a multilinear op."""
    absolute = [np.abs(a) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arguments]
    return [float(np.abs(r).max(initial=0)) for r in call(op, absolute, written)]


def of_results(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    """Largest magnitude of each result and of the arguments: for element-wise functions."""
    largest = max(float(np.abs(a).max(initial=0)) for a in arguments if isinstance(a, np.ndarray))
    return [max(1.0, largest, float(np.abs(r).max(initial=0))) for r in call(op, arguments, written)]


def exact(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    """No rounding at all."""
    return [0.0 for _ in call(op, arguments, written)]


@dataclass
class Case:
    """Arguments of one call, by place; those that the op writes; how its results are bounded."""

    arguments: list[Any]
    written: tuple[int, ...] = ()
    bound: Bound = of_absolute_values
    compare: Callable[[list[Array], list[Array]], None] | None = None


Maker = Callable[[Source], Case]


def any_shape(s: Source) -> tuple[int, ...]:
    return tuple(s.whole(1, 9) for _ in range(s.whole(1, 5)))


def elementwise(count: int, *scalars: Any, bound: Bound = of_results) -> Maker:
    """An op of `count` arrays of one shape, of any rank."""

    def make(s: Source) -> Case:
        shape = any_shape(s)
        return Case([*(s.normal(shape, 3) for _ in range(count)), *scalars], bound=bound)

    return make


def gelu(count: int) -> Maker:
    """Exact, or by tanh."""
    return lambda s: s.pick(elementwise(count, False), elementwise(count, True))(s)


def dropout(s: Source) -> Case:
    shape = any_shape(s)
    return Case([s.normal(shape), s.shuffled(s.rng.random(shape) < 0.7), s.pick(0.0, 0.25, 0.5)])


def affine(s: Source) -> Case:
    shape = s.images()
    vectors = (s.normal((shape[1],)) for _ in range(2))
    return Case([s.normal(shape), *vectors, *followed(s, shape)], bound=_affine_bound)


def _affine_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    x, a, b, added, *_ = arguments
    return [_largest(x) * _largest(a) + _largest(b) + _largest(added)]


def moments(s: Source) -> Case:
    return Case([s.normal(s.images())], bound=_moments_bound)


def _moments_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    x = arguments[0]
    return [_largest(x), 4 * x.size / x.shape[1] * _largest(x) ** 2]


def passed(*kinds: str) -> Maker:
    """As channelwise, with slope and offset of what the first images were clipped from, or without."""

    def make(s: Source) -> Case:
        shape = s.images()
        given = [s.normal(shape) if kind == "x" else s.normal((shape[1],)) for kind in kinds]
        line = [s.vector(shape[1]), s.vector(shape[1]), 0.0, s.pick(math.inf, 0.5)]
        return Case([*given, *s.pick([], line)], bound=_unclipped)

    return make


def _unclipped(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    """As if all passed; x - middle may be as large as both."""
    count = 3 if op.__name__ == "channel_products" else 5
    signed = [np.abs(a) for a in arguments[:count]]
    if count == 3:
        signed[2] = -signed[2]
    return [float(np.abs(r).max(initial=0)) for r in call(op, signed, written)]


def channelwise(*kinds: str) -> Maker:
    """An op of images ("x") and of one number a channel ("c")."""

    def make(s: Source) -> Case:
        shape = s.images()
        return Case([s.normal(shape) if kind == "x" else s.normal((shape[1],)) for kind in kinds])

    return make


def norm_vectors(s: Source, channels: int) -> list[Array]:
    """gamma, beta, and running mean and variance, which are never of 16 bits."""
    kind = np.float32 if np.dtype(s.dtype).itemsize == 2 else s.dtype
    running = s.rng.standard_normal(channels).astype(kind), np.abs(s.rng.standard_normal(channels)).astype(kind)
    return [s.vector(channels), s.vector(channels), *running]


def followed(s: Source, shape: tuple[int, ...]) -> list[Any]:
    """What is added behind a norm, and the bounds of what it is clipped to."""
    return [s.pick(None, s.normal(shape)), *s.pick(*BOUNDS)]


def batch_norm(s: Source) -> Case:
    shape = s.images()
    arguments = [s.normal(shape), *norm_vectors(s, shape[1]), 0.1, EPSILON, None, *followed(s, shape)]
    return Case(arguments, (3, 4), _norm_bound)


def _norm_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    """The mean is as exact as the largest x; what that does to the deviation is the more, the smaller that is."""
    x, gamma, beta, _, running = arguments[:5]
    added = arguments[8]
    largest, deviation = np.abs(x).max(), x.std(axis=(0, 2, 3))
    inverse = 1 / np.sqrt(deviation**2 + EPSILON)
    spoiled = 1 + inverse**2 * deviation * largest
    y = np.abs(gamma) * inverse * largest * 2 * spoiled + np.abs(beta) + _largest(added)
    squares = largest**2 + np.abs(running).max()
    return [float(np.max(bound)) for bound in (y, largest, inverse * spoiled, 0.0, largest + 1, squares)]


def batch_norm_inference(s: Source) -> Case:
    shape = s.images()
    arguments = [s.normal(shape), *norm_vectors(s, shape[1]), EPSILON, *followed(s, shape)]
    return Case(arguments, bound=_running_bound)


def _running_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    x, gamma, beta, mean, variance, epsilon, added, *_ = arguments
    inverse = 1 / np.sqrt(variance + epsilon)
    y = np.abs(gamma) * inverse * (np.abs(x).max() + np.abs(mean)) * 2 + np.abs(beta) + _largest(added)
    return [float(y.max()), float(inverse.max())]


def _largest(x: Array | None) -> float:
    return 0.0 if x is None else float(np.abs(x).max())


def batch_norm_backward(s: Source) -> Case:
    shape = s.images()
    gamma, beta, mean, inverse = norm_vectors(s, shape[1])
    written = s.vector(shape[1]), s.vector(shape[1])
    count = s.pick(None, float(shape[0] * shape[2] * shape[3]))
    arguments = [s.normal(shape), s.normal(shape), gamma, mean, inverse, *written, count, None]
    arguments += s.pick([], [beta, 0.0, math.inf], [beta, 0.0, 0.5])
    return Case(arguments, (5, 6), _norm_backward_bound)


def _norm_backward_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    dy, x, gamma, mean, inverse = arguments[:5]
    x_hat = inverse * (np.abs(x).max() + np.abs(mean))
    sums = np.abs(dy).sum(axis=(0, 2, 3))
    dx = np.abs(gamma) * inverse * np.abs(dy).max() * (2 + x_hat**2)
    return [float(np.max(bound)) for bound in (dx, sums * x_hat, sums)]


def group_norm(s: Source) -> Case:
    shape = s.images()
    groups = s.pick(*(g for g in range(1, shape[1] + 1) if shape[1] % g == 0))
    vectors = s.vector(shape[1]), s.vector(shape[1])
    return Case([s.normal(shape), *vectors, groups, EPSILON], bound=_sample_norm_bound)


def layer_norm(s: Source) -> Case:
    shape = s.pick(s.images(), (s.whole(1, 9), s.whole(1, 40)))
    return Case([s.normal(shape), s.vector(shape[1]), s.vector(shape[1]), EPSILON], bound=_sample_norm_bound)


def _sample_norm_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    """As of batch_norm, of the group whose deviation is the smallest."""
    x, gamma, beta = arguments[:3]
    _, _, inverse = call(op, arguments, written)
    largest, steepest = _largest(x), _largest(inverse)
    spoiled = 1 + steepest * largest
    return [_largest(gamma) * steepest * largest * 2 * spoiled + _largest(beta), largest, steepest * spoiled]


def sample_norm_backward(maker: Maker, forward: Callable[..., Any]) -> Maker:
    """Behind a forward pass, so that the statistics are those of x."""

    def make(s: Source) -> Case:
        x, gamma, beta, *settings = maker(s).arguments
        _, mean, inverse = forward(*(np.array(a, np.float64) for a in (x, gamma, beta)), *settings)
        statistics = [some.astype(x.dtype) for some in (mean, inverse)]
        written = s.vector(len(gamma)), s.vector(len(gamma))
        arguments = [s.normal(x.shape), x, gamma, *statistics, *written]
        return Case(arguments, (5, 6), _sample_slopes_bound)

    return make


def _sample_slopes_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    dy, x, gamma, mean, inverse = arguments[:5]
    steepest = _largest(inverse)
    x_hat = steepest * (_largest(x) + _largest(mean))
    sums = dy.size / dy.shape[1] * _largest(dy)
    dx = _largest(gamma) * steepest * _largest(dy) * (2 + x_hat**2)
    return [dx, sums * x_hat, sums]


def add_bias(s: Source) -> Case:
    shape = s.images()
    return Case([s.normal(shape), s.normal((shape[1],))], (0,))


def update(states: int, *scalars: Any) -> Maker:
    """An optimizer's update of w from g, with non-negative `states` where there are any."""

    def make(s: Source) -> Case:
        size = s.pick(1, 7, 64, 5000)
        state = [s.vector(size, positive=True) for _ in range(states)]
        drawn = [s.pick(*values) if isinstance(values, tuple) else values for values in scalars]
        written = (0, *range(2, 2 + states))
        return Case([s.vector(size), s.vector(size), *state, *drawn], written, bound=of_results)

    return make


def average(s: Source) -> Case:
    size = s.whole(1, 100)
    return Case([s.vector(size), s.vector(size), s.pick(0.0, 0.9, 0.999)], (0,), of_results)


def squared_norm(s: Source) -> Case:
    return Case([s.vector(s.pick(1, 100, 4096, 4097, 20000))])


def linear(s: Source) -> Case:
    N, F, G = s.whole(1, 9), s.whole(1, 40), s.whole(1, 20)
    return Case([s.normal((N, F)), s.normal((G, F)), s.pick(None, s.vector(G))])


def linear_backward(relu: bool) -> Maker:
    def make(s: Source) -> Case:
        N, F, G = s.whole(1, 9), s.whole(1, 40), s.whole(1, 20)
        outputs = [s.normal((N, G)) for _ in range(1 + relu)]
        dw, db = s.vector(G * F).reshape(G, F), s.vector(G)
        arguments = [*outputs, s.normal((N, F)), s.normal((G, F)), dw, db]
        return Case([*arguments, s.pick(True, False)], (len(arguments) - 2, len(arguments) - 1))

    return make


def softmax(s: Source) -> Case:
    shape = s.pick((3, 5), (1, 1), (2, 70), (2, 3, 4, 5))
    return Case([s.normal(shape, s.pick(1, 30))], bound=of_results)


def cross_entropy(s: Source) -> Case:
    K, pixels = s.whole(1, 40), s.pick((), (3, 5))
    N = s.whole(1, 70)
    labels = s.rng.integers(0, K, (N, *pixels)).astype(s.pick(np.int64, np.int32, np.uint8))
    ignored = s.pick(None, 255)
    if ignored is not None:
        labels[s.rng.random(labels.shape) < 0.3] = ignored
    weights = s.pick(None, np.abs(s.vector(K)))
    z = s.normal((N, K, *pixels), s.pick(1, 30))
    return Case([z, s.shuffled(labels), s.pick(0.0, 0.1), weights, ignored, s.pick(None, 7.0)], bound=_loss_bound)


def _loss_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    """Of each place's logits the largest magnitude, and log K: what is taken off and added to get its loss."""
    z, labels, _, weights, ignored, normalizer = arguments
    counted = labels != (-1 if ignored is None else ignored)
    weight = (np.ones(z.shape[1]) if weights is None else weights)[np.where(counted, labels, 0)] * counted
    total = weight.sum() if normalizer is None else normalizer
    scale, largest = (weight / total if total else weight), 1 + 2 * np.abs(z).max() + np.log(z.shape[1])
    return [float(scale.sum() * largest), float(scale.max() * largest)]


def squared_error(s: Source) -> Case:
    shape = any_shape(s)
    return Case([s.normal(shape), s.normal(shape), s.pick(None, 3.0)], bound=_error_bound)


def _error_bound(op: Callable[..., Any], arguments: list[Any], written: tuple[int, ...]) -> list[float]:
    y, target, normalizer = arguments
    return of_absolute_values(op, [np.abs(y) + np.abs(target), np.zeros_like(y), normalizer], written)


ELEMENTWISE: dict[str, Maker] = {
    "relu": elementwise(1, bound=exact),
    "relu_backward": elementwise(2, bound=exact),
    "leaky_relu": elementwise(1, 0.1),
    "leaky_relu_backward": elementwise(2, 0.1),
    "clip": elementwise(1, -1.5, 2.5, bound=exact),
    "clip_backward": elementwise(2, -1.5, 2.5, bound=exact),
    "sigmoid": elementwise(1),
    "sigmoid_backward": elementwise(2),
    "tanh": elementwise(1),
    "tanh_backward": elementwise(2),
    "silu": elementwise(1),
    "silu_backward": elementwise(2),
    "elu": elementwise(1, 0.7, 1.3),
    "elu_backward": elementwise(2, 0.7, 1.3),
    "gelu": gelu(1),
    "gelu_backward": gelu(2),
    "hard_sigmoid": elementwise(1, 0.2, 0.5),
    "hard_sigmoid_backward": elementwise(2, 0.2, 0.5),
    "hard_swish": elementwise(1),
    "hard_swish_backward": elementwise(2),
    "mish": elementwise(1),
    "mish_backward": elementwise(2),
    "softplus": elementwise(1),
    "softplus_backward": elementwise(2),
    "group_norm": group_norm,
    "group_norm_backward": sample_norm_backward(group_norm, sample_norms.group_norm),
    "layer_norm": layer_norm,
    "layer_norm_backward": sample_norm_backward(layer_norm, sample_norms.layer_norm),
    "dropout": dropout,
    "add_bias": add_bias,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "batch_norm_backward": batch_norm_backward,
    "channel_sum": channelwise("x"),
    "channel_dot": channelwise("x", "x"),
    "channel_moments": moments,
    "channel_products": passed("x", "x", "c"),
    "channel_affine": affine,
    "channel_combination": passed("x", "c", "x", "c", "c"),
    "sgd_update": update(0, 0.1, (0.0, 0.01)),
    "momentum_update": update(1, 0.1, 0.9, (True, False), (0.0, 0.01)),
    "adagrad_update": update(1, 0.1, 1e-4, (0.0, 0.01)),
    "rmsprop_update": update(1, 0.01, 0.9, 1e-4, (0.0, 0.01)),
    "adam_update": update(2, (1, 1000), 1e-3, 0.9, 0.999, 1e-8, (0.0, 0.01), (True, False)),
    "average_update": average,
    "squared_norm": squared_norm,
    "linear": linear,
    "linear_relu": linear,
    "linear_backward": linear_backward(relu=False),
    "linear_relu_backward": linear_backward(relu=True),
    "softmax": softmax,
    "softmax_cross_entropy": cross_entropy,
    "mean_squared_error": squared_error,
}
