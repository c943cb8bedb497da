"""Functions of each number by itself: behind a step, in place, or from one value to another; and gates.

A gate is a second value that the first is multiplied by, of the same shape or one number a channel of each image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.parts import floats, inner, parted, read, share
from pellucid.ops.numba_ops.compile.vectors import FLOAT, LANES, address
from pellucid.ops.numba_ops.elementwise.smooth import (
    elu_of,
    gelu_of,
    gelu_tanh_of,
    hard_sigmoid_of,
    hard_swish_of,
    mish_of,
    sigmoid_of,
    softplus_of,
    tanh_of,
)
from pellucid.ops.numba_ops.steps.elementwise import CHUNK
from pellucid.ops.numba_ops.steps.finish import copy
from pellucid.ops.numba_ops.steps.step import Call, Step, parts_for

COST = 32  # multiply-adds of a product that take as long as one number

SIGMOID, TANH, SILU, ELU, SOFTPLUS, MISH, GELU, GELU_TANH, HARD_SIGMOID, HARD_SWISH, LEAKY = range(11)

NAMES = {
    "sigmoid": SIGMOID, "tanh": TANH, "silu": SILU, "elu": ELU, "softplus": SOFTPLUS, "mish": MISH, "gelu": GELU,
    "gelu tanh": GELU_TANH, "hard sigmoid": HARD_SIGMOID, "hard swish": HARD_SWISH, "leaky relu": LEAKY,
}  # fmt: skip
"""Functions by name; see the ops of these names."""


NONE = -1
"""No function."""


@dataclass(frozen=True)
class Function:
    """One of NAMES, and its one or two settings in the op's order."""

    name: str
    first: float = 0.0
    second: float = 0.0

    def settings(self) -> Array:
        """As kernels read them."""
        return np.array([self.first, self.second], np.float32)


class _Apply(NamedTuple):
    """Addresses, and sizes."""

    x: int
    output: int
    settings: int
    function: int
    numbers: int
    parts: int


@inner
def apply_to(function: int, place: int, settings: int, count: int) -> None:
    """f(x) of `count` numbers, in their place: of two places LLVM would have to ask whether they are one."""
    x, some = floats(place), floats(settings)
    a, b = some[0], some[1]
    if function == SIGMOID:
        for i in range(count):
            x[i] = sigmoid_of(x[i])
    elif function == TANH:
        for i in range(count):
            x[i] = tanh_of(x[i])
    elif function == SILU:
        for i in range(count):
            x[i] = x[i] * sigmoid_of(x[i])
    elif function == ELU:
        for i in range(count):
            x[i] = elu_of(x[i], a, b)
    elif function == SOFTPLUS:
        for i in range(count):
            x[i] = softplus_of(x[i])
    elif function == MISH:
        for i in range(count):
            x[i] = mish_of(x[i])
    elif function == GELU:
        for i in range(count):
            x[i] = gelu_of(x[i])
    elif function == GELU_TANH:
        for i in range(count):
            x[i] = gelu_tanh_of(x[i])
    elif function == HARD_SIGMOID:
        for i in range(count):
            x[i] = hard_sigmoid_of(x[i], a, b)
    elif function == HARD_SWISH:
        for i in range(count):
            x[i] = hard_swish_of(x[i])
    else:
        for i in range(count):
            x[i] = x[i] if x[i] > np.float32(0) else x[i] * a


@parted(stages=1)
def apply(arguments: int, stage: int, part: int) -> None:
    """Some of the numbers."""
    work = read(_Apply, arguments, 0)
    first, last = share((work.numbers + CHUNK - 1) // CHUNK, part, work.parts)
    for chunk in range(first, last):
        at, count = chunk * CHUNK * FLOAT, min(CHUNK, work.numbers - chunk * CHUNK)
        if work.output != work.x:
            copy(work.x + at, work.output + at, count // LANES, count % LANES)
        apply_to(work.function, work.output + at, work.settings, count)


def _call(numbers: int, function: Function, settings: Array, x: int, output: int) -> Call:
    parts = min(parts_for(COST * numbers), -(-numbers // CHUNK))
    return Call(apply, parts, (_Apply(x, output, address(settings), NAMES[function.name], numbers, parts),))


def function(numbers: int, function: Function) -> Step:
    """A function of each of so many numbers."""
    settings = function.settings()

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [_call(numbers, function, settings, inputs[0], output)]

    return Step(function.name, calls, 0, [settings])


def followed(step: Step, numbers: int, function: Function) -> Step:
    """The step, and a function of each of the `numbers` that it gives, in place."""
    settings, before = function.settings(), step.calls

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [*before(inputs, output, scratch), _call(numbers, function, settings, output, output)]

    return replace(step, calls=calls, arrays=[*step.arrays, settings])


def turned(step: Step) -> Step:
    """The step with its two inputs exchanged."""
    before = step.calls
    return replace(step, calls=lambda inputs, output, scratch: before(inputs[::-1], output, scratch))


class _Gate(NamedTuple):
    """Addresses, and sizes."""

    x: int  # (N, pixels, C)
    gate: int  # the same, or (N, C)
    output: int
    number: int
    pixels: int
    channels: int
    single: int  # whether the gate has one pixel
    parts: int


@parted(stages=1)
def gate(arguments: int, stage: int, part: int) -> None:
    """Some of the pixels of all images."""
    work = read(_Gate, arguments, 0)
    first, last = share(work.number * work.pixels, part, work.parts)
    x, factors, made = floats(work.x), floats(work.gate), floats(work.output)
    for pixel in range(first, last):
        place = pixel * work.channels
        other = pixel // work.pixels * work.channels if work.single else place
        for c in range(work.channels):
            made[place + c] = x[place + c] * factors[other + c]


def multiply(number: int, pixels: int, channels: int, *, single: bool) -> Step:
    """Two values of `number` images multiplied; single: the second has one pixel an image."""
    parts = min(parts_for(COST * number * pixels * channels), number * pixels)

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        work = _Gate(inputs[0], inputs[1], output, number, pixels, channels, int(single), parts)
        return [Call(gate, parts, (work,))]

    return Step("multiply", calls)
