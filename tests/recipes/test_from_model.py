"""A folder of pictures, and the model that is trained on for it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import cli
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_export import save_onnx
from pellucid.exchange.pretrained import PRETRAINED
from pellucid.recipes import Recipe, load_recipe, open_model
from pellucid.recipes.for_folder import folder_recipe
from pellucid.recipes.from_model import recipe_from
from small_runs import one_thread_of_numpy

NAME = next(iter(PRETRAINED))
SMALL = ("--backend", "numpy", "--threads", "1", "--quiet", "--epochs", "1")


@pytest.fixture(autouse=True)
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with one_thread_of_numpy():
        yield


def folder_of(name: str, *classes: str) -> Path:
    rng = np.random.default_rng(len(classes))
    for label in classes:
        for number in range(5):
            file = Path(name) / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(file)
    return Path(name)


def chosen(folder: Path, start: str) -> Recipe:
    return folder_recipe(folder, {"training.start_from": start})[0]


def trained(out: str, *more: str) -> Path:
    narrow = ("--set", "data.size=16", "--set", "network.widths=[4, 6]", "--set", "task.class_weights=balanced")
    assert cli.main(["train", "first/", "--out", out, *narrow, *SMALL, *more]) == 0
    return Path(out)


def test_a_pretrained_network_is_trained_on_by_the_recipe_for_that() -> None:
    folder = folder_of("photos", "ant", "bee")
    recipe = chosen(folder, NAME)
    expected = load_recipe("transfer")
    assert (recipe.name, recipe.network["name"], recipe.data.size) == ("transfer", NAME, expected.data.size)
    assert (recipe.groups, recipe.training.head_epochs) == (expected.groups, expected.training.head_epochs)
    assert (recipe.training.start_from, recipe.training.epochs, recipe.crop.flip) == (NAME, 50, 0.5)
    assert recipe_from(NAME, {"training.start_from": NAME, "training.epochs": 2}).training.epochs == 2


def test_a_run_brings_its_network_and_new_classes_a_last_layer_that_learns_first() -> None:
    folder_of("first", "ant", "bee")
    run = str(trained("run"))
    again, other = chosen(Path("first"), run), chosen(folder_of("second", "cat", "dog", "eel"), run)
    for recipe in (again, other):
        assert (recipe.network["widths"], recipe.data.size) == ([4, 6], (16, 16))
        assert recipe.data.mean == open_model(Path(run)).recipe.data.mean
    assert (again.training.head_epochs, again.groups) == (0, ())
    assert (other.training.head_epochs, [group.rate for group in other.groups]) == (1, [0.15, 1.0])
    before = open_model(Path(run)).network.state()
    assert cli.main(["train", "second/", "--from", run, "--out", "on", *SMALL]) == 0
    after = open_model(Path("on")).network.state()
    kept = [name for name in before if "running" not in name and before[name].shape == after[name].shape]
    assert len(kept) >= 4 and all(np.array_equal(before[name], after[name]) for name in kept)  # in the first epoch
    assert list(after.values())[-1].shape == (3,)


def test_classes_are_learnt_from_a_model_of_labels_and_the_other_way_round() -> None:
    folder_of("first", "ant", "bee")
    of_classes = str(trained("classes", "--set", "task.class_weights=[1, 2]"))
    for number in range(6):
        file = folder_of("tagged", "all") / f"{number}.png"
        Image.new("RGB", (40, 40), (number, 0, 0)).save(file)
    table = Path("tagged/labels.csv")
    table.write_text("file,labels\n" + "\n".join(f"{n}.png,{('cat', 'dog', 'cat;dog')[n % 3]}" for n in range(6)))
    recipe = chosen(table, of_classes)
    assert recipe.task == {"name": "labels"} and recipe.network["widths"] == [4, 6]
    weighed = "--set", "task.positive_weights=[2, 3]", "--set", "crop.flip=0.5"
    assert cli.main(["train", str(table), "--from", of_classes, "--out", "labels", *SMALL, *weighed]) == 0
    assert chosen(table, "labels").task["positive_weights"] == [2, 3]
    table.write_text(table.read_text().replace("dog", "eel"))
    assert chosen(table, "labels").task["positive_weights"] == [1, 1]
    digits = chosen(folder_of("digits", "0", "1"), "labels")
    assert (digits.task, digits.crop.flip) == ({"name": "classify"}, 0)  # a 2 in a mirror is none


def test_an_onnx_file_is_a_start_as_well() -> None:
    pytest.importorskip("onnx")
    folder_of("first", "ant", "bee")
    model = open_model(trained("run"))
    save_onnx("mine.onnx", model.network, mean=model.recipe.data.mean, std=model.recipe.data.std)
    assert cli.main(["train", str(folder_of("second", "cat", "dog", "eel")) + "/", "--from", "mine.onnx", *SMALL,
                     "--out", "on"]) == 0  # fmt: skip
    assert cli.main(["train", "--from", "mine.onnx", "--data", "first", "--out", "again", *SMALL]) == 0
    assert open_model(Path("on")).class_names == ("cat", "dog", "eel")
    sizes = [sum(value.size for value in open_model(Path(run)).network.state().values()) for run in ("run", "again")]
    assert sizes[0] == sizes[1]


def test_a_model_for_other_things_and_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of("photos", "ant", "bee")
    with pytest.raises(PellucidError, match="no run nowhere"):
        chosen(folder, "nowhere")
    pixels = "detector-scenes", "--set", "data.scenes.train=4", "--set", "data.scenes.test=2"
    assert cli.main(["train", *pixels, "--out", "boxes", *SMALL, "--batch-size", "4"]) == 0
    with pytest.raises(
        PellucidError, match="boxes: its task is detect, expected a model of classify or labels to learn"
    ):
        chosen(folder, "boxes")
