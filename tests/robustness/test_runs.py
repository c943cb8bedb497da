"""Files of runs: equal for equal runs, damaged ones known by their checksums, numbers that are none said."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import cli
from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.recipes import load_recipe, open_model, start_run
from pellucid.recipes.shrink import open_any, shrink_run
from pellucid.training import load_checkpoint, save_checkpoint
from pellucid.training.callbacks.history import read_history
from pellucid.weights import pack, read_arrays, with_checksums
from small_runs import digits, one_thread_of_numpy, small_recipe, small_trainer, write_digits

TINY = {"network.name": "tiny-digits", "training.epochs": 1, "training.batch_size": 32}


@pytest.fixture(autouse=True)
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with one_thread_of_numpy():
        yield


def run(folder: str) -> Path:
    trainer, run = start_run(load_recipe("deep-convnet", TINY), Path(folder), data=digits(64, 20))
    assert trainer.fit()
    return run.path


def test_equal_runs_give_equal_bytes() -> None:
    first, second = run("a"), run("b")
    for name in ("model.safetensors", "best.safetensors", "recipe.toml"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    for folder in (first, second):
        shrink_run(folder, data=digits(64, 20))
    assert (first / "int8.safetensors").read_bytes() == (second / "int8.safetensors").read_bytes()


def test_one_flipped_byte_is_noticed_and_named() -> None:
    folder = run("a")
    shrink_run(folder, data=digits(64, 20))
    draw = np.random.default_rng(0)
    for name in ("model.safetensors", "checkpoint.safetensors", "int8.safetensors"):
        content = (folder / name).read_bytes()
        first = 8 + int.from_bytes(content[:8], "little")  # of the arrays
        for place in (first, len(content) - 1, *draw.integers(first, len(content), 20).tolist()):
            damaged = bytearray(content)
            damaged[place] ^= 0x10
            (folder / name).write_bytes(damaged)
            with pytest.raises(PellucidError, match=rf"{name}: damaged, \S+ doesn't agree with its checksum"):
                read_arrays(folder / name)
        (folder / name).write_bytes(content)


def test_files_without_checksums_still_open() -> None:
    folder = run("a")
    shrink_run(folder, data=digits(64, 20))
    for name in ("model.safetensors", "int8.safetensors"):
        (folder / name).write_bytes(pack(*read_arrays(folder / name)))
        assert b"checksum" not in (folder / name).read_bytes()
    assert open_model(folder).class_names == open_any(folder / "int8.safetensors").class_names


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_weights_that_are_not_finite_are_said(capsys: pytest.CaptureFixture[str], value: float, command: str) -> None:
    folder = run("a")
    arrays, notes = read_arrays(folder / "model.safetensors")
    arrays = {name: array.copy() for name, array in arrays.items()}
    name = max(arrays)
    arrays[name].reshape(-1)[1] = value
    (folder / "model.safetensors").write_bytes(with_checksums(arrays, notes))
    assert cli.main([command, str(folder), *(["x.png"] if command == "predict" else [])]) == 2
    assert f"{name} has 1 numbers that are not finite" in capsys.readouterr().err


def changed(notes: dict[str, str], **changes: Any) -> dict[str, str]:
    return notes | {"state": json.dumps(json.loads(notes["state"]) | changes)}


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": -1}, {"epoch": 10**6}, {"epoch": "1"}, {"epoch": 1.5}, {"step": None}, {"batch": 10**9},
        {"images": -3},
        {"loss_sum": "x"}, {"history": 3}, {"history": [3]}, {"history": [{}]},
        {"history": [{"epoch": 1, "step": 2, "a": []}]},
        {"trace": [[1]]}, {"trace": [1]}, {"best": "x"}, {"seconds": []},
    ],
)  # fmt: skip
def test_a_checkpoint_with_counters_that_are_none_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    trainer = small_trainer(small_recipe(epochs=1))
    trainer.fit()
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, trainer)
    arrays, notes = read_arrays(path)
    path.write_bytes(with_checksums(arrays, changed(notes, **changes)))
    other = small_trainer(small_recipe(epochs=1))
    before = other.network.digest()
    with pytest.raises(PellucidError, match=r"c\.safetensors: (damaged counters|not the state)") as caught:
        load_checkpoint(path, other)
    assert "\n" not in str(caught.value)
    assert (other.network.digest(), other.state.step) == (before, 0)


def test_a_checkpoint_with_arrays_of_other_shapes_or_types_is_refused(tmp_path: Path) -> None:
    trainer = small_trainer(small_recipe(epochs=1))
    trainer.fit()
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, trainer)
    arrays, notes = read_arrays(path)
    for name in arrays:
        for wrong in (np.zeros(3, arrays[name].dtype), arrays[name].astype(np.float16), arrays[name][..., None]):
            path.write_bytes(with_checksums(arrays | {name: wrong}, notes))
            other = small_trainer(small_recipe(epochs=1))
            before = other.network.digest()
            with pytest.raises(PellucidError, match=r"c\.safetensors: "):
                load_checkpoint(path, other)
            assert (other.network.digest(), other.optimizer.steps) == (before, 0)


def test_a_damaged_line_of_a_history_is_named_but_one_broken_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    whole = {"epoch": 1, "step": 7, "train": {"loss": 1.5, "accuracy": 0.5}, "seconds": 2}
    path.write_text(json.dumps(whole) + "\n" + '{"epoch": 2, "st')
    assert read_history(path) == [whole]
    for line in ("3", "[]", "null", '"loss"', '{"loss": 1}', '{"epoch": 1, "step": "x"}', '{"epoch": 1}', "[" * 5000,
                 '{"step": ' + "9" * 5000 + "}", '{"epoch": 1, "step": 1, "train": {}}'):  # fmt: skip
        path.write_text(line + "\n" + json.dumps(whole) + "\n")
        with pytest.raises(PellucidError, match=r"h\.jsonl:1") as caught:
            read_history(path)
        assert "\n" not in str(caught.value)


SETTINGS = [
    ("name", "[]"), ("name", "''"), ("name", "a/b"), ("name", "a" * 300), ("name", "a\nb"), ("network.name", "[]"),
    ("network.name", "{}"), ("network.name", "x" * 100_000), ("optimizer.name", "[1]"), ("schedule.name", "3"),
    ("task.name", "[]"), ("optimizer.rate", "nan"), ("optimizer.rate", "inf"), ("optimizer.rate", "-inf"),
    ("augmentation.shift", "inf"), ("augmentation.shift", "nan"), ("crop.scale", "[1, inf]"),
    ("crop.scale", "[nan, 1]"),
    ("crop.size", "[1000000000, 1000000000]"), ("crop.size", "[0, 5]"), ("data.size", "[1e9]"),
    ("data.size", "[0, 0]"),
    ("data.size", "[1000000000, 1000000000]"), ("data.mean", "[nan]"), ("data.mean", "[1e30]"),
    ("data.std", "[1e-30]"),
    ("schedule.warmup", "nan"), ("schedule.peak", "nan"), ("training.epochs", "1e300"), ("training.seed", "9" * 5000),
    ("training.seed", "0x" + "f" * 9000), ("network.dropout", "nan"), ("network.dropout", "[1e9]"),
    ("data.source", "\udcff"), ("description", "a\udcff"), ("training.clip", "[" * 100_000), ("", "1"), (".", "1"),
    ("data.scenes", "3"), (".".join(["a"] * 5000), "1"), ("network." + ".".join(["a"] * 5000), "1"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), SETTINGS, ids=range(len(SETTINGS)))
def test_a_setting_that_makes_no_sense_is_one_line(key: str, value: str) -> None:
    with pytest.raises(PellucidError) as caught:
        load_recipe("deep-convnet", {key: value})
    assert str(caught.value).isprintable()


def test_notes_of_a_model_that_are_none_are_refused() -> None:
    folder = run("a")
    arrays, notes = read_arrays(folder / "model.safetensors")
    assert parse_json(notes["image_shape"], "x") == [1, 28, 28]
    for key, value in (
        ("image_shape", "[1, 28]"), ("image_shape", "[1, 28, 28.0]"), ("image_shape", "[1, -28, 28]"),
        ("image_shape", "[1, 100000, 100000]"), ("image_shape", "[true, 28, 28]"), ("image_shape", "3"),
        ("class_names", "[]"), ("class_names", '"0123456789"'), ("class_names", "[1, 2]"),
        ("class_names", '["a", "a"]'),
        ("class_names", "[" * 5000), ("recipe", ""), ("recipe", "a = " + "[" * 5000), ("format", "x"),
    ):  # fmt: skip
        (folder / "model.safetensors").write_bytes(with_checksums(arrays, notes | {key: value}))
        with pytest.raises(PellucidError, match=r"model\.safetensors") as caught:
            open_model(folder)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [b"", b"\n", b"{", b"[]", b'{"test": 3}', b'{"test": [1]}', b"\xff\xfe"])
@pytest.mark.parametrize("command", ["evaluate", "resume"])
def test_a_damaged_list_of_what_was_held_out_is_not_taken_for_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, command: str
) -> None:
    (tmp_path / "data").mkdir()
    write_digits(tmp_path / "data", 40, 12)
    assert cli.main(["train", "tiny-digits", "--data", str(tmp_path / "data"), "--epochs", "0.1", "--out", "a",
                     "--set", "data.validation=0.2", "--verbosity", "0"]) == 0  # fmt: skip
    assert Path("a/held-out.json").exists()
    Path("a/held-out.json").write_bytes(content)
    assert cli.main([command, "a"] if command == "evaluate" else ["train", "--resume", "a"]) == 2
    assert "a/held-out.json: damaged, expected lists of images by part" in capsys.readouterr().err
