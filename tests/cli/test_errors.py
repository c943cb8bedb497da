"""What goes wrong at the command line: one line and exit code 2 for a user's mistake, a traceback for ours."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from rich.console import Console

from pellucid import cli, ops
from pellucid.cli.app import COMMANDS
from pellucid.cli.output import print_table
from pellucid.data.formats.idx import write_idx
from pellucid.training.callbacks.progress import folded


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with ops.use_backend("numpy"):
        yield


def write_set(folder: Path, n: int = 20, side: int = 28, classes: int = 10) -> str:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (n, side, side)).astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", (np.arange(n) % classes).astype(np.uint8))
    return str(folder)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that these arguments lead to."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pellucid: ") and err.endswith("\n") and err.count("\n") == 1
    return err.removeprefix("pellucid: ").rstrip()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trian", "unknown command 'trian': did you mean train?"),
        ("hlep", "unknown command 'hlep': did you mean help?"),
        ("train convnet", "convnet is a network, no recipe: expected --set network.name=convnet behind"),
        ("train pictures", "no data: pictures, as the recipe calls them, is no folder; expected --data FOLDER"),
        ("evaluate no/int8.safetensors", "no/int8.safetensors: no such file"),
        ("help hlep", "unknown command 'hlep': did you mean help?"),
        ("train --set lr=3", "deep-convnet: unknown key 'lr': did you mean optimizer.rate?"),
        ("--quick", "unknown command '--quick'"),
        ("train a b", "unexpected argument 'b' (see pellucid train --help)"),
        ("train --epoch 3", "--epochs"),
        ("train --epochs many", "many"),
        ("train --batch-size 2.5", "whole number of at least 1, got 2.5"),
        ("train --seed -1", "whole number of at least 0, got -1"),
        ("train --set training.seed=-1", "training.seed = -1: expected 0 or more"),
        ("evaluate .", "no run ."),
        ("train --backend cuda", "numba"),
        ("train deep-convnt", "unknown recipe 'deep-convnt'; nearest is deep-convnet"),
        ("train none.toml", "none.toml: No such file"),
        ("train --set optimizer.rat=1", "optimizer.rat"),
        ("train --set optimizer.rate=fast", "optimizer.rate = 'fast'"),
        ("train --set optimizer.rate", "--set optimizer.rate: expected key=value"),
        ("train --epochs 0", "training.epochs"),
        ("train --data nowhere", "no data 'nowhere'"),
        ("train --resume runs/last", "no run runs/last (nothing was trained here yet)"),
        ("train deep-convnet --resume x", "--resume x goes on with that run's own recipe: deep-convnet"),
        ("train --resume x --rate 1", "optimizer.rate can't be given"),
        ("evaluate nowhere", "no run nowhere"),
        ("predict", "expected image files, got none"),
        ("predict --top 0 x.png", "at least 1, got 0"),
        ("check --threads 0", "at least 1, got 0"),
        ("summary nowhere", "unknown recipe or network 'nowhere'"),
        ("summary resnett18 --input 3x32x32", "unknown recipe or network 'resnett18'; nearest is resnet18"),
        ("look no/such", "no/such: no such file or folder"),
        ("recipes nowhere", "unknown recipe 'nowhere'"),
        ("import-book", "FILE"),
        ("import-book none.pkl", "none.pkl: No such file"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, said: str) -> None:
    assert said in complaint(capsys, *line.split())
    assert not list(tmp_path.iterdir())


def test_too_many_threads_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "threads: expected 1 to" in complaint(capsys, "evaluate", "--threads", "9999")


def test_data_of_too_few_pixels_or_a_damaged_file_start_no_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "layer" in complaint(capsys, "train", "--data", write_set(tmp_path / "small", side=1))
    folder = Path(write_set(tmp_path / "damaged"))
    (folder / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    assert "t10k-images-idx3-ubyte" in complaint(capsys, "train", "--data", str(folder))
    assert not (tmp_path / "runs").exists()


def test_a_run_folder_that_cannot_be_made_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_set(tmp_path / "data")
    (tmp_path / "file").write_text("")
    assert "file/run: Not a directory" in complaint(capsys, "train", "--data", data, "--out", "file/run")

    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "runs")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "Permission denied" in complaint(capsys, "train", "--data", data)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_full_disk_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    data = write_set(tmp_path / "data")

    def refuse(_: int) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    assert os.strerror(code) in complaint(capsys, "train", "--data", data, "--quiet", "--out", "run")


def test_a_refusal_of_the_system_that_nobody_expected_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/somewhere")

    monkeypatch.setattr("pellucid.recipes.list_recipes", refuse)
    monkeypatch.setattr("pellucid.cli.app._forget_output", lambda: None)
    assert complaint(capsys, "recipes") == "/somewhere: Read-only file system"


def test_our_own_mistakes_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("pellucid.recipes.list_recipes", fail)
    with pytest.raises(ZeroDivisionError, match="ours"):
        cli.main(["recipes"])


def test_ctrl_c_is_one_line_and_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("pellucid.recipes.list_recipes", interrupt)
    assert cli.main(["recipes"]) == 130
    assert capsys.readouterr().err == "pellucid: interrupted\n"


def run(*arguments: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "pellucid", *arguments]
    return subprocess.run(command, capture_output="stdout" not in options, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_that_cannot_be_written_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("--help", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == b"pellucid: output: No space left on device\n"


def test_a_reader_who_goes_away_is_no_mistake() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = run("--help", stdout=pipe, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_has_every_command_and_every_command_has_help_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    for name, command in COMMANDS.items():
        assert command.examples
        assert f"{name} {command.line}" in listed
        assert cli.main([name, "--help"]) == 0
        text = capsys.readouterr().out
        for example in command.examples:
            assert f"    {example}\n" in text
            assert example.split()[:2] == ["pellucid", name] and len(example) <= 76  # not broken on a terminal


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pellucid.cli import main; main(['--help'])\n"
        "heavy = {'numpy', 'numba', 'matplotlib', 'PIL', 'msgspec', 'cyclopts', 'rich'}\n"
        "print(*(sys.modules.keys() & heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "\n"


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    from pellucid import __version__

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_narrow_terminal_loses_nothing_of_a_table(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = [f"column{i}" for i in range(8)]
    rows = [[f"cell{i}.{k}" for k in range(8)] for i in range(3)]
    monkeypatch.setattr("pellucid.cli.output.console", lambda: Console(width=width, highlight=False))
    print_table(columns, rows, footer=[f"sum{k}" for k in range(8)], right=columns[3:])
    text = capsys.readouterr().out
    for cell in [*columns, *(cell for row in rows for cell in row), *(f"sum{k}" for k in range(8))]:
        assert cell in text
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_terminal_breaks_an_epochs_line_between_its_parts() -> None:
    line = (
        "epoch 1/2   train: loss 0.11, mean_iou 55.57 %   test: loss 0.0087, mean_iou 91.02 %   351 images/s, 4.7 s"
    )
    assert folded(line, 200) == line
    lines = folded(line, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert [part.strip() for text in lines for part in text.strip().split("   ")] == line.split("   ")
