"""`pellucid page`: from a run to its page."""

import base64
import json
import re
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import cli, ops
from pellucid.recipes import build_data, open_model
from pellucid.recipes.page import model_page
from pellucid.recipes.shrink import open_any, shrink_run
from small_runs import one_thread_of_numpy, write_digits


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a few digits."""
    folder = tmp_path_factory.mktemp("paged")
    write_digits(folder, 60, 30)
    flags = ["--epochs", "1", "--batch-size", "20", "--data", str(folder), "--quiet", "--threads", "1"]
    with chdir(folder), ops.use_backend("numpy"):
        assert cli.main(["train", *flags]) == 0
        ops.set_threads()
    return folder / "runs" / "last"


def carried(content: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="model">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    model: dict[str, Any] = json.loads(found[1])
    return model


def test_it_writes_the_runs_images_matrix_and_history(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ops.use_backend("numpy"):
        assert cli.main(["page", str(run), "-o", str(tmp_path / "digits.html"), "--images", "8", "--bits", "8"]) == 0
    ops.set_threads()
    assert "weights of 8 bits" in capsys.readouterr().out
    model = carried((tmp_path / "digits.html").read_text())
    assert np.sum(model["matrix"]) == 30
    assert len(model["images"]) == 8
    assert len(model["history"]) == 1
    assert model["framing"] == open_model(run).framing.rule


def test_a_page_takes_the_place_of_a_page_and_of_nothing_else(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "digits.html"
    for _ in range(2):
        with ops.use_backend("numpy"):
            assert cli.main(["page", str(run), "-o", str(target), "--images", "0"]) == 0
        ops.set_threads()
    target.write_text("<!doctype html><title>My own</title>")
    assert cli.main(["page", str(run), "-o", str(target), "--images", "0"]) == 2
    assert "something that page didn't make" in capsys.readouterr().err
    assert "My own" in target.read_text()


def test_without_images_nothing_is_measured(run: Path) -> None:
    model = carried(model_page(open_model(run), images=0).decode())
    assert model["images"] == []
    assert model["matrix"] is None


def test_a_run_that_learnt_with_rounding_has_a_page_of_floats(tmp_path: Path) -> None:
    write_digits(tmp_path, 40, 20)
    flags = ["--epochs", "1", "--batch-size", "20", "--data", str(tmp_path), "--quiet", "--threads", "1"]
    with chdir(tmp_path), ops.use_backend("numpy"):
        assert cli.main(["train", "tiny-digits", *flags, "--out", "run"]) == 0
        ops.set_threads()
        content = model_page(open_model(tmp_path / "run"), images=4, bits=32).decode()
    model, text = carried(content), re.search(r'id="weights">(.*?)</script>', content, re.DOTALL)
    assert text is not None
    assert "Rounding" not in {node["kind"] for node in model["nodes"]}
    array = model["arrays"][model["nodes"][0]["weight"]]
    weight = np.frombuffer(base64.b64decode(text[1]), "<f4", np.prod(array["shape"]), array["offset"])
    for one in weight.reshape(array["shape"][0], -1):
        assert len(np.unique(one)) <= 15  # levels of 4 bits
    assert np.sum(model["matrix"]) == 20


@pytest.mark.parametrize("bits", [8, 2])
def test_integers_that_shrink_wrote_are_counted_and_carried_as_they_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bits: int
) -> None:
    with chdir(run.parents[1]), one_thread_of_numpy():
        shrunk = shrink_run(run, bits)
        assert cli.main(["page", str(shrunk.path), "-o", str(tmp_path / "a.html")]) == 0
        data = build_data(open_any(shrunk.path).recipe)
    assert f"integers, weights of {bits} bits" in capsys.readouterr().out
    model = carried((tmp_path / "a.html").read_text())
    assert (model["bits"], len(model["entry"][0])) == (bits, 256)
    guesses = shrunk.network.forward(np.asarray(data.test.inputs) / np.float32(255)).argmax(axis=1)
    assert np.trace(model["matrix"]) == int((guesses == np.asarray(data.test.targets)).sum())


def test_bits_of_integers_are_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with chdir(run.parents[1]), one_thread_of_numpy():
        shrunk = shrink_run(run, 8)
        assert cli.main(["page", str(shrunk.path), "-o", str(tmp_path / "a.html"), "--bits", "16"]) == 2
    assert "weights of 8, got 16" in capsys.readouterr().err


def test_what_is_not_trained_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["page", "deep-convnet"]) == 2
    assert capsys.readouterr().err.startswith("pellucid: deep-convnet: not trained yet")
