"""How often an exported program does what it does: the counts that instructions and bytes of code are estimated from.

A step's loops are known before it is compiled, so its instructions are a sum of counts, each times the instructions
of one turn. These were measured in QEMU (`python -m benchmarks.microcontroller calibrate`), for Armv7E-M with its
products of two, for Armv8.1-M with Helium's of sixteen, for plain Armv7-M, and for code compiled for size; likewise
the bytes of code of each kernel.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from math import prod

import numpy as np

from pellucid.export.c import Program
from pellucid.export.kernels import (
    ADD,
    AFFINE,
    COLUMNED,
    CONVOLVE,
    DEPTHWISE,
    POOLED,
    TRANSPOSED,
    column_length,
)
from pellucid.plan.integer_affine import IntegerAffine
from pellucid.plan.integer_steps import IntegerConcat, IntegerPool2d
from pellucid.plan.memory import PLACES

DSP, HELIUM, PLAIN, SMALL = "dsp", "helium", "plain", "small"
"""Ways to compile: for Armv7E-M and Armv8-M with DSP, Armv8.1-M with Helium, other cores, and any core with -Os."""

VECTOR = 16
"""Numbers that an instruction of Helium multiplies."""

TURN_OF_OTHERS, BYTES_OF_OTHERS = 12, 120  # of the few kernels that only move bytes, which were not measured
LARGEST_SMALL_SHIFT = 32  # beyond it, a product's upper word is enough

ALONE = ("given", "compared")
"""Turns that are shorter where no kernel gives several places at once: the compiler then knows that it's one."""


@cache
def measured(kind: str) -> dict[str, dict[str, float]]:
    """What one turn of each loop takes ("turns"), or what each piece of code does ("bytes"), by way to compile."""
    table = tomllib.loads((resources.files("pellucid.export") / "instructions.toml").read_text())
    found: dict[str, dict[str, float]] = table[kind]
    return found


def instructions(program: Program, way: str) -> int:
    """An estimate for one image."""
    return round(_sum(turns(program, way), measured("turns")[way], TURN_OF_OTHERS))


def code_bytes(program: Program, way: str) -> int:
    """An estimate of the code's bytes, constants apart."""
    return round(_sum(pieces(program), measured("bytes")[way], BYTES_OF_OTHERS))


def _sum(counts: Mapping[str, float], each: Mapping[str, float], other: float) -> float:
    return sum(count * each.get(name, other) for name, count in counts.items())


def turns(program: Program, way: str) -> Counter[str]:
    """How often each loop of the program, compiled one of the ways, turns for one image."""
    found: Counter[str] = Counter()
    if program.tables is not None:
        found["look_up"] = prod(program.network.input_shape)
    one = way != SMALL and CONVOLVE not in program.kernels
    for i, (step, kernel) in enumerate(zip(program.steps, program.kernels, strict=True)):
        if isinstance(step, IntegerAffine):
            of_step = _affine(step, kernel, way, by_line=i < len(program.lines))
            found.update({f"{name} alone" if one and name in ALONE else name: n for name, n in of_step.items()})
        elif isinstance(step, IntegerPool2d):
            found.update(
                {"pool output": prod(step.output_shape), "pool pixel": prod((*step.output_shape, *step.kernel))}
            )
        elif kernel == ADD:
            found.update({"sum operand": prod(step.output_shape) * len(step.inputs)})
        else:
            found.update({kernel: step.output_bytes})
    for line in program.lines:
        found["byte of a row"] += line.height * line.row_bytes
        found["byte that moves up"] += max(0, line.rows - line.step) * line.row_bytes * line.out_height
        found["line"] += line.out_height
    return found


def _affine(step: IntegerAffine, kernel: str, way: str, *, by_line: bool) -> dict[str, float]:
    K, P, Q = step.output_shape
    outputs, taps = K * P * Q, prod(step.kernel)
    found = _slow(step) if way != SMALL else {}
    if kernel == DEPTHWISE:
        return found | _depthwise(step, way)
    if kernel == TRANSPOSED:
        products = step.weight.size * prod(step.input_shape[1:])
        return found | {"given": outputs, "reach": outputs * step.pool**2 * taps, "product that is reached": products}
    length, columns, own = column_length(step), P * Q * step.pool**2, K // step.groups
    found |= _gathered(step, way) if kernel != AFFINE else {}
    if way == SMALL:
        return found | {"given": outputs, "filter": columns * K, f"product of {step.bits} bits": columns * K * length}
    twos, words, word = step.groups * -(-own // 2), length / 4, f"word of {step.bits} bits"
    if way == HELIUM:
        words, word = -(-length // VECTOR), f"{VECTOR} of {step.bits} bits"
    if kernel == AFFINE:
        return found | {"two": twos, "given": outputs, f"{word} in place": twos * words}
    runs = (P, Q) if by_line else (1, P * Q)  # places that are computed in one go
    blocks = P * Q * -(-(step.pool**2) // PLACES) if kernel == POOLED else runs[0] * -(-runs[1] // PLACES)
    found |= {"block": blocks, "two filters of a block": blocks * twos, word: blocks * twos * words}
    found["compared" if kernel == POOLED else "filter of a block"] = blocks * K
    found["given"] = outputs
    if way == HELIUM:
        found[f"{word}, the last"] = blocks * twos * (length % VECTOR > 0)
        found[f"summed for {step.bits} bits"] = blocks * step.groups * words
    elif step.bits < 8:
        found["number of a sum"] = blocks * step.groups * length
    return found


def _depthwise(step: IntegerAffine, way: str) -> dict[str, float]:
    K, P, Q = step.output_shape
    places, taps = P * Q, prod(step.kernel)
    if way == HELIUM:
        eights = places * -(-K // 8)
        return {"eight filters": eights, "tap": places * taps, "tap of eight": eights * taps}
    fours = 0 if way == SMALL else K // 4 * 4
    found: dict[str, float] = {"given": K * places, "tap": places * taps, "tap of four": places * fours * taps}
    return found | {"tap of a channel": places * (K - fours) * taps}


def _slow(step: IntegerAffine) -> dict[str, float]:
    """Outputs that aren't scaled by the upper word of a product alone."""
    slow = len(step.shift) if step.wide else int((step.shift <= LARGEST_SMALL_SHIFT).sum())
    return {"given slowly": slow * prod(step.output_shape[1:])}


def _gathered(step: IntegerAffine, way: str) -> dict[str, float]:
    """What brings the pixels of all windows into columns."""
    (C, H, W), (_, P, Q) = step.input_shape, step.output_shape
    inside, depth, columns = [], C // step.groups, P * Q * step.pool**2 * step.groups
    before, dilation = step.geometry.before, step.dilation
    for side, places, i in ((H, P, 0), (W, Q, 1)):
        first = np.arange(places * step.pool) * step.stride[i] - before[i]
        taps = first[:, None] + np.arange(step.kernel[i]) * dilation[i]
        inside.append(((taps >= 0) & (taps < side)).sum(axis=1))
    rows, pixels = int(inside[0].sum()), int(inside[1].sum())
    seen = rows * pixels * depth * step.groups
    found: dict[str, float] = {"column": columns, "row of a column": columns * step.kernel[0]}
    if way == SMALL:
        return found | {"byte of a column": columns * prod(step.kernel) * depth}
    whole = int((inside[1] == step.kernel[1]).sum()) if step.groups == 1 and dilation[1] == 1 else 0
    run, apart = step.kernel[1] * depth, pixels - whole * step.kernel[1]
    runs = {run: rows * whole * step.groups, depth: rows * apart * step.groups}
    if way == HELIUM:
        vectors = sum(-(-length // VECTOR) * count for length, count in runs.items())
        return found | {"run": sum(runs.values()), f"{VECTOR} of a column": vectors}
    found |= {"byte of a column": seen, "byte outside": columns * column_length(step) - seen}
    found["odd byte"] = sum(length % 8 * count for length, count in runs.items())
    found["run"] = sum(runs.values())
    return found


def pieces(program: Program) -> Counter[str]:
    """What there is of code."""
    found = Counter({"program": 1, "step": len(program.steps)})
    found.update(dict.fromkeys(set(program.kernels), 1))
    if program.tables is not None:
        found["look_up"] = 1
    if program.lines:
        found |= {"lines": 1, "kind of a line": len(program.lines)}
    found["several pools"] = int(program.kernels.count("pool_windows") > 1)  # one alone has its numbers compiled in
    called = [
        program.kernels.count("order_channels"),
        sum(len(step.inputs) for step in program.steps if isinstance(step, IntegerConcat)),
    ]
    found["further call"] = sum(max(0, count - 1) for count in called)  # each with six arguments
    found["several tables"] = int(program.kernels.count("look_up") > 1)
    if program.affine:
        found.update(_of_layers(program))
    return found


def _of_layers(program: Program) -> dict[str, float]:
    """The code for layers with weights: what is a constant of the program drops out of it."""
    used, constants = set(program.kernels), program.descriptions.constants
    bits = {step.bits for i, step in program.affine.items() if program.kernels[i] in COLUMNED}
    low, windows = bool(bits & {4, 2}), bool(used & {CONVOLVE, POOLED})
    shifts = [int(step.shift.min()) for step in program.affine.values()]
    return {
        "given": 1,
        "field": len(program.descriptions.members),
        "columns": int(windows),
        "8 bits": int(8 in bits and windows),
        "4 bits": int(4 in bits and windows),
        "2 bits": int(2 in bits and windows),
        "low bits": int(low),
        "several windows": int(windows and "kernel_height" not in constants),
        "frame": int(windows and constants.get("pad_top") != 0),
        "small shift": int(min(shifts) <= LARGEST_SMALL_SHIFT),
        "convolved and pooled": int({CONVOLVE, POOLED} <= used),
        "low bits convolved and pooled": int(low and {CONVOLVE, POOLED} <= used),
        "2 bits convolved and pooled": int(2 in bits and {CONVOLVE, POOLED} <= used),
    }
