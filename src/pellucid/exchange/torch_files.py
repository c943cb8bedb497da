"""PyTorch's files of weights, read without PyTorch: .pth and .pt in both formats, and safetensors.

The format since PyTorch 1.6 is an uncompressed zip archive: data.pkl, and one file a storage. The older one is a row
of pickles (a magic number, a version, the machine's sizes, the object, the storages' keys), then each storage as a
count of eight bytes and its numbers.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import PellucidError
from pellucid.exchange.torch_tensors import ADVICE, Tensor, TorchMachine
from pellucid.files import read_whole
from pellucid.ops.arrays import Array
from pellucid.pickles import UNREADABLE
from pellucid.weights import unpack

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
MOST_STORAGES = 100_000
WRAPPERS = (
    "state_dict", "model_state_dict", "model", "module", "net", "network", "params",
    "ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict",
)  # fmt: skip
"""Keys under which checkpoints keep a state dict beside other things; the first of these counts."""

WRAPPED = 2
"""How many dicts may lie around it."""

_DAMAGED = (*UNREADABLE, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, zlib.error)


def read_torch(path: Path) -> dict[str, Array]:
    """The tensors of a state dict by name, in the file's order, read-only and of the types they have there.

    Raises PellucidError for a file that holds anything else than tensors, dicts, numbers and text (a whole module,
    say), for a damaged one, and where there is no state dict in it.
    """
    return read_torch_ordered(path)[0]


def read_torch_ordered(path: Path) -> tuple[dict[str, Array], bool]:
    """What `read_torch` reads, and whether that is its module's order: not of safetensors, whatever the name."""
    content, source = read_whole(path), str(path)
    if content[:2] == b"PK":
        return _read(content, source, _read_zip), True
    if content[:1] == b"\x80" and content[8:9] != b"{":  # a safetensors header may have any length
        return _read(content, source, _read_older), True
    return unpack(content, source)[0], False


def _read(content: bytes, source: str, read: Any) -> dict[str, Array]:
    try:
        found: dict[str, Array] = read(content, source)
    except PellucidError:
        raise
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PellucidError(f"{source}: not a sound file of PyTorch's weights ({reason})") from error
    return found


def _read_zip(content: bytes, source: str) -> dict[str, Array]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} files data.pkl in the archive, expected one")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in entries:
            raise PellucidError(f"{source}: a TorchScript program, expected a state dict: {ADVICE}")
        room = len(content)

        def bytes_of(name: str) -> bytes:
            nonlocal room
            entry = entries[f"{folder}{name}"]
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise ValueError(f"{entry.filename} is compressed, expected it as it is")
            room -= entry.file_size
            if room < 0:
                raise ValueError("more bytes than the file has")
            return archive.read(entry)

        found = TorchMachine(source, len(content)).run(bytes_of("data.pkl"))
        named = state_dict(found, source)
        big = f"{folder}byteorder" in entries and bytes_of("byteorder") == b"big"
        keys = {tensor.storage.key for tensor in named.values()}
        storages = {key: memoryview(bytes_of(f"data/{key}")) for key in keys}
    return _arrays(named, storages, ">" if big else "<")


def _read_older(content: bytes, source: str) -> dict[str, Array]:
    stream, machine = io.BytesIO(content), TorchMachine(source, len(content))
    if machine.run(stream) != MAGIC:
        raise ValueError("a pickle, but not one of PyTorch's: it has another magic number")
    if (version := machine.run(stream)) != VERSION:
        raise ValueError(f"version {str(version)[:20]}, expected {VERSION}")
    sizes = machine.run(stream)
    order: Literal["<", ">"] = "<" if not isinstance(sizes, dict) or sizes.get("little_endian", True) is True else ">"
    named = state_dict(machine.run(stream), source)
    keys = machine.run(stream)
    if not isinstance(keys, list) or len(keys) > MOST_STORAGES:
        raise ValueError("no list of storages")
    whole, start = memoryview(content), stream.tell()
    storages: dict[str, memoryview] = {}
    for key in keys:
        if not isinstance(key, str) or key not in machine.widths:
            raise ValueError("a storage that nothing refers to")
        count = int.from_bytes(whole[start : start + 8], "little" if order == "<" else "big", signed=True)
        end = start + 8 + count * machine.widths[key]
        if count < 0 or end > len(content):
            raise ValueError(f"storage {key[:20]} of {count} numbers reaches beyond the file")
        storages[key], start = whole[start + 8 : end], end
    return _arrays(named, storages, order)


def _arrays(
    named: Mapping[str, Tensor], storages: Mapping[str, memoryview], order: Literal["<", ">"]
) -> dict[str, Array]:
    return {name: tensor.array(storages[tensor.storage.key], order) for name, tensor in named.items()}


def state_dict(found: object, source: str) -> dict[str, Tensor]:
    """The tensors by name, of a dict of them, or of one that has such a dict under a usual key or a single other one.

    A checkpoint may have tensors beside it, such as its best accuracy. Raises PellucidError where there is none, and
    where there are several under keys of their own.
    """
    places = _state_dicts(found, WRAPPED)
    if len(places) == 1:
        place = next(iter(places.values()))
        return {name: value for name, value in place.items() if isinstance(value, Tensor) and type(name) is str}
    if places:
        listed = ", ".join(name[:40] for name in list(places)[:5])
        raise PellucidError(f"{source}: several dicts of tensors, under {listed}: save the one that is meant")
    keys = ", ".join(str(key)[:40] for key in list(found)[:5]) if isinstance(found, dict) else ""
    got = f"a dict with {keys or 'nothing'}" if isinstance(found, dict) else (
        "one tensor" if isinstance(found, Tensor) else type(found).__name__
    )  # fmt: skip
    raise PellucidError(f"{source}: expected a dict of tensors by name, got {got}; {ADVICE}")


def _state_dicts(found: object, depth: int) -> dict[str, dict[Any, Any]]:
    """By the key that they lie under: the one under a usual key, else the dict itself, else all within."""
    if not isinstance(found, dict):
        return {}
    if depth:
        for key in WRAPPERS:
            if inner := _state_dicts(found.get(key), depth - 1):
                return inner if len(inner) > 1 else {key: next(iter(inner.values()))}
    if any(isinstance(value, Tensor) for value in found.values()):
        return {"": found}
    if not depth:
        return {}
    within = {key: _state_dicts(value, depth - 1) for key, value in found.items() if type(key) is str}
    return {key: next(iter(inner.values())) for key, inner in within.items() if inner}
