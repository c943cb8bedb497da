"""Operators on each element by itself, or on those of several inputs at one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_file import TYPES
from pellucid.exchange.onnx_fold.call import Call, Folded, checked_axis, room_for, wide
from pellucid.layers.smooth import SELU_ALPHA, SELU_SCALE
from pellucid.layers.softmax import log_softmax, softmax
from pellucid.ops.arrays import Array
from pellucid.ops.numpy_ops.activation import sigmoid
from pellucid.ops.numpy_ops.smooth import elu, erf, gelu, hard_sigmoid, hard_swish, mish, softplus


def _pointwise(function: Callable[[Array, Call], Any]) -> Callable[[Call], Array]:
    """An operator on each element of one input."""

    def fold(call: Call) -> Array:
        x = wide(call[0])
        return np.asarray(function(x, call)).astype(call[0].dtype)

    return fold


def _wrapping(function: Callable[[Array, Array], Any]) -> Callable[[Call], Array]:
    """An operator of two or more inputs that are broadcast; whole numbers wrap around."""

    def fold(call: Call) -> Array:
        total = wide(call[0])
        for i in range(1, len(call.inputs)):
            other = wide(call[i])
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
    x = wide(call[0])
    return np.where(x < 0, x * wide(call[1]), x).astype(call[0].dtype)


def _softmax(function: Callable[[Array, Any], Array]) -> Callable[[Call], Array]:
    def fold(call: Call) -> Array:
        x = wide(call[0])
        axis = checked_axis(call.get("axis", 1 if call.opset < 13 else -1), x.ndim)
        axes = tuple(range(axis, x.ndim)) if call.opset < 13 else axis
        return function(x, axes).astype(call[0].dtype) if x.size else x

    return fold


def _comparing(function: Callable[[Array, Array], Any]) -> Callable[[Call], Array]:
    """A question about two inputs that are broadcast."""

    def fold(call: Call) -> Array:
        room_for(np.broadcast_shapes(call[0].shape, call[1].shape))
        return np.asarray(function(wide(call[0]), wide(call[1])))

    return fold


def _celu(x: Array, call: Call) -> Array:
    alpha = x.dtype.type(call.get("alpha", 1.0))
    y: Array = np.maximum(x, 0) + np.minimum(alpha * np.expm1(x / alpha), 0)
    return y


def _mod(call: Call) -> Array:
    """The rest, with the divisor's sign, or by fmod with the dividend's."""
    a, b = wide(call[0]), wide(call[1])
    room_for(np.broadcast_shapes(a.shape, b.shape))
    if a.dtype.kind in "iu" and not np.all(b):
        raise PellucidError("a whole number divided by 0")
    return np.asarray((np.fmod if call.get("fmod", 0) else np.mod)(a, b)).astype(call[0].dtype)


def _where(call: Call) -> Array:
    room_for(np.broadcast_shapes(*(call[i].shape for i in range(3))))
    return np.where(call[0], call[1], call[2])


def _cast(call: Call) -> Array:
    dtype = TYPES.get(call.get("to"))
    if dtype is None:
        raise PellucidError(f"to type {call.get('to')}")
    with np.errstate(invalid="ignore", over="ignore"):
        return call[0].astype(dtype)


def _pow(call: Call) -> Array:
    base, exponent = wide(call[0]), wide(call[1])
    room_for(np.broadcast_shapes(base.shape, exponent.shape))
    return np.asarray(np.power(base.astype(np.result_type(base, exponent)), exponent)).astype(call[0].dtype)


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "Abs": _pointwise(lambda x, c: np.abs(x)),
    "Add": _wrapping(np.add),
    "And": _comparing(np.logical_and),
    "Cast": _cast,
    "Ceil": _pointwise(lambda x, c: np.ceil(x)),
    "Celu": _pointwise(_celu),
    "Clip": _clip,
    "Div": _wrapping(_divided),
    "Elu": _pointwise(lambda x, c: elu(x, c.get("alpha", 1.0))),
    "Equal": _comparing(np.equal),
    "Erf": _pointwise(lambda x, c: erf(x)),
    "Exp": _pointwise(lambda x, c: np.exp(x)),
    "Floor": _pointwise(lambda x, c: np.floor(x)),
    "Gelu": _pointwise(lambda x, c: gelu(x, c.get("approximate", "none") == "tanh")),
    "Greater": _comparing(np.greater),
    "GreaterOrEqual": _comparing(np.greater_equal),
    "HardSigmoid": _pointwise(lambda x, c: hard_sigmoid(x, c.get("alpha", 0.2), c.get("beta", 0.5))),
    "HardSwish": _pointwise(lambda x, c: hard_swish(x)),
    "LeakyRelu": _pointwise(lambda x, c: np.where(x < 0, x * x.dtype.type(c.get("alpha", 0.01)), x)),
    "Less": _comparing(np.less),
    "LessOrEqual": _comparing(np.less_equal),
    "Log": _pointwise(lambda x, c: np.log(x)),
    "LogSoftmax": _softmax(log_softmax),
    "Max": _wrapping(np.maximum),
    "Min": _wrapping(np.minimum),
    "Mish": _pointwise(lambda x, c: mish(x)),
    "Mod": _mod,
    "Mul": _wrapping(np.multiply),
    "Neg": _pointwise(lambda x, c: -x),
    "Not": lambda call: np.logical_not(call[0]),
    "Or": _comparing(np.logical_or),
    "PRelu": _prelu,
    "Pow": _pow,
    "Reciprocal": _pointwise(lambda x, c: 1 / x),
    "Relu": _pointwise(lambda x, c: np.maximum(x, 0)),
    "Selu": _pointwise(lambda x, c: elu(x, c.get("alpha", SELU_ALPHA), c.get("gamma", SELU_SCALE))),
    "Sigmoid": _pointwise(lambda x, c: sigmoid(x)),
    "Softmax": _softmax(softmax),
    "Softplus": _pointwise(lambda x, c: softplus(x)),
    "Softsign": _pointwise(lambda x, c: x / (1 + np.abs(x))),
    "Sqrt": _pointwise(lambda x, c: np.sqrt(x)),
    "Sub": _wrapping(np.subtract),
    "Sum": _wrapping(np.add),
    "Tanh": _pointwise(lambda x, c: np.tanh(x)),
    "Where": _where,
}
