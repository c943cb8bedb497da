"""Every op of every backend, forward and backward, against the definition in float64."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.conformance.arrays import LAYOUTS, Source, laid_out
from ops.conformance.cases import ELEMENTWISE, Case, call
from ops.conformance.images import IMAGES
from pellucid.ops import BACKENDS, half, numba_ops, numpy_ops
from pellucid.ops.arrays import Array

Real = type[np.floating[Any]]

CASES = ELEMENTWISE | IMAGES
ROUNDINGS = 8  # rounding errors of the bound that a result may be off; see conformance/cases.py

# Ops of numbers of other types have tests of their own, where the results must be the same.
OTHER_TYPES = {name for name in numpy_ops.__all__ if name.startswith("integer_")} | {
    *half.ARRAYS,
    "dropout_keep",
    "narrow",
    "round_to_scale",
    "widen",
}


def copied(arguments: list[Any]) -> list[Any]:
    """The arguments again, with copies of the arrays; floats in float64."""
    return [
        np.array(a, np.float64 if a.dtype.kind == "f" else a.dtype) if isinstance(a, np.ndarray) else a
        for a in arguments
    ]


def check(op: Callable[..., Any], definition: Callable[..., Any], case: Case) -> None:
    wide = copied(case.arguments)
    bounds = [] if case.compare else case.bound(definition, copied(wide), case.written)
    expected = call(definition, wide, case.written)
    inputs = [a for i, a in enumerate(case.arguments) if isinstance(a, np.ndarray) and i not in case.written]
    before = [a.copy() for a in inputs]
    got = call(op, case.arguments, case.written)
    for after, was in zip(inputs, before, strict=True):
        if not any(after is result for result in got):  # an `out` is among the results
            np.testing.assert_array_equal(after, was, err_msg="an argument has changed")
    assert len(got) == len(expected)
    if case.compare is not None:
        case.compare(got, expected)
        return
    for result, wanted, bound in zip(got, expected, bounds, strict=True):
        assert result.shape == wanted.shape
        epsilon = _compare_types(result, wanted, case)
        np.testing.assert_allclose(result, wanted, rtol=0, atol=ROUNDINGS * epsilon * bound)


def _compare_types(result: Array, wanted: Array, case: Case) -> float:
    """The type is the arguments' own, or, of numbers and places, the definition's. Returns its epsilon."""
    real = next(a.dtype for a in case.arguments if isinstance(a, np.ndarray) and a.dtype.kind == "f")
    if wanted.dtype.kind != "f":
        assert result.dtype == wanted.dtype
    elif result.ndim:
        assert result.dtype == real
    return float(np.finfo(real).eps)


def check_drawn(op: Callable[..., Any], name: str, dtype: Real, examples: int = 25) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data(), st.integers(0, 2**32 - 1))
    def run(data: st.DataObject, seed: int) -> None:
        case = CASES[name](Source(data.draw, dtype, np.random.default_rng(seed)))
        check(op, getattr(numpy_ops, name), case)

    run()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_op(backend: str, name: str, dtype: Real) -> None:
    check_drawn(getattr(importlib.import_module(BACKENDS[backend]), name), name, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", ["conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"])
def test_direct_convolution_where_others_are_faster(name: str, dtype: Real) -> None:
    direct = importlib.import_module("pellucid.ops.numba_ops.convolution.direct")
    check_drawn(getattr(direct, name.replace("conv2d", "direct", 1) if "_" in name else "direct_conv2d"), name, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_has_the_functions_of_the_definition(backend: str) -> None:
    module = importlib.import_module(BACKENDS[backend])
    assert module.__all__ == numpy_ops.__all__
    for name in numpy_ops.__all__:
        assert inspect.signature(getattr(module, name)) == inspect.signature(getattr(numpy_ops, name)), name


def test_every_op_has_a_case() -> None:
    assert set(CASES) | OTHER_TYPES == set(numpy_ops.__all__)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sixteen_bits(kind: str, layout: str) -> None:
    half = np.dtype(getattr(ml_dtypes, kind, np.float16))
    every = np.arange(1 << 16, dtype=np.uint16).view(half).reshape(16, 16, 16, 16)
    wide = numpy_ops.widen(every)
    np.testing.assert_array_equal(numba_ops.widen(laid_out(every, layout)), wide)
    with np.errstate(over="ignore", invalid="ignore"):  # of NaN, and infinity beyond the largest
        between = laid_out(wide * np.float32(1.0007), layout)
        np.testing.assert_array_equal(
            numba_ops.narrow(between, half).astype(np.float32), numpy_ops.narrow(between, half).astype(np.float32)
        )
