"""CIFAR's binary files, written here as its page describes them."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.data import load_data
from pellucid.errors import PellucidError

RNG = np.random.default_rng(0)
CLASSES = ["airplane", *"bcdefghi", "truck"]


def write(path: Path, count: int, labels: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    pixels = RNG.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
    heads = RNG.integers(0, most, (count, labels)).astype(np.uint8)
    path.write_bytes(b"".join(head.tobytes() + image.tobytes() for head, image in zip(heads, pixels, strict=True)))
    return pixels, heads[:, -1]


def test_cifar10(tmp_path: Path) -> None:
    written = [write(tmp_path / f"data_batch_{k}.bin", 4, 1, 10) for k in range(1, 6)]
    pixels, labels = write(tmp_path / "test_batch.bin", 3, 1, 10)
    (tmp_path / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n\n")
    data = load_data(tmp_path)
    assert data.train.class_names == tuple(CLASSES) and data.lists == {}
    np.testing.assert_array_equal(data.train.inputs, np.concatenate([images for images, _ in written]))
    np.testing.assert_array_equal(data.train.targets, np.concatenate([own for _, own in written]))
    np.testing.assert_array_equal(data.test.inputs, pixels)
    np.testing.assert_array_equal(data.test.targets, labels)
    assert len(load_data(tmp_path, validation=5).train) == 15


def test_cifar100_and_bad_files(tmp_path: Path) -> None:
    write(tmp_path / "train.bin", 5, 2, 20)
    _, labels = write(tmp_path / "test.bin", 3, 2, 20)
    data = load_data(tmp_path)
    assert data.train.classes == 100
    np.testing.assert_array_equal(data.test.targets, labels)
    (tmp_path / "test.bin").write_bytes(b"\0" * 3000)
    with pytest.raises(PellucidError, match=r"test\.bin: expected a multiple of 3,074 bytes, got 3,000"):
        load_data(tmp_path)
    (tmp_path / "test.bin").write_bytes(b"\xff" * 3074)
    with pytest.raises(PellucidError, match=r"test\.bin: label 255, expected 0 to 99"):
        load_data(tmp_path)
