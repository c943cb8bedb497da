"""A network that learns from another one's answers: the loss, its share, the images as the teacher knows them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import Data, Dataset
from pellucid.errors import PellucidError
from pellucid.layers import Distillation
from pellucid.recipes import Recipe, build_trainer, load_recipe, start_run
from pellucid.recipes.from_model import recipe_from
from pellucid.recipes.shrink import shrink_run
from pellucid.recipes.smaller import on_smaller_images
from pellucid.training import Callback, Teacher, Trainer
from small_runs import one_thread_of_numpy

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_loss_is_its_definition_and_its_gradient_the_derivative(temperature: float) -> None:
    own, other, loss = RNG.normal(size=(5, 4)), 30 * RNG.normal(size=(5, 4)), Distillation(temperature)
    p, q = (np.exp(z / temperature) / np.exp(z / temperature).sum(1, keepdims=True) for z in (own, other))
    found, gradient = loss(own, other)
    assert found == pytest.approx(temperature**2 * (q * (np.log(q) - np.log(p))).sum() / 5)
    for place in np.ndindex(*own.shape):
        step = np.zeros_like(own)
        step[place] = 1e-5
        slope = (loss(own + step, other)[0] - loss(own - step, other)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_of_its_own_answers_nothing_is_to_be_learnt_and_large_logits_dont_overflow() -> None:
    z = np.array([[1e4, -1e4, 0.0]], np.float32)
    loss, gradient = Distillation()(z, z)
    assert loss == 0
    assert not gradient.any()
    assert Distillation(1.0)(z, -z)[0] == pytest.approx(2e4)


def test_other_shapes_and_numbers_are_refused() -> None:
    with pytest.raises(
        PellucidError, match=r"expected the teacher's logits of shape \(N, K\) \(2, 3\), got \(2, 4\)"
    ):
        Distillation()(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(PellucidError, match="temperature = 0: expected a number above 0"):
        Distillation(0)
    with pytest.raises(PellucidError, match=r"teacher\.share = 1\.5: expected above 0, up to 1"):
        Teacher(build_trainer(recipe(), pictures()).network, 1.5)


def pictures(classes: int = 3, side: int = 16) -> Data:
    """Pictures of three shades, noisy."""
    labels = np.arange(48) % classes
    images = (60 * labels[:, None, None, None] + RNG.integers(0, 80, (48, 3, side, side))).astype(np.uint8)
    dataset = Dataset(images, labels, ("dark", "grey", "light", "white")[:classes], "shades")
    return Data(dataset, None, dataset)


def recipe(**changes: object) -> Recipe:
    settings = {
        "data.size": [16, 16],
        "training.batch_size": 16,
        "training.epochs": 2,
        "training.precision": "float32",
    }
    return load_recipe("pictures", settings | changes)


class Losses(Callback):
    """The loss of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def step(self, trainer: Trainer, loss: float) -> None:
        self.seen.append(loss)


def trained(path: Path, data: Data, **changes: object) -> Path:
    trainer, run = start_run(recipe(**changes), path, data=data)
    trainer.fit()
    return run.path


def test_a_run_teaches_another_one_whose_images_have_another_scale(tmp_path: Path) -> None:
    data = pictures()
    teacher = trained(tmp_path / "teacher", data, **{"data.mean": [0.2, 0.3, 0.4], "data.std": [0.5, 0.25, 0.3]})
    taught = build_trainer(
        recipe(**{"teacher.source": str(teacher), "data.mean": [0.1] * 3, "data.std": [0.2] * 3}), data
    )
    assert taught.teacher is not None
    batch = next(iter(taught.loader.epoch(0)))
    pixels = batch.inputs * np.float32(0.2) + np.float32(0.1)
    seen = (pixels - np.array([0.2, 0.3, 0.4])[:, None, None]) / np.array([0.5, 0.25, 0.3])[:, None, None]
    expected = taught.teacher.network.forward(seen.astype(np.float32))
    np.testing.assert_allclose(taught.teacher.logits(batch.inputs), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_the_share_is_what_joins_the_labels_loss_with_the_teachers(tmp_path: Path, kind: str) -> None:
    data = pictures()
    source = str(trained(tmp_path / "teacher", data, **{"training.precision": kind}))
    changes = {"teacher.source": source, "teacher.share": 0.25, "training.precision": "float32"}
    trainer = build_trainer(recipe(**changes), data)
    assert trainer.teacher is not None
    batch = next(iter(trainer.loader.epoch(0)))
    outputs = trainer.network.forward(batch.inputs)
    alone, slope = trainer.task.loss(outputs, batch.targets)
    own, other = Distillation()(outputs, trainer.teacher.logits(batch.inputs))
    loss, gradient = trainer.teacher.beside(alone, slope.copy(), outputs, batch.inputs, len(batch))
    assert loss == pytest.approx(0.75 * alone + 0.25 * own)
    np.testing.assert_allclose(gradient, 0.75 * slope + 0.25 * other, rtol=1e-5, atol=1e-8)


def test_a_batch_in_parts_and_one_that_is_whole_are_taught_alike(tmp_path: Path) -> None:
    data, size = pictures(side=28), {"data.size": [28, 28]}
    source = str(trained(tmp_path / "teacher", data, **size))
    losses = []
    for parts in (1, 4):  # of a network without batch norm, whose parts would each have their own statistics
        changes = {"teacher.source": source, "training.parts": parts, "network.name": "lenet5"}
        watch = Losses()
        trainer = build_trainer(recipe(**size, **changes), data, [watch])
        trainer.evaluations = {}
        trainer.fit()
        losses.append(watch.seen)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_images_count_in_the_teachers_part_what_they_count_by_their_labels(tmp_path: Path) -> None:
    data = pictures()
    source = str(trained(tmp_path / "teacher", data))
    changes = {"teacher.source": source, "teacher.share": 0.25, "task.class_weights": [0.01, 0.03, 0.02]}
    trainer = build_trainer(recipe(**changes, **{"task.ignore_label": 2}), data)
    assert trainer.teacher is not None
    batch = next(iter(trainer.loader.epoch(0)))
    outputs = trainer.network.forward(batch.inputs)
    weights = np.array([0.01, 0.03, 0.0])[batch.targets]
    answers = trainer.teacher.logits(batch.inputs)
    single = [Distillation()(outputs[i : i + 1], answers[i : i + 1])[0] for i in range(len(outputs))]
    alone, slope = trainer.task.loss(outputs, batch.targets)
    loss, gradient = trainer._loss(outputs, batch, None)
    assert loss == pytest.approx(0.75 * float(alone) + 0.25 * np.average(single, weights=weights))
    assert not gradient[batch.targets == 2].any()
    assert np.abs(gradient - 0.75 * slope).sum() > 0


def test_who_learns_on_does_without_the_teacher(tmp_path: Path) -> None:
    data = pictures()
    teacher = trained(tmp_path / "teacher", data)
    taught = trained(tmp_path / "taught", data, **{"teacher.source": str(teacher), "training.epochs": 1})
    teacher.rename(tmp_path / "moved")
    assert recipe_from(str(taught), {}, ("cat", "dog")).teacher.source == ""
    assert recipe_from(str(taught / "model.safetensors"), {}).teacher.source == ""
    assert recipe_from(str(taught), {"teacher.source": "some"}).teacher.source == "some"
    assert on_smaller_images(load_recipe(taught), (16, 16), 0.5).teacher.source == ""
    assert shrink_run(taught, 8, epochs=1, data=data).network.bits == 8


def test_who_cannot_teach_is_told_at_once(tmp_path: Path) -> None:
    source = str(trained(tmp_path / "teacher", pictures()))
    with pytest.raises(PellucidError, match=r"^teacher: no run .*nobody: expected a run folder"):
        build_trainer(recipe(**{"teacher.source": str(tmp_path / "nobody")}), pictures())
    with pytest.raises(PellucidError, match=r"expected the data's 4 classes dark, .*, got 3: dark, grey, light"):
        build_trainer(recipe(**{"teacher.source": source}), pictures(4))
    with pytest.raises(PellucidError, match=r"expected images of shape \(3, 24, 24\), got \(3, 16, 16\)"):
        build_trainer(recipe(**{"teacher.source": source, "data.size": [24, 24]}), pictures(side=24))
    with pytest.raises(PellucidError, match=r"teacher\.share = 0.0: expected above 0, up to 1"):
        build_trainer(recipe(**{"teacher.source": source, "teacher.share": 0}), pictures())
