"""The commands on the device: the same training as on the host, and what they say where it can't be."""

import gc
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from PIL import Image

from pellucid import cli, ops
from pellucid.data.formats.idx import write_idx
from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.pool import pool
from pellucid.ops.cuda_ops.types import SIMULATED
from pellucid.training import recorded

RECIPE = """
[network]
name = "plain-convnet"
widths = [2]
kernels = [3]
[augmentation]
shift = 1
[optimizer]
name = "adamw"
rate = 0.02
[schedule]
name = "one-cycle"
[data]
source = "squares"
validation = 0
[training]
epochs = 2
batch_size = 4
ema = 0.9
clip = 1.0
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    rng, folder = np.random.default_rng(0), tmp_path / "squares"
    folder.mkdir()
    for prefix, count in (("train", 9), ("t10k", 5)):
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 6, 6)).astype(np.uint8))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", (np.arange(count) % 3).astype(np.uint8))
    (tmp_path / "mine.toml").write_text(RECIPE)
    with ops.use_backend("numpy"):
        yield tmp_path


def history(folder: Path) -> list[dict[str, dict[str, float]]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_train_evaluate_predict(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for where, flags in (("host", ["--backend", "numpy"]), ("gpu", ["--device", "cuda"])):
        assert cli.main(["train", "mine.toml", "--out", where, "--quiet", *flags]) == 0
    lines = [[line for line in history(here / where) if "train" in line] for where in ("host", "gpu")]
    assert len(lines[0]) == len(lines[1]) == 2
    for mine, theirs in zip(*lines, strict=True):
        for part in ("train", "test"):
            np.testing.assert_allclose(mine[part]["loss"], theirs[part]["loss"], rtol=2e-5)
            assert mine[part]["accuracy"] == theirs[part]["accuracy"]
    stroke = np.zeros((12, 12), np.uint8)
    stroke[2:10, 5:7] = 255
    Image.fromarray(stroke).save("one.png")
    found = []
    for flags in (["--backend", "numpy"], ["--device", "auto"]):
        capsys.readouterr()
        assert cli.main(["evaluate", "gpu", "--json", *flags]) == 0
        measured = json.loads(capsys.readouterr().out)
        assert cli.main(["predict", "gpu", "one.png", "--json", *flags]) == 0
        said = json.loads(capsys.readouterr().out)[0]["guesses"]
        found.append([measured["loss"], measured["accuracy"], *(guess["probability"] for guess in said)])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_check(here: Path) -> None:
    assert cli.main(["check", "mine.toml", "--device", "cuda", "--samples", "3", "--batch-size", "1"]) == 0


@pytest.mark.skipif(not SIMULATED, reason="a card's memory is not to be filled")
def test_too_large_a_batch(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "ROOM", 16)
    whole, line = device(), ""
    try:
        for room in range(8 << 10, 64 << 10, 1 << 10):  # until what isn't a batch has room
            gc.collect()
            pool().release()
            whole.limit = sum(block.size for block in whole._memory.values()) + room  # type: ignore[attr-defined]
            flags = ["--set", "training.batch_size=9", "--device", "cuda", "--quiet"]
            assert cli.main(["train", "mine.toml", "--out", f"large-{room}", *flags]) == 2
            line = capsys.readouterr().err
            assert line.startswith("pellucid: GPU memory: 0.000 GB needed at once")
            assert line.count("\n") == 1
            if "a batch of" in line:
                break
    finally:
        whole.limit = None  # type: ignore[attr-defined]
    assert re.search(r"a batch of [124] fits, this one has 9$", line.strip())


def test_without_a_gpu(here: Path) -> None:
    """In a process without the simulator: one line, exit code 2; auto takes the processor."""
    for flags, code, says in (
        (["--device", "gpu"], 2, "--device gpu: expected cpu, cuda, cuda:1 and so on, or auto"),
        (["--device", "cuda", "--backend", "numba"], 2, "--backend numba computes on the CPU"),
        (["--device", "cuda:64"], 2, "GPU|NVIDIA driver"),
    ):
        command = [sys.executable, "-m", "pellucid", "train", "mine.toml", "--quiet", *flags]
        environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path), "NUMBA_ENABLE_CUDASIM": "0", "HOME": str(here)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith("pellucid: ")
        assert any(part in done.stderr for part in says.split("|")), done.stderr
        assert done.stderr.count("\n") == 1
