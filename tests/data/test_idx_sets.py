from pathlib import Path

import numpy as np
import pytest

from pellucid.data import load_data
from pellucid.data.formats.idx import write_idx
from pellucid.errors import PellucidError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 4), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3


def _write(folder: Path, prefix: str = "", suffix: str = ".gz", test: str = "t10k") -> Path:
    for part in ("train", test):
        count = 12 if part == "train" else 6
        write_idx(folder / f"{prefix}{part}-images-idx3-ubyte{suffix}", IMAGES[:count])
        write_idx(folder / f"{prefix}{part}-labels-idx1-ubyte{suffix}", LABELS[:count])
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_directory_named_as_mnist_is(tmp_path: Path, suffix: str) -> None:
    data = load_data(_write(tmp_path, suffix=suffix), validation=0.25, seed=1)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (9, 3, 6)
    assert data.train.image_shape == (1, 5, 4)
    assert data.train.class_names == ("0", "1", "2")
    assert np.array_equal(np.asarray(data.test.inputs)[:, 0], IMAGES[:6])
    assert np.array_equal(np.asarray(data.test.targets), LABELS[:6])


def test_emnist_is_set_upright_and_named(tmp_path: Path) -> None:
    _write(tmp_path, "emnist-letters-", test="test")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n")
    data = load_data(tmp_path)
    assert data.train.class_names == ("0", "Aa", "Bb")
    assert np.array_equal(np.asarray(data.train.inputs)[:, 0], IMAGES.swapaxes(1, 2))
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 A\n")
    with pytest.raises(PellucidError, match=r"mapping\.txt: expected lines of a label"):
        load_data(tmp_path)


def test_colour(tmp_path: Path) -> None:
    _write(tmp_path, suffix="")
    colour = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte", colour)
    train = load_data(tmp_path).train
    assert train.image_shape == (3, 5, 4)
    assert np.array_equal(np.asarray(train.inputs).transpose(0, 2, 3, 1), colour)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train-labels-idx1-ubyte", LABELS[:11], "train-images-.*: 12 images, but .*train-labels-.* has 11 labels"),
        ("t10k-labels-idx1-ubyte", LABELS[:6] + 1, "t10k-labels-.*: label 3 at place 2, expected 0 .. 2"),
        ("train-labels-idx1-ubyte", LABELS.astype(np.int8) - 1, "train-labels-.*: label -1 at place 0"),
        (
            "train-labels-idx1-ubyte",
            IMAGES,
            "train-labels-.*: expected a list of whole numbers, got uint8 of shape 12x5x4",
        ),
        ("train-labels-idx1-ubyte", np.zeros(12, np.float32), "expected a list of whole numbers, got float32"),
        ("train-images-idx3-ubyte", IMAGES.astype(np.int16), "train-images-.*: expected images of unsigned bytes"),
        ("train-images-idx3-ubyte", LABELS, "train-images-.*: expected images, N x height x width .* got 12"),
        ("t10k-images-idx3-ubyte", IMAGES[:0], "t10k-images-.*: no images"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, name: str, content: np.ndarray, words: str) -> None:
    write_idx(_write(tmp_path, suffix="") / name, content)
    with pytest.raises(PellucidError, match=words):
        load_data(tmp_path)


def test_a_set_that_is_not_whole_or_not_alone(tmp_path: Path) -> None:
    _write(tmp_path, suffix="")
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(PellucidError, match=r"no test labels, expected a file t10k-labels-idx1-ubyte or"):
        load_data(tmp_path)
    _write(tmp_path, "emnist-digits-")
    with pytest.raises(
        PellucidError, match=r"expected the files of one IDX set, got several: \.\.\., emnist-digits-"
    ):
        load_data(tmp_path)


def test_size_must_be_the_images_own(tmp_path: Path) -> None:
    _write(tmp_path)
    assert load_data(tmp_path, size=(5, 4)).train.image_shape == (1, 5, 4)
    with pytest.raises(PellucidError, match="the images are 5x4, only a folder's can be brought to 8x8"):
        load_data(tmp_path, size=8)


def test_where_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="no data 'mnits': expected mnist or a directory"):
        load_data("mnits")
    with pytest.raises(PellucidError, match=r"expected IDX files .* or class folders"):
        load_data(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(PellucidError, match=r"expected a directory .* got a file"):
        load_data(tmp_path / "file")
