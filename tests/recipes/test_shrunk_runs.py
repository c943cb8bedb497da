"""Runs of residual networks, detectors and segmenters in integers: shrunk, measured, used like any other model."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.cli import main
from pellucid.data import mnist_dataset
from pellucid.errors import PellucidError
from pellucid.plan import IntegerNetwork
from pellucid.precision.storage import load_integer, save_integer
from pellucid.recipes import build_data, build_loader, load_recipe, open_model, start_run
from pellucid.recipes.format_comparison import compare_run
from pellucid.recipes.shrink import open_any, open_shrunk, shrink_run
from pellucid.training import evaluate
from small_runs import digits, one_thread_of_numpy

NUMPY = ("--backend", "numpy", "--threads", "1")
RESIDUAL = {
    "network.name": "resnet18", "network.width": 8, "training.epochs": 5, "training.batch_size": 16,
    "training.ema": 0, "optimizer.rate": 0.01,
}  # fmt: skip
DETECTOR = {
    "network.stem": [8], "network.shallow": [8, 8], "network.deep": [16, 16], "network.top": [8],
    "data.scenes": {"train": 32, "test": 12, "digits": [1, 4]}, "training.batch_size": 8, "training.epochs": 6,
    "training.ema": 0.5, "optimizer.rate": 0.01, "task.least_score": 0.02, "task.shown_score": 0.05,
    "task.training_images": 8,
}  # fmt: skip
SEGMENTER = {
    "network.name": "fcn-small", "network.widths": [6, 8, 12], "data.scenes": {"train": 32, "test": 8},
    "training.batch_size": 8, "training.epochs": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def residual(folder: Path) -> Path:
    """A run of a ResNet-18, eight channels wide, on few digits."""
    with one_thread_of_numpy():
        trainer, run = start_run(load_recipe("deep-convnet", RESIDUAL), folder / "residual", data=digits(600))
        assert trainer.fit()
        shrink_run(run.path, data=digits(600))
    return run.path


@pytest.fixture(scope="module")
def detector(folder: Path) -> Path:
    """A run of a small detector, that has learnt a little."""
    with one_thread_of_numpy():
        trainer, run = start_run(load_recipe("detector-scenes", DETECTOR), folder / "detector")
        trainer.evaluations = {}
        assert trainer.fit()
        shrink_run(run.path)
    return run.path


def test_a_residual_network_keeps_its_predictions(residual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 8 bits, of 90 test images, nine tenths of which are right, at most 2 change.

    Nor do logits but of at most 2 images: one that goes beyond what was seen when ranges were measured is clipped.
    """
    model, shrunk = open_model(residual), open_shrunk(residual)
    with one_thread_of_numpy():
        x = np.concatenate(
            [batch.inputs for batch in build_loader(model.recipe, digits(600).test, training=False).epoch(0)]
        )
        y, z = model.network.forward(x), shrunk.network.forward(x)
        assert (y.argmax(axis=1) != z.argmax(axis=1)).sum() <= 2
        apart = np.abs(z - y).max(axis=1)
        assert (apart > 0.05 * np.abs(y).max()).sum() <= 2
        monkeypatch.setattr("pellucid.recipes.format_report.TIMED_ROUNDS", 1)
        monkeypatch.setattr("pellucid.recipes.format_report.TIMED_RUNS", 1)
        row = {row.format: row for row in compare_run(residual, digits(600)).rows}["int8"]
    assert (row.predictions, row.changed) == (90, (y.argmax(axis=1) != z.argmax(axis=1)).sum())
    assert row.weight_bytes < 0.3 * 4 * model.network.vector.size


def test_the_residual_networks_file_is_a_model(
    residual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pellucid.recipes.build_data", lambda *_: digits(600))
    file = residual / "int8.safetensors"
    assert main(["evaluate", str(file), "--json", *NUMPY]) == 0
    said = json.loads(capsys.readouterr().out)
    model = open_any(file)
    assert isinstance(model.network, IntegerNetwork)
    with one_thread_of_numpy():
        expected = evaluate(model.network, model.task, build_loader(model.recipe, digits(600).test, training=False))
    assert {name: said[name] for name in expected} == pytest.approx(expected)

    pixels = np.asarray(mnist_dataset(train=False).inputs[np.arange(3)])[:, 0]
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    guesses = {}
    for source in (residual, file):
        assert main(["predict", str(source), *map(str, paths), "--json", *NUMPY]) == 0
        guesses[source] = json.loads(capsys.readouterr().out)
    for exact, rounded in zip(guesses[residual], guesses[file], strict=True):
        assert exact["guesses"][0]["probability"] == pytest.approx(rounded["guesses"][0]["probability"], abs=0.1)
    assert main(["evaluate", str(file), "--report", *NUMPY]) == 0
    assert (residual / "report.html").exists()


def test_a_detector_in_integers(
    detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, file = open_model(detector), detector / "int8.safetensors"
    data = build_data(model.recipe)
    with one_thread_of_numpy():
        batch = next(iter(build_loader(model.recipe, data.test, training=False).epoch(0)))
        y, z = model.network.forward(batch.inputs), open_shrunk(detector).network.forward(batch.inputs)
    assert z.shape == y.shape
    assert np.abs(z - y).max() < 0.1 * np.abs(y - y.mean()).max()
    measured = []
    for source in (detector, file):
        assert main(["evaluate", str(source), "--json", *NUMPY]) == 0
        measured.append(json.loads(capsys.readouterr().out))
    assert measured[1]["loss"] == pytest.approx(measured[0]["loss"], rel=0.05)

    image = tmp_path / "cut.png"  # no side is a multiple of the network's strides
    Image.fromarray(np.asarray(data.test.inputs[:1])[0, 0, :97, :110]).save(image)
    counts = []
    for source in (detector, file):
        assert main(["predict", str(source), str(image), "--out", str(tmp_path / "out"), "--json", *NUMPY]) == 0
        counts.append(len(json.loads(capsys.readouterr().out)))
    assert (tmp_path / "out" / "cut-boxes.png").exists()
    assert abs(counts[0] - counts[1]) <= 0.2 * counts[0]


def test_a_segmenter_in_integers(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with one_thread_of_numpy():
        trainer, run = start_run(load_recipe("fcn-scenes", SEGMENTER), folder / "segmenter")
        assert trainer.fit()
        shrink_run(run.path)
    file = run.path / "int8.safetensors"
    measured = []
    for source in (run.path, file):
        assert main(["evaluate", str(source), "--json", *NUMPY]) == 0
        measured.append(json.loads(capsys.readouterr().out))
    assert measured[1]["loss"] == pytest.approx(measured[0]["loss"], rel=0.05)
    image = tmp_path / "larger.png"
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90)).astype(np.uint8)
    Image.fromarray(pixels).save(image)
    masks = []
    for source in (run.path, file):
        out = tmp_path / source.name
        assert main(["predict", str(source), str(image), "--out", str(out), *NUMPY]) == 0
        masks.append(np.asarray(Image.open(out / "larger-mask.png")))
    assert masks[0].shape == (70, 90)
    assert np.mean(masks[0] != masks[1]) < 0.05


def test_files_of_version_0_1_say_less(residual: Path, tmp_path: Path) -> None:
    """They had no recipe; the run's model beside them has."""
    network, notes = load_integer(residual / "int8.safetensors")
    old = {name: notes[name] for name in ("class_names", "epochs")}
    save_integer(residual / "old.safetensors", network, old)
    model = open_any(residual / "old.safetensors")
    assert (model.recipe.network["name"], model.image_shape, len(model.class_names)) == ("resnet18", (1, 28, 28), 10)
    save_integer(tmp_path / "old.safetensors", network, old)
    with pytest.raises(PellucidError, match=r"model\.safetensors"):
        open_any(tmp_path / "old.safetensors")
