"""Activations that a file has as products of a value with a function of it: SiLU, HardSwish, GELU."""

from __future__ import annotations

import math

import numpy as np

from pellucid.exchange.onnx_reading import At, Known, Unknown
from pellucid.layers import GELU, Erf, HardSigmoid, HardSwish, Scale, Shift, Sigmoid, SiLU


def gated(at: At, gate: Unknown, x: Unknown) -> Unknown | None:
    """The activation that a product of x with a function of x is; None where it is none."""
    return _by_sigmoid(at, gate, x) or _of_normal(at, gate, x)


def _by_sigmoid(at: At, gate: Unknown, x: Unknown) -> Unknown | None:
    """SiLU or HardSwish, where the gate is x's own sigmoid, which nobody else sees."""
    layer, node = at.layer_of(gate), at.reading.nodes.get(gate.name)
    if node is None or node.inputs != (x.name,) or not at.reading.only_reader(gate):
        return None
    hard = isinstance(layer, HardSigmoid) and abs(layer.alpha - 1 / 6) < 1e-6 and layer.beta == 0.5
    if not (type(layer) is Sigmoid or hard):
        return None
    at.reading.drop(gate)
    return at.emit(HardSwish() if hard else SiLU(), x)


def _number(at: At, value: Unknown, kind: type[Scale] | type[Shift]) -> tuple[float, Unknown] | None:
    """The one number that a value is multiplied by, or that is added, and to what; None where it isn't so."""
    node = at.reading.nodes.get(value.name)
    if node is None or type(node.layer) is not kind or node.layer.shape:
        return None
    key = "weight" if kind is Scale else "bias"
    source = node.inputs[0]
    return float(at.reading.weights[f"{value.name}.{key}"]), Unknown(source, value.shape)


def _of_normal(at: At, gate: Unknown, x: Unknown) -> Unknown | None:
    """Twice GELU, x (1 + erf(x / sqrt(2))), as it is written where Gelu is not known; GELU, of one halved."""
    halved = _number(at, gate, Scale)
    if halved is not None and halved[0] != 0.5:
        return None
    shifted = _number(at, gate if halved is None else halved[1], Shift)
    inner = at.reading.nodes.get(shifted[1].name) if shifted is not None and shifted[0] == 1 else None
    if inner is None or type(inner.layer) is not Erf:
        return None
    scaled = _number(at, Unknown(inner.inputs[0], x.shape), Scale)
    if scaled is None or abs(scaled[0] - math.sqrt(0.5)) > 1e-6:
        return None
    half = _number(at, x, Scale)
    if halved is None and half is not None and half == (0.5, scaled[1]):
        return at.emit(GELU(), half[1])
    if scaled[1].name != x.name:
        return None
    if halved is not None:
        return at.emit(GELU(), x)
    made = at.emit(GELU(), x)
    return at.emit(Scale((), trained=False), made, weights={"weight": np.asarray(2.0, np.float32)})


def as_gelu(at: At, x: Unknown, factor: Known) -> Unknown | None:
    """GELU itself, where its double is halved."""
    doubled = _number(at, x, Scale)
    if doubled is None or doubled[0] * float(factor.array.reshape(())) != 1:
        return None
    return doubled[1] if type(at.layer_of(doubled[1])) is GELU else None
