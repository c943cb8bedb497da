"""An ONNX file as what it says: nodes, tensors, inputs and outputs, all checked before memory is taken.

The package `onnx` parses the protobuf; nothing of a file is run, and no file outside its own folder is read.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_package import onnx_package
from pellucid.files import read_whole
from pellucid.ops.arrays import Array, Shape

OLDEST_OPSET = 7
MOST_NODES = 20_000
MOST_BYTES = 1 << 31  # of a tensor; protobuf's limit of a whole file
LONGEST_NAME = 200  # characters of what becomes a layer's name
MOST_AXES = 8

TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32), 2: np.dtype(np.uint8), 3: np.dtype(np.int8), 4: np.dtype(np.uint16),
    5: np.dtype(np.int16), 6: np.dtype(np.int32), 7: np.dtype(np.int64), 9: np.dtype(np.bool_),
    10: np.dtype(np.float16), 11: np.dtype(np.float64), 12: np.dtype(np.uint32), 13: np.dtype(np.uint64),
    16: np.dtype(ml_dtypes.bfloat16),
}  # fmt: skip
"""By the number that the format gives each type."""

_FIELDS = {1: "float_data", 7: "int64_data", 11: "double_data", 12: "uint64_data", 13: "uint64_data"}
"""Where a tensor of a type keeps its numbers, if not as bytes; all others in int32_data."""


@dataclass(frozen=True)
class FileNode:
    """A node as the file has it. attributes: numbers, text, lists of these, or arrays."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class FileInput:
    """An input of the graph. shape: a number, or 0 for an open side; None where the file says nothing of it."""

    name: str
    dtype: np.dtype[Any]
    shape: Shape | None


@dataclass(frozen=True)
class OnnxFile:
    """What a file says. source: what messages call it. inputs: those that have no tensor."""

    source: str
    opset: int
    nodes: tuple[FileNode, ...]
    tensors: dict[str, Array]
    inputs: tuple[FileInput, ...]
    outputs: tuple[str, ...]
    notes: dict[str, str] = field(default_factory=dict)


def read_onnx_file(path: Path) -> OnnxFile:
    """The file. Raises PellucidError, in one line, for what is damaged, too large, or of another kind."""
    content = read_whole(path)
    return parse_onnx(content, str(path), path.parent)


def parse_onnx(content: bytes, source: str, folder: Path | None = None) -> OnnxFile:
    """What the bytes of a file say. folder: where tensors outside the file may lie; None: nowhere."""
    onnx = onnx_package()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf has its own, of several classes
        raise PellucidError(f"{source}: not an ONNX file ({_one_line(error)})") from error
    try:
        return _parsed(model, source, folder)
    except PellucidError as error:
        raise PellucidError(f"{source}: {error}") from error
    except (ValueError, TypeError, OverflowError, UnicodeError, RecursionError, MemoryError) as error:
        raise PellucidError(f"{source}: damaged ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _parsed(model: Any, source: str, folder: Path | None) -> OnnxFile:
    graph = model.graph
    if not graph.node and not graph.output:
        raise PellucidError("no graph in it, expected an ONNX model")
    if len(graph.node) > MOST_NODES:
        raise PellucidError(f"{len(graph.node):,} nodes, expected at most {MOST_NODES:,}")
    tensors: dict[str, Array] = {}
    for tensor in graph.initializer:
        name = _text(tensor.name)
        if not name or name in tensors:
            raise PellucidError(f"two tensors are called {name!r}, expected a name for each")
        tensors[name] = tensor_array(tensor, folder)
    if graph.sparse_initializer:
        raise PellucidError("sparse tensors, expected dense ones")
    nodes = tuple(_node(node, folder) for node in graph.node)
    inputs = tuple(_input(value) for value in graph.input if _text(value.name) not in tensors)
    outputs = tuple(_text(value.name) for value in graph.output)
    _check_names(nodes, {*tensors, *(value.name for value in inputs)}, outputs)
    notes = {_text(entry.key): _text(entry.value) for entry in model.metadata_props}
    return OnnxFile(source, _opset(model), nodes, tensors, inputs, outputs, notes)


def _opset(model: Any) -> int:
    newest = onnx_package().defs.onnx_opset_version()
    found = [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]
    if len(found) != 1 or not OLDEST_OPSET <= found[0] <= newest:
        listed = ", ".join(map(str, found)) or "none"
        raise PellucidError(f"opset {listed}, expected one of {OLDEST_OPSET} to {newest}")
    return int(found[0])


def _node(node: Any, folder: Path | None) -> FileNode:
    domain = "" if node.domain in {"", "ai.onnx"} else f"{_text(node.domain)}."
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.name in attributes:
            raise PellucidError(f"node {_text(node.name)!r}: attribute {_text(attribute.name)!r} twice")
        attributes[_text(attribute.name)] = _attribute(attribute, folder)
    seen, given = tuple(map(_text, node.input)), tuple(map(_text, node.output))
    return FileNode(f"{domain}{_text(node.op_type)}", _text(node.name), seen, given, attributes)


def _text(given: str | bytes) -> str:
    """Text of the file; protobuf gives bytes where it isn't UTF-8."""
    return given if isinstance(given, str) else given.decode("utf-8", "replace")


def _attribute(attribute: Any, folder: Path | None) -> Any:
    """Its value: a number, text, an array, or a list of numbers or text; None for whatever nobody here reads."""
    plain: dict[int, Any] = {
        1: lambda: float(attribute.f), 2: lambda: int(attribute.i), 3: lambda: attribute.s.decode("utf-8", "replace"),
        4: lambda: tensor_array(attribute.t, folder), 6: lambda: list(map(float, attribute.floats)),
        7: lambda: list(map(int, attribute.ints)),
        8: lambda: [text.decode("utf-8", "replace") for text in attribute.strings],
    }  # fmt: skip
    return plain[attribute.type]() if attribute.type in plain else None


def _input(value: Any) -> FileInput:
    kind, name = value.type.tensor_type, _text(value.name)
    if not value.type.HasField("tensor_type") or kind.elem_type not in TYPES:
        raise PellucidError(f"input {name!r}: expected a tensor of numbers")
    if not kind.HasField("shape"):
        return FileInput(name, TYPES[kind.elem_type], None)
    sides = tuple(int(side.dim_value) if side.HasField("dim_value") else 0 for side in kind.shape.dim)
    if any(side < 0 for side in sides) or len(sides) > MOST_AXES:
        raise PellucidError(f"input {name!r}: expected a shape, got {sides[: MOST_AXES + 1]}")
    return FileInput(name, TYPES[kind.elem_type], sides)


def _check_names(nodes: Iterable[FileNode], known: set[str], outputs: tuple[str, ...]) -> None:
    """Every value is there before it is used, and given once: so there is no cycle."""
    known = known | {""}
    for node in nodes:
        missing = next((name for name in node.inputs if name not in known), None)
        if missing is not None:
            raise PellucidError(f"node {shown(node)} sees {missing!r}, which nothing before it gives")
        for name in node.outputs:
            if name and name in known:
                raise PellucidError(f"the value {name!r} is given twice")
            known.add(name)
    if not outputs:
        raise PellucidError("no output")
    if len(set(outputs)) < len(outputs) or not set(outputs) <= known - {""}:
        raise PellucidError(f"outputs {', '.join(map(repr, outputs[:5]))}, expected what nodes give, each once")


def shown(node: FileNode) -> str:
    """What messages call a node."""
    return f"{node.operator} {(node.name or next(iter(node.outputs), ''))[:LONGEST_NAME]!r}"


def tensor_array(tensor: Any, folder: Path | None) -> Array:
    """A tensor of the file. Raises PellucidError where its numbers aren't those that its shape tells."""
    name = f"tensor {_text(tensor.name)[:LONGEST_NAME]!r}"
    dtype = TYPES.get(tensor.data_type)
    if dtype is None:
        raise PellucidError(f"{name}: type {_type_name(tensor.data_type)}, expected floats, whole numbers or bools")
    shape = tuple(int(side) for side in tensor.dims)
    if any(side < 0 for side in shape) or len(shape) > MOST_AXES:
        raise PellucidError(f"{name}: expected a shape, got {shape[: MOST_AXES + 1]}")
    count = math.prod(shape)
    if count * dtype.itemsize > MOST_BYTES:
        raise PellucidError(f"{name}: {count:,} numbers, expected at most {MOST_BYTES >> 20:,} MiB")
    if tensor.data_location == 1:
        return _from_bytes(_outside(tensor, name, count * dtype.itemsize, folder), dtype, shape, name)
    if tensor.HasField("raw_data"):
        return _from_bytes(tensor.raw_data, dtype, shape, name)
    given = getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data"))
    if len(given) != count:
        raise PellucidError(f"{name}: {len(given):,} numbers, expected {count:,} for its shape {shape}")
    if dtype.name in {"float16", "bfloat16"}:
        return np.array(given, np.int64).astype(np.uint16).view(dtype).reshape(shape)
    return np.array(given).astype(dtype).reshape(shape)


def _from_bytes(content: bytes, dtype: np.dtype[Any], shape: Shape, name: str) -> Array:
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise PellucidError(
            f"{name}: {len(content):,} bytes, expected {math.prod(shape) * dtype.itemsize:,} for its shape {shape}"
        )
    found = np.frombuffer(content, dtype)
    return (found if sys.byteorder == "little" else found.byteswap()).reshape(shape)


def _outside(tensor: Any, name: str, size: int, folder: Path | None) -> bytes:
    """The bytes of a tensor that lies in another file of the same folder."""
    entries = {_text(entry.key): _text(entry.value) for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise PellucidError(f"{name}: lies in another file, {location[:LONGEST_NAME]!r}")
    try:
        inside, file = folder.resolve(), (folder / location).resolve()
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
    except (OSError, ValueError, RuntimeError) as error:
        raise PellucidError(f"{name}: lies nowhere ({_one_line(error)})") from error
    if not location or inside not in file.parents:
        raise PellucidError(f"{name}: lies in {location[:LONGEST_NAME]!r}, expected a file in the model's own folder")
    try:
        if length != size or offset < 0 or offset + length > file.stat().st_size or not file.is_file():
            raise PellucidError(
                f"{name}: {length:,} bytes at {offset:,} of {location[:LONGEST_NAME]!r}, expected {size:,} of it"
            )
        with file.open("rb") as stream:
            stream.seek(offset)
            content: bytes = stream.read(length)
            return content
    except OSError as error:
        raise PellucidError(f"{name}: cannot read {location[:LONGEST_NAME]!r}: {error.strerror}") from error


def _type_name(number: int) -> str:
    try:
        return str(onnx_package().TensorProto.DataType.Name(number))
    except ValueError:
        return str(number)
