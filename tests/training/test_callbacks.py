"""One contract for every callback, and what each is for."""

import io
import json
import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pellucid.errors import PellucidError
from pellucid.training import Alone, Callback, Record, Trainer
from pellucid.training.callbacks import (
    CSV,
    Alive,
    AloneInFolder,
    Call,
    Checkpoint,
    Curve,
    EarlyStopping,
    History,
    Live,
    Progress,
    SameWeights,
    SaveModels,
    TensorBoard,
)
from pellucid.training.callbacks.curve import _stretch, draw_curve
from pellucid.training.callbacks.history import read_history
from pellucid.training.folder import RunFolder
from pellucid.weights import load_model, read_arrays
from small_runs import one_thread_of_numpy, small_recipe, small_trainer

CALLBACKS: dict[str, Callable[[Path], Callback]] = {
    "Callback": lambda folder: Callback(),
    "Progress": lambda folder: Progress(2),
    "Alive": lambda folder: Alive(),
    "History": lambda folder: History(folder / "h.jsonl", every=2),
    "Curve": lambda folder: Curve(folder / "c.png"),
    "SaveModels": lambda folder: SaveModels(folder / "m.safetensors", folder / "b.safetensors", {}),
    "Checkpoint": lambda folder: Checkpoint(folder / "c.safetensors", seconds=0, steps=3),
    "SameWeights": lambda folder: SameWeights(),
    "AloneInFolder": lambda folder: AloneInFolder(RunFolder(folder)),
    "Call": lambda folder: Call(lambda trainer, record: None),
    "CSV": lambda folder: CSV(folder / "h.csv"),
    "EarlyStopping": lambda folder: EarlyStopping(9, restore=False),
    "Live": lambda folder: Live(),
    "TensorBoard": lambda folder: TensorBoard(folder / "board"),
}


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


class Explodes(Callback):
    def step(self, trainer: Trainer, loss: float) -> None:
        if trainer.state.step == 9:
            raise RuntimeError("bang")


class SecondOfTwo(Alone):
    """The second rank, whose first never says anything but zeros."""

    rank, ranks = 1, 2


def test_every_callback_is_in_the_contract() -> None:
    import pellucid.training.callbacks as package

    assert set(CALLBACKS) == set(package.__all__) - {"Record", "Trainer"}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_keeps_the_contract(name: str, tmp_path: Path) -> None:
    """It changes nothing of the training, survives a second run and an exception, and writes on rank 0 only."""
    recipe = small_recipe(epochs=2)
    plain, watched = small_trainer(recipe), small_trainer(recipe)
    plain.fit()
    callback = CALLBACKS[name](tmp_path)
    watched.callbacks = [callback]
    watched.fit()
    assert watched.network.digest() == plain.network.digest()
    assert watched.optimizer.steps == plain.optimizer.steps
    written = {path.name: path.stat().st_size for path in tmp_path.iterdir()}

    broken = small_trainer(recipe, callbacks=[callback, Explodes()])
    with pytest.raises(RuntimeError, match="bang"):
        broken.fit()
    again = small_trainer(recipe, callbacks=[callback])
    assert again.fit()
    assert again.network.digest() == plain.network.digest()
    assert {path.name for path in tmp_path.iterdir()} == set(written)

    silent = tmp_path / "silent"
    silent.mkdir()
    small_trainer(small_recipe(epochs=1), callbacks=[CALLBACKS[name](silent)], communicator=SecondOfTwo()).fit()
    assert list(silent.iterdir()) == []


@pytest.mark.parametrize("name", ["History", "Curve", "SaveModels", "Checkpoint"])
def test_a_folder_that_cannot_be_written_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    trainer = small_trainer(small_recipe(epochs=1), callbacks=[CALLBACKS[name](tmp_path / "file")])
    with pytest.raises(PellucidError, match=r"cannot (read|write) .*file"):
        trainer.fit()


def test_history_has_a_line_an_epoch_and_one_every_so_many_steps(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    trainer = small_trainer(callbacks=[History(path, every=5)])
    trainer.fit()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 7, 10, 14, 15, 20, 21]
    assert read_history(path) == trainer.state.history
    assert [line["epoch"] for line in read_history(path)] == [1, 2, 3]
    assert set(lines[0]) == {"step", "epoch", "loss", "rate"}


def test_history_drops_what_the_checkpoint_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    trainer = small_trainer(callbacks=[History(path, every=5)])
    trainer.fit()
    with path.open("a") as file:
        file.write('{"epoch": 4, "ste')  # broken off
    early = small_trainer(small_recipe())
    early.state.step, early.state.epoch = 12, 1
    early.state.history = trainer.state.history[:1]
    history = History(path, every=5)
    history.start(early)
    history.end(early, False)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [5, 7, 10]


def test_the_last_and_the_best_model_are_kept(tmp_path: Path) -> None:
    kept: list[Any] = []

    class Keep(Callback):
        def epoch(self, trainer: Trainer, record: Record) -> None:
            with trainer.final_weights() as network:
                kept.append((record["validation"]["accuracy"], network.digest()))

    models = SaveModels(tmp_path / "m.safetensors", tmp_path / "b.safetensors", {"by": "me"})
    trainer = small_trainer(small_recipe(epochs=6), callbacks=[models, Keep()])
    assert trainer.judge == "validation"
    trainer.fit()
    best = int(np.argmax([accuracy for accuracy, _ in kept]))
    assert trainer.state.best_epoch == best + 1
    for name, epoch in (("m", -1), ("b", best)):
        assert load_model(tmp_path / f"{name}.safetensors", trainer.network) == {"by": "me"}
        assert trainer.network.digest() == kept[epoch][1]
    trainer.evaluations = {"test": trainer.evaluations["test"]}
    assert trainer.judge == "train"


def test_checkpoints_come_at_steps_at_times_and_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def saved(path: Path, trainer: Trainer) -> None:
        steps.append(trainer.state.step)

    monkeypatch.setattr("pellucid.training.callbacks.checkpoint.save_checkpoint", saved)
    small_trainer(callbacks=[Checkpoint(tmp_path / "c", seconds=1e9, steps=4)]).fit()
    assert steps == [0, 4, 7, 8, 12, 14, 16, 20, 21]
    steps.clear()
    small_trainer(callbacks=[Checkpoint(tmp_path / "c", seconds=0)]).fit()
    assert steps == [0, 7, 10, 14, 20, 21]


def test_the_curve_is_a_picture_of_every_part(tmp_path: Path) -> None:
    trainer = small_trainer(callbacks=[Curve(tmp_path / "c.png")])
    trainer.fit()
    picture = np.asarray(Image.open(tmp_path / "c.png").convert("RGB")).astype(int)
    assert picture.shape[1] > 2 * picture.shape[0] > 600
    for color in ("#0072B2", "#009E73", "#D55E00"):
        wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(picture - wanted).sum(axis=2) < 12).sum() > 200
    again = draw_curve(trainer.state.history, trainer.state.trace, "accuracy")
    assert Image.open(io.BytesIO(again)).size == (picture.shape[1], picture.shape[0])
    assert len(trainer.state.trace) == 3 * 7


def test_the_curve_gives_the_last_percents_room() -> None:
    axes = Figure().subplots()
    _stretch(axes)
    axes.set_ylim(0, 100)
    heights = axes.transData.transform([(0, percent) for percent in (0, 98, 99, 100)])[:, 1]
    assert heights[3] - heights[2] > heights[2] - heights[1] > 0.05 * (heights[3] - heights[0])
    again = axes.transData.inverted().transform([(0, height) for height in heights])[:, 1]
    np.testing.assert_allclose(again, (0, 98, 99, 100), atol=1e-6)


def test_progress_prints_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    small_trainer(callbacks=[Progress(1)]).fit()
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("never predicted")]
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/3   train: loss ")
    assert all(part in lines[0] for part in ("validation: loss", "test: loss", "accuracy", "images/s"))
    small_trainer(callbacks=[Progress(2)]).fit()
    assert len([line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]) == 3 * (7 + 1)
    small_trainer(callbacks=[Progress(0)]).fit()
    assert capsys.readouterr().out == ""


def test_progress_shows_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, terminal = os.openpty()
    with os.fdopen(terminal, "w") as out:
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setenv("TERM", "xterm")
        small_trainer(small_recipe(epochs=1), callbacks=[Progress(1)]).fit()
        out.flush()
        shown = ""
        while "100%" not in shown and select.select([screen], [], [], 5)[0]:
            shown += os.read(screen, 1 << 16).decode(errors="replace")
    os.close(screen)
    assert "epoch 1/1" in shown
    assert "images/s" in shown
    assert "100%" in shown


def test_a_checkpoint_has_every_part(tmp_path: Path) -> None:
    small_trainer(callbacks=[Checkpoint(tmp_path / "c")]).fit()
    arrays, notes = read_arrays(tmp_path / "c")
    assert {name.partition("/")[0] for name in arrays} == {"network", "optimizer", "average", "metrics"}
    assert json.loads(notes["state"])["step"] == 21
