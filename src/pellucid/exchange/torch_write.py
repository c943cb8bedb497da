"""Weights as a file that `torch.load(FILE, weights_only=True)` reads: a zip archive with a dict of tensors."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.exchange.torch_tensors import STORAGES
from pellucid.files import write_whole
from pellucid.ops.arrays import Array

FOLDER = "archive"
_DATE = (1980, 1, 1, 0, 0, 0)  # equal weights give equal bytes


def write_torch(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name, each with a storage of its own, in C order.

    Raises PellucidError for a type that PyTorch's storages don't have.
    """
    rows = {name: np.ascontiguousarray(ops.host(array)).reshape(array.shape) for name, array in arrays.items()}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(f"{FOLDER}/{name}", _DATE), content)

        add("data.pkl", _pickle(rows))
        add("byteorder", b"little")
        for number, row in enumerate(rows.values()):
            little = row if row.dtype.itemsize == 1 else row.astype(row.dtype.newbyteorder("<"), copy=False)
            add(f"data/{number}", little.tobytes())
        add("version", b"3\n")
    write_whole(path, written.getvalue())


def _pickle(rows: Mapping[str, Array]) -> bytes:
    """The program that makes the dict, in protocol 2."""
    program = [b"\x80\x02", _global("collections", "OrderedDict"), b")R("]
    for number, (name, row) in enumerate(rows.items()):
        strides = [stride // row.itemsize for stride in np.empty(row.shape, row.dtype).strides]
        reference = [b"(", _text("storage"), _global("torch", _storage(name, row)), _text(str(number)), _text("cpu")]
        program += [_text(name), _global("torch._utils", "_rebuild_tensor_v2"), b"("]
        program += [*reference, _number(row.size), b"tQ", _number(0), _tuple(row.shape), _tuple(strides)]
        program += [b"\x89", _global("collections", "OrderedDict"), b")RtR"]
    return b"".join([*program, b"u."])


def _storage(name: str, row: Array) -> str:
    for storage, kind in STORAGES.items():
        if kind == row.dtype:
            return storage
    raise PellucidError(f"{name}: numbers of the type {row.dtype}, which PyTorch's files don't have")


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    content = text.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def _number(value: int) -> bytes:
    if value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x08" + struct.pack("<q", value)


def _tuple(values: tuple[int, ...] | list[int]) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"
