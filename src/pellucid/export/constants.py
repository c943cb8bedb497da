"""The constants of an integer network as C: arrays of weights, and each step's description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from pellucid.export.kernels import ADD_TWO, COLUMNED, column_length
from pellucid.export.offsets import Offset
from pellucid.ops.arrays import Array
from pellucid.plan.integer_affine import IntegerAffine
from pellucid.plan.integer_steps import (
    Images,
    IntegerAdd,
    IntegerConcat,
    IntegerCropLike,
    IntegerFlatten,
    IntegerMultiply,
    IntegerOrder,
    IntegerPool2d,
    IntegerRepeatEdges,
    IntegerStep,
    IntegerTable,
)
from pellucid.plan.weight_levels import pack

LINE = 110
IDENTITY = np.arange(256, dtype=np.uint8)
DESCRIPTION = {"pool": 28, "sum": 28, "operand": 12, "sum_of_two": 24, "product": 24, "move": 16}
"""Bytes of each struct, with pointers of four bytes."""


@dataclass(frozen=True)
class Seen:
    """What a step sees, one entry an input. offsets: in the arena. shapes: of one sample."""

    offsets: Sequence[Offset]
    shapes: Sequence[Images]

    def spread(self, step: IntegerStep) -> list[bool]:
        """Which inputs have one pixel that counts at each place of the output."""
        return [shape != step.output_shape for shape in self.shapes]


def constants(
    i: int, step: IntegerStep, kernel: str, seen: Seen, row: Sequence[int | Offset] = ()
) -> tuple[str, int]:
    """The arrays and the description of step i in C, and their bytes; each begins at a multiple of four."""
    body, size = _body(i, step, kernel, seen, row)
    title = f"/* {step.name or 'layer'}: {_shape(step.input_shape)} to {_shape(step.output_shape)} */\n"
    return (title + body if body else ""), size


def _body(i: int, step: IntegerStep, kernel: str, seen: Seen, row: Sequence[int | Offset]) -> tuple[str, int]:
    if isinstance(step, IntegerAffine):
        return _affine(i, step, kernel, row)
    if isinstance(step, IntegerTable):
        return array(f"table_{i}", "uint8_t", step.table), 256
    if isinstance(step, IntegerConcat):
        own = [k for k, table in enumerate(step.tables) if not np.array_equal(table, IDENTITY)]
        return "".join(array(f"table_{i}_{k}", "uint8_t", step.tables[k]) for k in own), 256 * len(own)
    if isinstance(step, IntegerPool2d):
        sides = (*step.output_shape[1:], *step.kernel, *step.stride, *step.geometry.before, *step.dilation)
        return _struct("pool", i, (*image(step), *sides, step.average))
    if isinstance(step, IntegerAdd):
        return _sum(i, step, kernel, seen)
    if isinstance(step, IntegerMultiply):
        zeros = step.zeros[::-1] if seen.spread(step)[0] else step.zeros
        numbers = (*_places(step), any(seen.spread(step)), step.multiplier, step.shift, *zeros)
        return _struct("product", i, (*numbers, step.zero, step.low, step.high))
    if isinstance(step, IntegerOrder):
        return array(f"order_{i}", "uint16_t", np.array(step.order)), _whole_words(step.weight_bytes)
    if isinstance(step, IntegerRepeatEdges | IntegerCropLike):
        H, W, C = image(step)
        before = step.before if isinstance(step, IntegerRepeatEdges) else (0, 0)
        return _struct("move", i, (H, W, *step.output_shape[1:], *before, C * (4 if step.wide else 1)))
    assert isinstance(step, IntegerFlatten)
    return "", 0


def described(step: IntegerAffine, start: Offset, to: Offset, first: int) -> dict[str, int | Offset]:
    """The fields of a layer with weights, by name: see export/descriptions.py."""
    (H, W, C), (K, P, Q) = image(step), step.output_shape
    (top, left), (down, right) = step.geometry.before, step.stride
    return {
        "from": start, "to": to, "first": first, "length": column_length(step),
        "height": H, "width": W, "channels": C, "out_height": P, "out_width": Q, "filters": K,
        "kernel_height": step.kernel[0], "kernel_width": step.kernel[1], "stride_down": down, "stride_right": right,
        "pad_top": top, "pad_left": left, "dilation_down": step.dilation[0], "dilation_right": step.dilation[1],
        "groups": step.groups, "pool": step.pool, "bits": step.bits, "zero": step.zeros[0], "wide": int(step.wide),
        "out_zero": step.zeros[1], "low": step.low, "high": step.high,
    }  # fmt: skip


def scales(steps: Iterable[IntegerAffine]) -> tuple[str, int]:
    """Bias, multiplier and shift of all filters, layer behind layer, and their bytes."""
    columns = [(step.bias, step.multiplier, step.shift) for step in steps]
    if not columns:
        return "", 0
    bias, multiplier, shift = (np.concatenate(column) for column in zip(*columns, strict=True))
    short = int(np.abs(bias.astype(np.int64)).max()) < 1 << 15
    arrays = (
        ("biases", 2 if short else 4, "int16_t" if short else "int32_t", bias),
        ("multipliers", 4, "int32_t", multiplier),
        ("shifts", 1, "uint8_t", shift),
    )
    text = "".join(array(name, kind, values) for name, _, kind, values in arrays)
    return text, sum(_whole_words(size * len(bias)) for _, size, _, _ in arrays)


def _affine(i: int, step: IntegerAffine, kernel: str, row: Sequence[int | Offset]) -> tuple[str, int]:
    weights = packed(step, kernel)
    text = array(f"weights_{i}", "uint8_t", weights)
    members = ", ".join([f"weights_{i}", *map(str, row)])
    text += f"static const struct convolution convolution_{i} = {{{members}}};\n"
    return text, _whole_words(len(weights))


def packed(step: IntegerAffine, kernel: str) -> Array:
    """The weights as the kernel reads them: bytes.

    Filters that are multiplied by columns lie in twos, w and v, those of a group without a partner beside zeros, and
    are filled up to whole words. Numbers of a filter come in pairs too: a word's lower half has codes of w and v for
    the first numbers of its pairs, in turn, its upper half those for the second numbers. Other kernels read a byte a
    weight, depthwise ones pixel by pixel of the window.
    """
    rows = step.weight.transpose(0, 2, 3, 1).reshape(len(step.weight), -1)
    if kernel not in COLUMNED:
        return pack(np.ascontiguousarray(rows.T if kernel == "convolve_depthwise" else rows), 8)
    own, length = len(rows) // step.groups, column_length(step)
    filling = np.int8(0 if step.bits == 8 else 1 - (1 << step.bits))  # the code 0
    full = np.full((step.groups, -(-own // 2) * 2, length), filling, np.int8)
    full[:, :own, : rows.shape[1]] = rows.reshape(step.groups, own, -1)
    pairs = 8 // step.bits  # in a word
    words = full.reshape(-1, 2, length // (2 * pairs), pairs, 2)  # twos, filter, word, pair, number
    return pack(np.ascontiguousarray(words.transpose(0, 2, 4, 3, 1)).reshape(-1), step.bits)


def _sum(i: int, step: IntegerAdd, kernel: str, seen: Seen) -> tuple[str, int]:
    half = 0 if step.logits else 1 << (step.shift - 1)
    bias = half - sum(zero * multiplier for zero, multiplier in zip(step.zeros, step.multipliers, strict=True))
    bounds = (step.zero, step.low, step.high)
    if kernel == ADD_TWO:
        return _struct("sum_of_two", i, (bias, *step.multipliers, prod(step.output_shape), step.shift, *bounds))
    operands = zip(seen.offsets, step.multipliers, seen.spread(step), strict=True)
    rows = ", ".join(f"{{{_joined(operand)}}}" for operand in operands)
    text = f"static const struct operand operands_{i}[] = {{{rows}}};\n"
    numbers = _joined((len(step.inputs), *_places(step), step.shift, bias, *bounds))
    size = DESCRIPTION["operand"] * len(step.inputs) + DESCRIPTION["sum"]
    return f"{text}static const struct sum sum_{i} = {{operands_{i}, {numbers}}};\n", size


def _struct(kind: str, i: int, numbers: Iterable[int]) -> tuple[str, int]:
    return f"static const struct {kind} {kind}_{i} = {{{_joined(numbers)}}};\n", DESCRIPTION[kind]


def _places(step: IntegerStep) -> tuple[int, int]:
    """Pixels and channels of what a step gives."""
    return prod(step.output_shape[1:]), step.output_shape[0]


def image(step: IntegerStep) -> tuple[int, int, int]:
    """Height, width and channels of what a step sees."""
    C, H, W = step.input_shape
    return H, W, C


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _joined(numbers: Iterable[int | Offset]) -> str:
    return ", ".join(str(number) if isinstance(number, Offset) else _number(int(number)) for number in numbers)


def _number(value: int) -> str:
    """A number as C has it: -2^31 would be two numbers of more bits."""
    return "INT32_MIN" if value == -(1 << 31) else str(value)


def _whole_words(size: int) -> int:
    return -(-size // 4) * 4


def array(name: str, kind: str, values: Array) -> str:
    """A constant array, in lines that people can look at."""
    lines, line = [], "   "
    for value in values.tolist():
        text = _number(value)
        if len(line) + len(text) + 2 > LINE:
            lines.append(line)
            line = "   "
        line += f" {text},"
    return f"static const {kind} {name}[{len(values)}] = {{\n" + "\n".join([*lines, line]) + "\n};\n"
