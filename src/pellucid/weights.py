"""Weights as safetensors files: names, shapes, types and numbers, and nothing that could be run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.files import read_whole, write_whole
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type


def write_arrays(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays and notes about them, whole or not at all."""
    write_whole(path, pack(arrays, metadata))


def pack(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """Arrays and notes as the bytes of a safetensors file."""
    from safetensors.numpy import save

    # safetensors writes an array's memory as it lies, and takes it for C order, even where it isn't
    rows = {name: np.ascontiguousarray(ops.host(array)).reshape(array.shape) for name, array in arrays.items()}
    content: bytes = save(rows, dict(metadata or {}))
    return content


def read_arrays(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays by name, and the notes. Raises PellucidError where the file is missing, damaged or of another kind."""
    return unpack(read_whole(path), str(path))


def unpack(content: bytes, source: str = "arrays") -> tuple[dict[str, Array], dict[str, str]]:
    """What `pack` put together. source: what messages call it."""
    import json

    from safetensors import SafetensorError, deserialize

    try:
        arrays = {name: _array(found) for name, found in deserialize(content)}  # type: ignore[no-untyped-call]
        length = int.from_bytes(content[:8], "little")
        notes = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise PellucidError(f"{source}: expected a safetensors file, but {' '.join(str(error).split())}") from error
    return arrays, notes


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
