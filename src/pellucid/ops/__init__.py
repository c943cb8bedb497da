"""The arithmetic under the layers, and which backend does it.

`numpy_ops` is the meaning of each op; a backend is a package with the same functions. `ops.conv2d(...)` calls
the active backend's, after the checks of `door`; nothing else branches on it.
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
from pellucid.ops.door import doors
from pellucid.ops.table import TABLE

if TYPE_CHECKING:  # every backend has the definition's signatures
    from pellucid.ops.numpy_ops import *  # noqa: F403

__all__ = [
    "backend",
    "instructions",
    "memory",
    "recorder",
    "set_backend",
    "set_threads",
    "steps",
    "threads",
    "use_backend",
]  # and the ops of the active backend

BACKENDS = {"numpy": "pellucid.ops.numpy_ops", "numba": "pellucid.ops.numba_ops"}
"""Those whose arrays are NumPy's."""

DEVICE_BACKENDS = {"cuda": "pellucid.ops.cuda_ops"}
"""Those with arrays of their own."""

PACKAGES = {"numba": "numba", "cuda": "numba_cuda"}
"""What a backend is written with."""

_active: ModuleType | None = None


def set_backend(name: str | None = None) -> str:
    """Make the named backend the active one; None or "auto" takes the fastest on the CPU. Returns its name.

    "cuda" is GPU 0; "cuda:1" and so on another one. Arrays of one backend are no arrays of another: `ops.array` takes
    one over, `ops.host` gives it back.
    Raises PellucidError for an unknown name, or where the backend's package or the GPU is missing.
    """
    chosen, _, number = (name or "auto").partition(":")
    if chosen == "auto":
        chosen = "numba" if importlib.util.find_spec("numba") else "numpy"
    known = BACKENDS | DEVICE_BACKENDS
    if chosen not in known or (number and (chosen != "cuda" or not number.isdecimal())):
        raise PellucidError(f"unknown backend {name!r}: expected one of auto, {', '.join(known)}, cuda:1 ...")
    module = _load(chosen)
    if chosen == "cuda":
        cards = importlib.import_module("pellucid.ops.cuda_ops.device")
        if number:
            cards.set_device(int(number))
        cards.device()
    _make_active(module)
    return chosen


def _make_active(module: ModuleType | None) -> None:
    """Have the module's ops here; of no module, none, so that the next use of one chooses."""
    global _active
    opened = {} if module is None else doors(module)
    for name in TABLE:
        globals().pop(name, None)
    _active = module
    globals().update(opened)


def _load(name: str) -> ModuleType:
    """A backend's module. Raises PellucidError where what it needs isn't installed."""
    package = PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        raise PellucidError(
            f"backend {name!r} needs the package {package.replace('_', '-')}, which is not installed: "
            f"pip install {'numba' if name == 'numba' else repr('pellucid[cuda]')}"
        )
    try:
        return importlib.import_module((BACKENDS | DEVICE_BACKENDS)[name])
    except ImportError as error:  # of a package that the backend's package needs
        reason = " ".join(str(error).split()).partition(". ")[0]
        install = "numba" if name == "numba" else repr("pellucid[cuda]")
        raise PellucidError(f"backend {name!r}: {reason}; pip install {install}") from error


def gpus() -> int:
    """How many GPUs this machine has. Raises PellucidError where what it takes to use one is missing."""
    _load("cuda")
    return int(importlib.import_module("pellucid.ops.cuda_ops.device").count())


def backend() -> str:
    """Name of the active backend; the first call chooses (environment variable PELLUCID_BACKEND, else auto)."""
    if _active is None:
        return set_backend(os.environ.get("PELLUCID_BACKEND"))
    return next(name for name, module in (BACKENDS | DEVICE_BACKENDS).items() if module == _active.__name__)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Within the block, the named backend is the active one."""
    before = _active
    set_backend(name)
    try:
        yield
    finally:
        _make_active(before)


def recorder() -> Any:
    """What the active backend does whole training steps with; None where each op is done as it comes."""
    backend()
    return getattr(_active, "recorder", None)


def instructions(form: str) -> str:
    """Which instructions the active backend multiplies numbers of a form with ("float32", "int8" ...), in words."""
    name = backend()
    told = getattr(_active, "INSTRUCTIONS", None)
    return name if told is None else str(told(form))


def steps() -> Any:
    """The module with which the active backend does whole plans; None where each op is done as it comes."""
    backend()
    name = getattr(_active, "STEPS", None)
    return None if name is None else importlib.import_module(name)


def integer_steps() -> Any:
    """The same of the steps of integer networks."""
    backend()
    name = getattr(_active, "INTEGER_STEPS", None)
    return None if name is None else importlib.import_module(name)


def __getattr__(name: str) -> Any:
    if name in TABLE and _active is None:
        backend()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
