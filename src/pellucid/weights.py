"""Weights as safetensors files: names, shapes, types and numbers, and nothing that could be run.

Equal arrays and notes give equal bytes: everything in a file is sorted. Files carry checksums among their notes, one
of each array ("checksums") and one of all that the notes say ("checksum"), so that a damaged byte is noticed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.files import read_whole, write_whole
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type

ARRAYS, NOTES = "checksums", "checksum"
"""The notes that hold the checksums. Version 0.1 wrote neither, so a file without them is taken as it is."""

_ALIGNMENT = 8  # bytes; the header is filled up with spaces


def write_arrays(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays, notes about them and checksums, whole or not at all."""
    write_whole(path, with_checksums(arrays, metadata))


def with_checksums(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """What `write_arrays` writes."""
    rows = {name: _row(array) for name, array in arrays.items()}
    notes = {**metadata, ARRAYS: json.dumps({name: _checksum(row) for name, row in sorted(rows.items())})}
    return pack(rows, {**notes, NOTES: _checksum_of_notes(notes)})


def pack(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """Arrays and notes as the bytes of a safetensors file, the widest types first, then by name."""
    rows = {name: _row(array) for name, array in arrays.items()}
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    ordered = sorted(rows.items(), key=lambda item: (-item[1].itemsize, item[0]))
    end = 0
    for name, row in ordered:
        start, end = end, end + row.nbytes
        header[name] = {"dtype": _name(row.dtype), "shape": list(row.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *(row.tobytes() for _, row in ordered)])


def read_arrays(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays by name, and the notes. Raises PellucidError where the file is missing, damaged or of another kind."""
    return unpack(read_whole(path), str(path))


def unpack(content: bytes, source: str = "arrays") -> tuple[dict[str, Array], dict[str, str]]:
    """What `pack` put together, its checksums looked at and left out. source: what messages call it."""
    from safetensors import SafetensorError, deserialize

    try:
        arrays = {name: _array(found) for name, found in deserialize(content)}  # type: ignore[no-untyped-call]
        length = int.from_bytes(content[:8], "little")
        header = parse_json(content[8 : 8 + length], source)
        notes = header.get("__metadata__") or {}
        arrays = {name: arrays[name] for name in header if name in arrays}  # in the file's order
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise PellucidError(f"{source}: expected a safetensors file, but {' '.join(str(error).split())}") from error
    return arrays, _checked(arrays, notes, source)


def _checked(arrays: Mapping[str, Array], notes: dict[str, str], source: str) -> dict[str, str]:
    """The notes without the checksums. Raises PellucidError that names what doesn't agree with them."""
    if ARRAYS not in notes and NOTES not in notes:
        return notes
    expected = notes.pop(NOTES, None)
    if expected != _checksum_of_notes(notes):
        raise PellucidError(f"{source}: damaged, what it says beside the arrays doesn't agree with its checksum")
    checksums = parse_json(notes.pop(ARRAYS), source)
    for name in sorted({*arrays, *checksums}):
        if name not in arrays or checksums.get(name) != _checksum(arrays[name]):
            raise PellucidError(f"{source}: damaged, {name} doesn't agree with its checksum")
    return notes


def _checksum(row: Array) -> str:
    """Of an array's type, shape and bytes."""
    state = hashlib.sha256(f"{_name(row.dtype)} {row.shape} ".encode())
    state.update(row.reshape(-1).view(np.uint8).data)
    return state.hexdigest()[:16]


def _checksum_of_notes(notes: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(notes, sort_keys=True).encode()).hexdigest()[:16]


def _row(array: Array) -> Array:
    """The numbers in C order; so lie a file's, whatever the array's memory is like."""
    return np.ascontiguousarray(ops.host(array)).reshape(array.shape)


def _array(found: Mapping[str, Any]) -> Array:
    """An array of a safetensors file; of any type, as safetensors.numpy reads all but bfloat16."""
    array: Array = np.frombuffer(found["data"], _dtype(found["dtype"])).reshape(found["shape"])
    return array


def _dtype(name: str) -> np.dtype[Any]:
    """NumPy's type of a safetensors name such as "F32", "BF16", "U8" or "BOOL"."""
    if name == "BF16":
        return float_type("bfloat16")
    kinds = {"F": "f", "I": "i", "U": "u"}
    return np.dtype(bool) if name == "BOOL" else np.dtype(f"{kinds[name[0]]}{int(name[1:]) // 8}")


def _name(kind: np.dtype[Any]) -> str:
    """The safetensors name of a NumPy type."""
    if kind == float_type("bfloat16"):
        return "BF16"
    if kind.kind not in "fiub":
        raise PellucidError(f"arrays in a file: expected numbers, got {kind}")
    return "BOOL" if kind.kind == "b" else f"{kind.kind.upper()}{8 * kind.itemsize}"


def save_model(path: Path, network: Network, metadata: Mapping[str, str] | None = None) -> None:
    """Write a network's weights and statistics by name."""
    write_arrays(path, network.state(), metadata or {})


def load_model(path: Path, network: Network) -> dict[str, str]:
    """Take over a file's weights and statistics; returns the file's notes.

    Raises PellucidError that names both shapes where they are another network's.
    """
    arrays, notes = read_arrays(path)
    network.load_state(arrays, str(path))
    return notes
