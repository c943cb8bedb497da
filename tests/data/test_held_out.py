"""What is held out of training depends on names and seed alone, leaves no class out, and stays with the run."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from box_folders import voc_folder
from pellucid.cli import main
from pellucid.data import Dataset, load_boxed, load_data, load_masked
from pellucid.data.held_out import HeldOut, shares
from pellucid.errors import PellucidError
from pellucid.recipes import Recipe, build_data, load_recipe, open_model, resume_run, start_run
from pellucid.training import Callback, Trainer

RNG = np.random.default_rng(9)


def classes(folder: Path, **counts: int) -> Path:
    """Folders of noise."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(RNG.integers(0, 256, (8, 8), np.uint8)).save(folder / name / f"{i:03}.png")
    return folder


def drawn(folder: Path, seed: int = 0) -> set[str]:
    keys = load_data(folder, seed=seed).test.keys
    assert keys is not None
    return set(keys)


def test_the_smallest_hashes_of_each_class(tmp_path: Path) -> None:
    folder = classes(tmp_path, ant=10, bee=25, cow=2, dog=1)
    expected = set()
    for name, count in (("ant", 2), ("bee", 5), ("cow", 1)):
        keys = [f"{name}/{path.name}" for path in (folder / name).iterdir()]
        expected |= set(sorted(keys, key=lambda key: hashlib.sha256(f"7/{key}".encode()).digest())[:count])
    assert drawn(folder, 7) == expected
    train = load_data(folder, seed=7).train
    assert train.keys is not None and not set(train.keys) & expected and len(train) == 38 - len(expected)


def test_one_renamed_file_moves_no_other_but_one(tmp_path: Path) -> None:
    folder = classes(tmp_path, ant=60, bee=60)
    before = drawn(folder)
    for name in ("000.png", "059.png"):
        (folder / "ant" / name).rename(folder / "ant" / f"new{name}")
    (folder / "bee" / "030.png").unlink()
    after = drawn(folder)
    assert len(before ^ after) <= 6 and {k for k in before if k[0] == "b"} - after <= {"bee/030.png"}


def test_validation_is_drawn_alike(tmp_path: Path) -> None:
    folder = classes(tmp_path, ant=20, bee=40, cow=3)
    data = load_data(folder, validation=0.2, seed=3)
    assert data.validation is not None and data.validation.keys is not None and data.train.keys is not None
    assert np.bincount(np.asarray(data.validation.targets)).tolist() == [3, 6, 1]
    assert set(data.lists) == {"validation", "test"} and data.lists["validation"] == data.validation.keys
    parts = [set(part.keys or ()) for part in (data.train, data.validation, data.test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 63
    numbered = Dataset(np.zeros((9, 1, 2, 2), np.uint8), np.repeat([0, 1, 2], 3), ("a", "b", "c"), "toys")
    rest, part = numbered.split(3, seed=1)
    assert np.asarray(part.targets).tolist() == [0, 1, 2] and np.asarray(rest.targets).tolist() == [0, 0, 1, 1, 2, 2]


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=8), share=st.floats(0.01, 0.99))
def test_shares_leave_no_class_out(sizes: list[int], share: float) -> None:
    whole, total = np.array(sizes), round(share * sum(sizes))
    if not 0 < total < sum(sizes):
        return
    counts = shares(whole, total)
    assert counts.sum() == total and (counts >= 0).all() and (counts <= whole).all()
    if total >= (whole > 1).sum():
        assert (counts[whole > 1] > 0).all()
    if total <= np.maximum(whole - 1, 0).sum():
        assert (counts[whole > 0] < whole[whole > 0]).all()


def recipe(folder: Path, **changes: object) -> Recipe:
    return load_recipe(
        "deep-convnet",
        {
            "network.name": "plain-convnet", "network.widths": [4], "data.source": str(folder),
            "training.epochs": 2, "training.batch_size": 8, "training.checkpoint_seconds": 0, **changes,
        },
    )  # fmt: skip


class Stop(Callback):
    """After the first epoch."""

    def step(self, trainer: Trainer, loss: float) -> None:
        trainer.stopped = trainer.state.epoch == 1


def test_a_run_is_measured_by_what_it_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = classes(tmp_path / "data", ant=15, bee=15)
    trainer, run = start_run(recipe(folder, **{"data.validation": 0.25}), tmp_path / "run")
    assert trainer.fit()
    lists = json.loads(run.held_out.read_text())
    assert len(lists["test"]) == 6 and len(lists["validation"]) == 6 and lists["source"] == str(folder)
    for name in lists["test"][:1]:
        (folder / name).unlink()
    classes(folder / "more", ant=9)
    for path in (folder / "more/ant").iterdir():
        path.rename(folder / "ant" / f"a{path.name}")
    (folder / "more/ant").rmdir()
    (folder / "more").rmdir()
    model = open_model(run.path)
    data = build_data(model.recipe, model.held_out)
    assert data.test.keys == tuple(lists["test"][1:]) and data.validation is not None
    assert data.validation.keys == tuple(lists["validation"]) and len(data.train) == 39 - 1 - 5 - 6 + 0
    assert main(["evaluate", str(run.path)]) == 0
    said = capsys.readouterr().out
    assert "5 images" in said and "1 of the run's 6 test images are no longer there" in said
    other = classes(tmp_path / "other", ant=5, bee=5)
    assert main(["evaluate", str(run.path), "--data", str(other)]) == 0
    said = capsys.readouterr().out
    assert f"10 images; other data than the run's, {folder}" in said and "so all 10 images are measured" in said
    assert main(["evaluate", str(run.path), "--data", str(other), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["trained_on"] == str(folder) and measured["images"] == 10
    assert main(["predict", str(run.path), str(other), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    right = [Path(row["image"]).parent.name == row["guesses"][0]["class"] for row in answers]
    assert len(right) == 10 and measured["accuracy"] == pytest.approx(sum(right) / 10)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert main(["evaluate", str(run.path), "--data", str(copy)]) == 0
    assert "5 images" in (said := capsys.readouterr().out) and "only what it held out is measured" in said
    for part, count in (("train", 7), ("test", 2)):
        classes(tmp_path / "parted" / part, ant=count, bee=count)
    for data_, images in ((tmp_path / "parted", 4), (folder / ".." / folder.name, 5)):
        assert main(["evaluate", str(run.path), "--data", str(data_), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["images"] == images
    run.held_out.write_text("{")
    with pytest.raises(PellucidError, match=r"held-out\.json: damaged, expected lists of images by part"):
        open_model(run.path)


def test_a_run_of_version_0_1_is_measured_by_what_it_held_out(tmp_path: Path) -> None:
    """It has no list: the images are drawn by their places, as it did; once it goes on it has one."""
    folder = classes(tmp_path / "data", ant=10, bee=12)
    data = build_data(recipe(folder), HeldOut(by_position=True))
    trainer, run = start_run(recipe(folder), tmp_path / "run", callbacks=[Stop()], data=data)
    assert not trainer.fit()
    old = data.test.keys
    assert old is not None and old != build_data(recipe(folder)).test.keys
    run.held_out.unlink()
    resumed, _ = resume_run(run.path)
    assert resumed.evaluations["test"].dataset.keys == old
    assert tuple(json.loads(run.held_out.read_text())["test"]) == old
    assert open_model(run.path).held_out.lists["test"] == old


def test_all_of_what_nothing_was_learnt_from_is_the_test(tmp_path: Path) -> None:
    """In every layout without parts, be it one image of a class; of those with parts, the test part."""
    classes(tmp_path / "classes", ant=4, bee=1)
    (tmp_path / "lines").mkdir()
    classes(tmp_path / "lines" / "photos", all=5)
    lines = [f"photos/all/{i:03}.png,{'ab'[i % 2]}\n" for i in range(5)]
    (tmp_path / "lines" / "labels.csv").write_text("file,label\n" + "".join(lines))
    for name in ("images", "masks"):
        (tmp_path / "masked" / name).mkdir(parents=True)
        for i in range(5):
            pixels = RNG.integers(0, 2, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "masked" / name / f"{i}.png")
    boxed = voc_folder(tmp_path / "boxed")
    shutil.rmtree(boxed / "ImageSets")
    whole = HeldOut(whole=True)
    for name, load, count in (
        ("classes", load_data, 5), ("lines", load_data, 5), ("masked", load_masked, 5), ("boxed", load_boxed, 4),
    ):  # fmt: skip
        data = load(tmp_path / name, held_out=whole)
        assert len(data.test) == len(set(data.test.keys or ())) == len(data.lists["test"]) == count, name
        assert 1 <= len(load(tmp_path / name).test) <= 2, name
    for part, count in (("train", 3), ("test", 2)):
        classes(tmp_path / "parted" / part, ant=count, bee=count)
    data = load_data(tmp_path / "parted", held_out=whole)
    assert (len(data.train), len(data.test), data.lists) == (6, 4, {})
    assert not build_data(recipe(tmp_path / "classes"), whole).test.notes
