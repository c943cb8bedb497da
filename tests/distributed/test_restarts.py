"""Killed ranks and `--restarts`; whose core is whose; who started this process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distributed.mpi_runs import ENVIRONMENT, write_digits
from pellucid import cli
from pellucid.launcher import Launch, launch, speaks
from pellucid.training.cores import share_of_cores
from pellucid.training.folder import RunFolder

ROOT = Path(__file__).parents[2]


def test_three_kills_change_nothing(tmp_path: Path) -> None:
    """SIGKILL of a random rank at a random time; the full number: python -m benchmarks.durability."""
    command = [sys.executable, "-m", "benchmarks.durability", "--times", "3", "--kinds", "ranks"]
    environment = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join((ENVIRONMENT["PYTHONPATH"], str(ROOT)))}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ranks +3 +1 +0 ", done.stdout, re.MULTILINE), done.stdout


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(write_digits(tmp_path / "digits", train=20, test=10))


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["train", "--restarts=2", *arguments]) == 2
    return capsys.readouterr().err


def test_what_fails_every_time_ends_with_a_line(digits: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "--data", digits, "--out=run", "--launcher", "sh -c 'echo x >> tries; exit 9'")
    assert line == "pellucid: training ended 3 times, the last time with code 9: run is kept\n"
    assert Path("tries").read_text() == "x\n" * 3


@pytest.mark.parametrize("code", [0, 2, 130])
def test_what_another_try_would_not_change_is_not_tried_again(digits: str, code: int) -> None:
    launcher = f"sh -c 'echo x >> tries; exit {code}'"
    assert cli.main(["train", "--restarts=2", "--data", digits, "--launcher", launcher]) == code
    assert Path("tries").read_text() == "x\n"


def test_mistakes_are_met_before_anything_is_started(digits: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot run nowhere: No such file" in complaint(capsys, "--data", digits, "--launcher", "nowhere -n 2")
    assert "--launcher 'x: No closing quotation" in complaint(capsys, "--data", digits, "--launcher", "'x")
    assert "no run run" in complaint(capsys, "--resume", "run", "--launcher", "true")
    assert "optimizer.rat" in complaint(capsys, "--set=optimizer.rat=1", "--launcher", "true")


def test_the_killed_leave_no_half_files(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for name in (".checkpoint.safetensors.x1", ".recipe.toml.y", ".mine", "model.safetensors"):
        (tmp_path / name).touch()
    run.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {".mine", "model.safetensors"}


OMPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}
SLURM = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        (OMPI, Launch(1, 4, "Open MPI's mpiexec")),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, Launch(0, 2, "mpiexec")),
        (SLURM, Launch(2, 3, "srun")),
        (SLURM | OMPI, Launch(1, 4, "Open MPI's mpiexec")),  # mpiexec within a Slurm job
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, None),  # a batch script: it runs once
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, None),
        ({"PMI_RANK": "x", "PMI_SIZE": "2"}, None),
    ],
)
def test_who_started_this_process(environment: dict[str, str], found: Launch | None) -> None:
    assert launch(environment) == found


def test_only_the_first_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert speaks()
    monkeypatch.setenv("PMI_SIZE", "2")
    for rank in (0, 1):
        monkeypatch.setenv("PMI_RANK", str(rank))
        assert speaks() is (rank == 0)


def test_ranks_share_the_cores_that_they_share() -> None:
    four, others = frozenset(range(4)), frozenset({8, 9})
    assert [share_of_cores(rank, [four] * 3) for rank in range(3)] == [2, 1, 1]
    assert [share_of_cores(rank, [four] * 6) for rank in range(6)] == [1] * 6
    assert [share_of_cores(rank, [four, others]) for rank in range(2)] == [4, 2]
    assert [share_of_cores(rank, [four] * 2, granted=3.5) for rank in range(2)] == [2, 1]
    assert [share_of_cores(rank, [four, others], granted=4) for rank in range(2)] == [2, 2]


BOUND = """
import os
from pellucid.training.cores import allowed_cores, undo_binding
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
undo_binding(1)
print(len(allowed_cores()))
"""


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two cores to choose from"
)
@pytest.mark.parametrize("environment", [OMPI, {}])
def test_open_mpis_binding_to_one_core_is_undone(environment: dict[str, str]) -> None:
    """And nobody else's: whoever binds by another way means it."""
    command = [sys.executable, "-c", BOUND]
    done = subprocess.run(command, env=ENVIRONMENT | environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == (len(os.sched_getaffinity(0)) if environment else 1)
