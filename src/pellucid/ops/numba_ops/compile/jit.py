"""The decorator of every kernel: compiled once a machine, kept on disk, never stale.

Numba's own cache notices a change in the file of the kernel itself, but not in the kernels it calls; it can
hand out the wrong code when two processes save at once; and it refuses to work where nothing is writable.
So compiled kernels are kept here: one file a kernel and signature, whose name holds a hash of all the sources
that the kernel is made from, written beside its place and then moved into it.
"""

import contextlib
import hashlib
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from types import CodeType
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from pellucid.ops.numba_ops.compile import threads
from pellucid.ops.numba_ops.compile.sources import source_stamp

# Sums may be reordered and products joined with sums; NaN and infinity keep their meaning.
FASTMATH = {"contract", "nsz", "arcp", "reassoc"}
KEPT_SECONDS = 7 * 24 * 3600  # how long a kernel of other sources stays, for who goes back to them
COMPILE_SECONDS = 20  # what training DeepConvNet needs, measured on two cores


def jit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: compile the function with Numba at its first call, or load it from the cache.

    Options are numba.njit's; `cache=False` is for helpers that only other kernels call. With `parallel=True` the
    result is a Kernel, to be called from Python only. A function made with exec needs `__name__` in its globals.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        return Kernel(function, options) if options.get("parallel") else _compiled(function, options)

    return decorate


class Kernel:
    """A kernel whose `prange` loops run on several threads, or as plain loops where threads cannot be used.

    What Numba needs to know of each form is only told when it is first called: most programs call few of all kernels.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function, self._options = function, options
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    @cached_property
    def parallel(self) -> Any:
        """Its form for several threads."""
        return _compiled(self._function, self._options)

    @cached_property
    def serial(self) -> Any:
        """Its form for one."""
        return _compiled(self._function, {**self._options, "parallel": False})

    def __call__(self, *arguments: Any) -> Any:
        """Run it: the first time compiled or loaded, in each of its two forms."""
        if threads.prepare():
            with threads.LOCK:
                return self.parallel(*arguments)
        return self.serial(*arguments)


def _compiled(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    settings = {"cache": True, "fastmath": FASTMATH, "error_model": "numpy", **options}
    cached = settings.pop("cache")
    kernel = numba.njit(**settings)(function)
    if cached and not numba.config.DISABLE_JIT:
        form = "parallel" if options.get("parallel") else "serial"
        kernel._cache = _KernelCache(function, form)
    return kernel


@cache
def cache_folder() -> Path | None:
    """The first usable one in NUMBA_CACHE_DIR, beside the package, in the user's cache, among temporary files."""
    roots = [Path(numba.config.CACHE_DIR) / "pellucid"] if numba.config.CACHE_DIR else []
    roots.append(Path(__file__).parents[1] / "__pycache__")
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path("~/.cache").expanduser()
    roots.append(Path(home) / "pellucid")
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    roots.append(Path(tempfile.gettempdir()) / f"pellucid-{user}")
    return next((root / "kernels" for root in roots if _usable(root / "kernels")), None)


def _usable(folder: Path) -> bool:
    """Whether files can be written there, and nobody else can have put some there: compiled code is run."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.stat()
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            return False
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _code_hash(code: CodeType) -> str:
    """Hash of what a function does: kernels made from a template may share a name and a line."""
    constants = [_code_hash(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    text = f"{code.co_code!r}{constants}{code.co_names}{code.co_varnames}{code.co_freevars}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Tells Numba where a kernel's files are."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._py_file = function.__code__.co_filename

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return source_stamp(self._function.__module__)

    def get_disambiguator(self) -> str:
        return _code_hash(self._function.__code__)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_Locator":
        return cls(py_func)


class _CacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """One file a kernel and signature. A file that is missing or damaged only means compiling again."""

    _impl_class = _CacheImpl

    def __init__(self, function: Callable[..., Any], form: str) -> None:
        super().__init__(function)
        self._cache_file = _Files(f"{self._impl.filename_base}.{form}", self._impl.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            # Not Numba's own way, which first imports and registers all that it can compile: a quarter of a second of
            # every start, where what is loaded needs no more than the runtime that counts references.
            rtsys.initialize(target_context)
            found = self._load_overload(sig, target_context)
        except Exception:  # a damaged file can raise anything
            found = None
        if found is None:
            _announce()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        # A full disk, a folder that has gone or was never there must not stop the computation.
        if cache_folder() is not None:
            with contextlib.suppress(OSError):
                super().save_overload(sig, data)


class _Files:
    """The compiled forms of one kernel as files named by what they were compiled from and for."""

    def __init__(self, base: str, stamp: str) -> None:
        self._folder = cache_folder() or Path(os.devnull)
        self._base, self._stamp = base, stamp

    def _path(self, key: Any) -> Path:
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._folder / f"{self._base}.{self._stamp}.{digest}.nbc"

    def load(self, key: Any) -> Any:
        path = self._path(key)
        return pickle.loads(path.read_bytes()) if path.exists() else None

    def save(self, key: Any, data: Any) -> None:
        path = self._path(key)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(dumps(data))
        Path(file.name).replace(path)
        self._forget_older()

    def _forget_older(self) -> None:
        kernel = self._base.rpartition("-")[0]
        for path in self._folder.glob(f"{kernel}-*.nbc"):
            if f".{self._stamp}." not in path.name and path.stat().st_mtime < time.time() - KEPT_SECONDS:
                path.unlink(missing_ok=True)


@cache
def _announce() -> None:
    """One line on stderr, the first time that something must be compiled."""
    where = "kept for the next time" if cache_folder() else "no folder to keep them in is writable"
    text = f"compiling kernels for this machine ({where}; all of a training take about {COMPILE_SECONDS} s)"
    print(text, file=sys.stderr, flush=True)
