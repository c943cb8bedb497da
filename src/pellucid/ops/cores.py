"""How many threads an op may use: one setting for every backend, by default all cores this process may use.

The kernels of `numba_ops` ask `threads()` at each call. NumPy's matrix products run on the threads of its BLAS
library, which NumPy itself cannot limit; for OpenBLAS, which NumPy's own wheels contain, `set_threads` calls the
library's function. With another BLAS only its environment variable helps (MKL_NUM_THREADS and the like).
"""

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.container import granted_cores

# OpenBLAS's function under the names that its builds give it: NumPy's wheels, distributions, 64-bit indices.
OPENBLAS_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)

_threads: int | None = None


def available_cores() -> int:
    """Number of cores that this process may use: those it may run on, or fewer that a container grants."""
    return max(1, math.floor(min(_reachable_cores(), granted_cores())))


def _reachable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Number of threads that an op uses."""
    global _threads
    if _threads is None:  # asking the system takes longer than starting a loop
        _threads = available_cores()
        if _threads < _reachable_cores():  # which NumPy's BLAS doesn't see
            set_threads(_threads)
    return _threads


def set_threads(n: int | None = None) -> int:
    """Let every op use n threads; None means one a core, as many as a container grants. Returns the number.

    Raises PellucidError unless 1 <= n <= the cores this process may run on.
    """
    global _threads
    cores = _reachable_cores()
    chosen = available_cores() if n is None else n
    if not 1 <= chosen <= cores:
        raise PellucidError(f"threads: expected 1 to {cores}, the cores this process may run on, got {chosen}")
    _threads = chosen
    setter = _openblas_setter()
    if setter is not None:
        setter(chosen)
    return chosen


@contextmanager
def blas_threads(n: int) -> Iterator[None]:
    """Within the block NumPy's matrix products use n threads, where that can be told (OpenBLAS)."""
    setter = _openblas_setter()
    if setter is None or n == threads():
        yield
        return
    setter(n)
    try:
        yield
    finally:
        setter(threads())


@cache
def _openblas_setter() -> Any:
    """OpenBLAS's function that sets its number of threads; None where NumPy has another BLAS."""
    for path in _blas_libraries():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in OPENBLAS_SETTERS:
            if hasattr(library, name):
                setter = getattr(library, name)
                setter.argtypes, setter.restype = [ctypes.c_int], None
                return setter
    return None


def _blas_libraries() -> list[str]:
    """Files that may be NumPy's BLAS: what this process has loaded, and what comes with NumPy's wheel."""
    maps, numpy_folder = Path("/proc/self/maps"), Path(np.__file__).parent
    if maps.exists():
        paths = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines() if "openblas" in line}
        return sorted(paths)
    folders = (numpy_folder.parent / "numpy.libs", numpy_folder / ".dylibs")
    return sorted(str(path) for folder in folders for path in folder.glob("*openblas*"))
