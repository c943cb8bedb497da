"""Predict over the test part's files gives evaluate's number: each task, each relation of sizes, grey and colour."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
import photographs
import small_runs
from pellucid.cli.subject import data_for
from pellucid.data.boxes import PLAIN
from pellucid.data.formats.idx import write_idx
from pellucid.recipes import AnyModel, build_loader, load_recipe, open_model, start_run
from pellucid.recipes.predict import guess
from pellucid.recipes.predict_boxes import detect_files
from pellucid.recipes.predict_masks import segment_files
from pellucid.training import evaluate

PARTS = {"train": photographs.shots(0, 6), "val": photographs.shots(1, 3)}
SMALL: dict[str, dict[str, Any]] = {
    "deep-convnet": {"network.name": "plain-convnet", "network.widths": [8, 16]},
    "fcn-scenes": {"network.widths": [6, 8, 12]},
    "detector-scenes": {
        "network.stem": [8], "network.shallow": [8], "network.deep": [12], "network.top": [12],
        "task.least_score": 0.02,
    },
}  # fmt: skip
EPOCHS = {"deep-convnet": 3, "fcn-scenes": 14, "detector-scenes": 12}


def trained(recipe: str, source: Path, folder: Path, size: tuple[int, int] | None) -> AnyModel:
    """A network that has learnt a little from a folder."""
    changes = {
        **SMALL[recipe], "data.source": str(source), "training.epochs": EPOCHS[recipe], "training.batch_size": 8,
        "training.ema": 0.0, "optimizer.rate": 0.01, "training.evaluate_samples": 0,
    }  # fmt: skip
    if size is not None:
        changes["data.size"] = list(size)
    trainer, run = start_run(load_recipe(recipe, changes), folder)
    trainer.evaluations = {}
    assert trainer.fit()
    return open_model(run.path)


def measured(model: AnyModel, source: Path | None = None) -> dict[str, float]:
    """What evaluate says, of the run's data or others."""
    test = data_for(model, None if source is None else str(source)).test
    return evaluate(model.network, model.task, build_loader(model.recipe, test, training=False))


both = pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])


def class_accuracy(model: AnyModel, source: Path) -> float:
    """Of predict, on the test files of a folder of classes."""
    shots = PARTS["val"]
    files = [source / "test" / photographs.NAMES[shot.label] / f"{shot.name}.png" for shot in shots]
    named = zip(guess(model, files), shots, strict=True)
    return float(np.mean([best[0].name == photographs.NAMES[shot.label] for best, shot in named]))


def mask_measures(model: AnyModel, source: Path, out: Path) -> dict[str, float]:
    """Of predict, on the test files of a folder of masks."""
    metrics: Any = model.task.metrics()
    files = [source / "JPEGImages" / f"{shot.name}.png" for shot in PARTS["val"]]
    for found, shot in zip(segment_files(model, files, out), PARTS["val"], strict=True):
        mask = Image.open(found.mask)
        assert np.asarray(mask).shape == shot.mask.shape
        h, w = model.framing.part(shot.mask.shape)  # evaluate counts pixels of the image as the network sees it
        small = [np.asarray(m.resize((w, h), Image.Resampling.NEAREST)) for m in (mask, Image.fromarray(shot.mask))]
        metrics.count(small[0], small[1])
        answer = pl.load(model.path.parent).predict(found.image)
        np.testing.assert_array_equal(answer.mask, np.asarray(mask))
        drawn = Image.open(io.BytesIO(answer.picture()))
        assert (drawn.width, drawn.height) >= (w, h)  # a legend may stand below
    return metrics.result()  # type: ignore[no-any-return]


def box_measures(model: AnyModel, source: Path, out: Path) -> dict[str, float]:
    """Of predict, on the test files of a folder of boxes."""
    metrics: Any = model.task.metrics()
    files = [source / "images" / f"{shot.name}.png" for shot in PARTS["val"]]
    for found, shot in zip(detect_files(model, files, out), PARTS["val"], strict=True):
        metrics.add(found.found, np.array([shot.box]), np.array([shot.label]), np.array([PLAIN]))
        front = pl.load(model.path.parent)
        answer = front.predict(found.image, score=np.float32(0))  # type: ignore[call-overload]
        sure = front.predict(found.image)
        assert answer.boxes is not None and sure.boxes is not None
        np.testing.assert_allclose(answer.boxes.scores, found.found.scores, atol=1e-5)
        apart = np.abs(answer.boxes.boxes[:, None] - found.found.boxes).max(2)  # equal scores come in any order
        assert apart.min(0).max() < 1e-3 and apart.min(1).max() < 1e-3
        assert len(sure.boxes) == len(found.shown) and answer.size == shot.mask.shape
    return metrics.result()  # type: ignore[no-any-return]


def without_loss(measures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in measures.items() if name != "loss"}


@both
def test_classes(tmp_path: Path, grey: bool) -> None:
    source = photographs.class_folder(tmp_path / "data", {"train": PARTS["train"], "test": PARTS["val"]}, grey)
    model = trained("deep-convnet", source, tmp_path / "run", photographs.SIZE)
    assert model.image_shape == (1 if grey else 3, *photographs.SIZE)
    assert class_accuracy(model, source) == pytest.approx(measured(model)["accuracy"], abs=1e-12)
    other = photographs.class_folder(
        tmp_path / "other", {"train": PARTS["val"][:9], "test": PARTS["val"]}, grey=not grey
    )
    assert class_accuracy(model, other) == pytest.approx(measured(model, other)["accuracy"], abs=1e-12)


@both
@pytest.mark.parametrize("size", [photographs.SIZE, None], ids=["shrunk", "canvas of the largest"])
def test_masks(tmp_path: Path, grey: bool, size: tuple[int, int] | None) -> None:
    source = photographs.masked_folder(tmp_path / "data", PARTS, grey)
    model = trained("fcn-scenes", source, tmp_path / "run", size)
    expected = measured(model)
    assert expected["mean_iou"] > 0.4
    found = mask_measures(model, source, tmp_path / "out")
    assert found == pytest.approx(without_loss(expected), abs=1e-12)
    other = photographs.masked_folder(tmp_path / "other", PARTS, grey=not grey)
    found = mask_measures(model, other, tmp_path / "out")
    assert found == pytest.approx(without_loss(measured(model, other)), abs=1e-12)


@both
@pytest.mark.parametrize("size", [photographs.SIZE, None], ids=["shrunk", "canvas of the largest"])
def test_boxes(tmp_path: Path, grey: bool, size: tuple[int, int] | None) -> None:
    source = photographs.boxed_folder(tmp_path / "data", PARTS, grey)
    model = trained("detector-scenes", source, tmp_path / "run", size)
    expected = measured(model)
    assert expected["map50"] > 0.1 and model.class_ids == (3, 7)
    found = box_measures(model, source, tmp_path / "out")
    assert found == pytest.approx(without_loss(expected), abs=1e-6)
    other = photographs.boxed_folder(tmp_path / "other", PARTS, grey=not grey)
    found = box_measures(model, other, tmp_path / "out")
    assert found == pytest.approx(without_loss(measured(model, other)), abs=1e-6)


def garment(rng: np.random.Generator, label: int) -> np.ndarray:
    """A light shape on black that fills its image, as clothes do and characters of MNIST don't."""
    image = np.zeros((28, 28), np.uint8)
    image[(slice(None), slice(7, 21)) if label else (slice(9, 19), slice(None))] = rng.integers(100, 256)
    return image


Drawn = Callable[[np.random.Generator, int], np.ndarray]


def test_sets_of_idx_files_that_are_no_characters(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 300)
    images = np.array([garment(rng, label) for label in labels])
    for prefix, part in (("train", slice(200)), ("t10k", slice(200, None))):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", images[part])
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", labels[part].astype(np.uint8))
    model = trained("deep-convnet", tmp_path, tmp_path / "run", None)
    assert model.framing.rule == "stretch"
    files = []
    for i in range(200, 300):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(images[i]).save(files[-1])
    accuracy = np.mean([best[0].label == k for best, k in zip(guess(model, files), labels[200:], strict=True)])
    assert accuracy == pytest.approx(measured(model)["accuracy"], abs=1e-12)
    np.testing.assert_array_equal(model.framing.read(files[0]).pixels[0], images[200])


def test_characters_of_other_sizes_and_polarities(tmp_path: Path) -> None:
    digits = small_runs.digits(300, 100)
    (tmp_path / "mnist").mkdir()
    small_runs.write_digits(tmp_path / "mnist", 300, 100)
    model = trained("deep-convnet", tmp_path / "mnist", tmp_path / "run", None)
    assert model.framing.rule == "character"
    files = []
    for i, label in enumerate(np.asarray(digits.test.targets).tolist()):
        pixels = np.asarray(digits.test.inputs[[i]])[0, 0]
        for part, image in (("test", Image.fromarray(255 - pixels).resize((50 + i, 80))), ("train", pixels)):
            path = tmp_path / "photos" / part / str(label) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            (Image.fromarray(image) if isinstance(image, np.ndarray) else image.convert("RGB")).save(path)
            files += [path] if part == "test" else []
    right = [best[0].name == path.parent.name for best, path in zip(guess(model, files), files, strict=True)]
    assert np.mean(right) > 0.5
    assert np.mean(right) == pytest.approx(measured(model, tmp_path / "photos")["accuracy"], abs=1e-12)


def test_idx_sets_of_another_size(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    small_runs.write_digits(tmp_path / "mnist", 300, 100)
    model = trained("deep-convnet", tmp_path / "mnist", tmp_path / "run", None)
    images = np.asarray(small_runs.digits(300, 100).test.inputs)[:, 0]
    large = np.array([np.asarray(Image.fromarray(255 - image).resize((40, 40))) for image in images])
    labels = np.asarray(small_runs.digits(300, 100).test.targets).astype(np.uint8)
    (tmp_path / "large").mkdir()
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / "large" / f"{prefix}-images-idx3-ubyte", large)
        write_idx(tmp_path / "large" / f"{prefix}-labels-idx1-ubyte", labels)
    files = []
    for i, image in enumerate(large):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(image).save(files[-1])
    accuracy = np.mean([best[0].label == label for best, label in zip(guess(model, files), labels, strict=True)])
    assert accuracy > 0.5
    assert accuracy == pytest.approx(measured(model, tmp_path / "large")["accuracy"], abs=1e-12)
