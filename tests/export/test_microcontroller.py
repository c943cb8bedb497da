"""The exported C on emulated Cortex-M cores: bit for bit Python's integers, in the memory that was foretold."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.export import export_c
from pellucid.export.boards import BOARDS
from pellucid.export.chips import find_chip, read_chips
from pellucid.export.fit import fit
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.plan import IntegerNetwork
from pellucid.precision import quantize
from pellucid.zoo import create

TOOLS = ("make", "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason="no Arm compiler or no QEMU"
)


def _has_helium() -> bool:
    """Whether QEMU has a board with a Cortex-M55."""
    if shutil.which("qemu-system-arm") is None:
        return False
    known = subprocess.run(["qemu-system-arm", "-M", "help"], capture_output=True, text=True, check=False).stdout
    return BOARDS["cortex-m55"].machine in known


needs_helium = pytest.mark.skipif(not _has_helium(), reason="no QEMU with a Cortex-M55")
CORES = ["cortex-m4", "cortex-m3", pytest.param("cortex-m55", marks=needs_helium)]


def integer_network(name: str, shape: Shape, bits: int, **options: object) -> IntegerNetwork:
    images = np.random.default_rng(0).uniform(0, 1, (10, *shape)).astype(np.float32)
    return quantize(Network(create(name, 10, **options), shape), images, bits)


def bench(network: IntegerNetwork, folder: Path, target: str, images: int, level: str = "-O2") -> dict[str, int]:
    """Compile and run in QEMU, assert that the logits are those in Python, and give what it printed, and sizes.

    What `fit` says before must be so: RAM to the byte, flash within 2 %, instructions within 5 %.
    """
    exported = export_c(network, folder, [str(i) for i in range(10)], target)
    q = np.random.default_rng(1).integers(0, 256, (images, *network.input_shape)).astype(np.uint8)
    (folder / "images.bin").write_bytes(q.transpose(0, 2, 3, 1).tobytes())
    ran = subprocess.run(
        ["make", "-s", "bench", f"LEVEL={level}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    logits = np.fromfile(folder / "logits.bin", "<i4").reshape(images, -1)
    np.testing.assert_array_equal(logits, network.integer_logits(q))
    found = {key: int(value) for key, value in re.findall(r"(\w+) (\d+)\n", ran.stdout + ran.stderr)}
    sizes = subprocess.run(["arm-none-eabi-size", folder / "bench.o"], capture_output=True, text=True, check=True)
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    told = fit(network, find_chip(f"1M,4M,{target}", read_chips()), small=level == "-Os")
    assert told.ram - told.stack == bss
    assert found["stack"] <= told.stack
    assert told.flash == pytest.approx(text + data, rel=0.02)
    assert told.instructions == pytest.approx(found["ticks"] * BOARDS[target].instructions, rel=0.05)
    return found | {"flash": text + data, "bss": bss, "ram": exported.ram, "constants": exported.constants}


@needs_tools
@pytest.mark.parametrize("target", CORES)
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_small_networks_on_all_cores(target: str, bits: int, tmp_path: Path) -> None:
    found = bench(integer_network("tiny-digits", (1, 28, 28), bits), tmp_path, target, 20)
    assert found["images"] == 20
    assert found["bss"] == found["ram"]  # to the byte
    assert found["constants"] < found["flash"] < found["constants"] + 3000


@needs_tools
@pytest.mark.parametrize(
    ("target", "most"), [("cortex-m4", 1.2), pytest.param("cortex-m55", 0.56, marks=needs_helium)]
)
def test_resnet8_takes_few_instructions_a_multiply_add(target: str, most: float, tmp_path: Path) -> None:
    network = integer_network("resnet8", (3, 32, 32), 8)
    found = bench(network, tmp_path, target, 2)
    assert found["ticks"] * BOARDS[target].instructions / 12_501_632 < most
    assert found["bss"] == found["ram"] < 40_000


@needs_tools
@pytest.mark.parametrize("bits", [8, 4])
def test_code_for_size_has_the_same_bits(bits: int, tmp_path: Path) -> None:
    found = bench(integer_network("tiny-digits", (1, 28, 28), bits), tmp_path, "cortex-m4", 5, "-Os")
    assert found["flash"] < found["constants"] + 1000


@needs_tools
@pytest.mark.parametrize("target", CORES)
def test_pools_behind_all_convolutions(target: str, tmp_path: Path) -> None:
    """Then no kernel gives several places at once, which the compiler makes use of."""
    bench(integer_network("convnet", (3, 32, 32), 8, widths=(16, 32, 48)), tmp_path, target, 2)


@needs_tools
def test_channels_in_another_order(tmp_path: Path) -> None:
    options = {"widths": (24, 48, 96), "stem": 16, "last": 128}
    found = bench(integer_network("shufflenet-v2", (3, 64, 64), 8, **options), tmp_path, "cortex-m4", 2)
    assert found["bss"] == found["ram"]


@needs_tools
@pytest.mark.parametrize("target", ["cortex-m4", pytest.param("cortex-m55", marks=needs_helium)])
def test_mobilenet_v1_in_its_memory(target: str, tmp_path: Path) -> None:
    found = bench(integer_network("mobilenet-v1", (3, 96, 96), 8, width=0.25), tmp_path, target, 2)
    assert found["bss"] == found["ram"] < 40_000


def test_targets_have_names(tmp_path: Path) -> None:
    network = integer_network("tiny-digits", (1, 28, 28), 8)
    with pytest.raises(PellucidError, match=r"unknown target .cortex-m9., expected one of .*, cortex-m3, cortex-m55"):
        export_c(network, tmp_path / "c", [], "cortex-m9")
