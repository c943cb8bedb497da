"""An integer network as C99 without any library: network.h, network.c, demo.c and a Makefile.

The C program computes the same whole numbers as `IntegerNetwork`, bit for bit: both do what
ops/numpy_ops/integer.py says. Its kernels stand in `source/`; only those that the network needs are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from math import prod
from pathlib import Path

from pellucid.errors import PellucidError
from pellucid.files import write_whole
from pellucid.graph import INPUT
from pellucid.ops.arrays import Array
from pellucid.plan import PIXELS, IntegerNetwork
from pellucid.plan.integer_affine import IntegerConv2d
from pellucid.plan.integer_steps import IntegerPool2d, IntegerStep, IntegerTable
from pellucid.plan.memory import MemoryPlan, plan_memory
from pellucid.plan.weight_levels import pack

CONVOLUTION_BYTES, POOL_BYTES = 52, 24  # of the description of a layer, with pointers of 4 bytes
LINE = 110


@dataclass(frozen=True)
class Exported:
    """What was written. ram: bytes of static memory. constants: bytes of weights, tables and layers' descriptions."""

    files: tuple[Path, ...]
    plan: MemoryPlan
    ram: int
    constants: int


def export_c(network: IntegerNetwork, folder: Path, class_names: Sequence[str]) -> Exported:
    """Write the network as C into a folder, which is made where there is none.

    class_names: what the demo prints. Raises PellucidError for a network that is not fed with plain pixels, for a
    step that the C kernels don't know, and where nothing can be written.
    """
    if network.input_scale != PIXELS:
        raise PellucidError(
            f"export to C: expected a network of pixels from 0 to 1, got the scale {network.input_scale}"
        )
    steps = network.steps
    _check_kernels(steps)
    if prod(steps[-1].output_shape) != len(class_names):
        raise PellucidError(
            f"export to C: expected a classifier of whole images, {len(class_names)} logits for the "
            f"{len(class_names)} classes, got an output of {_shape(steps[-1].output_shape)}"
        )
    plan = plan_memory(steps)
    logit_bytes = 4 * prod(steps[-1].output_shape)
    constants = sum(step.weight_bytes + _description_bytes(step) for step in steps)
    C, H, W = steps[0].input_shape
    places = prod(steps[-1].output_shape[1:])
    values = {
        "CHANNELS": C, "HEIGHT": H, "WIDTH": W, "LOGITS": logit_bytes // 4, "CLASSES": steps[-1].output_shape[0],
        "PLACES": f" at each of {places} places" if places > 1 else "", "STEP": repr(network.logit_step),
        "ARENA": plan.size, "LOGIT_BYTES": logit_bytes, "CONSTANTS": constants, "INPUT": plan.offsets[0],
        "KERNELS": _kernels(steps), "CONSTANT_ARRAYS": "\n".join(_constants(i, step) for i, step in enumerate(steps)),
        "CALLS": "\n".join(_calls(steps, plan)), "NAMES": ", ".join(map(_quoted, class_names)),
    }  # fmt: skip
    names = ("network.h", "network.c", "demo.c", "Makefile")
    for name in names:
        write_whole(folder / name, _filled(_source(name), values).encode())
    return Exported(tuple(folder / name for name in names), plan, plan.size + logit_bytes, constants)


def _check_kernels(steps: Sequence[IntegerStep]) -> None:
    """Refuse what the C has no kernels for: joins, values that are used twice, clipping above."""
    before = INPUT
    for step in steps:
        known = isinstance(step, IntegerConv2d | IntegerPool2d | IntegerTable)
        if not known or step.inputs != (before,):
            raise PellucidError(f"export to C: layer {step.name} ({type(step).__name__}) has no kernel in C")
        if isinstance(step, IntegerConv2d) and step.high != 255:
            raise PellucidError(f"export to C: layer {step.name} is clipped above, which has no kernel in C")
        if isinstance(step, IntegerConv2d | IntegerPool2d) and len(step.padding) > 2:
            raise PellucidError(f"export to C: layer {step.name} pads one side more, which has no kernel in C")
        if isinstance(step, IntegerPool2d) and step.dilation != (1, 1):
            raise PellucidError(f"export to C: pool {step.name} has dilation, which has no kernel in C")
        before = step.name
    if not isinstance(steps[-1], IntegerConv2d):
        raise PellucidError(f"export to C: expected Linear or Conv2d as the last layer, got {steps[-1].name}")


def _description_bytes(step: IntegerStep) -> int:
    if isinstance(step, IntegerConv2d):
        return CONVOLUTION_BYTES
    return POOL_BYTES if isinstance(step, IntegerPool2d) else 0


def _source(name: str) -> str:
    return (resources.files("pellucid.export") / "source" / name).read_text()


def _filled(text: str, values: dict[str, object]) -> str:
    return re.sub("@([A-Z_]+)@", lambda match: str(values[match[1]]), text)


def _kernels(steps: Sequence[IntegerStep]) -> str:
    """The C functions that these steps call."""
    widths = sorted({step.bits for step in steps if isinstance(step, IntegerConv2d)}, reverse=True)
    cases = "".join(_source(f"weight_{bits}.c") for bits in widths[:-1])
    last = re.sub(r"case \d:", "default:", _source(f"weight_{widths[-1]}.c"))
    weight = (
        "/* Weight number i; fewer bits than 8 stand for the odd numbers from -(2^bits - 1) to 2^bits - 1. */\n"
        "static int32_t weight(const struct convolution *c, uint32_t i)\n{\n    switch (c->bits) {\n"
        f"{cases}{last}    }}\n}}\n"
    )
    parts = [_source("types.c"), weight, _source("convolution.c")]
    parts += [_source("pool.c")] if any(isinstance(step, IntegerPool2d) for step in steps) else []
    parts += [_source("table.c")] if any(isinstance(step, IntegerTable) for step in steps) else []
    return "\n".join(parts)


def _constants(i: int, step: IntegerStep) -> str:
    """The arrays and the description of one layer."""
    title = f"/* {step.name or 'layer'}: {_shape(step.input_shape)} to {_shape(step.output_shape)} */\n"
    if isinstance(step, IntegerTable):
        return title + _array(f"table_{i}", "uint8_t", step.table)
    if isinstance(step, IntegerPool2d):
        window = (*step.output_shape[1:], *step.kernel, *step.stride, *step.padding, step.average)
        return f"{title}static const struct pool pool_{i} = {{{_joined((*_image(step), *window))}}};\n"
    assert isinstance(step, IntegerConv2d)
    filters = step.weight.transpose(0, 2, 3, 1)
    K, P, Q = step.output_shape
    geometry = (*step.kernel, *step.stride, *step.padding, *step.dilation, step.groups, step.pool)
    numbers = (*_image(step), P, Q, K, *geometry, step.bits, *step.zeros, step.low)
    return title + "".join(
        (
            _array(f"weights_{i}", "uint8_t", pack(filters, step.bits)),
            _array(f"bias_{i}", "int32_t", step.bias),
            _array(f"multiplier_{i}", "int32_t", step.multiplier),
            _array(f"shift_{i}", "uint8_t", step.shift),
            f"static const struct convolution convolution_{i} = {{\n"
            f"    weights_{i}, bias_{i}, multiplier_{i}, shift_{i},\n    {_joined(numbers)}}};\n",
        )
    )


def _calls(steps: Sequence[IntegerStep], plan: MemoryPlan) -> Iterable[str]:
    for i, (step, start) in enumerate(zip(steps, plan.offsets, strict=True)):
        last = i == len(steps) - 1
        ends = f"arena + {start}, " + ("0" if last else f"arena + {plan.offsets[i + 1]}")
        if isinstance(step, IntegerTable):
            yield f"    look_up(table_{i}, {prod(step.input_shape)}, {ends});"
        elif isinstance(step, IntegerPool2d):
            yield f"    pool_windows(&pool_{i}, {ends});"
        else:
            yield f"    convolve(&convolution_{i}, {ends});"


def _image(step: IntegerStep) -> tuple[int, int, int]:
    C, H, W = step.input_shape
    return H, W, C


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _joined(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)


def _array(name: str, kind: str, values: Array) -> str:
    """A constant array, in lines that people can look at."""
    lines, line = [], "   "
    for value in values.tolist():
        text = "INT32_MIN" if value == -(1 << 31) else str(value)
        if len(line) + len(text) + 2 > LINE:
            lines.append(line)
            line = "   "
        line += f" {text},"
    return f"static const {kind} {name}[{len(values)}] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def _quoted(name: str) -> str:
    """A name as a string of C, without trigraphs; what is no plain ASCII as octal bytes of UTF-8."""
    plain = json.dumps(name)[1:-1] if name.isascii() and name.isprintable() else None
    if plain is None:
        plain = "".join(f"\\{byte:03o}" for byte in name.encode())
    return '"' + plain.replace("?", "\\?") + '"'
