"""ONNX files as networks of ours, with their weights: to be asked, looked into, trained on and sent out again.

    file -> nodes and tensors, checked (onnx_file)
         -> what doesn't depend on the input is worked out (onnx_fold), the rest becomes layers (onnx_readers)
         -> a Graph, a Network, its parameters

Everything that has no form here is told at once, in one line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_file import FileInput, FileNode, OnnxFile, read_onnx_file, shown
from pellucid.exchange.onnx_fold import FOLDS, MOST_NUMBERS
from pellucid.exchange.onnx_readers import POINTWISE, READERS
from pellucid.exchange.onnx_readers.gathered import rises
from pellucid.exchange.onnx_reading import PRIME, At, Known, Reading, Unknown, Value, fold_at
from pellucid.graph import INPUT, Graph, Node
from pellucid.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Linear,
    LogSoftmax,
    ReLU,
    Reshape,
    Scale,
    Shift,
    Softmax,
)
from pellucid.network import Network
from pellucid.ops.arrays import Pair, Shape

WHITE = 255
NOT_READ = "not among the operators that are read"
MOST_SHOWN = 12  # of what is missing
_AFTER_THE_HEAD = (AvgPool2d, BatchNorm2d, Dropout, Flatten, GlobalAvgPool2d, Identity, ReLU, Reshape, Softmax)


@dataclass(frozen=True)
class Imported:
    """A network from a file, and what the file says beside it.

    class_names, mean, std: empty where it says nothing; mean and std of each channel, where white is 1. head: name of
    the last layer with weights, which gives one number a class; "" where there is none such. notes: what isn't as in
    the file. metadata: all that the file says beside its graph, text by name.
    """

    network: Network
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    head: str
    notes: tuple[str, ...]
    metadata: Mapping[str, str]


def import_onnx(path: str | Path, *, size: Pair | None = None, logits: bool = False) -> Imported:
    """The network of an ONNX file of opset 7 or later.

    size: (height, width) of its images, where the file leaves them open. logits: leave out a softmax at the end, and
    give one number a class without height and width: as a classifier is trained.
    Raises PellucidError, in one line, for a file that is damaged, for several inputs, and for operators and settings
    that have no form here, all of them.
    """
    return to_network(read_onnx_file(Path(path)), size=size, logits=logits)


def to_network(file: OnnxFile, *, size: Pair | None = None, logits: bool = False) -> Imported:
    """The network that a file describes; see `import_onnx`."""
    try:
        return _network(file, size, logits)
    except PellucidError as error:
        raise PellucidError(f"{file.source}: {error}") from error
    except (MemoryError, RecursionError) as error:
        raise PellucidError(f"{file.source}: larger than memory ({type(error).__name__})") from error


def _network(file: OnnxFile, size: Pair | None, logits: bool) -> Imported:
    needed = _needed(file)
    given = _only_input(file, needed)
    batch, shape = _input_shape(given, size)
    fixed = _note(file, "untrained")
    untrained = frozenset(str(name) for name in fixed) if isinstance(fixed, list) else frozenset()
    reading = Reading(file, batch, {}, shape, untrained=untrained)
    reading.values |= {name: Known(array, name, True) for name, array in file.tensors.items()}
    reading.values |= {other.name: None for other in file.inputs}
    reading.values[given.name] = Unknown(INPUT, shape, given.dtype.kind in "iu")
    reading.known_as[INPUT] = [given.name]
    refused = [(node, reason) for node in needed if (reason := _read(reading, node)) is not None]
    if refused:
        raise PellucidError(f"no form of {_told(refused)} (opset {file.opset})")
    outputs = [_output(reading, name) for name in file.outputs]
    notes: list[str] = []
    if logits and len(outputs) == 1:
        outputs[0] = _as_logits(reading, outputs[0], notes)
    mean, std = _numbers(file, "mean"), _numbers(file, "std")
    if given.dtype.kind in "iu":
        mean, std = _normalisation(reading, outputs, shape[0] if len(shape) == 3 else 1)
    network = _built(reading, [value.name for value in outputs], shape)
    return Imported(network, _names(file), mean, std, _head(network), tuple(notes), file.notes)


def _needed(file: OnnxFile) -> list[FileNode]:
    """The nodes that the outputs follow from."""
    wanted, found = set(file.outputs), []
    for node in reversed(file.nodes):
        if wanted & set(node.outputs):
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]


def _only_input(file: OnnxFile, nodes: Sequence[FileNode]) -> FileInput:
    used = {name for node in nodes for name in node.inputs} | set(file.outputs)
    inputs = [value for value in file.inputs if value.name in used]
    if len(inputs) != 1:
        listed = ", ".join(repr(value.name[:40]) for value in inputs[:MOST_SHOWN]) or "none"
        raise PellucidError(f"{len(inputs)} inputs that are used ({listed}), expected one: the images")
    if inputs[0].dtype.name not in {"float16", "bfloat16", "float32", "float64", "uint8"}:
        raise PellucidError(f"input {inputs[0].name!r} of type {inputs[0].dtype}, expected floats or bytes")
    return inputs[0]


def _input_shape(given: FileInput, size: Pair | None) -> tuple[int, Shape]:
    """The batch size, or the prime for an open one; and the shape of one sample."""
    if given.shape is None or len(given.shape) < 2:
        raise PellucidError(f"input {given.name!r}: expected a shape (N, C, H, W) or (N, F), got {given.shape}")
    batch, *sides = given.shape
    if len(sides) == 3 and not all(sides[1:]) and size is not None:
        sides[1:] = size
    elif len(sides) == 3 and size is not None and tuple(sides[1:]) != tuple(size):
        raise PellucidError(f"images of {sides[1]}x{sides[2]}, not of {size[0]}x{size[1]}")
    if not all(sides):
        shown_ = "x".join(str(side or "?") for side in sides)
        raise PellucidError(f"images of {shown_}: expected a size for what the file leaves open (--size)")
    if math.prod(sides) > MOST_NUMBERS:
        raise PellucidError(f"images of {'x'.join(map(str, sides))}, expected at most {MOST_NUMBERS:,} numbers")
    return batch or PRIME, tuple(sides)


def _told(refused: list[tuple[FileNode, str]]) -> str:
    """What has no form here, in one line: of an operator that isn't read at all the first node, and how many more."""
    found: dict[tuple[str, str], list[FileNode]] = {}
    for node, reason in refused:
        alike = node.operator if reason.startswith(NOT_READ) else shown(node)
        found.setdefault((alike, reason), []).append(node)
    lines = [
        f"{shown(nodes[0])}: {reason}" + (f" (and {len(nodes) - 1} more)" if len(nodes) > 1 else "")
        for (_, reason), nodes in found.items()
    ]
    more = f", and {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else ""
    return f"{'; '.join(lines[:MOST_SHOWN])}{more}"


def _read(reading: Reading, node: FileNode) -> str | None:
    """Read one node. What to say where it has no form here.

    Of those that follow from one without a form nothing is said, but where their operator isn't read at all.
    """
    at = At(reading, node)
    values = [reading.values.get(name) for name in node.inputs if name]
    if any(value is None for value in values):
        reading.values |= dict.fromkeys(filter(None, node.outputs))
        return None if node.operator in READERS or node.operator in FOLDS else _not_read(node.operator)
    operator, fixed = node.operator, all(isinstance(value, Known) for value in values)
    odd = [value for value in values if isinstance(value, Unknown) and not value.plain]
    try:
        if operator not in (FOLDS if fixed else READERS):
            raise PellucidError(_not_read(operator))
        if fixed and not (operator == "Expand" and _by_sample(values)):
            if not rises(at):
                fold_at(at)
        else:
            for value in odd:
                if value.integers and operator not in {"Cast", "DequantizeLinear", "Shape", "Size"}:
                    raise PellucidError("of bytes, expected floats")
                if value.above is not None and operator != "Where":
                    raise PellucidError("of what is true or false, expected floats")
                allowed = {"Gather"} if value.flat else {"Gemm", "MatMul", "Reshape"}
                if (value.rows or value.flat) and operator not in allowed:
                    raise PellucidError("of a tensor of the pixels of all images, which would mix images")
            READERS[operator](at.on_images() if operator in POINTWISE else at)
    except (PellucidError, ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
        reading.values |= dict.fromkeys(filter(None, node.outputs))
        return " ".join(str(error).split())[:200]
    for name in filter(None, node.outputs):
        reading.values.setdefault(name, None)
    return None


def _not_read(operator: str) -> str:
    if operator.startswith("QLinear") or operator in {"ConvInteger", "MatMulInteger"}:
        return f"{NOT_READ} (quantise to QuantizeLinear and DequantizeLinear, as QuantFormat.QDQ does)"
    return NOT_READ


def _by_sample(values: Sequence[Value | None]) -> bool:
    """Whether constants are to be repeated as often as there are samples."""
    return len(values) > 1 and isinstance(values[1], Known) and values[1].of_the_batch


def _output(reading: Reading, name: str) -> Unknown:
    value = reading.values.get(name)
    if not isinstance(value, Unknown):
        raise PellucidError(f"output {name!r} doesn't depend on the input")
    if value.rows or value.flat or value.above is not None:
        raise PellucidError(
            f"output {name!r} in a form that is only read on the way: with all images in one axis, or asked"
        )
    if value.name == INPUT:
        node = FileNode("Identity", "", (name,), (name,), {})
        return At(reading, node).emit(Identity(), value)
    return value


def _as_logits(reading: Reading, value: Unknown, notes: list[str]) -> Unknown:
    """The value before a softmax over the classes; of a map of one pixel, its numbers."""
    node = reading.nodes[value.name]
    while type(node.layer) in {Flatten, Reshape} and math.prod(value.shape) == max(value.shape):
        before = reading.nodes.get(node.inputs[0])
        if before is None or not isinstance(before.layer, Softmax):
            break
        node = before
    if isinstance(node.layer, Softmax) and node.layer.axis == 0 and node.inputs[0] != INPUT:
        kind = "log of the softmax" if isinstance(node.layer, LogSoftmax) else "softmax"
        notes.append(f"the {kind} at its end is left out: a classifier is trained on what comes before it")
        value = Unknown(node.inputs[0], reading.shapes[node.inputs[0]])
    if len(value.shape) == 3 and value.shape[1:] == (1, 1):
        inner = FileNode("Flatten", f"{value.name}/flat", (), ("",), {})
        value = At(reading, inner).emit(Flatten(), value)
    return value


def _normalisation(reading: Reading, outputs: list[Unknown], channels: int) -> tuple[tuple[float, ...], ...]:
    """Mean and deviation, where white is 1, of what the file makes of bytes first; these nodes are taken out."""
    factor, offset = np.ones(channels), np.zeros(channels)
    while True:
        readers = [node for node in reading.nodes.values() if INPUT in node.inputs]
        layer = readers[0].layer if len(readers) == 1 else None
        if not isinstance(layer, Scale | Shift) or layer.trained or readers[0].name in {v.name for v in outputs}:
            break
        name = readers[0].name
        numbers = reading.weights[f"{name}.{'weight' if isinstance(layer, Scale) else 'bias'}"].astype(np.float64)
        if numbers.size not in {1, channels}:
            break
        if isinstance(layer, Scale):
            factor, offset = factor * numbers.reshape(-1), offset * numbers.reshape(-1)
        else:
            offset = offset + numbers.reshape(-1)
        del reading.nodes[name]
        for other in list(reading.nodes.values()):
            if name in other.inputs:
                inputs = [INPUT if source == name else source for source in other.inputs]
                reading.nodes[other.name] = Node(other.layer, inputs, other.name)
    if not (factor > 0).all():
        raise PellucidError("bytes that are multiplied by 0 or less")
    mean, std = -offset / (factor * WHITE), 1 / (factor * WHITE)
    return tuple(_short(number) for number in mean), tuple(_short(number) for number in std)


def _short(number: float) -> float:
    """To the accuracy of 32 bits; without this, what was written as 0.5 would come back as 0.49999998."""
    return float(f"{number:.6g}") + 0.0


def _built(reading: Reading, outputs: list[str], shape: Shape) -> Network:
    """The network, of the nodes that its outputs follow from, with its weights."""
    wanted, kept = set(outputs), []
    for node in reversed(list(reading.nodes.values())):
        if node.name in wanted:
            wanted.update(node.inputs)
            kept.append(node)
    if INPUT not in wanted:
        raise PellucidError("its outputs don't depend on its input")
    names = {node.name for node in kept}
    tied = [
        (parameter, owner)
        for parameter, owner in reading.tied.items()
        if parameter.rpartition(".")[0] in names and owner.rpartition(".")[0] in names
    ]
    total = sum(array.size for name, array in reading.weights.items() if name.rpartition(".")[0] in names)
    if total > MOST_NUMBERS:
        raise PellucidError(f"{total:,} weights, expected at most {MOST_NUMBERS:,}")
    graph = Graph(*kept[::-1], outputs=outputs[0] if len(outputs) == 1 else outputs, tied=tied)
    network = Network(graph, shape, seed=None)
    for name, parameter in network.parameters.items():
        values = reading.weights[name]
        if values.shape != parameter.shape:
            raise PellucidError(f"{name}: numbers of shape {values.shape}, expected {parameter.shape}")
        parameter.value[...] = values
    return network


def _head(network: Network) -> str:
    """The layer that gives one number a class, and nothing but pools and activations after it."""
    if len(network.nodes.outputs) != 1:
        return ""
    name = network.nodes.outputs[0]
    while name != INPUT:
        node = network.nodes.by_name[name]
        if isinstance(node.layer, Linear | Conv2d):
            return name
        if not isinstance(node.layer, _AFTER_THE_HEAD) or isinstance(node.layer, BatchNorm2d):
            return ""
        name = node.inputs[0]
    return ""


def _note(file: OnnxFile, name: str) -> Any:
    text = file.notes.get(name, "")
    try:
        return json.loads(text) if len(text) < 1 << 20 else None
    except (ValueError, RecursionError):
        return None


def _names(file: OnnxFile) -> tuple[str, ...]:
    """The classes' names, where the file has them as we write them."""
    found = _note(file, "class_names")
    fits = isinstance(found, list) and all(isinstance(name, str) and name.isprintable() for name in found)
    return tuple(found) if fits and len(set(found)) == len(found) else ()


def _numbers(file: OnnxFile, name: str) -> tuple[float, ...]:
    """Mean or deviation, where the file has them as we write them."""
    found = _note(file, name)
    fits = isinstance(found, list) and all(isinstance(x, int | float) and math.isfinite(x) for x in found)
    return tuple(map(float, found)) if fits else ()
