"""What the conformance test draws for a device: small in the simulator, whose threads are slow; 16-bit types too."""

from typing import Any

import ml_dtypes
import numpy as np

from ops.conformance.arrays import Source
from ops.conformance.cases import Case, call
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.arrays import DeviceArray, array
from pellucid.ops.cuda_ops.types import FLOATS, SIMULATED

ROUNDINGS = 8  # rounding errors of the bound, as in test_conformance.py
KINDS = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


class SmallSource(Source):
    """The same cases with short axes."""

    def pick(self, *values: Any) -> Any:
        """One of the values, of numbers one of the small ones."""
        small = [v for v in values if not isinstance(v, int) or isinstance(v, bool) or v <= 5 or v == 255]
        return super().pick(*(small or values))

    def whole(self, low: int, high: int) -> int:
        """A whole number not far above the lowest."""
        return super().whole(low, min(high, low + 3))


SOURCE = SmallSource if SIMULATED else Source


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.name in FLOATS


def run_on_device(op: Any, case: Case) -> list[Any]:
    """All results of an op on copies of the arguments in device memory: what it returns, then what it writes."""
    given = [array(a) if isinstance(a, np.ndarray) else a for a in case.arguments]
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in case.arguments]
    results = call_on_device(op, given, case.written)
    for i, (argument, was) in enumerate(zip(given, before, strict=True)):
        if isinstance(argument, DeviceArray) and i not in case.written and not any(argument is r for r in results):
            np.testing.assert_array_equal(plain(argument.host()), plain(was), err_msg="an argument has changed")
    return [r.host() if isinstance(r, DeviceArray) else np.asarray(r) for r in results]


def plain(x: Array) -> Array:
    """Numbers of a type that NumPy can compare."""
    return x.astype(np.float64) if is_float(x) else x


def call_on_device(op: Any, arguments: list[Any], written: tuple[int, ...]) -> list[Any]:
    returned = op(*arguments)
    results = list(returned) if isinstance(returned, tuple | list) else [] if returned is None else [returned]
    return results + [arguments[place] for place in written]


def wide(arguments: list[Any]) -> list[Any]:
    """Copies of the arguments, floats in float64."""
    return [
        (a.astype(np.float64) if is_float(a) else a.copy()) if isinstance(a, np.ndarray) else a for a in arguments
    ]


def check(name: str, op: Any, case: Case) -> None:
    """The op's results against the definition's in float64; what is stored in 16 bits may be rounded once more."""
    definition = getattr(numpy_ops, name)
    bounds = [] if case.compare else case.bound(definition, wide(case.arguments), case.written)
    expected = call(definition, wide(case.arguments), case.written)
    kind = next(a.dtype for a in case.arguments if is_float(a))
    got = run_on_device(op, case)
    assert len(got) == len(expected)
    if case.compare is not None:
        case.compare([plain(x) for x in got], expected)
        return
    half = kind.itemsize == 2
    epsilon = float(np.finfo(np.float32).eps if half else np.finfo(kind).eps)
    for result, wanted, bound in zip(got, expected, bounds, strict=True):
        assert result.shape == wanted.shape
        if wanted.dtype.kind != "f":
            assert result.dtype == wanted.dtype
        elif result.ndim:
            assert result.dtype in {kind, np.dtype(np.float32)} if half else result.dtype == kind
        rounding = smallest = 0.0
        if result.dtype.itemsize == 2:
            stored = ml_dtypes.finfo(result.dtype)
            rounding, smallest = float(stored.eps), float(stored.smallest_subnormal)
        with np.errstate(over="ignore"):
            values: Array = result.astype(np.float64)
        np.testing.assert_allclose(values, wanted, rtol=rounding, atol=ROUNDINGS * epsilon * bound + smallest / 2)
