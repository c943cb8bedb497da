"""Flags that every command which computes has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from pellucid import ops
from pellucid.cli.flags import Count


@Parameter(name="*")
@dataclass(frozen=True)
class Machine:
    """What computes, and on how many threads."""

    backend: Annotated[
        Literal["auto", "numba", "numpy"], Parameter(help="What computes: compiled kernels, or plain NumPy.")
    ] = "auto"
    threads: Annotated[Count | None, Parameter(help="Threads to use; by default one a core.")] = None

    def use(self) -> str:
        """Make it so for this process; the backend's name."""
        if self.threads is not None:
            ops.set_threads(self.threads)
        return ops.backend() if self.backend == "auto" else ops.set_backend(self.backend)

    def flags(self) -> list[str]:
        """The flags that say this on another command line."""
        return ["--backend", self.backend, *(["--threads", str(self.threads)] if self.threads is not None else [])]


DEFAULT = Machine()
