"""The commands that explain a network: summary, compare-kernels, receptive-field, features, explain, evaluate
--report."""

import json
import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pellucid import cli, ops
from pellucid.data import mnist_dataset
from small_runs import write_digits


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/last, trained on a few digits, a digit as a PNG, and a file that is no image."""
    folder = tmp_path_factory.mktemp("analysed")
    write_digits(folder, 60, 30)
    Image.fromarray(np.asarray(mnist_dataset(False).inputs[0, 0])).save(folder / "seven.png")
    (folder / "text.png").write_text("no image")
    flags = ["--epochs", "1", "--batch-size", "20", "--data", str(folder), "--quiet", "--threads", "1"]
    with chdir(folder), ops.use_backend("numpy"):
        assert cli.main(["train", *flags]) == 0
    ops.set_threads()
    return folder


@pytest.fixture(autouse=True)
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(trained)
    with ops.use_backend("numpy"):
        yield


def output(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert cli.main(line.split()) == 0
    out, err = capsys.readouterr()
    assert not [line for line in err.splitlines() if not line.startswith("compiling kernels")]
    return out


def from_json(capsys: pytest.CaptureFixture[str], line: str) -> Any:
    return json.loads(output(capsys, f"{line} --json"))


def test_summary_of_a_known_network_at_its_own_size(capsys: pytest.CaptureFixture[str]) -> None:
    cost = from_json(capsys, "summary resnet18 --input 3x224x224 --classes 1000")
    assert (cost["parameters"], cost["multiply_adds"]) == (11_689_512, 1_814_073_344)
    fields = {row["name"]: row["receptive_field"] for row in cost["layers"]}
    assert fields["19"] == {"whole_image": False, "size": [435, 435], "stride": [32, 32], "centre": [0, 0]}
    assert fields["21"] == {"whole_image": True, "size": None, "stride": [None, None], "centre": None}


def test_summary_of_a_recipe_at_another_size(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "summary deep-convnet --input 3x64x48")
    assert "deep-convnet, input 3x64x48" in text
    last_pool = next(line for line in text.splitlines() if line.startswith("14 "))
    assert " ".join(last_pool.split()) == "14 MaxPool2d 2x2 64x8x6 12.3 kB 68.9 kB 36x36 8 1.5"
    assert output(capsys, "summary runs/last").splitlines()[-1].startswith("field: pixels that a unit sees")


def test_summary_of_a_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with ops.use_backend("numba"):
        told = output(capsys, f"summary tiny-digits --plan --picture {tmp_path / 'memory.png'}")
        report = from_json(capsys, "summary tiny-digits --plan")
    assert "Conv2d + BatchNorm2d + ReLU" in told
    assert Image.open(tmp_path / "memory.png").size[0] > 500
    steps = report["rows"]
    assert sum(step["multiply_adds"] for step in steps) == from_json(capsys, "summary tiny-digits")["multiply_adds"]
    assert all(step["seconds"] > 0 for step in steps)
    assert report["block_bytes"] <= report["apart_bytes"]


def test_summary_of_a_plan_takes_compiled_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["summary", "tiny-digits", "--plan"]) == 2
    assert "the backend numba, got float32" in capsys.readouterr().err


def test_summary_shows_strides_that_are_fractions(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in from_json(capsys, "summary fcn32 --input 1x28x28")["layers"]}
    assert rows["up"]["receptive_field"]["stride"] == [1, 1]
    assert rows["body.14"]["receptive_field"]["stride"] == [8, 8]


def test_compare_kernels_shows_what_the_probe_saw(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "compare-kernels --channels 8")
    for row in (
        "5x5 3x3 + 3x3 1,600 1,152 28.0 % the same 25 pixels",
        "7x7 3x3 + 3x3 + 3x3 3,136 1,728 44.9 % the same 49 pixels",
        "9x9 3x3 + 3x3 + 3x3 + 3x3 5,184 2,304 55.6 % the same 81 pixels",
    ):
        assert row in [" ".join(line.split()) for line in text.splitlines()]
    (found,) = from_json(capsys, "compare-kernels 7")
    assert found["weights"] == 49 and found["stack_weights"] == 27 and found["same_field"]


def test_receptive_field_is_drawn_and_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = from_json(capsys, "receptive-field --layer 7 --images 10")
    assert (found["theoretical_area"], found["images"]) == (14 * 14, 10)
    assert 0 < found["effective_area"] <= 14 * 14
    assert found["ratio"] == found["effective_area"] / found["theoretical_area"]
    assert Image.open(found["picture"]).width > 800
    assert "sees 784 pixels" in output(
        capsys, f"receptive-field runs/last --layer 16 --image seven.png --out {tmp_path}/all.png"
    )
    assert (tmp_path / "all.png").exists()


def test_features_writes_a_sheet_an_image(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copy("seven.png", tmp_path / "seven.png")  # another file of the same name
    out = output(capsys, f"features seven.png {tmp_path}/seven.png --channels 0 40 --patches 3 --out {tmp_path}")
    sheets = (f"{Path.cwd().name}-seven.png.html", f"{tmp_path.name}-seven.png.html")
    assert out.splitlines() == [str(tmp_path / name) for name in ("patches.png", *sheets)]
    assert Image.open(tmp_path / "patches.png").height > 600
    html = (tmp_path / sheets[0]).read_text()
    assert "Layer 12: Conv2d 64, 3x3, padding 1" in html
    assert html.count("<figcaption>Channel 0: ") == 6
    assert html.count("<figcaption>Channel 40: ") == 2


def test_explain_lays_maps_over_an_image(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (found,) = from_json(capsys, f"explain seven.png --class 7 --out {tmp_path}")
    assert (found["class"], found["layer"], list(found["maps"])) == ("7", "14", ["grad-cam", "occlusion"])
    assert [np.shape(values) for values in found["maps"].values()] == [(4, 4), (28, 28)]
    assert Image.open(tmp_path / "seven-explained.png").width > 1000
    text = output(capsys, f"explain seven.png --method grad-cam --layer 7 --out {tmp_path}")
    assert text.splitlines()[1].split()[0] == "seven.png" and "7" in text.splitlines()[1].split()


def test_evaluate_writes_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    out = output(capsys, "evaluate --report")
    path = Path(out.splitlines()[-1])
    assert path.name == "report.html"
    assert "Confusion matrix" in path.read_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("receptive-field --layer conv1", "no layer 'conv1': expected one of 0, 1, 2"),
        ("receptive-field", "--layer"),
        ("receptive-field --layer 0 --image text.png", "text.png: not an image"),
        ("receptive-field --layer 0 --images 0", "at least 1"),
        ("receptive-field --layer 0 --out seven.png/x.png", "cannot write"),
        ("receptive-field nowhere --layer 0", "no run nowhere"),
        ("explain text.png", "text.png: not an image"),
        ("explain seven.png --class ten", "unknown class 'ten'"),
        ("explain seven.png --layer conv1", "no layer 'conv1': expected one of 0, 1, 2"),
        ("explain seven.png --layer 15", "layer 15: expected one that gives maps"),
        ("explain seven.png --patch 0", "at least 1"),
        ("explain seven.png --patch 90", "a square of 90 pixels to cover with: expected 1 to 28"),
        ("features text.png", "text.png: not an image"),
        ("features none.png", "none.png"),
        ("features", "expected image files, got none"),
        ("features seven.png --channels x", "x"),
        ("features seven.png --out text.png/sheets", "cannot write"),
        ("compare-kernels 4", "kernel 4: expected an odd side"),
        ("compare-kernels five", "five"),
        ("compare-kernels 5 --channels 0", "at least 1"),
        ("summary deep-convnet --input 3x224", "--input 3x224: expected channels x height x width"),
        ("summary vgg16 --input 3x20x20", "layer 30 (MaxPool2d): expected an image of at least its 2x2 window"),
        ("summary runs/last --classes 5", "--classes 5: runs/last knows its own, 10"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    assert cli.main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pellucid: ") and err.count("\n") == 1
    assert said in err


def test_profile_times_the_layers_that_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profile", "resnet18", "--input", "3x64x64", "--batch-size", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = [row["kind"] for row in found["rows"]]
    assert {"Conv2d", "BatchNormClip", "BatchNormAdd", "Linear"} <= set(kinds)
    assert kinds.count("BatchNormAdd") == 8  # one a block
    assert all(row["forward"] > 0 and row["backward"] > 0 for row in found["rows"])
    parts = sum(row["forward"] + row["backward"] for row in found["rows"]) + found["update"]
    assert parts == pytest.approx(found["seconds"])
    assert cli.main(["profile", "deep-convnet"]) == 0
    printed = capsys.readouterr().out
    assert "ConvReLUMaxPool" in printed and "update (Adam)" in printed
