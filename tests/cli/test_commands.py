"""The commands at work, on a run of a few digits that takes a second."""

import json
import pickle
import signal
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pellucid import cli, ops
from pellucid.data import mnist_dataset
from pellucid.data.formats.idx import write_idx
from pellucid.recipes import open_model
from pellucid.training.callbacks.progress import Progress

QUICK = ("--threads", "1", "--batch-size", "20")
TEST_IMAGES = 37


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST's first digits as an IDX set."""
    folder = tmp_path_factory.mktemp("digits")
    for train, prefix, n in ((True, "train", 60), (False, "t10k", TEST_IMAGES)):
        some = mnist_dataset(train).subset(range(n))
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", np.asarray(some.inputs)[:, 0])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", np.asarray(some.targets).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A folder in which the command has trained an epoch."""
    folder = tmp_path_factory.mktemp("trained")
    with chdir(folder), ops.use_backend("numpy"):
        assert cli.main(["train", "--epochs", "1", "--data", str(digits), "--quiet", *QUICK]) == 0
    ops.set_threads()
    return folder


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(trained)
    ops.set_threads(1)
    with ops.use_backend("numpy"):
        yield trained
    ops.set_threads()


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def from_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(output(capsys, *arguments, "--json"))


def write_digit(path: Path, index: int, *, dark: bool) -> str:
    ink = np.asarray(mnist_dataset(train=False).inputs[index, 0])
    Image.fromarray(255 - ink if dark else ink).resize((112, 112), Image.Resampling.BICUBIC).save(path)
    return str(path)


def test_training_leaves_a_run_that_says_what_ran(here: Path, digits: Path) -> None:
    run = here / "runs" / "last"
    assert {file.name for file in run.iterdir()} >= {
        "recipe.toml", "history.jsonl", "curve.png", "model.safetensors", "checkpoint.safetensors",
    }  # fmt: skip
    recipe = open_model(run).recipe
    assert (recipe.data.source, recipe.training.epochs, recipe.training.batch_size) == (str(digits), 1, 20)


def test_flags_and_settings_override_the_recipe(
    here: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--seed", "3", "--rate", "0.01", "--precision", "float64", "--set", "network.dropout=0.25"]
    out = output(
        capsys, "train", "deep-convnet-classic", "--epochs", "0.4", "--data", str(digits), *QUICK, *flags,
        "--set", "optimizer.beta1=0.8", "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert "123,552 parameters, 60 images" in out and f"pellucid evaluate {tmp_path / 'run'}" in out
    recipe = open_model(tmp_path / "run").recipe
    assert recipe.training.seed == 3 and recipe.training.precision == "float64"
    assert recipe.network["dropout"] == 0.25
    assert recipe.optimizer == {"name": "adam", "rate": 0.01, "beta1": 0.8}


def test_evaluation_measures_every_image_as_training_did(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = from_json(capsys, "evaluate")
    assert measured["images"] == TEST_IMAGES
    lines = (here / "runs/last/history.jsonl").read_text().splitlines()
    assert measured["accuracy"] == json.loads(lines[-1])["test"]["accuracy"]
    assert measured["accuracy"] * TEST_IMAGES == pytest.approx(round(measured["accuracy"] * TEST_IMAGES))
    assert measured["loss"] == pytest.approx(json.loads(lines[-1])["test"]["loss"])
    table = output(capsys, "evaluate", "runs/last")
    assert f"{TEST_IMAGES} images" in table and f"{100 * measured['accuracy']:.2f} %" in table


def test_other_data_must_have_the_classes(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their images may have another size, but must be what the model can see: characters."""
    digits = np.zeros((20, 20, 20), np.uint8)
    for name, classes, stroke, said in (
        ("few", 3, 255, "3 classes (0, 1, 2)"),
        ("blank", 10, 0, "image 0 of 20: the image is blank"),
        ("small", 10, 255, ""),
    ):
        digits[:, 4:16, 9:11] = stroke
        folder = tmp_path / name
        folder.mkdir()
        for prefix in ("train", "t10k"):
            write_idx(folder / f"{prefix}-images-idx3-ubyte", digits)
            write_idx(folder / f"{prefix}-labels-idx1-ubyte", (np.arange(20) % classes).astype(np.uint8))
        assert cli.main(["evaluate", "--data", str(folder)]) == (2 if said else 0)
        err = capsys.readouterr().err
        assert said in err and (err.count("\n") == 1 or not said)


@pytest.mark.parametrize("dark", [True, False])
def test_prediction_takes_any_images_with_or_without_a_run(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], dark: bool
) -> None:
    images = [write_digit(tmp_path / name, i, dark=dark) for i, name in enumerate(("a.png", "b.jpg"))]
    found = from_json(capsys, "predict", *images)
    assert found == from_json(capsys, "predict", "runs/last", *images)
    assert found == from_json(capsys, "predict", "runs/last/model.safetensors", *images)
    assert [row["image"] for row in found] == images
    for row in found:
        probabilities = [guess["probability"] for guess in row["guesses"]]
        assert len(probabilities) == 3 and probabilities == sorted(probabilities, reverse=True)
    every = from_json(capsys, "predict", images[0], "--top", "10")[0]["guesses"]
    assert sum(guess["probability"] for guess in every) == pytest.approx(1, abs=1e-5)
    assert {guess["class"] for guess in every} == set("0123456789")
    for one, other in zip(every, found[0]["guesses"], strict=False):
        assert one["class"] == other["class"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)
    table = output(capsys, "predict", *images).splitlines()
    assert table[0].split()[:3] == ["image", "1st", "1st"]
    best = found[1]["guesses"][0]
    assert table[2].split()[:3] == [images[1], best["class"], f"{100 * best['probability']:.2f}"]


def test_one_bad_image_is_named_and_nothing_is_said_of_the_others(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write_digit(tmp_path / "a.png", 0, dark=True), tmp_path / "b.png"
    bad.write_text("no image")
    assert cli.main(["predict", good, str(bad)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"pellucid: {bad}: ") and err.count("\n") == 1


def test_ctrl_c_says_how_to_go_on_and_going_on_ends_as_without_it(
    here: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(self: Progress, trainer: Any, loss: float) -> None:
        if trainer.state.step == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.chdir(tmp_path)
    whole, broken = str(tmp_path / "whole"), str(tmp_path / "broken")
    arguments = ["train", "--epochs", "1", "--data", str(digits), "--seed", "5", *QUICK]
    assert cli.main([*arguments, "--out", whole, "--quiet"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "step", press)
        assert cli.main([*arguments, "--out", broken]) == 130
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"stopped after step 2; to go on: pellucid train --resume {broken}"
    assert cli.main(["train", "--resume", broken, "--quiet", "--threads", "1"]) == 0
    assert open_model(Path(broken)).network.digest() == open_model(Path(whole)).network.digest()
    assert cli.main(["train", "--resume", broken]) == 2
    assert "nothing to resume" in capsys.readouterr().err


def test_the_summary_shows_what_the_design_says(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("deep-convnet-classic", "runs/last"):
        cost = from_json(capsys, "summary", name)
        assert (cost["parameters"], cost["multiply_adds"]) == (123_552, 8_772_340)
        assert len(cost["layers"]) == 21 - (name == "runs/last")  # only the book's has dropout after the logits
    table = output(capsys, "summary", "deep-convnet")
    assert "123,552" in table and "32x16x16" in table and "padding 2" in table


def test_recipes_are_listed_and_printed(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = output(capsys, "recipes")
    assert "deep-convnet-classic" in listed
    (tmp_path / "mine.toml").write_text(output(capsys, "recipes", "deep-convnet"))
    assert output(capsys, "recipes", str(tmp_path / "mine.toml")) == output(capsys, "recipes", "deep-convnet")


def test_the_gradient_check_passes_and_fails_by_its_exit_code(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for prefix in ("train", "t10k"):  # small images, as every derivative takes eight passes
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", np.full((10, 8, 8), 99, np.uint8))
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", np.arange(10, dtype=np.uint8))
    recipe = output(capsys, "recipes", "deep-convnet").replace('"mnist"', f'"{tmp_path}"')
    (tmp_path / "small.toml").write_text(recipe)
    arguments = ("check", str(tmp_path / "small.toml"), "--samples", "1")
    checked = from_json(capsys, *arguments)
    assert checked["passed"] and checked["tolerance"] == 1e-6
    assert max(row["error"] for row in checked["tensors"]) < 1e-6
    assert {row["name"] for row in checked["tensors"]} >= {"0.weight", "19.bias", "input"}
    assert "passed: largest relative error" in output(capsys, *arguments)
    monkeypatch.setattr("pellucid.analysis.gradient_check.TOLERANCE", 0.0)
    assert cli.main(list(arguments)) == 1
    assert "FAILED: largest relative error" in capsys.readouterr().out


def test_the_books_weights_become_a_run(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = open_model(here / "runs/last").network
    layers = [layer for layer in network.layers() if layer.parameters()]
    book: dict[str, Any] = {}
    for i, layer in enumerate(layers, 1):
        weight, bias = (layer.parameters()[name].value.astype(np.float64) for name in ("weight", "bias"))
        if layer is layers[-1]:  # whose logits the book's two dropouts halve, and its inputs
            weight, bias = 4 * weight, 2 * bias
        book |= {f"W{i}": weight.T if weight.ndim == 2 else weight, f"b{i}": bias}
    (tmp_path / "deep_convnet_params.pkl").write_bytes(pickle.dumps(book))
    out = output(capsys, "import-book", str(tmp_path / "deep_convnet_params.pkl"), "--out", str(tmp_path / "book"))
    assert f"try: pellucid evaluate {tmp_path / 'book'}" in out
    assert open_model(tmp_path / "book").network.digest() == network.digest()
    image = write_digit(tmp_path / "a.png", 0, dark=True)
    assert from_json(capsys, "predict", str(tmp_path / "book"), image)[0]["guesses"][0]["class"] in set("0123456789")
