"""Focal loss, mixtures and batches in parts: gradients against numerical derivatives, parts against the whole."""

from collections.abc import Iterator

import numpy as np
import pytest

from pellucid.data import Data, Dataset
from pellucid.data.colours import Mixed
from pellucid.ops.arrays import Array
from pellucid.recipes import build_trainer, load_recipe
from pellucid.tasks import Classify
from small_runs import one_thread_of_numpy

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(size=(6, 4)), np.array([0, 3, 2, 1, 1, 3])


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


def derivative(task: Classify, targets: Array | Mixed) -> Array:
    slope = np.zeros_like(LOGITS)
    for place in np.ndindex(*LOGITS.shape):
        step = np.zeros_like(LOGITS)
        step[place] = 1e-5
        slope[place] = (task.loss(LOGITS + step, targets)[0] - task.loss(LOGITS - step, targets)[0]) / 2e-5
    return slope


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_its_definition(gamma: float) -> None:
    weights = [1.0, 2.0, 0.5, 3.0]
    task = Classify(tuple("abcd"), class_weights=weights, ignore_label=2, focal=gamma)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    own, counts = p[np.arange(6), LABELS], np.array(weights)[LABELS] * (LABELS != 2)
    loss, gradient = task.loss(LOGITS, LABELS)
    assert loss == pytest.approx((-counts * (1 - own) ** gamma * np.log(own)).sum() / counts.sum(), rel=1e-12)
    np.testing.assert_allclose(gradient, derivative(task, LABELS), atol=1e-9)
    assert (gradient[2] == 0).all()


def test_focal_loss_of_gamma_0_is_cross_entropy_and_sure_ones_are_finite() -> None:
    tiny = Classify(tuple("abcd"), focal=1e-9).loss(LOGITS, LABELS)
    whole = Classify(tuple("abcd")).loss(LOGITS, LABELS)
    assert tiny[0] == pytest.approx(whole[0], rel=1e-6)
    np.testing.assert_allclose(tiny[1], whole[1], atol=1e-7)
    sure = np.full((1, 4), -1000.0)
    sure[0, 1] = 0
    for label, expected in ((1, 0.0), (0, 1000.0)):
        loss, gradient = Classify(tuple("abcd"), focal=0.5).loss(sure, np.array([label]))
        assert loss == pytest.approx(expected) and np.isfinite(gradient).all()


def test_focal_loss_with_label_smoothing_counts_every_class_that_has_a_share() -> None:
    task = Classify(tuple("abcd"), focal=2, label_smoothing=0.2)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    target = 0.8 * np.eye(4)[LABELS] + 0.05
    loss, gradient = task.loss(LOGITS, LABELS)
    assert loss == pytest.approx(-(target * (1 - p) ** 2 * np.log(p)).sum() / 6, rel=1e-12)
    np.testing.assert_allclose(gradient, derivative(task, LABELS), atol=1e-9)
    tiny, smooth = (Classify(tuple("abcd"), focal=focal, label_smoothing=0.2) for focal in (1e-9, 0.0))
    assert tiny.loss(LOGITS, LABELS)[0] == pytest.approx(smooth.loss(LOGITS, LABELS)[0], rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"class_weights": [1.0, 2.0, 0.5, 3.0]}, {"focal": 2.0}])
def test_the_loss_of_mixed_images_is_the_mixture_of_losses(options: dict[str, object]) -> None:
    task = Classify(tuple("abcd"), **options)  # type: ignore[arg-type]
    targets = Mixed(LABELS, LABELS[::-1], 0.7)
    loss, _ = task.loss(LOGITS, targets, np.array([1.0]))
    one, other = (task.loss(LOGITS, labels, np.array([1.0]))[0] for labels in (targets.first, targets.second))
    assert loss == pytest.approx(0.7 * one + 0.3 * other, rel=1e-12)
    np.testing.assert_allclose(task.loss(LOGITS, targets)[1], derivative(task, targets), atol=1e-9)
    metrics = task.metrics(training=True)
    metrics.update(LOGITS, targets)
    assert metrics.result()["accuracy"] == (LOGITS.argmax(1) == LABELS).mean()


def pictures() -> Data:
    images = RNG.integers(0, 256, (20, 3, 16, 16)).astype(np.uint8)
    dataset = Dataset(images, np.arange(20) % 3, ("a", "b", "c"), "pictures")
    return Data(dataset, None, dataset)


@pytest.mark.parametrize("changes", [{}, {"task.class_weights": [1.0, 3.0, 0.2]}, {"colours.mixup": 0.4}])
def test_a_batch_in_parts_is_the_whole(changes: dict[str, object]) -> None:
    network = {"network.name": "plain-convnet", "network.widths": [4], "network.kernels": [3]}  # without norms
    data, rounds = pictures(), {"training.epochs": 2, "training.batch_size": 8, "training.precision": "float64"}
    ends = []
    for parts in (1, 3, 8):
        options = {**network, **rounds, **changes, "training.parts": parts}
        trainer = build_trainer(load_recipe("pictures", options), data)
        trainer.fit()
        ends.append((trainer.network.vector, trainer.state.history[-1]["train"]))
    for vector, measures in ends[1:]:
        np.testing.assert_allclose(vector, ends[0][0], atol=1e-9)
        assert measures == pytest.approx(ends[0][1], rel=1e-9)
