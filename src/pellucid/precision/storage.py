"""Integer networks as files: their arrays, packed, and the rest as JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from math import inf, prod
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.graph import INPUT
from pellucid.ops.arrays import Array
from pellucid.ops.memory import frozen
from pellucid.plan.integer_affine import IntegerAffine, IntegerConv2d, IntegerConvTranspose2d
from pellucid.plan.integer_network import IntegerNetwork, images_shape
from pellucid.plan.integer_steps import (
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
from pellucid.plan.scale import Scale
from pellucid.plan.weight_levels import checked_bits, pack, unpack
from pellucid.weights import read_arrays, write_arrays

FORMATS = ("pellucid integer network 1", "pellucid integer network 2", "pellucid integer network 3")
"""Of chains, as version 0.1 wrote and reads them, of graphs, and of graphs with channels in another order."""

MOST_BYTES = 1 << 28  # of one image's activation

KINDS: dict[str, type[IntegerStep]] = {
    kind.__name__: kind
    for kind in (
        IntegerAdd,
        IntegerConcat,
        IntegerConv2d,
        IntegerConvTranspose2d,
        IntegerCropLike,
        IntegerFlatten,
        IntegerMultiply,
        IntegerOrder,
        IntegerPool2d,
        IntegerRepeatEdges,
        IntegerTable,
    )
}
NEWER: dict[str, dict[str, Any]] = {
    "IntegerConv2d": {"high": 255, "same": ""},
    "IntegerPool2d": {"dilation": (1, 1), "same": ""},
    "IntegerTable": {},
}
"""Fields of version 0.1's kinds that it doesn't know, with what stands for them where they are left out."""


def save_integer(path: Path, network: IntegerNetwork, notes: Mapping[str, str] | None = None) -> None:
    """Write the network, weights packed to their bits, with further notes about it."""
    arrays: dict[str, Array] = {}
    steps: list[dict[str, Any]] = []
    before = INPUT
    for i, step in enumerate(network.steps):
        kind, values = type(step).__name__, {field.name: getattr(step, field.name) for field in fields(step)}
        if values["inputs"] == (before,):
            del values["inputs"]  # the step before it: as in every chain
        for name, value in NEWER.get(kind, {}).items():
            if values[name] == value:
                del values[name]
        for name in [name for name, value in values.items() if isinstance(value, np.ndarray)]:
            arrays[f"{i}.{name}"] = values.pop(name)
        if isinstance(step, IntegerAffine):
            values["filters"] = step.weight.shape
            arrays[f"{i}.weight"] = pack(step.weight, step.bits)
        steps.append({"kind": kind, **values})
        before = step.name
    newer = any(s["kind"] not in NEWER or {"inputs", *NEWER[s["kind"]]} & set(s) for s in steps)
    version = 2 if any(isinstance(step, IntegerOrder) for step in network.steps) else int(newer)
    about = {
        "steps": steps,
        "input_shape": network.input_shape,
        "output_shape": network.output_shape,
        "input_scale": [network.input_scale.step, network.input_scale.zero],
        "logit_step": network.logit_step,
        "bits": network.bits,
    }
    scales = {name: [scale.step, scale.zero] for name, scale in network.scales.items()}
    own = {"format": FORMATS[version], "network": json.dumps(about), "scales": json.dumps(scales)}
    write_arrays(path, arrays, {**(notes or {}), **own})


def is_integer(path: Path) -> bool:
    """Whether a file, of arrays with notes, says that it is an integer network's."""
    return read_arrays(path)[1].get("format") in FORMATS


def load_integer(path: Path) -> tuple[IntegerNetwork, dict[str, str]]:
    """The network of a file and the notes. Raises PellucidError where the file is missing, damaged or another's."""
    arrays, notes = read_arrays(path)
    if notes.get("format") not in FORMATS:
        raise PellucidError(f"{path}: expected a {FORMATS[0]!r}, got {notes.get('format', 'another file')!r}")
    about = parse_json(notes.get("network", ""), str(path))
    try:
        _check_ends(about)
        names = [INPUT, *(values["name"] for values in about["steps"])]
        steps = [_step({"inputs": [names[i]]} | values, i, arrays) for i, values in enumerate(about["steps"])]
        network = IntegerNetwork(
            _checked(steps, about),
            tuple(about["input_shape"]),
            tuple(about["output_shape"]),
            Scale(*about["input_scale"]),
            about["logit_step"],
            about["bits"],
            _scales(parse_json(notes.get("scales", "{}"), str(path)), names),
        )
        used = {f"{i}.{name}" for i, step in enumerate(steps) for name in vars(step)}
        if arrays.keys() - used:
            raise ValueError(f"{min(arrays.keys() - used)} belongs to no step")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, PellucidError) as error:
        raise PellucidError(f"{path}: damaged description of an integer network ({error})") from error
    return network, notes


def _checked(steps: list[IntegerStep], about: Mapping[str, Any]) -> list[IntegerStep]:
    """The steps. Raises ValueError where they don't fit: kernels trust them, and so does the exported C."""
    if not steps:
        raise ValueError("no steps")
    shapes = {INPUT: images_shape(tuple(about["input_shape"]))}
    wide = {INPUT: False}
    for i, step in enumerate(steps):
        missing = next((name for name in (*step.inputs, step.sized_by) if name and name not in shapes), None)
        if missing is not None or not step.inputs:
            raise ValueError(f"step {i} sees {missing or 'nothing'}, which is not there")
        moves = isinstance(step, IntegerRepeatEdges | IntegerCropLike)
        if any(wide[name] != (moves and step.wide) for name in step.inputs):
            raise ValueError(f"step {i} sees 32 bits for bytes, or bytes for 32 bits")
        if step.name in shapes or not step.name.isprintable() or "*/" in step.name:
            raise ValueError(f"step {i}: no name of a layer of its own")
        seen = tuple(shapes[name] for name in step.inputs)
        if step.input_shape != seen[0] or min(step.output_shape) < 1:
            raise ValueError(f"step {i} takes {step.input_shape}, but gets {seen[0]}")
        if prod(step.output_shape) > MOST_BYTES:
            raise ValueError(f"step {i} gives {step.output_shape}, more than {MOST_BYTES:,} numbers")
        try:
            step.check(seen, shapes.get(step.sized_by))
        except ValueError as error:
            raise ValueError(f"step {i}: {error}") from error
        shapes[step.name], wide[step.name] = step.output_shape, step.wide
    if not steps[-1].wide:
        raise ValueError(f"step {steps[-1].name}, the last, gives no logits")
    if prod(steps[-1].output_shape) != prod(about["output_shape"]):
        raise ValueError(f"output {about['output_shape']}, but the last step gives {steps[-1].output_shape}")
    return steps


def _step(values: dict[str, Any], i: int, arrays: Mapping[str, Array]) -> IntegerStep:
    kind = KINDS[values.pop("kind")]
    filters = values.pop("filters", None)
    own = {name.partition(".")[2]: array for name, array in arrays.items() if name.partition(".")[0] == str(i)}
    if filters is not None:
        bits = checked_bits(values["bits"])
        count = prod(_whole_numbers(filters))
        if own["weight"].dtype != np.uint8 or own["weight"].shape != (-(-count * bits // 8),):
            raise ValueError(f"step {i}: weights of {own['weight'].size} bytes for filters {filters} of {bits} bits")
        levels = unpack(own["weight"], bits, count)
        own["weight"] = frozen(levels.reshape(filters))
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    step = kind(**{**plain, **own})
    for field in fields(step):
        if not TYPES[str(field.type)](getattr(step, field.name)):
            raise ValueError(f"step {i}: {field.name} is no {field.type}")
    return step


def _check_ends(about: Mapping[str, Any]) -> None:
    """Raise ValueError where shapes or scales at the network's ends are none."""
    for name in ("input_shape", "output_shape"):
        shape = _whole_numbers(about[name])
        if len(shape) not in {1, 3} or min(shape) < 1 or prod(shape) > MOST_BYTES:
            raise ValueError(f"{name} {shape}")
    _checked_scale(*about["input_scale"])
    _checked_scale(about["logit_step"], 0)
    checked_bits(about["bits"])


def _checked_scale(step: Any, zero: Any) -> Scale:
    if type(zero) is not int or not 0 <= zero <= 255:
        raise ValueError(f"a scale's zero of {zero}")
    if type(step) not in {int, float} or not 0 < step < inf:
        raise ValueError(f"a scale of {step}")
    return Scale(step, zero)


def _scales(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Scale]:
    """What the values' bytes mean, where the file says it."""
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise ValueError(f"the scale of {unknown}, which is no step")
    return {name: _checked_scale(*scale) for name, scale in given.items()}


def _whole_numbers(given: Any) -> list[int]:
    if not isinstance(given, list) or not all(type(number) is int for number in given):
        raise ValueError(f"expected whole numbers, got {given}")
    return given


def _ints(*lengths: int) -> Callable[[Any], bool]:
    """Whether something is a tuple of whole numbers, of one of these lengths if there are some."""

    def test(value: Any) -> bool:
        whole = isinstance(value, tuple) and all(type(part) is int for part in value)
        return whole and (not lengths or len(value) in lengths)

    return test


TYPES: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: type(value) is str,
    "int": lambda value: type(value) is int,
    "bool": lambda value: type(value) is bool,
    "tuple[str, ...]": lambda value: isinstance(value, tuple) and all(type(part) is str for part in value),
    "tuple[int, ...]": _ints(),
    "Pair": _ints(2),
    "Pair | Sides": _ints(2, 4),
    "Images": _ints(3),
    "Array": lambda value: isinstance(value, np.ndarray),
}
"""What steps' fields hold. NumPy and C would each take another number in its own way."""
