"""What goes wrong on several ranks: a mistake is one line and exit code 2 everywhere, and nobody is left waiting."""

import shutil
import subprocess
import time
from importlib import resources
from pathlib import Path

import pytest

from distributed.mpi_runs import mpiexec, side_by_side, write_digits
from pellucid import cli
from pellucid.data.sources import load_data
from pellucid.recipes import load_recipe, start_run
from pellucid.training.folder import RunFolder
from small_runs import one_thread_of_numpy

TRAIN = ("-m", "pellucid", "train", "tiny-digits", "--set=training.weight_bits=0", "--epochs=2")

AS_RANK_1 = """
import os, sys
from pellucid import cli
if os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK")) == "1":
    {code}
sys.exit(cli.main(sys.argv[1:]))
"""
"""The command line, with something wrong on rank 1."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_digits(tmp_path_factory.mktemp("data") / "digits"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that all ranks together have said; nothing was begun."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("pellucid: ")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1 and "Traceback" not in done.stderr
    return lines[0].removeprefix("pellucid: ")


def test_without_mpi4py(digits: str) -> None:
    program = "import sys; sys.modules['mpi4py'] = None; from pellucid import cli; sys.exit(cli.main(sys.argv[1:]))"
    line = complaint(mpiexec(2, "-c", program, *TRAIN[2:], "--data", digits))
    assert "2 processes, which need mpi4py" in line and "pip install 'pellucid[mpi]'" in line


def test_fewer_images_a_batch_than_ranks(digits: str) -> None:
    done = mpiexec(3, *TRAIN, "--data", digits, "--batch-size=2")
    assert complaint(done) == "batch size 2 is smaller than the number of ranks, 3"
    assert not Path("runs").exists()


def test_different_recipes(digits: str) -> None:
    one = (*TRAIN, "--data", digits)
    line = complaint(side_by_side(one, (*one, "--rate=0.5")))
    assert line.startswith("rank 0 and rank 1 differ in their recipe: ")
    assert "rate = 0.01" in line and "rate = 0.5" in line


def test_different_versions(digits: str) -> None:
    code = "from importlib import metadata; metadata.version = {'pellucid': '9.9', 'numpy': '3', 'numba': '4'}.get"
    line = complaint(mpiexec(2, "-c", AS_RANK_1.format(code=code), *TRAIN[2:], "--data", digits))
    assert line.startswith("rank 0 and rank 1 differ in their version of pellucid: ") and line.endswith("and 9.9")


def on_two_machines(folder: Path) -> subprocess.CompletedProcess[str]:
    """Rank 1 works in another folder than rank 0; the recipe names its data relative to them."""
    recipe = folder / "mine.toml"
    recipe.write_text(resources.files("pellucid.recipes").joinpath("tiny-digits.toml").read_text() + DATA)
    program = AS_RANK_1.format(code="os.chdir('other')")
    return mpiexec(2, "-c", program, "train", str(recipe))


DATA = '\n[data]\nsource = "digits"\n'


def test_different_data(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write_digits(tmp_path / "digits")
    write_digits(tmp_path / "other" / "digits", first=100)
    line = complaint(on_two_machines(tmp_path))
    assert line.startswith("rank 0 and rank 1 differ in their training images: digits train (96 images, SHA-256 ")


def test_data_missing_on_one_machine(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write_digits(tmp_path / "digits")
    assert complaint(on_two_machines(tmp_path)) == "rank 1: no data 'digits': expected mnist or a directory"


def test_a_checkpoint_of_another_network(digits: str, tmp_path: Path) -> None:
    with one_thread_of_numpy():
        for name, network in (("one", "tiny-digits"), ("two", "deep-convnet")):
            recipe = load_recipe("tiny-digits", {"network.name": network, "data.source": digits, "training.ema": 0.0})
            trainer, _ = start_run(recipe, tmp_path / name, data=load_data(digits))
            trainer.callbacks[-1].start(trainer)
    shutil.copy(RunFolder(tmp_path / "two").checkpoint, RunFolder(tmp_path / "one").checkpoint)
    line = complaint(mpiexec(2, "-m", "pellucid", "train", "--resume", "one"))
    assert line.startswith("one/checkpoint.safetensors: 0.weight has shape (16, 1, 3, 3), this network's has (8,")


def test_a_full_disk(digits: str) -> None:
    """The limit on the size of a file stands for it: the checkpoint no longer fits."""
    program = """
import resource, sys
from pellucid import cli
from pellucid.training import distributed

def join():
    communicator = joined()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    return communicator

joined, distributed.join_ranks = distributed.join_ranks, join
sys.exit(cli.main(sys.argv[1:]))
"""
    line = complaint(mpiexec(2, "-c", program, *TRAIN[2:], "--data", digits, "--out=run"))
    assert line == "rank 0 of 2: cannot write run/checkpoint.safetensors: File too large"


FAILS = "from pellucid.training import Trainer; Trainer._finish_epoch = lambda self: 1 / 0"
HANGS = "import time; from pellucid.training import Trainer; Trainer._finish_epoch = lambda self: time.sleep(100)"
DIES = "from pellucid.training import Trainer; Trainer._finish_epoch = lambda self: os.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (FAILS, "pellucid: rank 1 of 2: ZeroDivisionError: division by zero\n"),
        (HANGS, "pellucid: rank 0 of 2: another rank has not answered for 2 s and is taken for lost\n"),
        (DIES, ""),
    ],
)
def test_what_happens_to_one_rank_ends_all(digits: str, code: str, said: str) -> None:
    start = time.monotonic()
    program = AS_RANK_1.format(code=code)
    done = mpiexec(2, "-c", program, *TRAIN[2:], "--data", digits, "--out=run", PELLUCID_PATIENCE="2")
    assert time.monotonic() - start < 40
    assert done.returncode not in {0, 2, 130}  # a supervisor is to go on
    assert said in done.stderr
    assert RunFolder(Path("run")).checkpoint.exists()


def test_patience_is_a_number(digits: str) -> None:
    line = complaint(mpiexec(2, *TRAIN, "--data", digits, PELLUCID_PATIENCE="soon"))
    assert line == "PELLUCID_PATIENCE=soon: expected a number of seconds above 0"


def test_restarts_are_for_the_launching_side(
    digits: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    assert cli.main(["train", "--restarts=2", "--data", digits]) == 2
    assert "--restarts is for the process that starts the others" in capsys.readouterr().err
