import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.formats.idx import TYPES, read_idx, write_idx
from pellucid.errors import PellucidError

PLAIN = b"\0\0\x08\x01\0\0\0\x05hello"


@given(
    kind=st.sampled_from([np.dtype(name).newbyteorder("=") for name in TYPES.values()]),
    shape=st.lists(st.integers(0, 4), max_size=5),
    seed=st.integers(0, 99),
    gzipped=st.booleans(),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, kind: np.dtype[np.generic], shape: list[int], seed: int, gzipped: bool
) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (*shape, kind.itemsize), np.uint8).view(kind)[..., 0]
    path = tmp_path_factory.getbasetemp() / f"array.idx{'.gz' if gzipped else ''}"
    write_idx(path, array)
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()


def test_bytes_are_big_endian_and_as_specified(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(b"\0\0\x0b\x02\0\0\0\x01\0\0\0\x02\x01\x02\xff\xfe")
    assert read_idx(path).tolist() == [[258, -2]]
    write_idx(tmp_path / "again", np.array([[258, -2]], np.int16))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_contents_tell_whether_it_is_gzipped(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(PLAIN)
    (tmp_path / "b").write_bytes(gzip.compress(PLAIN))
    (tmp_path / "c").write_bytes(gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:]))  # two members are one file
    for name in ("a.gz", "b", "c"):
        assert read_idx(tmp_path / name).tobytes() == b"hello"


def _with_wrong_crc() -> bytes:
    packed = bytearray(gzip.compress(PLAIN))
    packed[-8] ^= 1
    return bytes(packed)


def _with_damage() -> bytes:
    packed = bytearray(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 16, 0]) + np.random.default_rng(0).bytes(4096)))
    packed[10] |= 6  # deflate has no block type 3
    return bytes(packed)


BAD = {
    "empty": (b"", "empty"),
    "two bytes": (b"\0\0", "header of 4 bytes or more, got 2"),
    "wrong magic": (b"\0\1\x08\x01", "magic number .* got 00 01 08 01"),
    "unknown type": (b"\0\0\x0a\x01\0\0\0\1a", "magic number .* got 00 00 0a 01"),
    "a PNG file": (b"\x89PNG\r\n", "magic number .* got 89 50 4e 47"),
    "half a header": (b"\0\0\x08\x03\0\0\0\1\0\0", "header of 16 bytes, got 10"),
    "truncated": (PLAIN[:-2], r"expected 13 bytes \(uint8 of shape 5\), but the file holds at most 11"),
    "trailing bytes": (PLAIN + b"!!", "expected 13 bytes .* got 2 more"),
    "a shape too large": (b"\0\0\x0e\x03" + b"\xff" * 12, "truncated"),
    "truncated, then gzipped": (gzip.compress(PLAIN[:-2]), r"expected 13 bytes \(uint8 of shape 5\), got 11"),
    "trailing byte, gzipped": (gzip.compress(PLAIN + b"!"), "expected 13 bytes .* got 1 more"),
    "gzip data cut": (gzip.compress(PLAIN)[:-9], "truncated, the compressed data ends early"),
    "gzip tail cut": (gzip.compress(PLAIN)[:-3], "truncated, the compressed data ends early"),
    "bytes after gzip": (gzip.compress(PLAIN) + b"more", "damaged gzip data"),
    "gzipped nothing": (gzip.compress(b""), "got 0"),
    "a shape too large, gzipped": (gzip.compress(b"\0\0\x0e\x03" + b"\xff" * 12), "truncated"),
    "wrong CRC": (_with_wrong_crc(), "damaged gzip data .*CRC"),
    "damaged block": (_with_damage(), "damaged gzip data"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, how: str) -> None:
    content, words = BAD[how]
    path = tmp_path / "bad-idx"
    path.write_bytes(content)
    with pytest.raises(PellucidError, match=words) as error:
        read_idx(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_no_file_and_no_type(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="nowhere: cannot be read"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(PellucidError, match="cannot be read"):
        read_idx(tmp_path)
    with pytest.raises(PellucidError, match="IDX has no type complex64, expected one of uint8"):
        write_idx(tmp_path / "x", np.zeros(2, np.complex64))
    assert not (tmp_path / "x").exists()
