"""Functions of each element by itself, and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pellucid.exchange.onnx_functions import FUNCTIONS, Setting
from pellucid.exchange.onnx_readers.broadcast import aligned
from pellucid.exchange.onnx_readers.weights import Reader, floats, short
from pellucid.exchange.onnx_reading import At, RefusedError, Unknown
from pellucid.layers import (
    ELU,
    GELU,
    Abs,
    Clip,
    Divide,
    Dropout,
    Layer,
    LogSoftmax,
    Power,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Scale,
    Shift,
    Softmax,
    Softplus,
)

FAR = 20
"""From where on softplus(x) is x."""


def bounded(at: At, x: Unknown, low: float, high: float) -> None:
    """Clip, by the name that people know it by."""
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
    bounded(at, x, low, high)


def _simple(make: Callable[[At], Layer]) -> Reader:
    """An operator of one input that is one layer."""

    def read(at: At) -> None:
        at.give(at.emit(make(at), at.unknown()))

    return read


def _function(layer: Callable[..., Layer], settings: tuple[Setting, ...]) -> Reader:
    """An operator of each element by itself, as the table has it."""

    def make(at: At) -> Layer:
        given = {setting: at.get(setting.attribute) for setting in settings}
        return layer(**{s.name: s.default if value is None else short(value) for s, value in given.items()})

    return _simple(make)


def _prelu(at: At) -> None:
    x, slopes = at.unknown(), at.needed(1)
    array = floats(aligned(at, slopes, len(x.shape)))
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


def _dropout(at: At) -> None:
    x = at.unknown()
    if at.wants(1):
        raise RefusedError("what was kept as a second output")
    training = at.known(2)
    if training is not None and bool(training.array.reshape(-1)[0]):
        raise RefusedError("that drops in inference too")
    ratio = at.known(1) if at.opset >= 12 else None
    rate = at.get("ratio", 0.5) if at.opset < 12 else 0.5 if ratio is None else float(ratio.array.reshape(()))
    at.give(at.emit(Dropout(short(rate)), x))


def _celu(at: At) -> None:
    """ELU of x / alpha, times alpha."""
    x, alpha = at.unknown(), short(at.get("alpha", 1.0))
    if alpha == 1:
        at.give(at.emit(ELU(), x))
        return
    inner = at.emit(ELU(), number(at, Scale, x, 1 / alpha))
    at.give(number(at, Scale, inner, alpha))


def number(at: At, layer: type[Scale] | type[Shift], x: Unknown, value: float) -> Unknown:
    """x times one number, or with it added; it doesn't learn."""
    key = "weight" if layer is Scale else "bias"
    return at.emit(layer((), trained=False), x, weights={key: np.asarray(value, np.float32)})


def _softsign(at: At) -> None:
    x = at.unknown()
    at.give(at.emit(Divide(), x, number(at, Shift, at.emit(Abs(), x), 1.0)))


def _power(at: At) -> None:
    x, exponent = at.unknown(), at.needed(1)
    if exponent.array.size != 1:
        raise RefusedError(f"exponents of shape {exponent.array.shape}, expected one number")
    p = short(float(exponent.array.reshape(())))
    at.give(x if p == 1 else at.emit(Power(p), x))


def _greater(at: At) -> None:
    """Whether a value is above a number: only what `_where` may ask."""
    bound = at.needed(1)
    if bound.array.size != 1:
        raise RefusedError("with more than one number")
    at.give(replace(at.unknown(0), above=float(bound.array.reshape(()))))


def _where(at: At) -> None:
    """Softplus, where large numbers are taken as they are: they are, within 1e-8, from 20 on."""
    asked, x, other = at.unknown(0), at.unknown(1), at.unknown(2)
    node = at.reading.nodes.get(other.name)
    soft = node is not None and type(node.layer) is Softplus and node.inputs == (x.name,)
    if asked.above is None or asked.above < FAR or asked.name != x.name or not soft:
        raise RefusedError("but for softplus(x), with x where it is above 20")
    at.give(other)


READERS: dict[str, Reader] = {
    **{operator: _function(layer, settings) for operator, (layer, settings) in FUNCTIONS.items()},
    "Celu": _celu,
    "Clip": _clip,
    "Dropout": _dropout,
    "Gelu": _simple(lambda at: GELU(tanh=at.get("approximate", "none") == "tanh")),
    "Greater": _greater,
    "LogSoftmax": _softmax(LogSoftmax),
    "PRelu": _prelu,
    "Pow": _power,
    "Reciprocal": _simple(lambda at: Power(-1)),
    "Softmax": _softmax(Softmax),
    "Softsign": _softsign,
    "Sqrt": _simple(lambda at: Power(0.5)),
    "Where": _where,
}
