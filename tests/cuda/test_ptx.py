"""Every kernel compiles for real cards, without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba_cuda")

PROGRAM = """
from pellucid.ops import cuda_ops
from pellucid.ops.cuda_ops.card import FIELD_BYTES, layout
from pellucid.ops.cuda_ops.jit import KERNELS
from pellucid.ops.cuda_ops.ptx import entry, ptx

for found in KERNELS:
    usual = found.usual()
    for compiled in usual if {every} else usual[:1]:
        text = ptx(compiled, {capability})
        assert ".target sm_{digits}" in text, compiled.name
        assert ".extern .func" not in text, compiled.name  # nothing that only another compiler would bring
        parameters = text[text.index(".visible .entry " + entry(text)) :].split(")")[0].count(".param")
        assert parameters * FIELD_BYTES == layout(compiled).size, compiled.name
print(len(KERNELS), "kernels")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("capability", "every"), [((8, 0), False), ((9, 0), True)], ids=["8.0", "9.0"])
def test_kernels_compile(capability: tuple[int, int], every: bool, tmp_path: Path) -> None:
    pytest.importorskip("nvidia.cu13", reason="NVIDIA's compiler comes with numba-cuda[cu13]")
    program = PROGRAM.format(capability=capability, digits=f"{capability[0]}{capability[1]}", every=every)
    settings = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0", "PELLUCID_PTX": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kernels" in done.stdout
