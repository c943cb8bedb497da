"""Products on matrix tiles (AMX). Where the processor has none, `tiles.c` does what their instructions would."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.ops.numba_ops.compile.instructions import INSTRUCTIONS, available
from pellucid.ops.numba_ops.compile.tiles import shapes

TESTS = Path(__file__).parents[1]

AMX = """
import sys
from llvmlite import binding
features = binding.get_host_cpu_features()
features.update({"amx-tile": True, "amx-bf16": True, "amx-int8": True})
binding.get_host_cpu_features = lambda: features
"""
"""A processor that has them."""

REFUSED = """
import platform
platform.machine = lambda: "another"
from pellucid.ops.numba_ops.compile.instructions import INSTRUCTIONS
print(INSTRUCTIONS)
"""

ON_TILES = """
import ctypes
sys.path.insert(0, {tests!r})
from pellucid.ops.numba_ops.compile.tiles import TILES
from pellucid.ops.numba_ops.used import instructions
from ops import test_half_kernels, test_integer
from plan import test_half_plan
assert TILES
assert instructions("bfloat16").startswith("matrix tiles of bfloat16")
assert instructions("int8") == "matrix tiles of bytes"
count = ctypes.CDLL(None).tiles_counted
for test, cases in (
    (test_half_kernels.test_products_of_bfloat16_are_exact_before_they_are_rounded, [
        (3, 20, 7, 2, 3), (9, 8, 5, 1, 2),
    ]),
    (test_half_kernels.test_gradients_in_pairs_are_exact_before_they_are_rounded, [
        (2, 24, 20, (9, 11), (3, 3), (2, 2), (1, 1, 1, 1)), (2, 20, 40, (30, 39), (3, 3), (1, 1), (0, 0, 0, 0)),
    ]),
    (test_half_plan.test_convolutions_of_bfloat16_keep_their_bound, [
        (33, 40, (5, 13), (1, 1), 1, 1, (0, 0, 0, 0), True), (5, 64, (21, 39), (7, 7), 2, 1, (3, 3, 3, 3), False),
        (5, 17, (11, 6), (3, 2), 1, 2, (2, 0, 1, 3), True), (120, 36, (6, 40), (3, 3), 1, 1, (1, 1, 1, 1), True),
        (1100, 17, (3, 37), (1, 1), 1, 1, (0, 0, 0, 0), True),
    ]),
    (test_half_plan.test_affine_layers_of_bfloat16_keep_their_bound, [(29, 64, 16), (40, 100, 33)]),
    (test_integer.test_convolutions_of_many_tiles, [
        ((3, 64, 9, 13, 70), 3, 1, 2), ((2, 31, 5, 5, 33), 3, 1, 1), ((1, 8, 40, 40, 16), 1, 1, 1),
        ((130, 16, 2, 2, 5), 1, 2, 1),
    ]),
    (test_integer.test_window_of_the_whole_image, [((5, 3, 4, 2),)]),
):
    before = count()
    for case in cases:
        test(*case)
    print(test.__name__, count() - before)
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    wanted = {name: value for name, value in os.environ.items() if not name.startswith("PELLUCID_")}
    return subprocess.run(
        [sys.executable, "-c", AMX + program], env=wanted | environment, capture_output=True, text=True, check=False
    )


def test_shapes_of_tiles_fit_each_other() -> None:
    """As `ldtilecfg` wants them: rows of each tile in bytes 48 to 55, bytes of a row in 16 to 31."""
    found = shapes(14, 16 * 3 + 5)
    assert found.tolist()[48:56] == [14, 14, 14, 14, 14, 16, 14, 5]
    assert found[16:32].view(np.uint16).tolist() == [64, 64, 64, 64, 64, 64, 20, 64]
    assert shapes(16, 32).tolist()[54:56] == [0, 0]


@pytest.mark.skipif("bf16" not in available(), reason="a processor without what comes before the tiles")
def test_where_tiles_are_refused_the_next_best_runs() -> None:
    done = run(REFUSED)
    assert (done.returncode, done.stdout) == (0, "bf16\n"), done.stderr
    asked = run(REFUSED, PELLUCID_INSTRUCTIONS="amx")
    assert asked.stderr.splitlines()[-1].endswith("vnni, bf16, which this processor has, got 'amx'")


@pytest.mark.slow
@pytest.mark.skipif(INSTRUCTIONS == "amx", reason="all tests run on this processor's tiles")
@pytest.mark.skipif("bf16" not in available(), reason="a processor without what comes before the tiles")
@pytest.mark.skipif(not sys.platform.startswith("linux") or platform.machine() != "x86_64", reason="Linux on x86-64")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_products_on_tiles(tmp_path: Path) -> None:
    library = tmp_path / "tiles.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", library, TESTS / "ops" / "tiles.c", "-ldl"], check=True)
    done = run(ON_TILES.format(tests=str(TESTS)), LD_PRELOAD=str(library), PELLUCID_INSTRUCTIONS="amx")
    assert done.returncode == 0, done.stderr
    counted = {name: int(number) for name, number in (line.split() for line in done.stdout.splitlines())}
    assert len(counted) == 6
    assert min(counted.values()) > 0, counted
