"""Integer networks as files: their arrays, packed, and the rest as JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.plan.integer_network import IntegerNetwork
from pellucid.plan.integer_steps import IntegerConv2d, IntegerPool2d, IntegerStep, IntegerTable
from pellucid.plan.scale import Scale
from pellucid.plan.weight_levels import checked_bits, pack, unpack
from pellucid.precision.fixed_point import LARGEST_SHIFT
from pellucid.weights import read_arrays, write_arrays

FORMAT = "pellucid integer network 1"
KINDS: dict[str, type[IntegerStep]] = {kind.__name__: kind for kind in (IntegerConv2d, IntegerPool2d, IntegerTable)}


def save_integer(path: Path, network: IntegerNetwork, notes: Mapping[str, str] | None = None) -> None:
    """Write the network, weights packed to their bits, with further notes about it."""
    arrays: dict[str, Array] = {}
    steps: list[dict[str, Any]] = []
    for i, step in enumerate(network.steps):
        values = {field.name: getattr(step, field.name) for field in fields(step)}
        for name in [name for name, value in values.items() if isinstance(value, np.ndarray)]:
            arrays[f"{i}.{name}"] = values.pop(name)
        if isinstance(step, IntegerConv2d):
            values["filters"] = step.weight.shape
            arrays[f"{i}.weight"] = pack(step.weight, step.bits)
        steps.append({"kind": type(step).__name__, **values})
    about = {
        "steps": steps,
        "input_shape": network.input_shape,
        "output_shape": network.output_shape,
        "input_scale": [network.input_scale.step, network.input_scale.zero],
        "logit_step": network.logit_step,
        "bits": network.bits,
    }
    write_arrays(path, arrays, {**(notes or {}), "format": FORMAT, "network": json.dumps(about)})


def load_integer(path: Path) -> tuple[IntegerNetwork, dict[str, str]]:
    """The network of a file and the notes. Raises PellucidError where the file is missing, damaged or another's."""
    arrays, notes = read_arrays(path)
    if notes.get("format") != FORMAT:
        raise PellucidError(f"{path}: expected a {FORMAT!r}, got {notes.get('format', 'another file')!r}")
    try:
        about = json.loads(notes["network"])
        steps = [_step(values, i, arrays) for i, values in enumerate(about["steps"])]
        network = IntegerNetwork(
            steps,
            tuple(about["input_shape"]),
            tuple(about["output_shape"]),
            Scale(*about["input_scale"]),
            about["logit_step"],
            about["bits"],
        )
        _check(network)
    except (KeyError, TypeError, ValueError) as error:
        raise PellucidError(f"{path}: damaged description of an integer network ({error})") from error
    return network, notes


def _check(network: IntegerNetwork) -> None:
    """Raise ValueError where arrays and descriptions don't fit: kernels trust them, and so does the exported C."""
    if not network.steps:
        raise ValueError("no steps")
    shape = network.steps[0].input_shape
    if prod(shape) != prod(network.input_shape):
        raise ValueError(f"input {network.input_shape}, but the first step takes {shape}")
    for i, step in enumerate(network.steps):
        if prod(step.input_shape) != prod(shape) or len(step.input_shape) != 3 or len(step.output_shape) != 3:
            raise ValueError(f"step {i} takes {step.input_shape}, but gets {shape}")
        if not step.name.isprintable() or "*/" in step.name:
            raise ValueError(f"step {i}: no name of a layer")
        if isinstance(step, IntegerConv2d):
            _check_convolution(i, step)
        elif isinstance(step, IntegerTable) and (step.table.shape != (256,) or step.table.dtype != np.uint8):
            raise ValueError(f"step {i}: expected a table of 256 bytes")
        shape = step.output_shape
    if prod(shape) != prod(network.output_shape):
        raise ValueError(f"output {network.output_shape}, but the last step gives {shape}")


def _check_convolution(i: int, step: IntegerConv2d) -> None:
    C, K = step.input_shape[0], step.output_shape[0]
    if step.groups < 1 or C % step.groups or K % step.groups:
        raise ValueError(f"step {i}: {step.groups} groups for {C} and {K} channels")
    if step.weight.ndim != 4 or step.weight.shape[:2] != (K, C // step.groups):
        raise ValueError(f"step {i}: filters {step.weight.shape} for {C} and {K} channels")
    for name, values in (("bias", step.bias), ("multiplier", step.multiplier), ("shift", step.shift)):
        if values.shape != (K,) or values.dtype != np.int32:
            raise ValueError(f"step {i}: expected {name} of {K} numbers of 32 bits")
    if step.shift.min(initial=1) < 1 or step.shift.max(initial=1) > LARGEST_SHIFT:
        raise ValueError(f"step {i}: expected shifts from 1 to {LARGEST_SHIFT}")


def _step(values: dict[str, Any], i: int, arrays: Mapping[str, Array]) -> IntegerStep:
    kind = KINDS[values.pop("kind")]
    filters = values.pop("filters", None)
    own = {name.partition(".")[2]: array for name, array in arrays.items() if name.partition(".")[0] == str(i)}
    if filters is not None:
        checked_bits(values["bits"])
        levels = unpack(own["weight"], values["bits"], int(np.prod(filters)))
        own["weight"] = levels.reshape(filters)
        own["weight"].flags.writeable = False
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return kind(**{**plain, **own})
