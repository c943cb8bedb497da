"""What a command writes replaces no image, no model and nothing else that it didn't make, and again its own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import ops
from pellucid.cli import main
from pellucid.recipes import load_recipe, start_run
from small_runs import digits

TINY = {"network.name": "tiny-digits", "training.batch_size": 20, "training.epochs": 0.1, "training.ema": 0}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run, and a folder of two pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    pixels = np.full((40, 40), 255, np.uint8)
    pixels[8:32, 18:22] = 0
    for name in ("a.png", "a.png.jpg"):
        Image.fromarray(pixels).save(tmp_path / "pictures" / name)
    with ops.use_backend("numpy"):
        trainer, run = start_run(load_recipe("deep-convnet", TINY), tmp_path / "run", data=digits(100, 20))
        assert trainer.fit()
    return run.path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict run pictures --format csv --out run/model.safetensors", "something that predict didn't make"),
        ("predict run pictures --format json --out run/recipe.toml", "something that predict didn't make"),
        ("predict run pictures --json --out run/recipe.toml", "something that predict didn't make"),
        ("predict run pictures --format csv --out pictures/a.png", "is one of the images; expected another --out"),
        ("predict run pictures/a.png --json --out pictures/a.png", "is one of the images; expected another --out"),
        ("predict run pictures --format images --out pictures", "lies in pictures/, whose pictures are asked about"),
        ("predict run pictures/a.png pictures/a.png.jpg --format images --out pictures", "a.png.jpg: is one of the"),
        ("predict run pictures/a.png --out pictures/a.png", "--out: a classifier's answers are printed"),
        ("summary run --picture run/recipe.toml", "something that summary didn't make"),
        ("page run -o run/recipe.toml", "something that page didn't make"),
        ("export run --to onnx --out run/recipe.toml", "something that export didn't make"),
    ],
)
def test_nothing_of_others_is_replaced(run: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    before = {path: path.read_bytes() for root in (run, Path("pictures")) for path in root.iterdir()}
    machine = [] if line.startswith(("export", "summary")) else ["--backend", "numpy"]
    assert main([*line.split(), *machine]) == 2
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for root in (run, Path("pictures")) for path in root.iterdir()} == before


@pytest.mark.parametrize("form", ["csv", "json", "images"])
def test_what_was_made_before_is_made_anew(run: Path, form: str) -> None:
    out = "new" if form == "images" else f"answers.{form}"
    for _ in range(2):
        assert main(["predict", "run", "pictures", "--format", form, "--out", out, "--backend", "numpy"]) == 0
