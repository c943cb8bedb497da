"""Which source files a kernel is made from: its module's, and those of every module here that it imports."""

import hashlib
import os
import re
import sys
from functools import cache
from pathlib import Path

import numba

from pellucid.ops.numba_ops.compile.instructions import INSTRUCTIONS

PACKAGE = __name__.rsplit(".", 2)[0]
FOLDER = Path(__file__).parents[1]


@cache
def source_stamp(module: str) -> str:
    """Hash of all the sources, settings and versions that decide how the kernels of a module are compiled."""
    setting = INSTRUCTIONS + os.environ.get("PELLUCID_VECTOR_WIDTH", "")
    digest = hashlib.sha256(f"{numba.__version__}\0{sys.version}\0{setting}".encode())
    reached, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imported(name)
    for name in sorted(reached):
        digest.update(name.encode() + b"\0" + _source(name))
    return digest.hexdigest()[:12]


@cache
def _source(module: str) -> bytes:
    path = _file(module) or Path(getattr(sys.modules.get(module), "__file__", None) or os.devnull)
    return path.read_bytes()


def _file(module: str) -> Path | None:
    """File of a module of this package; None for any other."""
    if not module.startswith(PACKAGE + "."):
        return None
    path = FOLDER.joinpath(*module.removeprefix(PACKAGE + ".").split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


_IMPORT = re.compile(rb"^[ ]*(?:from ([\w.]+) import (\([^)]*\)|[^\n#]+)|import ([^\n#]+))", re.MULTILINE)


@cache
def _imported(module: str) -> list[str]:
    """Modules of this package that the source imports, from whatever place in it.

    The lines are searched for, as parsing all files would take a tenth of a second of every start. What a docstring
    has that looks like an import does no harm: a file too many is hashed.
    """
    names = set()
    for package, parts, modules in _IMPORT.findall(_source(module)):
        first = package.decode()
        found = [part.split()[0].decode() for part in (parts or modules).strip(b"() \n").split(b",") if part.split()]
        names |= {first, *(f"{first}.{part}" for part in found)} if first else set(found)
    return sorted(name for name in names if _file(name))
