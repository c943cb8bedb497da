"""A network of one's own in a recipe, and what is asked before somebody else's code runs."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pellucid import ops
from pellucid.cli import main
from pellucid.errors import PellucidError
from pellucid.recipes import build_network, load_recipe
from pellucid.recipes.own_network import trusting
from small_runs import write_digits

MODULE = """
from pathlib import Path
from pellucid.graph import Sequential
from pellucid.layers import Conv2d, GlobalAvgPool2d, Linear, ReLU

Path("loaded").touch()

def make(classes: int, *, width: int = 4):
    return Sequential(Conv2d(width, 3), ReLU(), GlobalAvgPool2d(), Linear(classes))

def number(classes):
    return classes
"""
RECIPE = """
name = "mine"
[network]
name = "{name}"
{options}
[optimizer]
name = "sgd"
rate = 0.1
[data]
source = "{data}"
[training]
epochs = 1
batch_size = 8
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_convnet.py").write_text(MODULE)
    with ops.use_backend("numpy"):
        yield tmp_path
    sys.modules.pop("own_convnet", None)


def digits(folder: Path) -> Path:
    """A few of MNIST's, as a folder."""
    path = folder / "digits"
    path.mkdir()
    write_digits(path, 16, 8)
    return path


def write_recipe(folder: Path, name: str = "own_convnet:make", options: str = "width = 3") -> Path:
    path = folder / "mine.toml"
    path.write_text(RECIPE.format(name=name, options=options, data=digits(folder)))
    return path


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_a_recipe_trains_ones_own_network(here: Path) -> None:
    network = build_network(load_recipe(write_recipe(here)), (1, 28, 28), 10)
    assert network.find("0").describe() == "3, 3x3"
    assert main(["train", "mine.toml", "--out", "runs/mine", "--quiet"]) == 0
    assert main(["evaluate", "runs/mine", "--trust"]) == 0


def test_a_run_that_names_code_asks_for_trust_and_runs_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recipe(here)
    assert main(["train", "mine.toml", "--out", "runs/mine", "--quiet"]) == 0
    capsys.readouterr()
    sys.modules.pop("own_convnet")
    (here / "loaded").unlink()
    for line in (
        "evaluate runs/mine",
        "summary runs/mine",
        "check runs/mine/model.safetensors",
        "predict runs/mine x.png",
        "train --resume runs/mine",
        "train runs/mine",
        "train runs/mine/recipe.toml",
        "shrink runs/mine",
        "recipes runs/mine",
    ):
        assert "its network is 'own_convnet:make', code that is not in this file; expected --trust" in complaint(
            capsys, *line.split()
        )
    assert not (here / "loaded").exists()
    with trusting():
        load_recipe(here / "runs/mine")
    assert (here / "loaded").exists()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("nowhere_at_all:make", "", "network 'nowhere_at_all:make': no module nowhere_at_all"),
        ("own_convnet:made", "", "own_convnet has no function 'made'"),
        ("own_convnet:make", "with = 3", "unknown key network.with for own_convnet:make"),
        ("own_convnet:make", "width = 'wide'", "network.width = 'wide'"),
    ],
)
def test_what_does_not_fit_is_named(here: Path, name: str, options: str, said: str) -> None:
    with pytest.raises(PellucidError, match=said):
        load_recipe(write_recipe(here, name, options))


def test_what_is_no_layer_is_named(here: Path) -> None:
    recipe = load_recipe(write_recipe(here, "own_convnet:number", ""))
    with pytest.raises(PellucidError, match="expected it to give a layer, got int"):
        build_network(recipe, (1, 28, 28), 10)
