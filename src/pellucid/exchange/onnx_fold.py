"""What the operators of ONNX say, in NumPy: for what is known when a file is read, such as shapes and constants.

One function an operator, found in FOLDS by its name; it gives an array, or a list of them where the operator has
several outputs. Each follows the text of the standard (https://onnx.ai/onnx/operators) for every opset that is read.
16-bit floats are worked on in float32. What would take more room than MOST_NUMBERS is refused before it is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_file import TYPES
from pellucid.layers.convolution import ConvTranspose2d
from pellucid.layers.interpolation import Interpolation
from pellucid.layers.rearrange import depth_to_space, space_to_depth
from pellucid.layers.sample_norms import LocalResponseNorm, standardised
from pellucid.layers.smooth import GELU, SELU_ALPHA, SELU_SCALE, log_softmax, softmax, softplus
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.geometry import Geometry
from pellucid.ops.half import is_half
from pellucid.ops.numpy_ops.activation import sigmoid

MOST_NUMBERS = 1 << 28  # of what is worked out when a file is read

Folded = Array | list[Array]


@dataclass(frozen=True)
class Call:
    """An operator with its inputs, an absent one None, and its settings. outputs: how many are asked for."""

    operator: str
    inputs: tuple[Array | None, ...]
    attributes: dict[str, Any]
    opset: int
    outputs: int = 1

    def __getitem__(self, place: int) -> Array:
        """An input that has to be there."""
        found = self.maybe(place)
        if found is None:
            raise PellucidError(f"no input {place}, which it needs")
        return found

    def maybe(self, place: int) -> Array | None:
        """An input, or None."""
        return self.inputs[place] if place < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        """A setting."""
        found = self.attributes.get(name)
        return default if found is None else found

    def whole(self, place: int, name: str) -> list[int] | None:
        """Whole numbers of an input, or of an attribute in older opsets."""
        given = self.maybe(place)
        if given is not None:
            return [int(number) for number in given.reshape(-1)]
        found = self.get(name)
        return None if found is None else list(found)


def checked_axis(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < max(rank, 1):
        raise PellucidError(f"axis {axis} of a tensor of {rank} axes")
    return axis % rank if rank else 0


def room_for(shape: Sequence[int]) -> Shape:
    """The shape. Raises PellucidError where it is too large, or no shape."""
    if any(side < 0 for side in shape) or math.prod(shape) > MOST_NUMBERS:
        raise PellucidError(f"a tensor of {' x '.join(map(str, shape))} numbers, expected at most {MOST_NUMBERS:,}")
    return tuple(shape)


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if is_half(x.dtype) else x


def _pointwise(function: Callable[[Array, Call], Any]) -> Callable[[Call], Array]:
    """An operator on each element of one input."""

    def fold(call: Call) -> Array:
        x = _wide(call[0])
        return np.asarray(function(x, call)).astype(call[0].dtype)

    return fold


def _wrapping(function: Callable[[Array, Array], Any]) -> Callable[[Call], Array]:
    """An operator of two or more inputs that are broadcast; whole numbers wrap around."""

    def fold(call: Call) -> Array:
        total = _wide(call[0])
        for i in range(1, len(call.inputs)):
            other = _wide(call[i])
            room_for(np.broadcast_shapes(total.shape, other.shape))
            total = np.asarray(function(total, other))
        return total.astype(call[0].dtype)

    return fold


def _divided(a: Array, b: Array) -> Any:
    """Quotients, those of whole numbers cut off towards 0."""
    if a.dtype.kind == "f":
        return a / b
    if not np.all(b):
        raise PellucidError("a whole number divided by 0")
    quotient = np.abs(a) // np.abs(b) if a.dtype.kind == "i" else a // b
    return quotient * np.sign(a) * np.sign(b) if a.dtype.kind == "i" else quotient


def _clip(call: Call) -> Array:
    x = call[0]
    low = call.get("min") if call.opset < 11 else call.maybe(1)
    high = call.get("max") if call.opset < 11 else call.maybe(2)
    y = x if low is None else np.maximum(x, np.asarray(low, x.dtype))
    return y if high is None else np.minimum(y, np.asarray(high, x.dtype))


def _prelu(call: Call) -> Array:
    x = _wide(call[0])
    return np.where(x < 0, x * _wide(call[1]), x).astype(call[0].dtype)


def _softmax(function: Callable[[Array, Any], Array]) -> Callable[[Call], Array]:
    def fold(call: Call) -> Array:
        x = _wide(call[0])
        axis = checked_axis(call.get("axis", 1 if call.opset < 13 else -1), x.ndim)
        axes = tuple(range(axis, x.ndim)) if call.opset < 13 else axis
        return function(x, axes).astype(call[0].dtype) if x.size else x

    return fold


def _cast(call: Call) -> Array:
    dtype = TYPES.get(call.get("to"))
    if dtype is None:
        raise PellucidError(f"to type {call.get('to')}")
    with np.errstate(invalid="ignore", over="ignore"):
        return call[0].astype(dtype)


def _constant(call: Call) -> Array:
    for name, kind in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
                       ("value_ints", np.int64)):  # fmt: skip
        if call.get(name) is not None:
            return np.asarray(call.get(name), kind)
    value = call.get("value")
    if not isinstance(value, np.ndarray):
        raise PellucidError("a constant that isn't numbers")
    return value


def _constant_of_shape(call: Call) -> Array:
    value = call.get("value", np.zeros(1, np.float32))
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise PellucidError("expected one number as its value")
    shape = tuple(int(side) for side in call[0].reshape(-1))
    if any(side < 0 for side in shape) or math.prod(shape) > MOST_NUMBERS:
        room_for(shape)
    return np.broadcast_to(value.reshape(()), shape)  # which takes no room


def _range(call: Call) -> Array:
    start, limit, delta = (call[i].reshape(()) for i in range(3))
    if not delta:
        raise PellucidError("a step of 0")
    count = max(math.ceil((float(limit) - float(start)) / float(delta)), 0)
    room_for((count,))
    steps = _wide(start) + np.arange(count).astype(_wide(start).dtype) * _wide(delta)
    return np.asarray(steps).astype(call[0].dtype)


def _shape(call: Call) -> Array:
    rank = call[0].ndim
    start, end = call.get("start", 0), call.get("end", rank)
    return np.asarray(call[0].shape[slice(start, end)], np.int64)


def reshaped(shape: Shape, wanted: Sequence[int], *, keep_zeros: bool = False) -> Shape:
    """The shape that Reshape makes of another: 0 copies a side, -1 is what is left."""
    sides = [
        shape[i] if side == 0 and not keep_zeros and i < len(shape) else int(side) for i, side in enumerate(wanted)
    ]
    total, known = math.prod(shape), math.prod(side for side in sides if side != -1)
    if sides.count(-1) == 1 and known:
        sides[sides.index(-1)] = total // known
    if any(side < 0 for side in sides) or math.prod(sides) != total:
        raise PellucidError(f"a shape of {total:,} numbers, got {[int(side) for side in wanted][:8]}")
    return tuple(sides)


def _reshape(call: Call) -> Array:
    wanted = call.whole(1, "shape") or []
    return call[0].reshape(reshaped(call[0].shape, wanted, keep_zeros=bool(call.get("allowzero", 0))))


def _flatten(call: Call) -> Array:
    rank, axis = call[0].ndim, call.get("axis", 1)
    axis = axis + rank if axis < 0 else axis
    shape = call[0].shape
    return call[0].reshape(math.prod(shape[:axis]), math.prod(shape[axis:]))


def _transpose(call: Call) -> Array:
    order = call.get("perm")
    return call[0].transpose(order) if order is not None else call[0].transpose()


def _squeeze(call: Call) -> Array:
    axes = call.whole(1, "axes")
    x = call[0]
    return x.squeeze() if axes is None else x.squeeze(tuple(checked_axis(axis, x.ndim) for axis in axes))


def _unsqueeze(call: Call) -> Array:
    axes = call.whole(1, "axes") or []
    return np.expand_dims(call[0], tuple(axes))


def _concat(call: Call) -> Array:
    parts = [call[i] for i in range(len(call.inputs))]
    room_for((sum(part.size for part in parts),))
    return np.concatenate(parts, call.get("axis", 0))


def parts_of(size: int, given: Sequence[int] | None, count: int) -> list[int]:
    """The lengths that Split makes of a side: those given, or `count` equal ones, the last perhaps smaller."""
    if given is None:
        part = -(-size // count)
        given = [*[part] * (count - 1), size - part * (count - 1)]
    if any(part < 0 for part in given) or sum(given) != size:
        raise PellucidError(f"parts {list(given)[:8]} of {size}")
    return list(given)


def _split(call: Call) -> list[Array]:
    x = call[0]
    axis = checked_axis(call.get("axis", 0), x.ndim)
    parts = parts_of(x.shape[axis], call.whole(1, "split"), call.get("num_outputs", call.outputs))
    return np.split(x, np.cumsum(parts)[:-1], axis)


def slices(call: Call, shape: Shape) -> list[slice]:
    """The part of a tensor of that shape that Slice takes."""
    starts, ends = call.whole(1, "starts") or [], call.whole(2, "ends") or []
    given, steps = call.whole(3, "axes"), call.whole(4, "steps")
    axes = list(range(len(starts))) if given is None else given
    steps = [1] * len(starts) if steps is None else steps
    parts = [slice(None)] * len(shape)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise PellucidError("starts, ends, axes and steps that don't fit each other")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis_, size = checked_axis(axis, len(shape)), shape[checked_axis(axis, len(shape))]
        # beyond the rim is at the rim; a negative step ends before the first place, which Python calls None
        start_ = start + size if start < 0 else start
        end_ = end + size if end < 0 else end
        if step > 0:
            parts[axis_] = slice(min(max(start_, 0), size), min(max(end_, 0), size), step)
        else:
            stop = min(max(end_, -1), size)
            parts[axis_] = slice(min(max(start_, 0), size - 1), None if stop < 0 else stop, step)
    return parts


def _slice(call: Call) -> Array:
    return call[0][tuple(slices(call, call[0].shape))]


def frame(call: Call, rank: int) -> tuple[list[int], list[int]]:
    """The places that Pad adds before and after each axis; below 0 it takes some away."""
    pads = call.whole(1, "pads") or []
    given = call.whole(3, "axes")
    axes = [checked_axis(axis, rank) for axis in (range(rank) if given is None else given)]
    if len(pads) != 2 * len(axes):
        raise PellucidError(f"{len(pads)} pads for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[len(axes) + i]
    return before, after


def _pad(call: Call) -> Array:
    x = call[0]
    before, after = frame(call, x.ndim)
    room_for([max(0, side + b + a) for side, b, a in zip(x.shape, before, after, strict=True)])
    cut = tuple(slice(max(0, -b), side - max(0, -a)) for side, b, a in zip(x.shape, before, after, strict=True))
    widths = [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)]
    mode, given = call.get("mode", "constant"), call.maybe(2)
    value = call.get("value", 0.0) if given is None else given.reshape(-1)[0]
    options: dict[str, Any] = {"constant_values": value} if mode == "constant" else {}
    if mode not in {"constant", "edge", "reflect", "wrap"}:
        raise PellucidError(f"mode {mode}")
    return np.pad(x[cut], widths, mode=mode, **options)


def reduced_axes(call: Call, rank: int, newest: int) -> list[int] | None:
    """The axes of a reduction, an attribute before the opset `newest`; None where nothing is to be done."""
    given = call.whole(1, "axes") if call.opset >= newest else call.get("axes")
    if not given:
        return None if call.get("noop_with_empty_axes", 0) else list(range(rank))
    return sorted({checked_axis(axis, rank) for axis in given})


def _reduce(function: Callable[..., Any], newest: int) -> Callable[[Call], Array]:
    def fold(call: Call) -> Array:
        x = _wide(call[0])
        axes = reduced_axes(call, x.ndim, newest)
        if axes is None:
            return call[0]
        options: dict[str, Any] = {"dtype": x.dtype} if function is np.sum else {}
        if function in {np.max, np.min} and not math.prod(x.shape[axis] for axis in axes):
            options["initial"] = _end(x.dtype, largest=function is np.min)
        y = function(x, axis=tuple(axes), keepdims=bool(call.get("keepdims", 1)), **options)
        return np.asarray(y).astype(call[0].dtype)

    return fold


def _end(dtype: np.dtype[Any], *, largest: bool) -> Any:
    """The largest or the smallest number of a type: the minimum, or maximum, of none."""
    if dtype.kind == "f":
        return np.inf if largest else -np.inf
    if dtype.kind == "b":
        return largest
    return np.iinfo(dtype).max if largest else np.iinfo(dtype).min


def _dropout(call: Call) -> list[Array]:
    """In training with a seed, what the standard's own implementation draws."""
    x, training = call[0], call.maybe(2)
    ratio = 0.5 if (given := call.maybe(1)) is None else float(given.reshape(-1)[0])
    if training is None or not bool(training.reshape(-1)[0]) or not ratio:
        return [x, np.ones(x.shape, bool)]
    seed = call.get("seed")
    if seed is None or not 0 <= ratio < 1:
        raise PellucidError("in training without a seed, or of all: it is left to chance what comes out")
    kept = np.random.RandomState(seed % (1 << 32)).random_sample(x.shape) >= ratio
    return [(_wide(x) * kept / (1 - ratio)).astype(x.dtype), kept]


def _gather(call: Call) -> Array:
    axis = checked_axis(call.get("axis", 0), call[0].ndim)
    size, places = call[0].shape[axis], call[1]
    if places.size and not (-size <= places.min() and places.max() < size):
        raise PellucidError(f"places beyond the {size} that there are")
    room_for((*call[0].shape[:axis], *places.shape, *call[0].shape[axis + 1 :]))
    return call[0].take(places, axis)


def _expand(call: Call) -> Array:
    shape = np.broadcast_shapes(call[0].shape, room_for([int(side) for side in call[1].reshape(-1)]))
    return np.broadcast_to(call[0], room_for(shape))


def _matmul(call: Call) -> Array:
    return np.asarray(np.matmul(_wide(call[0]), _wide(call[1]))).astype(call[0].dtype)


def _gemm(call: Call) -> Array:
    A, B = _wide(call[0]), _wide(call[1])
    A = A.T if call.get("transA", 0) else A
    B = B.T if call.get("transB", 0) else B
    y, C = call.get("alpha", 1.0) * (A @ B), call.maybe(2)
    y = y if C is None else y + call.get("beta", 1.0) * _wide(C)
    return np.asarray(y).astype(call[0].dtype)


# Windows


def image_size(x: Shape) -> Pair:
    """(H, W) of images (N, C, H, W). Raises PellucidError for sequences and volumes."""
    if len(x) != 4:
        raise PellucidError(f"of {len(x) - 2} dimensions, expected images of 2")
    return x[2], x[3]


def window(call: Call, size: Pair, kernel: Pair, *, groups: int = 1) -> Geometry:
    """Where the windows of a convolution or a pool stand on an image of that size."""
    stride = _pair(call.get("strides"), "strides")
    dilation = _pair(call.get("dilations"), "dilations")
    kind = call.get("auto_pad", "NOTSET")
    plain = Geometry(stride, (0, 0, 0, 0), dilation, groups)
    if kind in {"SAME_UPPER", "SAME_LOWER"}:
        return plain.same(size, kernel, lower=kind == "SAME_LOWER")
    if kind not in {"NOTSET", "VALID", ""}:
        raise PellucidError(f"auto_pad {kind}")
    pads = call.get("pads", [0, 0, 0, 0]) if kind != "VALID" else [0, 0, 0, 0]
    if len(pads) != 4 or min(pads) < 0:
        raise PellucidError(f"pads {pads[:8]}")
    return Geometry(stride, (pads[0], pads[2], pads[1], pads[3]), dilation, groups)


def _pair(given: list[int] | None, name: str) -> Pair:
    if given is None:
        return 1, 1
    if len(given) != 2 or min(given) < 1:
        raise PellucidError(f"{name} {given[:8]}")
    return given[0], given[1]


def kernel_of(call: Call) -> Pair:
    """The window of a pool."""
    if call.get("kernel_shape") is None:
        raise PellucidError("no kernel_shape")
    return _pair(call.get("kernel_shape"), "kernel_shape")


def _conv(call: Call) -> Array:
    x, w, b = _wide(call[0]), _wide(call[1]), call.maybe(2)
    size, kernel = image_size(x.shape), (w.shape[2], w.shape[3])
    geometry = window(call, size, kernel, groups=call.get("group", 1))
    y = numpy_ops.conv2d(x, w, None if b is None else _wide(b), geometry)
    return y.astype(call[0].dtype)


def transposed(call: Call, size: Pair, kernel: Pair) -> tuple[tuple[int, int, int, int], Pair]:
    """Padding (top, bottom, left, right) and output_padding of a transposed convolution, from all that may say it."""
    stride, dilation = _pair(call.get("strides"), "strides"), _pair(call.get("dilations"), "dilations")
    extra, wanted = call.get("output_padding", [0, 0]), call.get("output_shape")
    kind = call.get("auto_pad", "NOTSET")
    pads = call.get("pads", [0, 0, 0, 0])
    if len(extra) != 2 or len(pads) != 4 or min(*extra, *pads) < 0:
        raise PellucidError(f"output_padding {extra[:4]}, pads {pads[:8]}")
    if kind in {"SAME_UPPER", "SAME_LOWER"} and wanted is None:
        wanted = [size[0] * stride[0], size[1] * stride[1]]
    if wanted is None:
        top, left, bottom, right = pads if kind != "VALID" else (0, 0, 0, 0)
        return (top, bottom, left, right), (extra[0], extra[1])
    sides, more = [], []
    for axis, length in enumerate(list(wanted)[-2:]):
        full = stride[axis] * (size[axis] - 1) + extra[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        total = max(0, full - length)
        less = total // 2
        sides += [less, total - less] if kind == "SAME_UPPER" else [total - less, less]
        more.append(extra[axis] + max(0, length - full))
    return (sides[0], sides[1], sides[2], sides[3]), (more[0], more[1])


def _conv_transpose(call: Call) -> Array:
    x, w, b = _wide(call[0]), _wide(call[1]), call.maybe(2)
    size, kernel = image_size(x.shape), (w.shape[2], w.shape[3])
    padding, extra = transposed(call, size, kernel)
    stride, dilation = _pair(call.get("strides"), "strides"), _pair(call.get("dilations"), "dilations")
    groups = call.get("group", 1)
    inside = tuple(min(e, s - 1) for e, s in zip(extra, stride, strict=True))
    layer = ConvTranspose2d(
        w.shape[1] * groups, kernel, stride=stride, padding=padding, output_padding=(inside[0], inside[1]),
        dilation=dilation, groups=groups,
    )  # fmt: skip
    out = layer._spread(size)
    room_for((x.shape[0], w.shape[1] * groups, out[0] + extra[0], out[1] + extra[1]))
    y = numpy_ops.conv2d_input_gradient(x, w, out, layer.geometry)
    y = np.pad(y, [(0, 0), (0, 0), (0, extra[0] - inside[0]), (0, extra[1] - inside[1])])
    return (y if b is None else y + _wide(b)[:, None, None]).astype(call[0].dtype)


def _max_pool(call: Call) -> list[Array]:
    x = _wide(call[0])
    size, kernel = image_size(x.shape), kernel_of(call)
    geometry, ceil = window(call, size, kernel), bool(call.get("ceil_mode", 0))
    lowest = x.astype(np.float32) if x.dtype.kind != "f" else x
    y, winner = numpy_ops.max_pool2d(lowest, kernel, geometry, ceil)
    row, column = np.divmod(winner.astype(np.int64), kernel[1])
    P, Q = np.ogrid[: y.shape[2], : y.shape[3]]
    rows = P * geometry.stride[0] - geometry.before[0] + row * geometry.dilation[0]
    columns = Q * geometry.stride[1] - geometry.before[1] + column * geometry.dilation[1]
    sample = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1) * (size[0] * size[1])
    within = rows + columns * size[0] if call.get("storage_order", 0) else rows * size[1] + columns
    return [y.astype(call[0].dtype), sample + within]


def _avg_pool(call: Call) -> Array:
    x = _wide(call[0])
    size, kernel = image_size(x.shape), kernel_of(call)
    geometry, ceil = window(call, size, kernel), bool(call.get("ceil_mode", 0))
    y = numpy_ops.avg_pool2d(x, kernel, geometry, ceil, bool(call.get("count_include_pad", 0)))
    return y.astype(call[0].dtype)


def _globally(function: Callable[..., Any]) -> Callable[[Call], Array]:
    def fold(call: Call) -> Array:
        x = _wide(call[0])
        y = function(x, axis=tuple(range(2, x.ndim)), keepdims=True)
        return np.asarray(y).astype(call[0].dtype)

    return fold


# Normalisation


def _batch_norm(call: Call) -> list[Array]:
    x, *vectors = (_wide(call[i]) for i in range(5))
    gamma, beta, mean, variance = (vector.reshape(-1, *(1 for _ in x.shape[2:])) for vector in vectors)
    epsilon, momentum = call.get("epsilon", 1e-5), call.get("momentum", 0.9)
    if not call.get("training_mode", 0):
        y = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
        return [y.astype(call[0].dtype)]
    axes = (0, *range(2, x.ndim))
    seen = x.mean(axis=axes, keepdims=True)[0], x.var(axis=axes, keepdims=True)[0]
    y = gamma * (x - seen[0]) / np.sqrt(seen[1] + epsilon) + beta
    running = [old * momentum + new * (1 - momentum) for old, new in zip((mean, variance), seen, strict=True)]
    return [y.astype(call[0].dtype), *(new.reshape(-1).astype(call[3].dtype) for new in running)]


def _instance_norm(call: Call) -> Array:
    x = _wide(call[0])
    gamma, beta = (_wide(call[i]).reshape(-1, *(1 for _ in x.shape[2:])) for i in (1, 2))
    x_hat, _ = standardised(x, tuple(range(2, x.ndim)), call.get("epsilon", 1e-5))
    return (gamma * x_hat + beta).astype(call[0].dtype)


def _group_norm(call: Call) -> Array:
    x, groups = _wide(call[0]), call.get("num_groups", 1)
    x_hat, _ = standardised(x.reshape(x.shape[0], groups, -1), (2,), call.get("epsilon", 1e-5))
    gamma, beta = (by_channel(_wide(call[i]), x.shape[1]).reshape(-1, *(1 for _ in x.shape[2:])) for i in (1, 2))
    return (gamma * x_hat.reshape(x.shape) + beta).astype(call[0].dtype)


def by_channel(values: Array, channels: int) -> Array:
    """One number a channel, of those or of one a group."""
    return values if len(values) == channels else values.repeat(channels // max(1, len(values)))


def _layer_norm(call: Call) -> list[Array]:
    x, bias = _wide(call[0]), call.maybe(2)
    axes = tuple(range(checked_axis(call.get("axis", -1), x.ndim), x.ndim))
    x_hat, inverse = standardised(x, axes, call.get("epsilon", 1e-5))
    y = x_hat * _wide(call[1])
    y = y if bias is None else y + _wide(bias)
    return [y.astype(call[0].dtype), x.mean(axis=axes, keepdims=True), inverse]


def _lrn(call: Call) -> Array:
    settings = {"alpha": call.get("alpha", 1e-4), "beta": call.get("beta", 0.75), "k": call.get("bias", 1.0)}
    y, _ = LocalResponseNorm(call.get("size", 1), **settings).apply(_wide(call[0]))
    return y.astype(call[0].dtype)


# Size


@dataclass(frozen=True)
class Resizing:
    """What Resize or Upsample asks for. scales, sizes: of every axis. regions: (start, end) of every axis."""

    sizes: list[int]
    scales: list[float]
    how: Interpolation
    regions: list[tuple[float, float]]
    outside: float


def resizing(call: Call, shape: Shape) -> Resizing:
    """What Resize or Upsample makes of a tensor of that shape."""
    rank, old = len(shape), call.operator == "Upsample" or call.opset < 11
    given = call.get("axes")
    axes = list(range(rank)) if given is None else [checked_axis(axis, rank) for axis in given]
    roi, scales, sizes = (None, call.maybe(1), None) if old else (call.maybe(1), call.maybe(2), call.maybe(3))
    every, lengths = [1.0] * rank, list(shape)
    if sizes is not None and sizes.size:
        wanted = [int(size) for size in sizes.reshape(-1)]
        for axis, size, factor in zip(axes, *_kept_ratio(call, shape, axes, wanted), strict=True):
            lengths[axis], every[axis] = size, factor
    else:
        factors = [float(s) for s in call.get("scales", []) or (() if scales is None else scales.reshape(-1))]
        for axis, factor in zip(axes, factors, strict=True):
            if not 0 < factor < 1 << 20:
                raise PellucidError(f"scales {factors[:8]}")
            lengths[axis], every[axis] = math.floor(shape[axis] * factor), factor
    regions = [(0.0, 1.0)] * rank
    if roi is not None and roi.size == 2 * len(axes):
        ends = [float(number) for number in roi.reshape(-1)]
        for i, axis in enumerate(axes):
            regions[axis] = ends[i], ends[len(axes) + i]
    how = Interpolation(
        _mode(call),
        "asymmetric" if old else call.get("coordinate_transformation_mode", "half_pixel"),
        "floor" if old else call.get("nearest_mode", "round_prefer_floor"),
        call.get("cubic_coeff_a", -0.75),
        bool(call.get("antialias", 0)),
        bool(call.get("exclude_outside", 0)),
    )
    return Resizing(lengths, every, how, regions, call.get("extrapolation_value", 0.0))


def _mode(call: Call) -> Any:
    mode = call.get("mode", "nearest")
    mode = "linear" if mode == "bilinear" else mode
    if mode not in {"nearest", "linear", "cubic"}:
        raise PellucidError(f"mode {mode}")
    return mode


def _kept_ratio(call: Call, shape: Shape, axes: list[int], wanted: list[int]) -> tuple[list[int], list[float]]:
    """Sizes and factors; one factor for all axes where the ratio of the sides is to be kept."""
    if len(wanted) != len(axes) or min(wanted, default=1) < 1:
        raise PellucidError(f"sizes {wanted[:8]}")
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    factors = [size / shape[axis] for size, axis in zip(wanted, axes, strict=True)]
    if policy == "stretch":
        return wanted, factors
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(shape[axis] * factor + 0.5) for axis in axes], [factor] * len(axes)


def _resize(call: Call) -> Array:
    x = _wide(call[0])
    work = x.astype(np.float64) if x.dtype.kind != "f" else x
    asked = resizing(call, x.shape)
    room_for(asked.sizes)
    beyond = np.zeros(asked.sizes, bool)
    for axis in range(x.ndim):
        size, out = x.shape[axis], asked.sizes[axis]
        if size == out and asked.scales[axis] == 1 and asked.how.coordinates != "tf_crop_and_resize":
            continue
        room_for((size, out))
        matrix, outside = asked.how.matrix(size, out, asked.scales[axis], asked.regions[axis])
        work = np.moveaxis(np.tensordot(matrix.astype(work.dtype), work, (1, axis)), 0, axis)
        beyond |= outside.reshape(-1, *(1 for _ in range(x.ndim - axis - 1)))
    y = np.where(beyond, work.dtype.type(asked.outside), work)
    return y.astype(call[0].dtype)


def _depth_to_space(call: Call) -> Array:
    return depth_to_space(call[0], call.get("blocksize", 1), call.get("mode", "DCR") == "CRD")


def _space_to_depth(call: Call) -> Array:
    return space_to_depth(call[0], call.get("blocksize", 1), call.get("mode", "DCR") == "CRD")


# Whole numbers for floats


def by_axis(values: Array, call: Call, shape: Shape) -> Array:
    """Scales or zero points, broadcast to a tensor of that shape: one, one a place of an axis, or one a block."""
    if values.size == 1 and values.ndim < 2:
        return values.reshape(())
    axis = checked_axis(call.get("axis", 1), len(shape))
    block = call.get("block_size", 0)
    if block and values.ndim == len(shape):
        return values.repeat(block, axis).take(range(shape[axis]), axis)
    if values.shape != (shape[axis],):
        raise PellucidError(f"scales of shape {values.shape} for a tensor of shape {shape}")
    return values.reshape(-1, *(1 for _ in shape[axis + 1 :]))


def _quantize(call: Call) -> Array:
    x, zero = _wide(call[0]), call.maybe(2)
    given = TYPES.get(call.get("output_dtype", 0))
    dtype = zero.dtype if zero is not None else given or np.dtype(np.uint8)
    if dtype.kind not in "iu":
        raise PellucidError(f"to type {dtype}")
    scale = by_axis(_wide(call[1]), call, x.shape)
    offset: Any = 0 if zero is None else by_axis(zero.astype(np.int64), call, x.shape)
    limits = np.iinfo(dtype)
    levels = np.rint(x / scale).astype(np.int64) + offset
    return np.asarray(np.clip(levels, limits.min, limits.max)).astype(dtype)


def _dequantize(call: Call) -> Array:
    x, zero = call[0], call.maybe(2)
    scale = by_axis(_wide(call[1]), call, x.shape)
    offset: Any = 0 if zero is None else by_axis(zero.astype(np.int64), call, x.shape)
    y: Array = np.asarray((x.astype(np.int64) - offset) * scale).astype(call[1].dtype)
    return y


def _hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    y: Array = np.clip(x.dtype.type(alpha) * x + x.dtype.type(beta), 0, 1)
    return y


def _selu(x: Array, call: Call) -> Array:
    alpha, gamma = call.get("alpha", SELU_ALPHA), call.get("gamma", SELU_SCALE)
    y: Array = gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return y


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "Add": _wrapping(np.add),
    "AveragePool": _avg_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "DequantizeLinear": _dequantize,
    "Div": _wrapping(_divided),
    "Dropout": _dropout,
    "Elu": _pointwise(lambda x, c: np.where(x > 0, x, c.get("alpha", 1.0) * np.expm1(np.minimum(x, 0)))),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _pointwise(lambda x, c: np.floor(x)),
    "Gather": _gather,
    "Gelu": _pointwise(lambda x, c: GELU(tanh=c.get("approximate", "none") == "tanh").value(x)),
    "Gemm": _gemm,
    "GlobalAveragePool": _globally(np.mean),
    "GlobalMaxPool": _globally(np.max),
    "GroupNormalization": _group_norm,
    "HardSigmoid": _pointwise(lambda x, c: _hard_sigmoid(x, c.get("alpha", 0.2), c.get("beta", 0.5))),
    "HardSwish": _pointwise(lambda x, c: x * _hard_sigmoid(x, 1 / 6, 0.5)),
    "Identity": lambda c: c[0],
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _pointwise(lambda x, c: np.where(x < 0, x * x.dtype.type(c.get("alpha", 0.01)), x)),
    "LogSoftmax": _softmax(log_softmax),
    "MatMul": _matmul,
    "Max": _wrapping(np.maximum),
    "MaxPool": _max_pool,
    "Min": _wrapping(np.minimum),
    "Mish": _pointwise(lambda x, c: x * np.tanh(softplus(x))),
    "Mul": _wrapping(np.multiply),
    "Neg": _pointwise(lambda x, c: -x),
    "PRelu": _prelu,
    "Pad": _pad,
    "QuantizeLinear": _quantize,
    "Range": _range,
    "ReduceMax": _reduce(np.max, 18),
    "ReduceMean": _reduce(np.mean, 18),
    "ReduceMin": _reduce(np.min, 18),
    "ReduceSum": _reduce(np.sum, 13),
    "Relu": _pointwise(lambda x, c: np.maximum(x, 0)),
    "Reshape": _reshape,
    "Resize": _resize,
    "Selu": _pointwise(_selu),
    "Shape": _shape,
    "Sigmoid": _pointwise(lambda x, c: sigmoid(x)),
    "Size": lambda c: np.asarray(c[0].size, np.int64),
    "Slice": _slice,
    "Softmax": _softmax(softmax),
    "Softplus": _pointwise(lambda x, c: softplus(x)),
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _wrapping(np.subtract),
    "Sum": _wrapping(np.add),
    "Tanh": _pointwise(lambda x, c: np.tanh(x)),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
"""By operator."""

_FAULTS = (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError, AttributeError, MemoryError)


def fold(call: Call) -> list[Array]:
    """What comes out. Raises PellucidError where inputs and settings don't fit each other."""
    try:
        with np.errstate(all="ignore"):
            found = FOLDS[call.operator](call)
    except PellucidError:
        raise
    except _FAULTS as error:
        raise PellucidError(" ".join(str(error).split())[:200] or type(error).__name__) from error
    return found if isinstance(found, list) else [found]
