"""What a network that learns nothing is told, and what is refused before it harms."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import PellucidError
from pellucid.layers import DIFFERENTIABLE, BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, ReLU, training
from pellucid.network import Network
from pellucid.recipes import load_recipe, resume_run, start_run
from pellucid.training.folder import RunFolder

IMAGES = np.random.default_rng(0).random((60, 1, 6, 6)).astype(np.float32)
LABELS = np.arange(60) % 3


def _fit(network: Network, labels: np.ndarray, rate: float) -> None:
    data = pl.data.arrays(IMAGES, labels)
    pl.fit(network, data, optimizer=pl.optim.SGD(rate), epochs=1, batch_size=10)


def test_a_class_that_is_never_predicted_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    network = Network(pl.nn.Sequential(Flatten(), Linear(3)), (1, 6, 6))
    network.parameters["1.bias"].value[...] = [9, 9, -9]
    _fit(network, LABELS, 1e-9)
    assert "never predicted: 2; more epochs" in capsys.readouterr().out


def test_a_network_that_learns_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    images = IMAGES[:3][LABELS]
    network = Network(pl.nn.Sequential(Flatten(), Linear(8), ReLU(), Linear(3)), (1, 6, 6))
    pl.fit(network, pl.data.arrays(images, LABELS), optimizer=pl.optim.Adam(0.05), epochs=8, batch_size=10)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("epoch 8/8")


def test_statistics_of_one_value_are_refused() -> None:
    network = Network(pl.nn.Sequential(Conv2d(4, 6), BatchNorm2d(), Flatten(), Linear(2)), (1, 6, 6))
    before = network.statistics.copy()
    network.forward(IMAGES[:2], training())
    with pytest.raises(PellucidError, match="at least two values a channel in training"):
        network.forward(IMAGES[:1], training())
    network.forward(IMAGES[:1])
    assert (network.statistics != before).any()


@pytest.mark.parametrize("kind", ["int8", "uint16", "int32", "int64", ">u2", "bool"])
def test_pixels_of_whole_numbers_of_any_type(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2 if kind == "bool" else 120, (6, 1, 6, 6))
    expected = pl.data.arrays((pixels * (255 if kind == "bool" else 1)).astype(np.uint8), np.arange(6) % 2)
    found = pl.data.arrays(pixels.astype(kind), np.arange(6) % 2)
    np.testing.assert_array_equal(found.train.inputs, expected.train.inputs)


def test_pixels_beyond_bytes_are_refused() -> None:
    for wrong in (-1, 256, 60000):
        with pytest.raises(PellucidError, match="whole numbers from 0 to 255, or floats, got int64 from"):
            pl.data.arrays(np.full((6, 1, 6, 6), wrong), np.arange(6) % 2)


@pytest.mark.parametrize("layer", [ReLU(), Flatten(), GlobalAvgPool2d(), BatchNorm2d(), Conv2d(2)])
def test_backward_before_forward_is_said(layer: pl.layers.Layer) -> None:
    with pytest.raises(PellucidError, match=r"backward: expected a forward pass|to be built before use"):
        layer.backward(IMAGES[:2])


def test_settings_that_are_no_whole_numbers_are_said() -> None:
    for wrong in (1.5, "3", None):
        with pytest.raises(PellucidError, match=re.escape(f"channels to be a whole number, got {wrong!r}")):
            Conv2d(wrong)  # type: ignore[arg-type]
        with pytest.raises(PellucidError, match="stride to be a whole number"):
            Conv2d(2, stride=(1, wrong))  # type: ignore[arg-type]
    kernel: Any = (np.int64(3), 1)
    network = Network(pl.nn.Sequential(Conv2d(2, kernel)), (1, 6, 6))
    network.backward(network.forward(IMAGES[:1], DIFFERENTIABLE))


def _tiny(**settings: object) -> pl.recipes.Recipe:
    small = {"data.validation": 0, "training.epochs": 2, "training.batch_size": 10}
    return load_recipe("deep-convnet", {**small, "network.name": "tiny-digits", **settings})


def _data() -> pl.data.Data:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)
    return pl.data.arrays(pixels, np.arange(40) % 10)


def test_the_second_of_two_processes_that_resume_a_run_is_refused(tmp_path: Path) -> None:
    _, run = start_run(_tiny(), tmp_path / "run", data=_data())
    held = RunFolder(run.path).hold()
    assert held is not None
    trainer, _ = resume_run(run.path, data=_data())
    with pytest.raises(PellucidError, match="another process trains in this folder"):
        trainer.fit()
    os.close(held)
    assert trainer.fit()


@pytest.mark.parametrize("change", ["epochs = 2|epochs = 3", "batch_size = 10|batch_size = 100", "seed = 0|seed = 1"])
def test_a_recipe_edited_before_resume_is_refused(tmp_path: Path, change: str) -> None:
    trainer, run = start_run(_tiny(), tmp_path / "run", data=_data())

    class Stops(pl.training.Callback):
        def step(self, trainer: pl.training.Trainer, loss: float) -> None:
            trainer.stopped = trainer.state.step == 2  # more steps than an epoch of the largest batches has

    trainer.callbacks = [*trainer.callbacks, Stops()]
    trainer.fit()
    old, new = change.split("|")
    text = run.recipe.read_text()
    assert re.search(rf"^{re.escape(old)}(\.0)?$", text, re.MULTILINE), text
    run.recipe.write_text(re.sub(rf"^{re.escape(old)}(\.0)?$", new, text, flags=re.MULTILINE))
    with pytest.raises(PellucidError, match="the recipe now asks for"):
        resume_run(run.path, data=_data())


def test_gradients_that_are_none_are_refused() -> None:
    """Of other things than numbers, and where they can't be written."""
    network = Network(pl.nn.Sequential(Conv2d(2, 3), pl.nn.ConvTranspose2d(3, 3), Flatten()), (1, 6, 6))
    x = np.ones((2, 1, 6, 6), np.float32)
    y = network.forward(x, DIFFERENTIABLE)
    for kind in (object, np.int64):
        with pytest.raises(PellucidError, match=r"backward: expected a gradient of floating-point numbers, got"):
            network.backward(np.ones_like(y).astype(kind))
    network.parameters["1.bias"].gradient.flags.writeable = False
    with pytest.raises(PellucidError, match=r"gradient: expected room for shape \(3,\), got \(3,\), read-only"):
        network.backward(np.ones_like(y))
