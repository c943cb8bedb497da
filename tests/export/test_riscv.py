"""The exported C on an emulated RISC-V core, as in an ESP32-C3: Python's integers, bit for bit.

apt-get install gcc-riscv64-unknown-elf qemu-system-misc brings the tools.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pellucid.export import export_c
from pellucid.export.chips import find_chip, read_chips
from pellucid.export.fit import fit
from pellucid.ops.arrays import Shape

from .test_microcontroller import integer_network

COMPILER, EMULATOR = "riscv64-unknown-elf-gcc", "qemu-system-riscv32"
pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in (COMPILER, EMULATOR)), reason="no RISC-V compiler or no QEMU for it"
)
COMPILE = (
    *(COMPILER, "-march=rv32imc", "-mabi=ilp32", "-std=gnu99", "-ffreestanding", "-nostdlib", "-Wall", "-Wextra"),
    *("-Werror", "-Wl,--section-start=.start=0x80000000", "-Wl,-Ttext=0x80001000", "-Wl,-e,start"),
    *("-Wl,--defsym=stack_top=0x83000000", "-Wl,--no-relax"),  # no register points at data
)
RUN = (
    *(EMULATOR, "-M", "virt", "-m", "64M", "-bios", "none", "-nographic", "-icount", "shift=0"),
    *("-semihosting-config", "enable=on,target=native", "-kernel", "program"),
)


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize(
    ("name", "shape", "bits"),
    [("tiny-digits", (1, 28, 28), 4), ("resnet8", (3, 16, 16), 8), ("lenet5", (1, 28, 28), 2)],
)
def test_the_portable_kernels_have_the_same_bits(
    name: str, shape: Shape, bits: int, level: str, tmp_path: Path
) -> None:
    network = integer_network(name, shape, bits)
    export_c(network, tmp_path, [])
    q = np.random.default_rng(1).integers(0, 256, (6, *shape)).astype(np.uint8)
    (tmp_path / "images.bin").write_bytes(q.transpose(0, 2, 3, 1).tobytes())
    sources = [Path(__file__).with_name("riscv.c"), tmp_path / "network.c"]
    compiled = [*COMPILE, level, "-I", str(tmp_path), *map(str, sources), "-lgcc", "-o", str(tmp_path / "program")]
    subprocess.run(compiled, check=True)
    subprocess.run(RUN, cwd=tmp_path, check=True, timeout=100)
    *logits, taken = np.fromfile(tmp_path / "logits.bin", "<i4")
    np.testing.assert_array_equal(np.reshape(logits, (len(q), -1)), network.integer_logits(q).reshape(len(q), -1))
    told = fit(network, find_chip("esp32c3", read_chips()), small=level == "-Os")
    rough = {"-O2": 0.1, "-Os": 0.7}[level]  # counted on a Cortex-M, times a factor
    assert told.instructions == pytest.approx(taken, rel=rough)
