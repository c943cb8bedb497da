"""`mpiexec pellucid evaluate`: the processes share the images, and say once what one would have said."""

import json
from pathlib import Path

import pytest

from distributed.mpi_runs import mpiexec, write_digits
from pellucid.cli import main


def test_processes_share_the_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits, run = write_digits(tmp_path / "digits", test=47), tmp_path / "run"
    settings = ["--set", "network.name=lenet5", "--epochs", "1"]
    assert main(["train", "deep-convnet", "--data", str(digits), "--out", str(run), *settings]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["images"] == 47
    shared = mpiexec(3, "-m", "pellucid", "evaluate", str(run), "--json")
    assert shared.returncode == 0, shared.stderr
    found = json.loads(shared.stdout)
    assert found["accuracy"] == alone["accuracy"]
    assert found["loss"] == pytest.approx(alone["loss"], rel=1e-5)


def test_a_mistake_is_said_once(tmp_path: Path) -> None:
    done = mpiexec(2, "-m", "pellucid", "evaluate", str(tmp_path / "none"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "none" in done.stderr
