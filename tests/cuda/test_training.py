"""Training on the device: the losses of the host, whatever is switched on, and state that moves between the two."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from pellucid import ops
from pellucid.data import Dataset, Loader
from pellucid.data.augmentation import Augmentation
from pellucid.data.colours import Colours
from pellucid.data.loader import normalized
from pellucid.data.paired_augmentation import RandomCrop
from pellucid.graph import Sequential
from pellucid.layers import (
    BatchNorm2d,
    Conv2d,
    DepthToSpace,
    Dropout,
    Flatten,
    GroupNorm,
    Layer,
    LayerNorm,
    LayerNorm2d,
    Linear,
    MaxPool2d,
    Pad,
    ReLU,
    Reshape,
    Resize,
    Scale,
    Shift,
    Slice,
    Softmax,
    SpaceToDepth,
    Transpose,
)
from pellucid.network import Network
from pellucid.ops.formats import float_type
from pellucid.precision.quantization_aware import with_rounding
from pellucid.tasks import Classify
from pellucid.training import Callback, Teacher, Trainer, WeightAverage, load_checkpoint, save_checkpoint
from pellucid.training.diagnosis import NotFiniteError
from pellucid.training.feed import FromHost, Resident, feed_for
from pellucid.training.optimizers import OPTIMIZERS, Adam, AdamW, Optimizer
from pellucid.training.schedules import OneCycle

NAMES = ("round", "square", "other")
PIXELS = np.random.default_rng(1).integers(0, 256, (9, 1, 4, 4)).astype(np.uint8)
TOY = Dataset(PIXELS, np.arange(9) % 3, NAMES, "toy")  # two batches of 4, and one of 1


class Losses(Callback):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def step(self, trainer: Trainer, loss: float) -> None:
        self.losses.append(loss)

    def looks(self, trainer: Trainer, step: int) -> bool:
        return False


class Stop(Callback):
    """Asks to stop after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def step(self, trainer: Trainer, loss: float) -> None:
        if trainer.state.step == self.steps:
            os.kill(os.getpid(), signal.SIGINT)


def layers(*extra: Layer) -> Layer:
    body = Conv2d(2, 3, padding=1), ReLU(), MaxPool2d(2), BatchNorm2d(), Flatten(), *extra, Linear(3)
    return Sequential(*body)


def plain() -> Layer:
    return Sequential(Flatten(), Linear(4), ReLU(), Linear(3))


def trainer(
    layer: Layer,
    *,
    kind: str = "float32",
    optimizer: Callable[[], Optimizer] = lambda: AdamW(0.02, weight_decay=0.1),
    callbacks: tuple[Callback, ...] = (),
    epochs: float = 2,
    average: bool = False,
    augment: Augmentation | None = None,
    colours: Colours | None = None,
    **settings: Any,
) -> tuple[Trainer, list[float]]:
    dtype = float_type(kind)
    network = Network(layer, (1, 4, 4), seed=3, dtype=dtype)
    watch = Losses()
    made = Trainer(
        network=network,
        task=Classify(NAMES, label_smoothing=0.1),
        loader=Loader(TOY, batch_size=4, seed=1, dtype=dtype, augment=augment, colours=colours),
        optimizer=optimizer(),
        schedule=OneCycle(6, 3),
        epochs=epochs,
        average=WeightAverage(network, 0.9) if average else None,
        callbacks=[watch, *callbacks],
        **settings,
    )
    return made, watch.losses


def both(layer: Any = plain, **settings: Any) -> list[tuple[Trainer, list[float]]]:
    """The same training by NumPy and on the device."""
    runs = []
    for backend in ("numpy", "cuda"):
        with ops.use_backend(backend):
            made, losses = trainer(layer(), **settings)
            made.fit()
            runs.append((made, losses))
    return runs


def compare(runs: list[tuple[Trainer, list[float]]], tolerance: float = 2e-5) -> None:
    (host, losses), (device, found) = runs
    assert len(found) == len(losses) == 6
    np.testing.assert_allclose(found, losses, rtol=tolerance)
    for name, value in host.network.state().items():
        np.testing.assert_allclose(ops.host(device.network.state()[name]), value, rtol=0, atol=20 * tolerance)
    assert device.optimizer.steps == host.optimizer.steps
    mine, theirs = (run.state.history[-1]["train"] for run in (device, host))
    assert mine["accuracy"] == theirs["accuracy"]
    np.testing.assert_allclose(mine["loss"], theirs["loss"], rtol=tolerance)


def test_the_losses_are_those_of_the_host() -> None:
    augment = Augmentation(shift=1, rotate=10, scale=0.1, shear=5, erase=2)
    runs = both(layers, clip=1.0, average=True, augment=augment)
    compare(runs)
    (host, _), (device, _) = runs
    assert host.average is not None and device.average is not None
    np.testing.assert_allclose(ops.host(device.average.vector), host.average.vector, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name: str) -> None:
    compare(both(optimizer=lambda: OPTIMIZERS[name](0.01)))


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_a_batch_in_parts(kind: str) -> None:
    compare(both(parts=2, kind=kind), 2e-5 if kind == "float32" else 0.02)


def test_two_images_in_one() -> None:
    compare(both(colours=Colours(mixup=0.3)))


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_weights_and_activations_are_rounded_on_the_way(kind: str) -> None:
    """In 16 bits an activation may come to lie a level further."""
    compare(both(lambda: with_rounding(plain(), 8), kind=kind), 2e-5 if kind == "float32" else 0.05)


def test_groups_of_parameters() -> None:
    def grouped() -> tuple[Trainer, list[float]]:
        made, losses = trainer(plain())
        made.network.group("1", rate=0.5, decay=0.0)
        made.network.group("3.bias", frozen=True)
        made.fit()
        return made, losses

    runs = []
    for backend in ("numpy", "cuda"):
        with ops.use_backend(backend):
            runs.append(grouped())
    compare(runs)


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_a_teacher_on_the_device_says_what_it_says_on_the_host(kind: str) -> None:
    """Whose steps aren't recorded, and whose part counts classes as the labels' does."""
    runs = []
    for backend in ("numpy", "cuda"):
        with ops.use_backend(backend):
            teacher = Teacher(Network(plain(), (1, 4, 4), seed=5, dtype=np.dtype(np.float32)), 0.25)
            made, losses = trainer(plain(), kind=kind, teacher=teacher)
            made.task = Classify(NAMES, class_weights=(0.1, 3.0, 1.0))
            made.fit()
            runs.append((made, losses))
    (_, expected), (_, found) = runs
    np.testing.assert_allclose(found, expected, rtol=2e-5 if kind == "float32" else 0.02)
    assert np.isfinite(expected).all()


def test_weights_of_16_bits_have_a_copy_of_32() -> None:
    (host, losses), (device, found) = both(kind="bfloat16")
    np.testing.assert_allclose(found, losses, rtol=0.01)
    assert device.weights.vector.dtype == np.float32
    np.testing.assert_allclose(ops.host(device.weights.vector), host.weights.vector, rtol=0, atol=0.01)
    copied = ops.host(device.weights.vector).astype(float_type("bfloat16"))
    np.testing.assert_array_equal(ops.host(device.network.vector), copied)


def test_the_loss_scale_is_lowered_on_the_device() -> None:
    with ops.use_backend("cuda"):
        made, losses = trainer(plain(), kind="float16")
        made.weights.scale.value = 2.0**24  # type: ignore[attr-defined]
        made.fit()
    scale = made.weights.scale  # type: ignore[attr-defined]
    assert scale.skipped > 0
    assert scale.value == 2.0 ** (24 - scale.skipped)
    assert made.optimizer.steps == 6 - scale.skipped
    assert np.isfinite(losses).all()


def test_dropout_belongs_to_the_seed_and_the_step() -> None:
    def run(seed: int) -> list[float]:
        made, losses = trainer(layers(Dropout(0.5)), seed=seed)
        made.fit()
        return losses

    with ops.use_backend("cuda"):
        assert run(1) == run(1) != run(2)


def test_stopped_and_resumed_as_if_nothing_had_happened(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with ops.use_backend("cuda"):
        whole, expected = trainer(layers(Dropout(0.3)), average=True)
        whole.fit()
        first, losses = trainer(layers(Dropout(0.3)), average=True, callbacks=(Stop(3),))
        assert not first.fit()
        save_checkpoint(path, first)
        second, rest = trainer(layers(Dropout(0.3)), average=True)
        load_checkpoint(path, second)
        assert second.state.step == 4
        assert second.fit()
        assert losses + rest == expected
        assert second.network.digest() == whole.network.digest()


@pytest.mark.parametrize("there", ["cuda", "numpy"])
def test_resumed_elsewhere(there: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    here = "numpy" if there == "cuda" else "cuda"
    with ops.use_backend("numpy"):
        whole, expected = trainer(plain(), average=True)
        whole.fit()
    with ops.use_backend(here):
        first, losses = trainer(plain(), average=True, callbacks=(Stop(3),))
        first.fit()
        save_checkpoint(path, first)
    with ops.use_backend(there):
        second, rest = trainer(plain(), average=True)
        load_checkpoint(path, second)
        second.fit()
    np.testing.assert_allclose(losses + rest, expected, rtol=2e-5)


def test_a_step_that_is_not_finite_changes_nothing_and_is_named() -> None:
    with ops.use_backend("cuda"):
        made, losses = trainer(plain(), optimizer=lambda: Adam(1e30))
        with pytest.raises(NotFiniteError, match="training stopped at step 2: the output of layer"):
            made.fit()
        assert np.isfinite(losses).all()
        assert np.isfinite(ops.host(made.network.vector)).all()


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_a_batch_made_on_the_device_is_the_loaders(kind: str) -> None:
    dtype = float_type(kind)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 7)).astype(np.uint8)
    data = Dataset(pixels, np.arange(6) % 3, NAMES, "colours")
    augment = Augmentation(shift=2, rotate=20, scale=0.2, shear=10, erase=3)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    mirrors = RandomCrop(flip=0.5, upside_down=0.5)
    whole = Augmentation(shift=2, whole=True, erase=4)
    window = RandomCrop((4, 6), scale=(0.7, 1.6), aspect=1.3, flip=0.5, upside_down=0.3)
    changes = (None, None), (augment, None), (Augmentation(erase=4), None), (augment, mirrors), (whole, mirrors)
    for change, crop in (*changes, (None, mirrors), (None, window)):
        loader = Loader(data, batch_size=4, seed=5, dtype=dtype, augment=change, crop=crop, mean=mean, std=std)
        with ops.use_backend("cuda"):
            feed = feed_for(loader, ops.recorder())
            assert isinstance(feed, Resident)
            feed.begin(2)
            for i, batch in enumerate(loader.epoch(2)):
                counters = ops.array(np.array([0, 4 * i, 0, 0, 0, 0, 0, 0]))
                x, t = feed.batch(feed.size(i), counters)
                np.testing.assert_array_equal(ops.host(t), batch.targets)
                close = 1e-6 if kind == "float32" else 2**-6  # a unit in the last place of numbers up to 4
                np.testing.assert_allclose(
                    ops.host(x).astype(np.float32), batch.inputs.astype(np.float32), rtol=0, atol=5 * close
                )
    assert normalized(pixels[:1]).max() <= 1


@pytest.mark.parametrize("settings", [
    {"crop": RandomCrop((4, 4)), "augment": Augmentation(shift=1)}, {"crop": RandomCrop((4, 4), mosaic=0.5)},
    {"colours": Colours(brightness=0.1)},
])  # fmt: skip
def test_batches_that_take_more_than_one_pass_come_from_the_host(settings: dict[str, Any]) -> None:
    with ops.use_backend("cuda"):
        assert isinstance(feed_for(Loader(TOY, batch_size=4, **settings), ops.recorder()), FromHost)


def test_images_that_are_no_bytes_come_from_the_host() -> None:
    floats = Dataset(PIXELS.astype(np.float32), np.arange(9) % 3, NAMES, "floats")
    runs = []
    for backend in ("numpy", "cuda"):
        with ops.use_backend(backend):
            made, losses = trainer(plain())
            made.loader = Loader(floats, batch_size=4, seed=1)
            if backend == "cuda":
                assert isinstance(feed_for(made.loader, ops.recorder()), FromHost)
            made.fit()
            runs.append((made, losses))
    compare(runs)


def test_norms_of_samples_and_resized_images_stay_on_the_device() -> None:
    def body() -> Layer:
        return Sequential(
            Conv2d(4, 3, padding=1),
            GroupNorm(2),
            Scale((4, 1, 1)),
            Shift((4, 1, 1)),
            Resize((3, 3), mode="linear"),
            LayerNorm2d(),
            Flatten(),
            Linear(3),
        )

    (host, losses), (device, found) = both(body)
    compare([(host, losses), (device, found)])  # the third step was recorded, which may read nothing from the device


@pytest.mark.parametrize("kind", [Softmax, Scale, LayerNorm])
def test_layers_that_compute_on_the_host_train_on_a_device(kind: type[Layer]) -> None:
    def body() -> Layer:
        last = kind((4,), axes=2) if kind is LayerNorm else kind((2, 4)) if kind is Scale else kind()
        return Sequential(Flatten(), Linear(8), Reshape(2, 4), last, Flatten(), Linear(3))

    runs = both(body)
    assert any(node.layer.on_host for node in runs[1][0].network.nodes)
    compare(runs)


def test_what_moves_numbers_stays_on_the_device() -> None:
    def body() -> Layer:
        return Sequential(
            Conv2d(4, 3, padding=1), Reshape(2, 2, 4, 4), Transpose(1, 0, 2, 3), Reshape(4, 4, 4),
            DepthToSpace(2), Pad((0, 1, 1), (0, 1, 1)), Slice((0, 0, 1), (1, -2, 9)), SpaceToDepth(2),
            Flatten(), Linear(3),
        )  # fmt: skip

    compare(both(body))
