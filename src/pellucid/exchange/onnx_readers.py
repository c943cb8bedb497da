"""How each of ONNX's operators becomes layers: one function an operator, found in READERS by its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.onnx_file import TYPES
from pellucid.exchange.onnx_fold import (
    by_channel,
    frame,
    image_size,
    kernel_of,
    parts_of,
    reduced_axes,
    reshaped,
    resizing,
    slices,
    transposed,
    window,
)
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Clip,
    Constant,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Divide,
    Dropout,
    Expand,
    Flatten,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Identity,
    InstanceNorm2d,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    LogSoftmax,
    MatMul,
    Maximum,
    MaxPool2d,
    Minimum,
    Mish,
    Multiply,
    Pad,
    PReLU,
    Reduce,
    ReLU,
    ReLU6,
    Reshape,
    Resize,
    Scale,
    Shift,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    SpaceToDepth,
    Subtract,
    Tanh,
    Transpose,
)
from pellucid.layers.joins import Concat, Join
from pellucid.layers.quantize import FakeQuantize
from pellucid.layers.sliding import SAME, SAME_LOWER, Padding
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.half import is_half

Reader = Callable[[At], None]

AFFINE = (Conv2d, ConvTranspose2d, Linear)


def floats(array: Array) -> Array:
    """Numbers as weights have them."""
    return array.astype(np.float32) if is_half(array.dtype) or array.dtype.kind != "f" else array


# Windows


def _padding(at: At, size: Pair, kernel: Pair) -> Padding:
    """The padding as our layers take it; "same" stays so, for images of every size."""
    kind = at.get("auto_pad", "NOTSET")
    geometry = window(at.call(), size, kernel)
    if kind in {"SAME_UPPER", "SAME_LOWER"}:
        return SAME if kind == "SAME_UPPER" else SAME_LOWER
    return geometry.before if geometry.symmetric else geometry.padding


def _settings(at: At, x: Unknown, kernel: Pair) -> dict[str, Any]:
    size = image_size(at.whole(x))
    geometry = window(at.call(), size, kernel)
    return {"stride": geometry.stride, "padding": _padding(at, size, kernel), "dilation": geometry.dilation}


def _weight(at: At, x: Unknown) -> tuple[Known, Pair]:
    """The filters of a convolution, and their height and width."""
    weight = at.needed(1)
    image_size(at.whole(x))
    if weight.array.ndim != 4 or 0 in weight.array.shape:
        raise RefusedError(f"weights of shape {weight.array.shape}")
    given = at.get("kernel_shape")
    kernel = weight.array.shape[2], weight.array.shape[3]
    if given is not None and tuple(given) != kernel:
        raise RefusedError(f"kernel_shape {given[:8]} for weights of shape {weight.array.shape}")
    return weight, kernel


def _biased(at: At, layer: Layer, x: Unknown, channels: int, weight: Known | Array) -> Unknown:
    """A layer with a weight and, where the file has one, a bias a channel."""
    bias, name = at.known(2), _own_name(at)
    given = {"weight": _converted(weight)} | ({} if bias is None else {"bias": _vector(bias, channels)})
    return at.emit(layer, x, name=name, weights=given)


def _converted(given: Known | Array) -> Known | Array:
    if isinstance(given, Known):
        return Known(floats(given.array), given.source, given.learnt)
    return floats(given)


def _vector(given: Known, channels: int) -> Known:
    """One number a channel, of as many, or of one for all."""
    array = given.array
    if array.size not in {1, channels} or max(array.shape, default=1) < array.size:
        raise RefusedError(f"a bias of shape {array.shape} for {channels} channels")
    array = floats(array).reshape(-1)
    return Known(array if array.size == channels else array.repeat(channels), given.source, given.learnt)


def _own_name(at: At) -> str:
    """Of a tensor "conv1.weight" that no other layer has taken its name from, "conv1"; else nothing."""
    weight = at.value(1)
    source = weight.source if isinstance(weight, Known) else ""
    stem, _, last = source.rpartition(".")
    return stem if last == "weight" and stem and at.reading.take(stem) == stem else ""


def _conv(at: At) -> None:
    x = at.unknown()
    weight, kernel = _weight(at, x)
    K, groups = weight.array.shape[0], at.get("group", 1)
    if groups < 1 or K % groups or weight.array.shape[1] * groups != x.shape[0]:
        raise RefusedError(f"weights of shape {weight.array.shape} in {groups} groups, for {x.shape[0]} channels")
    bias = at.value(2) is not None
    layer = Conv2d(K, kernel, groups=groups, bias=bias, **_settings(at, x, kernel))
    at.give(_biased(at, layer, x, K, weight))


def _conv_transpose(at: At) -> None:
    x = at.unknown()
    weight, kernel = _weight(at, x)
    groups = at.get("group", 1)
    K, bias = weight.array.shape[1] * groups, at.value(2) is not None
    padding, extra = transposed(at.call(), image_size(at.whole(x)), kernel)
    geometry = window(at.call(), (1, 1), kernel)
    stride = geometry.stride
    if groups < 1 or weight.array.shape[0] != x.shape[0] or x.shape[0] % groups:
        raise RefusedError(f"weights of shape {weight.array.shape} in {groups} groups, for {x.shape[0]} channels")
    inside = tuple(min(e, s - 1) for e, s in zip(extra, stride, strict=True))
    beyond = tuple(e - i for e, i in zip(extra, inside, strict=True))
    sides: Any = padding if padding[0] != padding[1] or padding[2] != padding[3] else (padding[0], padding[2])
    layer = ConvTranspose2d(
        K, kernel, stride=stride, padding=sides, output_padding=(inside[0], inside[1]), dilation=geometry.dilation,
        groups=groups, bias=bias and not any(beyond), frozen=weight.source in at.reading.untrained,
    )  # fmt: skip
    if not any(beyond):
        at.give(_biased(at, layer, x, K, weight))
        return
    y = at.emit(layer, x, name=_own_name(at), weights={"weight": _converted(weight)})
    y = at.emit(Pad((0, 0, 0), (0, *beyond)), y)
    offsets = at.known(2)
    at.give(
        y
        if offsets is None
        else at.emit(Shift((K, 1, 1)), y, weights={"bias": floats(offsets.array).reshape(K, 1, 1)})
    )


def _max_pool(at: At) -> None:
    x = at.unknown()
    if at.wants(1):
        raise RefusedError("the places of the largest as a second output")
    kernel = kernel_of(at.call())
    at.give(at.emit(MaxPool2d(kernel, ceil=bool(at.get("ceil_mode", 0)), **_settings(at, x, kernel)), x))


def _avg_pool(at: At) -> None:
    x = at.unknown()
    kernel, counted = kernel_of(at.call()), bool(at.get("count_include_pad", 0))
    settings = _settings(at, x, kernel) | {"ceil": bool(at.get("ceil_mode", 0))}
    at.give(at.emit(AvgPool2d(kernel, count_padding=counted, **settings), x))


def _globally(layer: Callable[..., Layer]) -> Reader:
    def read(at: At) -> None:
        x = at.unknown()
        image_size(at.whole(x))
        at.give(at.emit(layer(flatten=False), x))

    return read


# Products


def _gemm(at: At) -> None:
    x = at.unknown()
    weight = at.needed(1)
    if len(x.shape) != 1 or weight.array.ndim != 2 or at.get("transA", 0):
        raise RefusedError(f"matrices of shapes {('N', *x.shape)} and {weight.array.shape}")
    alpha, beta = at.get("alpha", 1.0), at.get("beta", 1.0)
    matrix: Known | Array = weight
    if not at.get("transB", 0) or alpha != 1:
        turned = weight.array if at.get("transB", 0) else weight.array.T
        matrix = Known(floats(turned) * np.float32(alpha) if alpha != 1 else floats(turned), weight.source, True)
    assert isinstance(matrix, Known)
    features, inputs = matrix.array.shape
    if inputs != x.shape[0] or not features:
        raise RefusedError(f"matrices of shapes {('N', *x.shape)} and {weight.array.shape}")
    bias = at.known(2)
    layer = Linear(features, bias=bias is not None)
    given: dict[str, Known | Array] = {"weight": _converted(matrix)}
    if bias is not None:
        vector = _vector(bias, features)
        given["bias"] = vector if beta == 1 else vector.array * np.float32(beta)
    at.give(at.emit(layer, x, name=_own_name(at), weights=given))


def _matmul(at: At) -> None:
    first, second = at.value(0), at.value(1)
    if isinstance(first, Unknown) and len(first.shape) == 1 and isinstance(second, Known) and second.array.ndim == 2:
        weight = Known(floats(second.array.T), second.source, second.learnt)
        if weight.array.shape[1] != first.shape[0] or not weight.array.size:
            raise RefusedError(f"matrices of shapes {('N', *first.shape)} and {second.array.shape}")
        at.give(
            at.emit(Linear(weight.array.shape[0], bias=False), first, name=_own_name(at), weights={"weight": weight})
        )
        return
    shapes = [_shape_of(at, place) for place in (0, 1)]
    lead = max(shapes, key=len)[:-2]
    if any(len(shape) < 2 for shape in shapes):
        raise RefusedError(f"values of shapes {' and '.join(map(str, shapes))} a sample")
    values = [_expanded(at, at.value(i), (*lead, *shapes[i][-2:])) for i in (0, 1)]
    at.give(at.emit(MatMul(), *values))


def _shape_of(at: At, place: int) -> Shape:
    """The shape a sample of an input."""
    found = at.value(place)
    if isinstance(found, Unknown):
        return found.shape
    array = at.needed(place).array
    return array.shape


# Values put together


def _aligned(at: At, known: Known, rank: int) -> Array:
    """Constants beside samples of so many axes: without the axis of the batch, which they must not have."""
    array = known.array
    while array.ndim > rank and array.shape[0] == 1:
        array = array[0]
    if array.ndim > rank:
        raise RefusedError(f"constants of shape {known.array.shape} that differ from image to image")
    return array


def _expanded(at: At, value: Any, shape: Shape) -> Unknown:
    """A value of that shape a sample, repeated where it is smaller."""
    if isinstance(value, Known):
        array = floats(_aligned(at, value, len(shape)))
        made = at.emit(Constant(array.shape, trained=_learns(at, value)), at.input(), weights={"value": array})
    else:
        made = value
    if made.shape == shape:
        return made
    if len(made.shape) < len(shape) and not isinstance(value, Known):
        raise RefusedError(f"values of shapes {made.shape} and {shape}, aligned at their ends")
    return at.emit(Expand(*shape), made)


def _learns(at: At, value: Known) -> bool:
    return value.learnt and value.array.size > 1 and value.source not in at.reading.untrained


def _common(at: At) -> Shape:
    """The shape of one sample that all inputs are broadcast to."""
    shapes = []
    for place in range(len(at.node.inputs)):
        found = at.value(place)
        if isinstance(found, Unknown):
            shapes.append(found.shape)
    rank = max(map(len, shapes))
    if min(map(len, shapes)) < rank:
        raise RefusedError(f"values of shapes {' and '.join(map(str, shapes))} a sample, aligned at their ends")
    for place in range(len(at.node.inputs)):
        known = at.value(place)
        if isinstance(known, Known):
            shapes.append(_aligned(at, at.needed(place), rank).shape)
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise RefusedError(f"values of shapes {' and '.join(map(str, shapes))} a sample") from None


def _joined(layer: Callable[[], Join], pixelwise: bool = False) -> Reader:
    """An operator on any number of values. pixelwise: whether the layer takes (C, 1, 1) for every pixel."""

    def read(at: At) -> None:
        shape = _common(at)
        values = [at.value(place) for place in range(len(at.node.inputs))]
        small = {shape, (*shape[:1], 1, 1)[: len(shape)]} if pixelwise else {shape}
        given = [
            value if isinstance(value, Unknown) and value.shape in small else _expanded(at, value, shape)
            for value in values
        ]
        at.give(at.emit(layer(), *given) if len(given) > 1 else given[0])

    return read


def _add(at: At) -> None:
    values = [at.value(place) for place in range(len(at.node.inputs))]
    known = [place for place, value in enumerate(values) if isinstance(value, Known)]
    if len(values) == 2 and len(known) == 1:
        offset, x = at.needed(known[0]), at.unknown(1 - known[0])
        if not _absorbed(at, x, offset):
            _shifted(at, x, offset, 1.0)
        return
    _joined(Add, pixelwise=True)(at)


def _absorbed(at: At, x: Unknown, offset: Known) -> bool:
    """Whether an addition is the bias of the layer before it, which has none."""
    layer = at.layer_of(x)
    if not isinstance(layer, AFFINE) or layer.bias_wanted or not at.reading.only_reader(x):
        return False
    channels = x.shape[0]
    array = _aligned(at, offset, len(x.shape))
    if array.shape not in {x.shape[:1] if len(x.shape) == 1 else (), (channels, *(1 for _ in x.shape[1:]))}:
        return False
    arguments, options = layer.made_with
    layer.bias_wanted, layer.made_with = True, (arguments, options | {"bias": True})
    at.weigh(f"{x.name}.bias", _vector(offset, channels))
    at.give(x)
    return True


def _number_layer(at: At, layer: type[Scale] | type[Shift], x: Unknown, values: Known, array: Array) -> Unknown:
    """x with numbers of the file's own; right behind the network's input they normalise it, and don't learn."""
    array = floats(array)
    shape = np.broadcast_shapes(x.shape, array.shape)
    seen = x if shape == x.shape else at.emit(Expand(*shape), x)
    before = at.layer_of(x)
    first = before is None or (isinstance(before, Scale | Shift) and not before.trained)
    key = "weight" if layer is Scale else "bias"
    made = layer(array.shape, trained=_learns(at, values) and not first)
    return at.emit(
        made, seen, weights={key: Known(array, values.source if array is values.array else "", values.learnt)}
    )


def _shifted(at: At, x: Unknown, offset: Known, sign: float) -> None:
    array = floats(_aligned(at, offset, len(x.shape)))
    at.give(_number_layer(at, Shift, x, offset, array if sign > 0 else -array))


def _negative(at: At, x: Unknown) -> Unknown:
    return at.emit(Scale((), trained=False), x, weights={"weight": np.asarray(-1.0, np.float32)})


def _sub(at: At) -> None:
    first, second = at.value(0), at.value(1)
    if isinstance(second, Known):
        _shifted(at, at.unknown(0), at.needed(1), -1.0)
    elif isinstance(first, Known):
        _shifted(at, _negative(at, at.unknown(1)), at.needed(0), 1.0)
    else:
        _joined(Subtract)(at)


def _mul(at: At) -> None:
    values = [at.value(place) for place in range(2)]
    known = [place for place, value in enumerate(values) if isinstance(value, Known)]
    if len(known) == 1:
        x = at.unknown(1 - known[0])
        factor = at.needed(known[0])
        at.give(_number_layer(at, Scale, x, factor, _aligned(at, factor, len(x.shape))))
        return
    for place in (0, 1):
        gate, x = at.unknown(place), at.unknown(1 - place)
        made = _gated(at, gate, x)
        if made is not None:
            at.give(made)
            return
    _joined(Multiply, pixelwise=True)(at)


def _gated(at: At, gate: Unknown, x: Unknown) -> Unknown | None:
    """SiLU or HardSwish, where the gate is x's own sigmoid, which nobody else sees."""
    layer, node = at.layer_of(gate), at.reading.nodes.get(gate.name)
    if node is None or node.inputs != (x.name,) or not at.reading.only_reader(gate):
        return None
    hard = isinstance(layer, HardSigmoid) and abs(layer.alpha - 1 / 6) < 1e-6 and layer.beta == 0.5
    if not (type(layer) is Sigmoid or hard):
        return None
    at.reading.drop(gate)
    return at.emit(HardSwish() if hard else SiLU(), x)


def _div(at: At) -> None:
    if isinstance(at.value(1), Known):
        x, divisor = at.unknown(0), at.needed(1)
        array = floats(_aligned(at, divisor, len(x.shape)))
        with np.errstate(divide="ignore"):
            at.give(_number_layer(at, Scale, x, divisor, (1 / array.astype(np.float64)).astype(array.dtype)))
        return
    _joined(Divide)(at)


def _extreme(layer: Callable[[], Join], largest: bool) -> Reader:
    """Max or Min; with one number it is a bound."""

    def read(at: At) -> None:
        values = [at.value(place) for place in range(len(at.node.inputs))]
        bounds = [value.array for value in values if isinstance(value, Known) and value.array.size == 1]
        if len(values) == 2 and len(bounds) == 1:
            x = at.unknown(next(i for i, value in enumerate(values) if isinstance(value, Unknown)))
            bound = float(bounds[0].reshape(()))
            _bounded(at, x, bound if largest else -math.inf, math.inf if largest else bound)
            return
        _joined(layer)(at)

    return read


def _concat(at: At) -> None:
    rank = max(len(v.shape) for i in range(len(at.node.inputs)) if isinstance(v := at.value(i), Unknown))
    axis = at.sample_axis(at.get("axis", 1), rank + 1)
    values = []
    for place in range(len(at.node.inputs)):
        found = at.value(place)
        if isinstance(found, Known):
            array = floats(_aligned(at, at.needed(place), rank))
            found = at.emit(Constant(array.shape, trained=_learns(at, found)), at.input(), weights={"value": array})
        if not isinstance(found, Unknown) or len(found.shape) != rank:
            raise RefusedError("tensors of different numbers of axes")
        values.append(found)
    order = [axis, *(i for i in range(rank) if i != axis)]
    if axis:
        values = [at.emit(Transpose(*order), value) for value in values]
    whole = at.emit(Concat(), *values) if len(values) > 1 else values[0]
    at.give(at.emit(Transpose(*(order.index(i) for i in range(rank))), whole) if axis else whole)


# Activations


def _bounded(at: At, x: Unknown, low: float, high: float) -> None:
    if (low, high) == (0, 6):
        at.give(at.emit(ReLU6(), x))
    elif (low, high) == (0, math.inf):
        at.give(at.emit(ReLU(), x))
    elif (low, high) == (-math.inf, math.inf):
        at.give(x)
    elif low < high:
        at.give(at.emit(Clip(low, high), x))
    else:
        raise RefusedError(f"bounds {low:g} and {high:g}")


def _clip(at: At) -> None:
    x = at.unknown()
    if at.opset < 11:
        low, high = at.get("min"), at.get("max")
    else:
        low, high = (None if (v := at.known(i)) is None else float(v.array.reshape(())) for i in (1, 2))
    limit = float(np.finfo(np.float32).max)
    low = -math.inf if low is None or low <= -limit else float(low)
    high = math.inf if high is None or high >= limit else float(high)
    _bounded(at, x, low, high)


def _simple(make: Callable[[At], Layer]) -> Reader:
    """An operator of one input that is one layer."""

    def read(at: At) -> None:
        at.give(at.emit(make(at), at.unknown()))

    return read


def _prelu(at: At) -> None:
    x, slopes = at.unknown(), at.needed(1)
    array = floats(_aligned(at, slopes, len(x.shape)))
    at.give(at.emit(PReLU(array.shape), x, weights={"weight": array}))


def _softmax(layer: Callable[[int], Layer]) -> Reader:
    def read(at: At) -> None:
        x = at.unknown()
        rank = len(x.shape) + 1
        axis = at.sample_axis(at.get("axis", 1 if at.opset < 13 else -1), rank)
        if at.opset >= 13 or math.prod(x.shape[axis:]) == x.shape[axis]:
            at.give(at.emit(layer(axis), x))
            return
        flat = at.emit(Reshape(*x.shape[:axis], math.prod(x.shape[axis:])), x)
        at.give(at.emit(Reshape(*x.shape), at.emit(layer(axis), flat)))

    return read


# Normalisation


def _batch_norm(at: At) -> None:
    x = at.unknown()
    if at.get("training_mode", 0) or not at.get("spatial", 1):
        raise RefusedError("with statistics of the batch or of each pixel")
    C = x.shape[0] if x.shape else 0
    names = ("weight", "bias", "running_mean", "running_variance")
    weights: dict[str, Known | Array] = {}
    for i, name in enumerate(names, 1):
        vector = at.needed(i)
        if vector.array.shape != (C,):
            raise RefusedError(f"{vector.array.shape} numbers for {C} channels")
        weights[name] = _converted(vector)
    layer = BatchNorm2d(momentum=round(1 - at.get("momentum", 0.9), 9), epsilon=_short(at.get("epsilon", 1e-5)))
    if len(x.shape) == 3:
        at.give(at.emit(layer, x, name=_own_name(at), weights=weights))
        return
    seen = at.emit(Reshape(C, math.prod(x.shape[1:]), 1), x)
    at.give(at.emit(Reshape(*x.shape), at.emit(layer, seen, weights=weights)))


def _short(number: float) -> float:
    """A number of 32 bits as people write it."""
    return float(str(np.float32(number)))


def _instance_norm(at: At) -> None:
    _normed(at, InstanceNorm2d(epsilon=_short(at.get("epsilon", 1e-5))))


def _group_norm(at: At) -> None:
    _normed(at, GroupNorm(at.get("num_groups", 1), epsilon=_short(at.get("epsilon", 1e-5))))


def _normed(at: At, layer: Layer) -> None:
    x = at.unknown()
    C = x.shape[0]
    weights = {key: by_channel(floats(at.needed(i).array), C) for i, key in ((1, "weight"), (2, "bias"))}
    if any(array.shape != (C,) for array in weights.values()):
        raise RefusedError(f"not one number a channel for {C} channels")
    at.give(at.emit(layer, x, weights=weights))


def _layer_norm(at: At) -> None:
    x = at.unknown()
    if at.wants(1) or at.wants(2):
        raise RefusedError("mean and deviation as outputs")
    axis = at.sample_axis(at.get("axis", -1), len(x.shape) + 1)
    weight, bias = floats(at.needed(1).array), at.known(2)
    layer = LayerNorm(
        weight.shape,
        axes=len(x.shape) - axis,
        epsilon=_short(at.get("epsilon", 1e-5)),
        bias=bias is not None,
    )
    given = {"weight": weight} | ({} if bias is None else {"bias": np.broadcast_to(floats(bias.array), weight.shape)})
    at.give(at.emit(layer, x, weights=given))


def _lrn(at: At) -> None:
    settings = {"alpha": at.get("alpha", 1e-4), "beta": at.get("beta", 0.75), "k": at.get("bias", 1.0)}
    short = {name: _short(value) for name, value in settings.items()}
    at.give(at.emit(LocalResponseNorm(at.get("size", 1), **short), at.unknown()))


# Shapes


def _to_shape(at: At, x: Unknown, shape: Shape) -> None:
    """x in another shape."""
    if shape == x.shape:
        at.give(x)
    elif len(shape) == 1:
        at.give(at.emit(Flatten(), x))
    else:
        at.give(at.emit(Reshape(*shape), x))


def _reshape(at: At) -> None:
    x = at.unknown()
    given = at.value(1)
    wanted = (
        at.get("shape") if at.opset < 5 else given.array.reshape(-1).tolist() if isinstance(given, Known) else None
    )
    if wanted is None:
        raise RefusedError("to a shape that the network works out")
    whole = reshaped(at.whole(x), wanted, keep_zeros=bool(at.get("allowzero", 0)))
    _to_shape(at, x, at.sample(whole))


def _flatten(at: At) -> None:
    x, axis = at.unknown(), at.get("axis", 1)
    rank = len(x.shape) + 1
    whole = at.whole(x)
    axis = axis + rank if axis < 0 else axis
    shape = at.sample((math.prod(whole[:axis]), math.prod(whole[axis:])))
    at.give(at.emit(Flatten() if len(shape) == 1 else Reshape(*shape), x))


def _transpose(at: At) -> None:
    x = at.unknown()
    rank = len(x.shape) + 1
    order = at.get("perm", list(range(rank))[::-1])
    if sorted(order) != list(range(rank)):
        raise RefusedError(f"the order {order[:8]} of {rank} axes")
    if order[0] != 0:
        raise RefusedError("the axis of the batch moved")
    axes = tuple(axis - 1 for axis in order[1:])
    at.give(x if axes == tuple(range(rank - 1)) else at.emit(Transpose(*axes), x))


def _squeeze(at: At) -> None:
    x = at.unknown()
    axes = at.call().whole(1, "axes")
    rank = len(x.shape) + 1
    gone = [i for i, side in enumerate(x.shape) if side == 1] if axes is None else [
        at.sample_axis(axis, rank) for axis in axes
    ]  # fmt: skip
    if any(x.shape[axis] != 1 for axis in gone):
        raise RefusedError(f"axes {axes} of {x.shape} a sample, which aren't 1")
    _to_shape(at, x, tuple(side for i, side in enumerate(x.shape) if i not in gone))


def _unsqueeze(at: At) -> None:
    x, axes = at.unknown(), at.call().whole(1, "axes") or []
    rank = len(x.shape) + 1 + len(axes)
    new = {at.sample_axis(axis, rank) for axis in axes}
    sides = iter(x.shape)
    _to_shape(at, x, tuple(1 if i in new else next(sides) for i in range(rank - 1)))


def _expand(at: At) -> None:
    given, numbers = at.value(1), at.value(0)
    if isinstance(numbers, Known):  # repeated for each sample
        sides = given.array.reshape(-1).tolist() if isinstance(given, Known) else []
        shape = at.sample(np.broadcast_shapes(numbers.array.shape, tuple(map(int, sides))))
        at.give(_expanded(at, numbers, shape))
        return
    x = at.unknown()
    wanted = [int(side) for side in given.array.reshape(-1)] if isinstance(given, Known) else []
    whole = np.broadcast_shapes(at.whole(x), tuple(wanted)) if len(wanted) <= len(x.shape) + 1 else ()
    shape = at.sample(whole)
    at.give(x if shape == x.shape else at.emit(Expand(*shape), x))


def _slice(at: At) -> None:
    x = at.unknown()
    for place in range(1, len(at.node.inputs)):
        at.known(place)
    first, *parts = slices(at.call(), at.whole(x))
    if first.indices(at.batch) != (0, at.batch, 1):
        raise RefusedError("a part of the batch")
    if all(part.indices(side) == (0, side, 1) for part, side in zip(parts, x.shape, strict=True)):
        at.give(x)
        return
    at.give(at.emit(_cut(parts, x.shape), x))


def _cut(parts: list[slice], shape: Shape) -> Slice:
    """The layer that takes these parts."""
    starts = [part.indices(side)[0] for part, side in zip(parts, shape, strict=True)]
    return Slice(starts, [_stop(p, s) for p, s in zip(parts, shape, strict=True)], [p.step or 1 for p in parts])


def _stop(part: slice, side: int) -> int | None:
    stop = part.indices(side)[1]
    return None if stop < 0 or (stop == side and (part.step or 1) > 0) else stop


def _split(at: At) -> None:
    x = at.unknown()
    axis = at.sample_axis(at.get("axis", 0), len(x.shape) + 1)
    given, count = at.call().whole(1, "split"), at.get("num_outputs", len(at.node.outputs))
    start = 0
    for place, length in enumerate(parts_of(x.shape[axis], given, count)):
        if place < len(at.node.outputs) and at.node.outputs[place]:
            parts = [slice(None)] * len(x.shape)
            parts[axis] = slice(start, start + length)
            at.give(at.emit(_cut(parts, x.shape), x, name=at.node.outputs[place]), place)
        start += length


def _pad(at: At) -> None:
    x = at.unknown()
    for place in range(1, len(at.node.inputs)):
        at.known(place)
    before, after = frame(at.call(), len(x.shape) + 1)
    if before[0] or after[0]:
        raise RefusedError("images added to the batch")
    mode, given = at.get("mode", "constant"), at.known(2)
    value = at.get("value", 0.0) if given is None else float(given.array.reshape(-1)[0])
    if min(*before, *after) < 0:
        parts = [
            slice(max(0, -b), side - max(0, -a)) for b, a, side in zip(before[1:], after[1:], x.shape, strict=True)
        ]
        x = at.emit(_cut(parts, x.shape), x)
    frame_ = [[max(0, side) for side in sides[1:]] for sides in (before, after)]
    if not any(frame_[0]) and not any(frame_[1]):
        at.give(x)
        return
    at.give(at.emit(Pad(frame_[0], frame_[1], mode=mode, value=value), x))


def _resize(at: At) -> None:
    x = at.unknown()
    image_size(at.whole(x))
    asked = resizing(at.call(), at.whole(x))
    if asked.sizes[:2] != [at.batch, x.shape[0]] or asked.scales[0] != 1 or asked.scales[1] != 1:
        raise RefusedError("of images or channels, expected of height and width")
    how, size = asked.how, (asked.sizes[2], asked.sizes[3])
    if how.coordinates != "tf_crop_and_resize" and (*size, *asked.scales[2:]) == (*x.shape[1:], 1, 1):
        at.give(x)
        return
    tops, lefts = asked.regions[2], asked.regions[3]
    options: dict[str, Any] = {} if how.coordinates != "tf_crop_and_resize" else {
        "region": (tops[0], lefts[0], tops[1], lefts[1]), "outside": asked.outside,
    }  # fmt: skip
    scale = (asked.scales[2], asked.scales[3])
    sides = list(zip(size, x.shape[1:], scale, strict=True))
    exact = all(side / before == factor for side, before, factor in sides)
    floored = all(math.floor(before * factor) == side for side, before, factor in sides)
    given: dict[str, Any] = {"scale": scale} if floored else {"size": size, "scale": scale}
    given = {"size": size} if exact and at.value(3) is not None else given
    layer = Resize(
        **given, mode=how.mode, coordinates=how.coordinates, nearest=how.nearest, cubic=how.cubic,
        antialias=how.antialias, exclude_outside=how.exclude_outside, **options,
    )  # fmt: skip
    at.give(at.emit(layer, x))


def _blocks(layer: Callable[..., Layer]) -> Reader:
    def read(at: At) -> None:
        mode = at.get("mode", "DCR")
        at.give(at.emit(layer(at.get("blocksize", 1), columns_first=mode == "CRD"), at.unknown()))

    return read


def _reduce(what: Any, newest: int) -> Reader:
    def read(at: At) -> None:
        x = at.unknown()
        at.known(1)
        rank = len(x.shape) + 1
        axes = reduced_axes(at.call(), rank, newest)
        if axes is None:
            at.give(x)
            return
        inner = tuple(at.sample_axis(axis, rank) for axis in axes)
        keep = bool(at.get("keepdims", 1))
        if inner == (1, 2) and rank == 4 and what in {"mean", "max"}:
            pool = GlobalAvgPool2d if what == "mean" else GlobalMaxPool2d
            at.give(at.emit(pool(flatten=not keep), x))
            return
        at.give(at.emit(Reduce(what, inner, keepdims=keep), x))

    return read


def _dropout(at: At) -> None:
    x = at.unknown()
    if at.wants(1):
        raise RefusedError("what was kept as a second output")
    training = at.known(2)
    if training is not None and bool(training.array.reshape(-1)[0]):
        raise RefusedError("that drops in inference too")
    ratio = at.known(1) if at.opset >= 12 else None
    rate = at.get("ratio", 0.5) if at.opset < 12 else 0.5 if ratio is None else float(ratio.array.reshape(()))
    at.give(at.emit(Dropout(_short(rate)), x))


def _cast(at: At) -> None:
    x, to = at.unknown(), at.get("to")
    if to not in {1, 10, 11, 16}:
        raise RefusedError("to a type that isn't floats")
    at.give(Unknown(x.name, x.shape))


def _shape(at: At) -> None:
    whole = at.whole(at.unknown())
    start, end = at.get("start", 0), at.get("end", len(whole))
    at.give(Known(np.asarray(whole[slice(start, end)], np.int64)))


def _size(at: At) -> None:
    at.give(Known(np.asarray(math.prod(at.whole(at.unknown())), np.int64)))


def _scalar(at: At, place: int) -> float:
    """A scale or a zero point of the whole tensor."""
    array = at.needed(place).array
    if array.size != 1:
        raise RefusedError("one scale a channel of what the network works out, expected one for all")
    return float(array.reshape(()))


def _quantize(at: At) -> None:
    x, zero = at.unknown(), at.known(2)
    given = TYPES.get(at.get("output_dtype", 2))
    dtype = zero.array.dtype if zero is not None else given
    if dtype is None or dtype.name not in {"int8", "uint8", "int16", "uint16"}:
        raise RefusedError(f"to type {dtype}")
    limits = np.iinfo(dtype)
    offset = 0 if zero is None else int(_scalar(at, 2))
    layer = FakeQuantize(_scalar(at, 1), offset, int(limits.min), int(limits.max))
    made = at.emit(layer, x)
    at.give(Unknown(made.name, made.shape, integers=True))


def _dequantize(at: At) -> None:
    """Of what was quantised on the same scale, nothing; of a network's bytes, their normalisation."""
    x, zero = at.unknown(), at.known(2)
    scale, offset = _scalar(at, 1), 0 if zero is None else int(_scalar(at, 2))
    layer = at.layer_of(x)
    if isinstance(layer, FakeQuantize):
        if (layer.scale, layer.zero) != (scale, offset):
            raise RefusedError("on another scale than it was quantised on")
        at.give(Unknown(x.name, x.shape))
        return
    seen = Unknown(x.name, x.shape)
    if offset:
        seen = at.emit(Shift((), trained=False), seen, weights={"bias": np.asarray(-offset, np.float32)})
    at.give(at.emit(Scale((), trained=False), seen, weights={"weight": np.asarray(scale, np.float32)}))


READERS: dict[str, Reader] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
    "Add": _add,
    "AveragePool": _avg_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _blocks(DepthToSpace),
    "Div": _div,
    "Dropout": _dropout,
    "Elu": _simple(lambda at: ELU(_short(at.get("alpha", 1.0)))),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gelu": _simple(lambda at: GELU(tanh=at.get("approximate", "none") == "tanh")),
    "Gemm": _gemm,
    "GlobalAveragePool": _globally(GlobalAvgPool2d),
    "GlobalMaxPool": _globally(GlobalMaxPool2d),
    "GroupNormalization": _group_norm,
    "HardSigmoid": _simple(lambda at: HardSigmoid(_short(at.get("alpha", 0.2)), _short(at.get("beta", 0.5)))),
    "HardSwish": _simple(lambda at: HardSwish()),
    "Identity": _simple(lambda at: Identity()),
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _simple(lambda at: LeakyReLU(_short(at.get("alpha", 0.01)))),
    "LogSoftmax": _softmax(LogSoftmax),
    "MatMul": _matmul,
    "Max": _extreme(Maximum, largest=True),
    "MaxPool": _max_pool,
    "Min": _extreme(Minimum, largest=False),
    "Mish": _simple(lambda at: Mish()),
    "Mul": _mul,
    "Neg": lambda at: at.give(_negative(at, at.unknown())),
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMax": _reduce("max", 18),
    "ReduceMean": _reduce("mean", 18),
    "ReduceMin": _reduce("min", 18),
    "ReduceSum": _reduce("sum", 13),
    "Relu": _simple(lambda at: ReLU()),
    "Reshape": _reshape,
    "Resize": _resize,
    "Selu": _simple(lambda at: SELU(*(at.get(key) for key in ("alpha", "gamma") if at.get(key) is not None))),
    "Shape": _shape,
    "Sigmoid": _simple(lambda at: Sigmoid()),
    "Size": _size,
    "Slice": _slice,
    "Softmax": _softmax(Softmax),
    "Softplus": _simple(lambda at: Softplus()),
    "SpaceToDepth": _blocks(SpaceToDepth),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _sub,
    "Sum": _add,
    "Tanh": _simple(lambda at: Tanh()),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
"""By operator."""
