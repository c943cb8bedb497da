"""The classification task: every image counts once, whatever the batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import ops
from pellucid.data import Dataset, Loader
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import Flatten, Linear
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.task import Task
from pellucid.tasks import TASKS, Classify
from pellucid.tasks.classify import Confusion
from pellucid.training.evaluate import evaluate

NAMES = tuple("abcdefgh")


def outputs_and_targets(n: int, K: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, (n, K)).astype(np.float64), rng.integers(0, K, n)  # few values, so many ties


def test_it_is_a_task_by_name() -> None:
    task: Task = TASKS["classify"](NAMES, label_smoothing=0.1)
    assert task.primary in task.metrics(training=True).result()
    with pytest.raises(PellucidError, match="at least 2 classes, got 1"):
        Classify(("only",))
    with pytest.raises(PellucidError, match="class_weights: expected 8, one a class, got 2"):
        Classify(NAMES, class_weights=(1, 2))


@given(st.integers(1, 40), st.integers(2, 8), st.integers(0, 99), st.integers(0, 40), st.booleans())
def test_measures_are_those_of_their_definitions_however_the_images_are_parted(
    n: int, K: int, seed: int, cut: int, ignore: bool
) -> None:
    y, t = outputs_and_targets(n, K, seed)
    task = Classify(NAMES[:K], ignore_label=0 if ignore else None)
    first, second, joined = task.metrics(), task.metrics(), task.metrics()
    first.update(y[:cut], t[:cut])
    second.update(y[cut:], t[cut:])
    joined.merge(first.state())
    joined.merge(second.state())
    cheap = task.metrics(training=True)
    cheap.update(y, t)

    counted = [i for i in range(n) if not (ignore and t[i] == 0)]
    guesses = [max(range(K), key=lambda k, i=i: (y[i, k], -k)) for i in counted]  # type: ignore[misc]
    best = [sorted(range(K), key=lambda k, i=i: (-y[i, k], k))[:5] for i in counted]  # type: ignore[misc]
    matrix = np.zeros((K, K), int)
    for i, guess in zip(counted, guesses, strict=True):
        matrix[t[i], guess] += 1
    assert isinstance(joined, Confusion)
    np.testing.assert_array_equal(joined.matrix, matrix)
    right = sum(guess == t[i] for i, guess in zip(counted, guesses, strict=True))
    result = joined.result()
    if counted:
        assert result["accuracy"] == cheap.result()["accuracy"] == right / len(counted)
        assert ("top5" in result) == (K > 5)
        if K > 5:
            assert result["top5"] == np.mean([t[i] in five for i, five in zip(counted, best, strict=True)])
    else:
        assert np.isnan(result["accuracy"])


def test_a_state_is_a_copy() -> None:
    metrics = Classify(NAMES).metrics()
    before = metrics.state()
    metrics.update(*outputs_and_targets(5, 8, 0))
    assert before["images"] == 0


@given(st.integers(0, 99), st.sampled_from([0.0, 0.1]), st.booleans(), st.booleans())
@settings(max_examples=25)
def test_losses_and_gradients_of_parts_add_up_to_the_whole_batchs(
    seed: int, smoothing: float, weighted: bool, ignore: bool
) -> None:
    y, t = outputs_and_targets(9, 4, seed)
    weights = (1.0, 0.5, 2.0, 3.0) if weighted else None
    task = Classify(NAMES[:4], smoothing, weights, 3 if ignore else None)
    with ops.use_backend("numpy"):
        whole = task.criterion(y, t)
        parts = slice(0, 4), slice(4, 9)
        total = sum((task.count(y[part], t[part]) for part in parts), np.zeros(1))
        losses, gradients = zip(*(task.loss(y[part], t[part], total) for part in parts), strict=True)
    np.testing.assert_allclose(sum(losses), whole[0], rtol=1e-12)
    np.testing.assert_allclose(np.concatenate(gradients), whole[1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 23, 100])
def test_evaluation_counts_the_last_partial_batch_right(batch_size: int) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (23, 1, 4, 4)).astype(np.uint8), rng.integers(0, 8, 23)
    network = Network(Sequential(Flatten(), Linear(8)), (1, 4, 4), dtype=np.float64)
    task = Classify(NAMES)
    loader = Loader(Dataset(images, labels, NAMES, "made up"), batch_size, shuffle=False, dtype=np.float64)
    with ops.use_backend("numpy"):
        y = network.forward(images / 255)
        measured = evaluate(network, task, loader)
        assert measured["loss"] == pytest.approx(task.criterion(y, labels)[0], rel=1e-12)
    assert measured["accuracy"] == np.mean(y.argmax(1) == labels)


def test_decoding_gives_the_likeliest_classes_by_name() -> None:
    y = np.log(np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]))
    with ops.use_backend("numpy"):
        first, second = Classify(("cat", "dog", "owl")).decode(y, top=2)
    assert [(g.label, g.name) for g in first] == [(2, "owl"), (1, "dog")]
    assert [g.probability for g in first] == pytest.approx([0.7, 0.2])
    assert [g.name for g in second] == ["owl", "cat"]  # of equal ones the lower class
    with ops.use_backend("numpy"):
        assert len(Classify(("cat", "dog", "owl")).decode(y, top=9)[0]) == 3


def test_labels_of_one_byte_count_as_others() -> None:
    targets = np.arange(20, dtype=np.uint8)
    metrics = Confusion(20)
    metrics.update(np.eye(20, dtype=np.float32), targets)
    assert (metrics.matrix == np.eye(20)).all()


def test_logits_that_are_no_numbers_are_no_hits() -> None:
    metrics = Confusion(10)
    metrics.update(np.full((2, 10), np.nan, np.float32), np.array([3, 4]))
    assert metrics.result()["top5"] == 0


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_a_weighted_loss_is_the_data_sets_whatever_the_batches(batch_size: int) -> None:
    x = np.random.default_rng(0).standard_normal((5, 1, 2, 2)).astype(np.float32)
    labels = np.array([0, 1, 2, 2, 0])
    task = Classify(("a", "b", "c"), class_weights=(1.0, 5.0, 0.0))
    network = Network(Sequential(Flatten(), Linear(3)), (1, 2, 2))
    loader = Loader(Dataset(x, labels, task.class_names, "five"), batch_size, shuffle=False)
    whole, _ = task.loss(network.forward(x), labels)
    assert evaluate(network, task, loader)["loss"] == pytest.approx(whole, rel=1e-6)
