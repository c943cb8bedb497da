from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from pellucid.data import Dataset
from pellucid.errors import PellucidError


def _dataset(count: int = 10) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (count, 2, 4, 3), np.uint8)
    return Dataset(images, np.arange(count) % 3, ("a", "b", "c"), "toys")


def test_says_what_it_holds() -> None:
    data = _dataset()
    assert (len(data), data.classes, data.image_shape) == (10, 3, (2, 4, 3))
    with pytest.raises(FrozenInstanceError):
        data.name = "other"  # type: ignore[misc]


def test_subset_keeps_the_order_asked_for() -> None:
    part = _dataset().subset([7, 2, 2])
    assert np.asarray(part.targets).tolist() == [1, 2, 2]
    np.testing.assert_array_equal(np.asarray(part.inputs), np.asarray(_dataset().inputs)[[7, 2, 2]])


def test_split_is_a_partition_by_seed() -> None:
    images = np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1)
    data = Dataset(images, np.zeros(50, np.int64), ("x",), "numbers")
    rest, part = data.split(0.3, seed=1)
    assert (len(rest), len(part)) == (35, 15)
    together = np.concatenate([np.asarray(rest.inputs), np.asarray(part.inputs)]).ravel()
    assert sorted(together.tolist()) == list(range(50))
    assert data.split(15, seed=1)[1].digest == part.digest
    assert data.split(15, seed=2)[1].digest != part.digest


def _change_pixel(data: Dataset) -> Dataset:
    images = np.asarray(data.inputs).copy()
    images[3, 0, 0, 0] ^= 1
    return replace(data, inputs=images)


def _change_label(data: Dataset) -> Dataset:
    return replace(data, targets=np.asarray(data.targets)[::-1].copy())


def _change_class(data: Dataset) -> Dataset:
    return replace(data, class_names=("a", "b", "d"))


def _change_shape(data: Dataset) -> Dataset:
    return replace(data, inputs=np.asarray(data.inputs).reshape(10, 2, 3, 4))


@pytest.mark.parametrize("change", [_change_pixel, _change_label, _change_class, _change_shape])
def test_digest_differs_where_contents_do(change: Callable[[Dataset], Dataset]) -> None:
    assert change(_dataset()).digest != _dataset().digest


def test_digest_asks_for_contents_only() -> None:
    data = _dataset()
    stored = np.asarray(data.inputs).transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)  # channels last
    assert replace(data, inputs=stored, name="same").digest == data.digest


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dataset(np.zeros((2, 3, 3), np.uint8), np.zeros(2), ("a",), "toys"), "shape .2, 3, 3."),
        (lambda: Dataset(np.zeros((2, 1, 3, 3), np.uint8), np.zeros(3), ("a",), "toys"), "2 images but 3 targets"),
        (lambda: _dataset().subset([]), "no images"),
        (lambda: _dataset().subset([10]), "outside 0 .. 9"),
        (lambda: _dataset().split(10, 0), "cannot take 10 of 10"),
        (lambda: _dataset().split(0.01, 0), "cannot take 0.01 of 10"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(PellucidError, match=f"toys: .*{words}"):
        make()
