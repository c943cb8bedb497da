"""Every op of the GPU backend against the definition in float64, in the simulator or on the card there is."""

import inspect

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.conformance.device import KINDS, SOURCE, check
from ops.test_conformance import CASES
from pellucid.ops import cuda_ops, numpy_ops
from pellucid.ops.cuda_ops.types import SIMULATED

EXAMPLES = 6 if SIMULATED else 25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_op(name: str, kind: str) -> None:
    if kind in {"float64", "float16"} and SIMULATED and name.startswith("conv2d"):
        pytest.skip("the same kernels as float32 and bfloat16; run on a card")

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data(), st.integers(0, 2**32 - 1))
    def run(data: st.DataObject, seed: int) -> None:
        case = CASES[name](SOURCE(data.draw, KINDS[kind], np.random.default_rng(seed)))
        check(name, getattr(cuda_ops, name), case)

    run()


def test_backend_has_the_functions_of_the_definition() -> None:
    assert cuda_ops.__all__ == numpy_ops.__all__
    for name in numpy_ops.__all__:
        ours = inspect.signature(getattr(cuda_ops, name)).parameters
        theirs = inspect.signature(getattr(numpy_ops, name)).parameters
        assert list(ours) == list(theirs), name
        assert [p.default for p in ours.values()] == [p.default for p in theirs.values()], name
