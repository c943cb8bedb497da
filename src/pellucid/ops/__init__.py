"""The arithmetic under the layers, and which backend does it.

`numpy_ops` is the meaning of each op; a backend is a package with the same functions. `ops.conv2d(...)` calls
the active backend's; nothing else branches on it.
"""

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pellucid.errors import PellucidError
from pellucid.ops import memory  # here, lest __getattr__ takes the name for an op and loads the backend
from pellucid.ops.cores import set_threads, threads
from pellucid.ops.half import taking_halves

if TYPE_CHECKING:  # every backend has the definition's signatures
    from pellucid.ops.numpy_ops import *  # noqa: F403

__all__ = [
    "backend",
    "memory",
    "set_backend",
    "set_threads",
    "threads",
    "use_backend",
]  # and the ops of the active backend

BACKENDS = {"numpy": "pellucid.ops.numpy_ops", "numba": "pellucid.ops.numba_ops"}

_active: ModuleType | None = None


def set_backend(name: str | None = None) -> str:
    """Make the named backend the active one; None or "auto" takes the fastest there is. Returns its name.

    Raises PellucidError for an unknown name, or for "numba" where Numba is not installed.
    """
    global _active
    chosen = name
    if chosen in {None, "auto"}:
        chosen = "numba" if importlib.util.find_spec("numba") else "numpy"
    if chosen not in BACKENDS:
        raise PellucidError(f"unknown backend {name!r}: expected one of auto, {', '.join(BACKENDS)}")
    if chosen == "numba" and importlib.util.find_spec("numba") is None:
        raise PellucidError("backend 'numba' needs the package numba, which is not installed: pip install numba")
    _active = importlib.import_module(BACKENDS[chosen])
    return chosen


def backend() -> str:
    """Name of the active backend; the first call chooses (environment variable PELLUCID_BACKEND, else auto)."""
    if _active is None:
        return set_backend(os.environ.get("PELLUCID_BACKEND"))
    return next(name for name, module in BACKENDS.items() if module == _active.__name__)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Within the block, the named backend is the active one."""
    global _active
    before = _active
    set_backend(name)
    try:
        yield
    finally:
        _active = before


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _active is None:
        backend()
    return taking_halves(_active, name)
