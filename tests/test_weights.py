"""Files of weights: equal bytes for equal contents, and one flipped byte is noticed."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.weights import pack, read_arrays, unpack, write_arrays

ARRAYS: dict[str, Array] = {
    "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "0.bias": np.array([1.5, -2]),
    "steps": np.array(7, np.int64),
    "flags": np.array([True, False, True]),
    "é": np.zeros((0, 3), np.uint8),
}
NOTES = {"format": "some", "class_names": '["ä", "b"]', "recipe": "rate = 0.001\n"}


def same(content: bytes) -> bool:
    arrays, notes = unpack(content)
    equal = notes == NOTES and arrays.keys() == ARRAYS.keys()
    return equal and all(arrays[name].tobytes() == ARRAYS[name].tobytes() for name in ARRAYS)


def test_the_format_is_the_one_that_others_read() -> None:
    for name, found in load(pack(ARRAYS, NOTES)).items():
        np.testing.assert_array_equal(found, ARRAYS[name])
        assert (found.dtype, found.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)


def test_the_order_of_what_is_given_changes_no_byte(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS, NOTES)
    write_arrays(tmp_path / "b", dict(reversed(ARRAYS.items())), dict(reversed(NOTES.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_flipped_bit_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS, NOTES)
    content = (tmp_path / "a").read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            with suppress(PellucidError):
                assert same(bytes(damaged)), (place, bit)


def test_the_damaged_array_is_named(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS, NOTES)
    content = bytearray((tmp_path / "a").read_bytes())
    content[content.index(np.float32(5).tobytes(), 8)] ^= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(PellucidError, match=r"a: damaged, 0\.weight doesn't agree with its checksum"):
        read_arrays(tmp_path / "a")


def test_a_file_without_checksums_opens() -> None:
    assert same(save(dict(ARRAYS), dict(NOTES)))
