"""Test images beside an exported network: what QEMU says of them is compared with Python by the Makefile itself."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.test_microcontroller import needs_tools
from pellucid.cli import main
from pellucid.data import Data
from pellucid.errors import PellucidError
from pellucid.recipes import load_recipe, start_run
from pellucid.recipes.bench_images import IMAGES, LOGITS
from pellucid.recipes.shrink import shrink_run
from small_runs import digits, one_thread_of_numpy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of normalised digits, shrunk to 8 bits."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    changes = {"training.epochs": 1, "training.weight_bits": 8, "data.mean": [0.13], "data.std": [0.31]}
    with one_thread_of_numpy(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        trainer, _ = start_run(load_recipe("tiny-digits", changes), folder, data=digits())
        assert trainer.fit()
        shrink_run(folder, data=digits())
    return folder


def exported(run: Path, folder: Path) -> None:
    assert main(["export", str(run), "--out", str(folder), "--target", "cortex-m4"]) == 0


@needs_tools
def test_what_qemu_says_is_compared(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.recipes.bench_images.build_data", lambda *_: digits())
    exported(run, tmp_path)
    made = subprocess.run(["make", "-C", tmp_path, "check"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert "all logits are Python's" in made.stdout
    assert (tmp_path / IMAGES).stat().st_size == 90 * 784  # all that there are
    assert not (tmp_path / "images.bin").exists()  # which is the user's
    logits = np.fromfile(tmp_path / LOGITS, "<i4")
    (tmp_path / LOGITS).write_bytes((logits + (np.arange(logits.size) == 7)).astype("<i4").tobytes())
    assert subprocess.run(["make", "-C", tmp_path, "check"], capture_output=True, check=False).returncode != 0


def test_images_of_others_stay_and_data_may_be_gone(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pellucid.recipes.bench_images.build_data", lambda *_: digits())
    (tmp_path / IMAGES).write_bytes(b"mine")
    exported(run, tmp_path)
    assert "something that export didn't make" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / IMAGES).read_bytes() == b"mine"

    def gone(*_: object) -> Data:
        raise PellucidError("no such folder")

    monkeypatch.setattr("pellucid.recipes.bench_images.build_data", gone)
    exported(run, tmp_path / "c")
    assert "without test images: no such folder" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "c" / "network.c").exists()
    assert not (tmp_path / "c" / IMAGES).exists()
