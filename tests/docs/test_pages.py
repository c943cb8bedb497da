"""Every block of code on every page: Python runs and prints what is said, commands are those that there are."""

import contextlib
import importlib.util
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.cli import main
from pellucid.cli.app import create_app
from pellucid.data import mnist_dataset

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "made" not in p.parts)]
PYTHON = re.compile(r"```python\n(.*?)```\n(?:\n(?:prints\n\n)?((?:    [^\n]*\n)+))?", re.DOTALL)
MODULES = re.compile(r"^python3? -m (\w[\w.]*)")


def elsewhere(page: Path) -> bool:
    """Whether a test of its own runs the page's code."""
    others = (ROOT / "tests").rglob("test_*.py")
    return any(f'"{page.name}"' in other.read_text() for other in others if other != Path(__file__))


RUN_HERE = [page for page in PAGES if PYTHON.search(page.read_text()) and not elsewhere(page)]


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.stem)
def test_the_code_on_the_page_runs_and_prints_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if page.name == "exchange.md":
        write_resnet18(tmp_path / "resnet18.pth")
        write_their_network(tmp_path / "model.onnx")
    scope: dict[str, object] = {"__name__": "page"}
    for code, output in PYTHON.findall(page.read_text()):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, scope)
        if output:
            said = re.sub(r"(?m)^epoch .*\n", "", printed.getvalue())  # progress
            assert said == re.sub(r"(?m)^    ", "", output)


def write_resnet18(file: Path) -> None:
    """A file of PyTorch's names."""
    from pellucid.exchange.torch_names import torch_names
    from pellucid.exchange.torch_write import write_torch
    from pellucid.network import Network
    from pellucid.zoo import create

    write_torch(file, torch_names(Network(create("resnet18", 1000), (3, 224, 224))))


@pytest.mark.filterwarnings("ignore")
def test_the_walk_from_pytorch_to_a_chip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    walk = (ROOT / "docs" / "exchange.md").read_text().partition("### A walk")[2].partition("\n### ")[0]
    before, after = re.findall(r"```py\n(.*?)```", walk, re.DOTALL)
    write_photographs(tmp_path / "photos")
    if importlib.util.find_spec("torch") and importlib.util.find_spec("onnxscript"):
        exec(before, {})
    else:
        write_their_network(tmp_path / "theirs.onnx")
    for line in re.search(r"```\n(pellucid .*?)```", walk, re.DOTALL)[1].splitlines():  # type: ignore[index]
        short = ["--set", "training.epochs=4"] if line.startswith("pellucid train") else []
        assert main([*shlex.split(line)[1:], *short]) == 0, line
    assert {"network.h", "network.c", "Makefile"} <= {file.name for file in (tmp_path / "c").iterdir()}
    capsys.readouterr()
    exec(after, {})
    assert capsys.readouterr().out == "True\n"


def write_photographs(folder: Path) -> None:
    """Two classes that differ by their colour."""
    draw = np.random.default_rng(0)
    for label, name in enumerate(("blue", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            pixels = draw.integers(0, 120, (32, 32, 3)).astype(np.uint8)
            pixels[..., 2 - 2 * label] += 100
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def write_their_network(file: Path) -> None:
    """What the page lets PyTorch write, where there is none."""
    from pellucid.exchange.onnx_export import save_onnx
    from pellucid.graph import Sequential
    from pellucid.layers import BatchNorm2d, Conv2d, GlobalAvgPool2d, Linear, ReLU
    from pellucid.network import Network

    blocks = [part for K in (16, 32, 64) for part in (Conv2d(K, 3, stride=2, padding=1), BatchNorm2d(), ReLU())]
    save_onnx(file, Network(Sequential(*blocks, GlobalAvgPool2d(), Linear(10)), (3, 32, 32)))


def commands(page: Path) -> Iterator[str]:
    """The command lines that a page shows, each by itself."""
    text = re.sub(r"```(?:python|toml)\n.*?```", "", page.read_text(), flags=re.DOTALL)
    fenced = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.split("\n")]
    indented = re.findall(r"(?m)^    (?:\$ )?((?:pellucid|python3?|mpiexec) .*)", text)
    for line in fenced + indented:
        for part in re.split(r"&&|\s#", line)[: None if "&&" in line else 1]:
            command = re.sub(r"^mpiexec -n \d+ ", "", part.strip().removeprefix(".venv/bin/"))
            if command.startswith(("pellucid ", "python -m")):
                yield command


SHOWN = [(page, command) for page in PAGES for command in commands(page)]


def test_every_command_on_a_page_is_one_that_there_is() -> None:
    assert len(SHOWN) > 40
    app = create_app()
    for page, command in SHOWN:
        words = shlex.split(command.split(" > ")[0])
        if words[0] == "pellucid":
            given = ["train" if word == "RECIPE" else word for word in words[1:] if word != "--trust"]
            function, _, _ = app.parse_args(given, print_error=False, exit_on_error=False)
            assert callable(function), f"{page.name}: {command}"
        else:
            module = words[2].split(".")
            found = [ROOT.joinpath(*module), ROOT.joinpath(*module).with_suffix(".py")]
            assert any(path.exists() for path in found), f"{page.name}: {command}"


BEGIN = [page for page in PAGES if page.name in {"README.md", "tutorial.md", "write-a-recipe.md"}]


@pytest.mark.parametrize("page", BEGIN, ids=lambda page: page.stem)
def test_the_commands_for_beginners_do_what_they_are_shown_to(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("digit.png", "photo-of-a-digit.png"):
        Image.fromarray(np.asarray(mnist_dataset(train=False).inputs[0, 0])).save(name)
    text = page.read_text()
    begin = text.split("## Pass the tests")[0]
    for command in [command for command in commands(page) if command in begin]:
        line, _, target = command.partition(" > ")
        short = ["--set", "training.epochs=0.02"] if line.startswith("pellucid train") else []
        few = ["--images", "20"] if line.startswith("pellucid features") else []
        capsys.readouterr()
        assert main([*shlex.split(line)[1:], *short, *few]) == 0, command
        if target:
            Path(target).write_text(capsys.readouterr().out)


def test_every_name_in_the_table_for_newcomers_is_there() -> None:
    import pellucid as pl

    page = (ROOT / "docs" / "howto" / "from-pytorch-and-keras.md").read_text()
    names = set(re.findall(r"pl\.(\w+)\.(\w+)", page))
    assert len(names) > 20
    for module, name in names:
        assert hasattr(getattr(pl, module), name), f"pl.{module}.{name}"


def test_every_place_that_the_index_of_ideas_names_is_there() -> None:
    page = (ROOT / "docs" / "start" / "ideas.md").read_text()
    places = set(re.findall(r"`([a-z_/]+(?:\.py|/))`", page)) - {"src/pellucid/"}
    assert len(places) > 20
    for place in places:
        assert (ROOT / "src" / "pellucid" / place).exists(), place
