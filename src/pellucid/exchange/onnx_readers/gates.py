"""Activations that a file has as products of a value with a function of it: SiLU, HardSwish, Mish, GELU."""

from __future__ import annotations

import math

import numpy as np

from pellucid.exchange.onnx_readers.weights import short
from pellucid.exchange.onnx_reading import At, Known, Unknown
from pellucid.layers import (
    GELU,
    AvgPool2d,
    Erf,
    HardSigmoid,
    HardSwish,
    Layer,
    LocalResponseNorm,
    Mish,
    Multiply,
    Pad,
    Power,
    ReLU6,
    Reshape,
    Scale,
    Shift,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)


def gated(at: At, gate: Unknown, x: Unknown) -> Unknown | None:
    """The activation that a product of x with a function of x is; None where it is none."""
    return _by_sigmoid(at, gate, x) or _by_softplus(at, gate, x) or _of_normal(at, gate, x)


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


def _by_softplus(at: At, gate: Unknown, x: Unknown) -> Unknown | None:
    """Mish, where the gate is tanh(softplus(x))."""
    tanh = at.reading.nodes.get(gate.name)
    soft = None if tanh is None or type(tanh.layer) is not Tanh else at.reading.nodes.get(tanh.inputs[0])
    if soft is None or type(soft.layer) is not Softplus or soft.inputs != (x.name,):
        return None
    return at.emit(Mish(), x)


def as_hard(at: At, value: Unknown, factor: float) -> Unknown | None:
    """HardSigmoid or HardSwish by hand, relu6(x + 3) / 6 and x relu6(x + 3) / 6; None for anything else."""
    node = at.reading.nodes.get(value.name)
    if node is None or abs(6 * factor - 1) > 1e-6:
        return None
    if type(node.layer) is Multiply and len(node.inputs) == 2:
        for gate, other in (node.inputs, node.inputs[::-1]):
            x = _raised(at, gate, value)
            if x is not None and x.name == other:
                return at.emit(HardSwish(), x)
        return None
    x = _raised(at, value.name, value)
    return None if x is None else at.emit(HardSigmoid(), x)


def _raised(at: At, name: str, value: Unknown) -> Unknown | None:
    """x of relu6(x + 3), which has the shape of a value."""
    node = at.reading.nodes.get(name)
    if node is None or type(node.layer) is not ReLU6:
        return None
    shifted = _number(at, Unknown(node.inputs[0], value.shape), Shift)
    return shifted[1] if shifted is not None and shifted[0] == 3 else None


def as_response_norm(at: At, x: Unknown, divisor: Unknown) -> Unknown | None:
    """LocalResponseNorm as PyTorch writes it: x by (k + alpha mean of x^2 over neighbouring channels)^beta."""
    nodes = at.reading.nodes
    power = nodes.get(divisor.name)
    if power is None or type(power.layer) is not Power:
        return None
    shifted = _number(at, Unknown(power.inputs[0], x.shape), Shift)
    scaled = None if shifted is None else _number(at, shifted[1], Scale)
    if shifted is None or scaled is None:
        return None
    row: list[Layer] = []  # from there back to the squares
    name = scaled[1].name
    while (node := nodes.get(name)) is not None and isinstance(node.layer, AvgPool2d | Pad | Reshape):
        name = node.inputs[0]
        if not isinstance(node.layer, Reshape):
            row.append(node.layer)
    if node is None or type(node.layer) is not Multiply or node.inputs != (x.name, x.name) or len(row) != 2:
        return None
    pool, frame = row
    if not isinstance(pool, AvgPool2d) or not isinstance(frame, Pad) or frame.mode != "constant" or frame.value:
        return None
    size = pool.kernel[0]
    around = (0, (size - 1) // 2, 0, 0)
    if pool.kernel[1] != 1 or frame.before[-4:] != around or frame.after[-4:] != around or size % 2 == 0:
        return None
    settings = (short(number) for number in (scaled[0], power.layer.exponent, shifted[0]))
    alpha, beta, k = settings
    return at.emit(LocalResponseNorm(size, alpha=alpha, beta=beta, k=k), x)


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
