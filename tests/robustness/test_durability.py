"""A few blows of each kind to a run; the full number: python -m benchmarks.durability."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import PellucidError
from pellucid.recipes import load_recipe, resume_run, start_run
from pellucid.training.folder import RunFolder, new_run_folder
from small_runs import create_run_folder

ROOT = Path(__file__).parents[2]


def struck(kind: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    command = [sys.executable, "-m", "benchmarks.durability", "--times", "4", "--kinds", kind]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("kind", ["killed", "full-disk", "read-only", "two-processes"])
def test_a_run_outlives_it(kind: str) -> None:
    done = struck(kind)
    mounts = kind in {"full-disk", "read-only"}
    if mounts and re.search("(must be superuser|ermission denied|not permitted)", done.stderr):
        pytest.skip("this system lets nobody mount")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{kind} +4 +[1-9]\d* +0 ", done.stdout, re.MULTILINE), done.stdout


def recipe() -> pl.recipes.Recipe:
    small = {"data.validation": 0.2, "training.epochs": 2, "training.batch_size": 10, "network.name": "tiny-digits"}
    return load_recipe("deep-convnet", small)


def data() -> pl.data.Data:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)
    return pl.data.arrays(pixels, np.arange(40) % 10)


def test_a_second_process_leaves_the_first_ones_half_written_files_alone(tmp_path: Path) -> None:
    """They were swept away before it was refused, and the first one's training ended with an error."""
    _, run = start_run(recipe(), tmp_path / "run", data=data())
    held = RunFolder(run.path).hold()
    assert held is not None
    half = run.path / ".checkpoint.safetensors.abc"
    half.write_bytes(b"half")
    trainer, _ = resume_run(run.path, data=data())
    with pytest.raises(PellucidError, match="another process trains in this folder"):
        trainer.fit()
    assert half.exists()
    os.close(held)
    assert trainer.fit()
    assert not half.exists()


def test_a_state_that_another_process_has_left_behind_is_not_gone_on_with(tmp_path: Path) -> None:
    first, run = start_run(recipe(), tmp_path / "run", data=data())
    late, _ = resume_run(run.path, data=data())
    assert first.fit()
    kept = run.history.read_text()
    with pytest.raises(PellucidError, match="another process has trained in this folder meanwhile"):
        late.fit()
    assert run.history.read_text() == kept


def test_a_trainers_own_checkpoints_are_no_reason_to_refuse_it(tmp_path: Path) -> None:
    trainer, _ = start_run(recipe(), tmp_path / "run", data=data())

    class StopsOnce(pl.training.Callback):
        def step(self, trainer: pl.training.Trainer, loss: float) -> None:
            trainer.stopped = trainer.state.step == 2

    trainer.callbacks = [*trainer.callbacks, StopsOnce()]
    assert not trainer.fit()
    assert trainer.fit()


def test_what_a_killed_start_has_left_is_taken_for_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    for name in (".recipe.toml.begun", ".recipe.toml.x1", ".held-out.json.y", "held-out.json", "model.safetensors"):
        (run.path / name).touch()
    assert create_run_folder("x", run.path) == run
    assert not list(run.path.iterdir())
    run.model.touch()  # but not a model that somebody has put there
    with pytest.raises(PellucidError, match="expected a new or empty folder"):
        create_run_folder("x", run.path)
    assert run.model.exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_start_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "some/where"
    if there:
        folder.mkdir(parents=True)
    with pytest.raises(PellucidError, match="full"), new_run_folder("x", folder) as run:
        run.held_out.touch()
        (run.path / ".recipe.toml.z").touch()
        raise PellucidError("full")
    assert sorted(tmp_path.rglob("*")) == ([folder.parent, folder] if there else [])


def test_of_two_that_begin_in_one_folder_the_first_writes_the_recipe(tmp_path: Path) -> None:
    with new_run_folder("x", tmp_path / "run") as run:
        run.held_out.touch()
        with pytest.raises(PellucidError, match="another process trains in this folder"):
            start_run(recipe(), run.path, data=data())
        assert run.held_out.exists()
        assert not run.recipe.exists()


def test_the_last_checkpoint_comes_after_the_last_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed behind its last checkpoint is done: nobody draws for it any more."""
    trainer, run = start_run(recipe(), tmp_path / "run", data=data())
    drawn = []

    class Looks(pl.training.Callback):
        def epoch(self, trainer: pl.training.Trainer, record: pl.training.Record) -> None:
            drawn.append(run.curve.exists() and run.curve.stat().st_mtime_ns)

    *others, checkpoint = trainer.callbacks
    trainer.callbacks = [*others, Looks(), checkpoint]
    assert trainer.fit()
    assert drawn[-1] == run.curve.stat().st_mtime_ns
