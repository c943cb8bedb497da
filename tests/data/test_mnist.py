import gzip
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from pellucid.data import load_data, load_mnist, mnist_dataset
from pellucid.data.formats.mnist import FOLDER


def test_files_are_the_original_ones() -> None:
    table = (FOLDER / "LICENSE.md").read_text()
    files = sorted(FOLDER.glob("*.gz"))
    assert len(files) == 4
    for path in files:
        content = gzip.decompress(path.read_bytes())
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert f"| {path.stem} | {len(content):,} | {digest} |" in table


def test_as_a_dataset() -> None:
    data = load_data("mnist")
    assert data.validation is None
    assert data.train.inputs.shape == (60000, 1, 28, 28)
    assert data.test.inputs.shape == (10000, 1, 28, 28)
    assert data.train.inputs.dtype == np.uint8
    assert data.train.class_names == tuple("0123456789")
    assert np.asarray(data.train.targets[np.arange(5)]).tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(np.asarray(data.test.targets)).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_as_arrays_in_every_form() -> None:
    (x_train, t_train), (x_test, t_test) = load_mnist()
    assert x_train.shape == (60000, 784)
    assert x_train.dtype == x_test.dtype == np.float32
    assert (x_test.min(), x_test.max()) == (0, 1)
    assert t_train.shape == (60000,)

    (raw, _), (raw_test, one_hot) = load_mnist(normalize=False, flatten=False, one_hot_label=True)
    assert raw.shape == (60000, 1, 28, 28)
    assert raw.dtype == np.uint8
    assert one_hot.shape == (10000, 10)
    assert (one_hot.sum(1) == 1).all()
    assert (one_hot.argmax(1) == t_test).all()
    np.testing.assert_array_equal(x_test, (raw_test / np.float32(255)).reshape(10000, 784))


def test_shuffled_rows_stay_pairs() -> None:
    plain = mnist_dataset(train=True)
    images, labels = np.asarray(plain.inputs).reshape(60000, 784), np.asarray(plain.targets)
    (x, t), (x_test, _) = load_mnist(normalize=False, shuffle=7)
    assert (t != labels).any()
    pairs = sorted((row.tobytes(), label) for row, label in zip(images, labels, strict=True))
    assert sorted((row.tobytes(), label) for row, label in zip(x, t, strict=True)) == pairs
    assert (x_test == np.asarray(mnist_dataset(train=False).inputs).reshape(10000, 784)).all()


def test_importing_data_is_light() -> None:
    code = "import sys, pellucid.data; print([m for m in ('PIL', 'numba', 'matplotlib') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("part", [0.1, 6000])
def test_validation_is_taken_out_of_training(part: float) -> None:
    data, again, other = (load_data("mnist", validation=part, seed=seed) for seed in (3, 3, 4))
    assert data.validation is not None
    assert again.validation is not None
    assert other.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (54000, 6000, 10000)
    assert data.validation.digest == again.validation.digest != other.validation.digest
    sums = np.asarray(data.train.inputs).sum(), np.asarray(data.validation.inputs).sum()
    assert sum(map(int, sums)) == np.asarray(mnist_dataset(train=True).inputs).sum()
