"""Images that come row by row: the same logits, in less memory, as it was foretold."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.test_c import NAMES, analysed, needs_compiler, run_demo, write_image
from export.test_microcontroller import integer_network, needs_tools
from pellucid.errors import PellucidError
from pellucid.export import export_c
from pellucid.export.boards import BOARDS
from pellucid.export.c import Program
from pellucid.export.chips import find_chip, read_chips
from pellucid.export.fit import fit
from pellucid.export.lines import lines_of
from pellucid.graph import Residual, Sequential
from pellucid.layers import AvgPool2d, Conv2d, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU, Tanh
from pellucid.network import Network
from pellucid.plan import IntegerNetwork
from pellucid.precision import quantize
from pellucid.zoo import create


def windows() -> Layer:
    """Frames, strides, pools and tables of all kinds, one wider than its window, and a residual at the end."""
    return Sequential(
        Conv2d(6, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(6, 3, padding=1, groups=6), Tanh(),
        MaxPool2d(3, stride=1, padding=1), Conv2d(7, (5, 2), padding=(2, 1), dilation=(1, 2)), ReLU(),
        AvgPool2d((1, 2), stride=(2, 1)), Residual(Conv2d(7, 3, padding=1)), GlobalAvgPool2d(), Linear(5),
    )  # fmt: skip


def shrunk(layer: Layer, bits: int) -> IntegerNetwork:
    x = np.random.default_rng(0).uniform(0, 1, (20, 3, 21, 17)).astype(np.float32)
    return quantize(Network(layer, (3, 21, 17)), x, bits)


@needs_compiler
@pytest.mark.parametrize("small", [0, 1])
@pytest.mark.parametrize("bits", [8, 2])
def test_rows_give_the_same_integers(bits: int, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many layers line by line as can; windows that move up by more and by less than a row."""
    network = shrunk(windows(), bits)
    assert Program(network, rows=True).ram < Program(network).ram
    monkeypatch.setattr(Program, "_best_lines", lambda program: lines_of(program.steps, program.kernels))
    export_c(network, tmp_path, NAMES, rows=True)
    assert len(Program(network, rows=True).lines) > 4
    made = subprocess.run(
        ["make", "-C", tmp_path, "checked", f"DEFINES=-DNETWORK_SMALL={small}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    q = np.random.default_rng(1).integers(0, 256, (3, 3, 21, 17)).astype(np.uint8)
    ran = run_demo(tmp_path / "checked", *(write_image(tmp_path / f"{i}.ppm", x) for i, x in enumerate(q)))
    assert ran.returncode == 0, ran.stderr
    rows = [list(map(int, row.split())) for row in re.findall(rb"\(logits ([-0-9 ]+)\)\n", ran.stdout)]
    np.testing.assert_array_equal(rows, network.integer_logits(q))


@needs_tools
@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [("mobilenet-v1", (3, 96, 96), {"width": 0.25}), ("tiny-digits", (1, 28, 28), {})],
)
def test_rows_in_qemu_as_foretold(
    name: str, shape: tuple[int, int, int], options: dict[str, object], tmp_path: Path
) -> None:
    network = integer_network(name, shape, 8, **options)
    export_c(network, tmp_path, NAMES, "cortex-m4", rows=True)
    q = np.random.default_rng(1).integers(0, 256, (2, *shape)).astype(np.uint8)
    (tmp_path / "images.bin").write_bytes(q.transpose(0, 2, 3, 1).tobytes())
    ran = subprocess.run(["make", "-s", "bench"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    logits = np.fromfile(tmp_path / "logits.bin", "<i4").reshape(2, -1)
    np.testing.assert_array_equal(logits, network.integer_logits(q))
    sizes = subprocess.run(["arm-none-eabi-size", tmp_path / "bench.o"], capture_output=True, text=True, check=True)
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    told = fit(network, find_chip("1M,4M,cortex-m4", read_chips()), rows=True)
    assert told.ram - told.stack == bss < 16_000
    assert told.flash == pytest.approx(text + data, rel=0.02)
    ticks = int(re.findall(r"ticks (\d+)", ran.stdout + ran.stderr)[0])
    assert told.instructions == pytest.approx(ticks * BOARDS["cortex-m4"].instructions, rel=0.05)


@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="no cppcheck")
def test_static_analysis_finds_nothing(tmp_path: Path) -> None:
    export_c(shrunk(windows(), 4), tmp_path, NAMES, "cortex-m4", rows=True)
    analysed(tmp_path / "network.c", tmp_path / "demo.c", tmp_path / "bench.c")


def test_what_cannot_come_by_rows(tmp_path: Path) -> None:
    network = quantize(
        Network(create("resnet8", 5, widths=(3, 4, 5)), (3, 16, 16)), np.ones((2, 3, 16, 16), np.float32)
    )
    assert len(Program(network, rows=True).lines) == 1  # the residual sees what the first gives twice
    linear = shrunk(Sequential(Residual(Conv2d(3, 1)), Conv2d(2, 1)), 8)
    with pytest.raises(PellucidError, match=r"layer .* can't work line by line"):
        export_c(linear, tmp_path / "c", NAMES, rows=True)
    assert not (tmp_path / "c").exists()
