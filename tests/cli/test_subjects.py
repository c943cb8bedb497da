"""One word for what a command is about: a run, a model's file, a recipe or a network of the zoo."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pellucid import ops
from pellucid.cli import main
from small_runs import write_digits


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with ops.use_backend("numpy"):
        yield tmp_path


def answer(capsys: pytest.CaptureFixture[str], line: str) -> object:
    assert main([*line.split(), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_a_network_of_the_zoo_is_summarised_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "summary unet --input 3x64x64 --classes 2")["parameters"] == 31_037_698  # type: ignore[index]
    checked = answer(capsys, "check lenet5 --input 1x28x28 --classes 3 --samples 1")
    assert checked["passed"]  # type: ignore[index]
    for line in ("check fcn-small --input 1x16x16 --classes 3", "check detector-small --input 1x16x16 --classes 2"):
        assert answer(capsys, f"{line} --samples 1 --batch-size 1")["passed"]  # type: ignore[index]


def test_runs_files_recipes_and_networks_are_one_kind_of_thing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "digits").mkdir()
    write_digits(here / "digits", 32, 8)
    line = "train tiny-digits --data digits --epochs 1 --set training.weight_bits=0 --out runs/tiny --quiet"
    assert main(line.split()) == 0
    capsys.readouterr()
    counts = {
        answer(capsys, f"summary {name}")["parameters"]  # type: ignore[index]
        for name in ("runs/tiny", "runs/tiny/model.safetensors", "tiny-digits", "tiny-digits --input 1x28x28")
    }
    assert len(counts) == 1


def test_another_input_of_a_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "summary deep-convnet --input 3x64x48")
    assert found["input_shape"] == [3, 64, 48]  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "evaluate deep-convnet",
            "deep-convnet: not trained yet, expected a run or a model's file (pellucid train deep",
        ),
        ("evaluate resnet18", "resnet18: not trained yet, expected a run or a model's file (train a recipe with it)"),
        ("shrink tiny-digits", "tiny-digits: not trained yet"),
        ("precision deep-convnet", "deep-convnet: not trained yet"),
        ("check resnet18", "network resnet18: expected --input with the shape of an image, such as 3x32x32"),
        ("check resnet18 --input 3x32", "--input 3x32: expected channels x height x width"),
        ("summary deep-convnt", "unknown recipe or network 'deep-convnt'; nearest is deep-convnet"),
    ],
)
def test_what_is_missing_is_told(capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    assert said in complaint(capsys, line)


def test_a_graph_is_drawn(here: Path) -> None:
    line = "summary resnet18 --input 3x32x32 --classes 4 --picture graph.png"
    assert main(line.split()) == 0
    with Image.open(here / "graph.png") as picture:
        assert picture.height > 3000  # a box below the other
