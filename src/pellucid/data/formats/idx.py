"""IDX files: the format of MNIST and its relatives.

Two bytes 0, one for the type, one for the rank; the length of each axis as 4 bytes; the elements in C order.
Everything is big-endian. Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pellucid.arguments import checked_but
from pellucid.errors import PellucidError
from pellucid.files import path_of
from pellucid.ops.arrays import Array, Shape

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name): code for code, name in TYPES.items()}
_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST_RATIO = 1032  # deflate never shrinks by more (zlib, "Maximum Compression Factor")
_CHUNK = 1 << 20
_MOST_AXES, _MOST_ELEMENTS = 8, 1 << 48  # with axes of 0, sizes say more than NumPy can hold


@checked_but("path")
def read_idx(path: str | Path) -> Array:
    """The array of an IDX file, gzipped or not (its contents tell), in the machine's byte order.

    path: of the file.
    Raises PellucidError, naming the file, where it is missing, truncated, damaged or too long.

    >>> pl.data.write_idx("some.idx", np.arange(6, dtype=np.uint8).reshape(2, 3))
    >>> pl.data.read_idx("some.idx").tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    path = path_of(path, "path")
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == _GZIP_MAGIC
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            if size == 0:
                raise PellucidError(f"{path}: the file is empty, expected an IDX file")
            if not gzipped:
                return _read(file, path, size)
            with gzip.GzipFile(fileobj=file) as stream:
                return _read(stream, path, size * _LARGEST_RATIO)
    except EOFError:
        raise PellucidError(f"{path}: truncated, the compressed data ends early at {size} bytes") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise PellucidError(f"{path}: damaged gzip data ({error})") from None
    except OSError as error:
        raise PellucidError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read(stream: BinaryIO | gzip.GzipFile, path: Path, most: int) -> Array:
    """The array of a stream that holds at most so many bytes."""
    dtype, shape, header = _read_header(stream, path)
    expected = math.prod(shape) * dtype.itemsize
    if header + expected > most:  # before asking for the memory that a damaged header may promise
        raise PellucidError(
            f"{path}: truncated, expected {header + expected} bytes ({_described(dtype, shape)}), "
            f"but the file holds at most {most}"
        )
    if len(shape) > _MOST_AXES or math.prod(side for side in shape if side) > _MOST_ELEMENTS:
        raise PellucidError(
            f"{path}: not an array that fits a memory, its header says {len(shape)} axes, {shape[:4]}"
        )
    try:
        array = np.empty(shape, dtype)
    except MemoryError:
        raise PellucidError(f"{path}: {_described(dtype, shape)}, {expected:,} bytes, which fit no memory") from None
    got = _fill(stream, array)
    if got < expected:
        raise PellucidError(
            f"{path}: truncated, expected {header + expected} bytes ({_described(dtype, shape)}), got {header + got}"
        )
    if surplus := _count(stream):  # reading past the end is also what checks the CRC
        raise PellucidError(
            f"{path}: expected {header + expected} bytes ({_described(dtype, shape)}), got {surplus} more"
        )
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BinaryIO | gzip.GzipFile, path: Path) -> tuple[np.dtype[np.generic], Shape, int]:
    """Type, shape and number of bytes of the header."""
    magic = stream.read(4)
    if len(magic) < 4:
        raise PellucidError(f"{path}: truncated, expected an IDX header of 4 bytes or more, got {len(magic)}")
    if magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise PellucidError(
            f"{path}: not an IDX file, expected the magic number 00 00, type (08, 09, 0b .. 0e), rank, "
            f"got {magic.hex(' ')}"
        )
    rank = magic[3]
    lengths = stream.read(4 * rank)
    if len(lengths) < 4 * rank:
        raise PellucidError(
            f"{path}: truncated, expected an IDX header of {4 + 4 * rank} bytes, got {4 + len(lengths)}"
        )
    return np.dtype(TYPES[magic[2]]), struct.unpack(f">{rank}I", lengths), 4 + 4 * rank


def _fill(stream: BinaryIO | gzip.GzipFile, array: Array) -> int:
    """Read the array's bytes into it; the number of those that came."""
    view = array.reshape(-1).view(np.uint8).data
    got = 0
    while got < len(view) and (read := stream.readinto(view[got : got + _CHUNK])):  # type: ignore[union-attr]
        got += read
    return got


def _count(stream: BinaryIO | gzip.GzipFile) -> int:
    """Bytes left in a stream."""
    left = 0
    while chunk := stream.read(_CHUNK):
        left += len(chunk)
    return left


def _described(dtype: np.dtype[np.generic], shape: Shape) -> str:
    return f"{dtype.name} of shape {'x'.join(map(str, shape)) or 'one number'}"


@checked_but("path")
def write_idx(path: str | Path, array: Array) -> None:
    """Write an array as an IDX file, gzipped where the name ends in .gz.

    path: of the file. array: of bytes, whole numbers or floats, of any shape.
    Raises PellucidError where IDX has no such type.

    >>> pl.data.write_idx("labels.idx.gz", np.array([1, 2], np.uint8))
    >>> pl.data.read_idx("labels.idx.gz").tolist()
    [1, 2]
    """
    array = np.asarray(array)
    code = _CODES.get(array.dtype.newbyteorder(">"))
    if code is None:
        names = ", ".join(np.dtype(name).name for name in TYPES.values())
        raise PellucidError(f"{path}: IDX has no type {array.dtype}, expected one of {names}")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    contents = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path = path_of(path, "path")
    path.write_bytes(gzip.compress(contents, mtime=0) if path.suffix == ".gz" else contents)
