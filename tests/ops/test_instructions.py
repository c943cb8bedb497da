"""Each set of instructions that this processor has gives the same numbers: PELLUCID_INSTRUCTIONS forces the older."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pellucid import ops
from pellucid.ops.formats import float_type
from pellucid.ops.numba_ops.compile.instructions import INSTRUCTIONS, SETS, available

SAPPHIRE_RAPIDS = dict.fromkeys([feature for needed in SETS.values() for feature in needed], True)
AMD_ZEN4 = SAPPHIRE_RAPIDS | dict.fromkeys(SETS["amx"], False)


def test_sets_end_where_a_feature_is_missing() -> None:
    assert available(SAPPHIRE_RAPIDS) == tuple(SETS)
    assert available(AMD_ZEN4) == ("base", "avx2", "avx512", "vnni", "bf16")
    assert available({}) == ("base",)
    assert available(AMD_ZEN4 | {"avx512bf16": False}) == ("base", "avx2", "avx512", "vnni")
    assert available(AMD_ZEN4 | {"avx512vl": False}) == ("base", "avx2")
    assert INSTRUCTIONS in available()


def run(program: str, instructions: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PELLUCID_INSTRUCTIONS": instructions}
    environment.pop("PELLUCID_VECTOR_WIDTH", None)
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )


def test_an_unknown_set_is_told() -> None:
    told = run("import pellucid.ops.numba_ops.compile.instructions", "mmx").stderr.splitlines()[-1]
    expected = f"expected one of {', '.join(available())}, which this processor has, got 'mmx'"
    assert told.endswith(f"PELLUCID_INSTRUCTIONS: {expected}")


def float32_patterns() -> np.ndarray:
    """Numbers of every size, all float16 among them, what lies halfway between two, and a hair beside."""
    drawn = np.random.default_rng(0).integers(0, 1 << 32, 1 << 18, dtype=np.uint32)
    with np.errstate(all="ignore"):
        halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32).view(np.uint32)
    shifts = np.array([0, 0xFFF, 0x1000, 0x1001], np.uint32)
    return np.concatenate([drawn, (halves[:, None] + shifts).reshape(-1)]).view(np.float32)


def test_float16_is_converted_as_numpy_does() -> None:
    """All of them; with PELLUCID_INSTRUCTIONS=base on the bits, as on x86 before F16C."""
    halves, kind = np.arange(1 << 16, dtype=np.uint16).view(np.float16), float_type("float16")
    with np.errstate(all="ignore"):
        for found, expected in (
            (ops.widen(halves), halves.astype(np.float32)),
            (ops.narrow(float32_patterns(), kind), float32_patterns().astype(np.float16)),
        ):
            number = ~np.isnan(expected)
            assert found.dtype == expected.dtype
            assert_array_equal(found[number].view(np.uint8), expected[number].view(np.uint8))
            assert np.isnan(found[~number]).all()


FORCED = """
import sys
sys.path.insert(0, {root!r})
from pellucid.ops.numba_ops.compile.instructions import INSTRUCTIONS
from pellucid.ops.numba_ops.integer.products import BYTES_IN_WORDS
from ops import test_half_kernels, test_instructions, test_integer, test_integer_winograd
from plan import test_half_plan
assert INSTRUCTIONS == {name!r}
assert BYTES_IN_WORDS == (INSTRUCTIONS in ("vnni", "bf16", "amx"))
test_instructions.test_float16_is_converted_as_numpy_does()
test_half_kernels.test_rounding_is_to_nearest_even_and_keeps_nan()
behind_pool = True, 16, 48, 6, 15, (0, 2, 1, 0)
test_half_kernels.test_gradients_behind_relu_and_pool_are_the_bits_of_those_by_way_of_32("bfloat16", *behind_pool)
test_half_kernels.test_max_pools_are_the_bits_of_those_by_way_of_32("float16", (3, 3), (2, 2), (1, 1, 1, 1), False)
test_half_plan.test_float16_is_computed_as_float32_and_rounded_once("deep-convnet")
test_integer.test_window_of_the_whole_image((5, 3, 4, 2))
test_integer.test_convolution_is_exact_on_every_path()
test_integer.test_transposed_convolution_is_exact_on_every_path()
test_integer.test_convolutions_of_many_tiles((3, 64, 9, 13, 70), 3, 1, 2)
if not BYTES_IN_WORDS:
    test_integer_winograd.test_any_map_is_exact()
    test_integer_winograd.test_most_channels_are_exact(-128)
    test_integer_winograd.test_transformed_filters_are_whole_numbers()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in available() if name != INSTRUCTIONS])
def test_older_sets_give_the_same(name: str) -> None:
    done = run(FORCED.format(root=str(Path(__file__).parents[1]), name=name), name)
    assert done.returncode == 0, done.stderr
