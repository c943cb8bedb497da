import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data import Augmentation, Batch, Dataset, Loader, normalized
from pellucid.errors import PellucidError

AUGMENT = Augmentation(shift=2, rotate=15, scale=0.2, shear=5, erase=5)


def _dataset(count: int = 23, channels: int = 1) -> Dataset:
    images = np.random.default_rng(1).integers(0, 256, (count, channels, 9, 8), np.uint8)
    return Dataset(images, np.arange(count), tuple(map(str, range(count))), "toys")


def _same(a: Batch, b: Batch) -> bool:
    return (
        (a.index, a.first, a.global_size) == (b.index, b.first, b.global_size)
        and np.array_equal(a.inputs, b.inputs)
        and np.array_equal(a.targets, b.targets)
    )


def test_an_epoch_shows_every_image_once() -> None:
    loader = Loader(_dataset(), 5, seed=3)
    batches = list(loader.epoch(0))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
    assert [batch.first for batch in batches] == [0, 5, 10, 15, 20]
    assert [batch.index for batch in batches] == list(range(len(loader)))
    assert [batch.global_size for batch in batches] == [5, 5, 5, 5, 3]
    order = np.concatenate([batch.samples for batch in batches])
    assert sorted(order.tolist()) == list(range(23))
    assert np.array_equal(np.concatenate([batch.targets for batch in batches]), order)
    np.testing.assert_array_equal(
        np.concatenate([batch.inputs for batch in batches]),
        np.asarray(_dataset().inputs)[order] / np.float32(255),
    )


def test_order_depends_on_seed_and_epoch_only() -> None:
    loader = Loader(_dataset(), 5, seed=3)
    assert np.array_equal(loader.order(2), Loader(_dataset(), 7, seed=3, augment=AUGMENT).order(2))
    assert not np.array_equal(loader.order(2), loader.order(1))
    assert not np.array_equal(loader.order(2), replace(loader, seed=4).order(2))
    assert np.array_equal(replace(loader, shuffle=False).order(2), np.arange(23))


@pytest.mark.parametrize("augment", [None, AUGMENT])
def test_an_epoch_can_start_anywhere(augment: Augmentation | None) -> None:
    loader = Loader(_dataset(), 4, seed=1, augment=augment)
    list(loader.epoch(0))  # what was drawn before leaves no trace
    whole = list(loader.epoch(7))
    for start in range(len(loader) + 1):
        resumed = list(Loader(_dataset(), 4, seed=1, augment=augment).epoch(7, start_batch=start))
        assert len(resumed) == len(whole) - start
        assert all(itertools.starmap(_same, zip(whole[start:], resumed, strict=True)))


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 30),
    size=st.integers(1, 12),
    ranks=st.integers(1, 5),
    augmented=st.booleans(),
    drop=st.booleans(),
)
def test_shares_make_up_the_batch(count: int, size: int, ranks: int, augmented: bool, drop: bool) -> None:
    if size < ranks or (drop and count < size):
        return
    whole = Loader(_dataset(count), size, seed=5, augment=AUGMENT if augmented else None, drop_last=drop)
    shares = [whole.shard(rank, ranks).epoch(2) for rank in range(ranks)]
    for batch, *parts in zip(whole.epoch(2), *shares, strict=True):
        assert np.array_equal(np.concatenate([part.inputs for part in parts]), batch.inputs)
        assert np.array_equal(np.concatenate([part.targets for part in parts]), batch.targets)
        assert {part.global_size for part in parts} == {len(batch)}
        offset = 0
        for part in parts:
            assert (part.offset, part.first) == (offset, batch.first + offset)
            offset += len(part)
        lengths = [len(part) for part in parts]
        assert max(lengths) - min(lengths) <= 1


def test_drop_last() -> None:
    loader = Loader(_dataset(), 5, drop_last=True)
    assert len(loader) == len(list(loader.epoch(0))) == 4
    assert len(Loader(_dataset(20), 5, drop_last=False)) == len(Loader(_dataset(20), 5, drop_last=True)) == 4


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [None, AUGMENT])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_are_stored_channels_last(channels: int, augment: Augmentation | None, dtype: npt.DTypeLike) -> None:
    [batch] = Loader(_dataset(channels=channels), 23, augment=augment, dtype=dtype).epoch(0)
    assert batch.inputs.shape == (23, channels, 9, 8)
    assert batch.inputs.dtype == dtype
    assert batch.inputs.transpose(0, 2, 3, 1).flags.c_contiguous
    assert 0 <= batch.inputs.min() <= batch.inputs.max() <= 1


def test_mean_and_std_of_each_channel() -> None:
    pixels = np.asarray(_dataset(channels=3).inputs)
    mean, std = [0.1, 0.2, 0.3], [0.5, 1.0, 2.0]
    expected = (pixels / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(normalized(pixels, np.float64, mean=mean, std=std), expected, rtol=1e-14)
    [batch] = Loader(_dataset(channels=3), 23, shuffle=False, mean=mean, std=std, dtype=np.float64).epoch(0)
    np.testing.assert_allclose(batch.inputs, expected, rtol=1e-14)


def test_white_is_the_largest_whole_number_and_floats_stay() -> None:
    wide = np.array([0, 65535], np.uint16).reshape(2, 1, 1, 1)
    for pixels, expected in ((wide, [0, 1]), (np.array([-2.5, 3.5]).reshape(2, 1, 1, 1), [-2.5, 3.5])):
        [batch] = Loader(Dataset(pixels, np.zeros(2), ("a",), "t"), 2, shuffle=False).epoch(0)
        assert batch.inputs.ravel().tolist() == expected


def test_masks_move_with_their_images() -> None:
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 2, (40, 4, 4)), np.ones((1, 6, 6), int)).astype(np.uint8)
    data = Dataset(blocks[:, None] * 255, blocks, ("ground", "block"), "blocks")
    augment = Augmentation(shift=3, rotate=30, scale=0.3, shear=10)
    [batch] = Loader(data, 40, augment=augment).epoch(0)
    inside = batch.targets != 255
    assert 0.5 < inside.mean() < 1
    clear = inside & (np.abs(batch.inputs[:, 0] - 0.5) > 0.25)  # between pixels the nearest may be either
    interior = clear & (batch.targets == (batch.inputs[:, 0] > 0.5))
    assert interior.sum() > 0.97 * clear.sum()
    still = Loader(data, 40, shuffle=False).epoch(0)
    assert np.array_equal(next(still).targets, blocks)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "batch size 0"),
        ({"rank": 2, "ranks": 2}, "rank 2 of 2"),
        ({"batch_size": 3, "ranks": 4}, "smaller than the number of ranks, 4"),
        ({"batch_size": 30, "drop_last": True}, "23 images make no batch of 30"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, int], words: str) -> None:
    with pytest.raises(PellucidError, match=words):
        Loader(_dataset(), **settings)  # type: ignore[arg-type]
