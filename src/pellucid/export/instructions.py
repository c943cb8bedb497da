"""How often an exported program does what it does: the counts that instructions and bytes of code are estimated from.

A step's loops are known before it is compiled, so its instructions are a sum of counts, each times the instructions
of one turn. These were measured in QEMU (`python -m benchmarks.microcontroller calibrate`), for Armv7E-M with its
products of two, for plain Armv7-M, and for code compiled for size; likewise the bytes of code of each kernel.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from math import prod

from pellucid.export.c import Program
from pellucid.export.kernels import ADD, AFFINE, COLUMNED, CONVOLVE, DEPTHWISE, POOLED, TRANSPOSED, column_length
from pellucid.plan.integer_affine import IntegerAffine
from pellucid.plan.integer_steps import IntegerPool2d

DSP, PLAIN, SMALL = "dsp", "plain", "small"
"""Ways to compile: for Armv7E-M and Armv8-M with DSP, for other cores, and any core with -Os."""

TURN_OF_OTHERS, BYTES_OF_OTHERS = 12, 120  # of the few kernels that only move bytes, which were not measured
LARGEST_SMALL_SHIFT = 32  # beyond it, a product's upper word is enough


@cache
def measured(kind: str) -> dict[str, dict[str, float]]:
    """What one turn of each loop takes ("turns"), or what each piece of code does ("bytes"), by way to compile."""
    table = tomllib.loads((resources.files("pellucid.export") / "instructions.toml").read_text())
    found: dict[str, dict[str, float]] = table[kind]
    return found


def instructions(program: Program, way: str) -> int:
    """An estimate for one image."""
    return round(_sum(turns(program, small=way == SMALL), measured("turns")[way], TURN_OF_OTHERS))


def code_bytes(program: Program, way: str) -> int:
    """An estimate of the code's bytes, constants apart."""
    return round(_sum(pieces(program), measured("bytes")[way], BYTES_OF_OTHERS))


def _sum(counts: Mapping[str, float], each: Mapping[str, float], other: float) -> float:
    return sum(count * each.get(name, other) for name, count in counts.items())


def turns(program: Program, *, small: bool) -> Counter[str]:
    """How often each loop of the program turns for one image."""
    found: Counter[str] = Counter()
    if program.tables is not None:
        found["look_up"] = prod(program.network.input_shape)
    for step, kernel in zip(program.steps, program.kernels, strict=True):
        if isinstance(step, IntegerAffine):
            found.update(_affine(step, kernel, small=small))
        elif isinstance(step, IntegerPool2d):
            found.update(
                {"pool output": prod(step.output_shape), "pool pixel": prod((*step.output_shape, *step.kernel))}
            )
        elif kernel == ADD:
            found.update({"sum operand": prod(step.output_shape) * len(step.inputs)})
        else:
            found.update({kernel: step.output_bytes})
    return found


def _affine(step: IntegerAffine, kernel: str, *, small: bool) -> dict[str, float]:
    K, P, Q = step.output_shape
    outputs, taps = K * P * Q, prod(step.kernel)
    if kernel == DEPTHWISE:
        return {"given": outputs, "tap": P * Q * taps, "tap of a channel": outputs * taps}
    if kernel == TRANSPOSED:
        total = outputs * step.pool**2 * taps
        products = step.weight.size * prod(step.input_shape[1:])
        return {"given": outputs, "reach": total, "product that is reached": products}
    length, columns = column_length(step), P * Q * step.pool**2
    found: dict[str, float] = {"given": outputs}
    if kernel != AFFINE:
        found |= {"column": columns * step.groups, "row of a column": columns * step.groups * step.kernel[0]}
        found["byte of a column"] = columns * step.groups * length
    if step.bits < 8 and not small:
        found["byte of a sum"] = columns * step.groups * length
    own = K // step.groups
    if small:
        found |= {"filter": columns * K, f"product of {step.bits} bits": columns * K * length}
        return found
    places = columns if kernel == AFFINE or (step.groups > 1 and kernel != POOLED) else -(-columns // 2)
    blocks = places * step.groups * -(-own // 2)
    found |= {"block": blocks, f"word of {step.bits} bits": blocks * length / 4}
    if kernel == POOLED:
        found["compared"] = columns * K
    return found


def pieces(program: Program) -> Counter[str]:
    """What there is of code."""
    found = Counter({"program": 1, "step": len(program.steps)})
    found.update(dict.fromkeys(set(program.kernels), 1))
    if program.tables is not None:
        found["look_up"] = 1
    if program.affine:
        found.update(_of_layers(program))
    return found


def _of_layers(program: Program) -> dict[str, float]:
    """The code for layers with weights: what is a constant of the program drops out of it."""
    used, constants = set(program.kernels), program.descriptions.constants
    bits = {step.bits for i, step in program.affine.items() if program.kernels[i] in COLUMNED}
    low = bool(bits & {4, 2})
    shifts = [int(step.shift.min()) for step in program.affine.values()]
    windows = bool(used & {CONVOLVE, POOLED})
    return {
        "given": 1,
        "field": len(program.descriptions.members),
        "columns": int(bool(bits)),
        "8 bits": int(8 in bits),
        "low bits": int(low),
        "low bits in pools": int(low and POOLED in used),
        "several windows": int(windows and "kernel_height" not in constants),
        "frame": int(windows and constants.get("pad_top") != 0),
        "small shift": int(min(shifts) <= LARGEST_SMALL_SHIFT),
    }
