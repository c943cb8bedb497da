"""Kernels as PTX, the assembly language that every driver compiles for its card. No card is needed to make it.

What was compiled once lies in a folder (environment variable PELLUCID_PTX, else the user's cache), by a digest of
the kernels' source, so that the next start reads it; a folder made on one machine serves another.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.cuda_ops.jit import Compiled

ENTRY = re.compile(r"\.visible \.entry ([\w$]+)\(")


def folder() -> Path:
    """Where compiled kernels are kept."""
    named = os.environ.get("PELLUCID_PTX")
    return (
        Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pellucid" / "ptx"
    )


@cache
def _digest() -> str:
    """Of the files that kernels are written in."""
    from pellucid.ops.cuda_ops import jit
    from pellucid.ops.cuda_ops import types as numbers

    files = {Path(found.function.__code__.co_filename) for found in jit.KERNELS}
    files |= {Path(jit.__file__), Path(numbers.__file__)}
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:16]


def signature(compiled: Compiled) -> Any:
    """The kernel's arguments as Numba knows them."""
    from numba.cuda import types
    from numba.cuda.np import numpy_support

    arguments = []
    for word in compiled.words:
        kind = numpy_support.from_dtype(np.dtype(compiled.type_of(word)))
        arguments.append(types.Array(kind, int(word[1:]), "C") if len(word) > 1 else kind)
    return types.void(*arguments)


def ptx(compiled: Compiled, capability: tuple[int, int]) -> str:
    """The kernel in PTX for cards of that compute capability and later.

    Raises PellucidError where it has to be compiled and NVIDIA's compiler is missing.
    """
    parts = (compiled.name, compiled.number.name, compiled.source.name, f"{capability[0]}{capability[1]}", _digest())
    path = folder() / f"{'-'.join(parts)}.ptx"
    if path.exists():
        return path.read_text()
    from numba import cuda

    try:
        with _compiling_for(capability):
            text, _ = cuda.compile_ptx(compiled.function, signature(compiled), cc=capability)
    except (ImportError, OSError, RuntimeError) as error:  # NVVM, or its library of functions, isn't there
        reason = " ".join(str(error).split())[:200]
        raise PellucidError(
            f"backend 'cuda': can't compile kernels ({reason}): pip install 'pellucid[cuda]'"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)
    return str(text)


@contextmanager
def _compiling_for(capability: tuple[int, int]) -> Iterator[None]:
    """Within the block Numba compiles what kernels call for such cards; else it would ask the card there is."""
    from numba.cuda import dispatcher

    before = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = before


def entry(text: str) -> str:
    """Name of the kernel in its PTX."""
    found = ENTRY.search(text)
    assert found is not None
    return found[1]
