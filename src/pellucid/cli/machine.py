"""Flags that every command which computes has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from pellucid import ops
from pellucid.cli.flags import Count
from pellucid.errors import PellucidError


@Parameter(name="*")
@dataclass(frozen=True)
class Machine:
    """What computes, and on how many threads."""

    device: Annotated[
        str, Parameter(help="Where: cpu; cuda, a GPU (cuda:1 the second one); auto, a GPU if there is one.")
    ] = "cpu"
    backend: Annotated[
        Literal["auto", "numba", "numpy"],
        Parameter(help="What computes on the CPU: compiled kernels, or plain NumPy."),
    ] = "auto"
    threads: Annotated[Count | None, Parameter(help="Threads to use; by default one a core.")] = None

    def use(self, local_rank: int = 0) -> str:
        """Make it so for this process; the backend's name.

        local_rank: number of this process among those on its machine; of several, each takes a GPU in turn.
        Raises PellucidError where there is no such GPU, or what it needs is missing.
        """
        if self.threads is not None:
            ops.set_threads(self.threads)
        if self.device != "cpu" and (found := self.gpu(local_rank)):
            return found
        return ops.backend() if self.backend == "auto" else ops.set_backend(self.backend)

    def gpu(self, local_rank: int = 0) -> str:
        """Take the GPU; the backend's name, or none where there is no GPU and none is asked for by name."""
        name, _, number = self.device.partition(":")
        if name not in {"cuda", "auto"} or (number and (name == "auto" or not number.isdecimal())):
            raise PellucidError(f"--device {self.device}: expected cpu, cuda, cuda:1 and so on, or auto")
        if self.backend != "auto":
            raise PellucidError(
                f"--backend {self.backend} computes on the CPU: expected --device cpu, got {self.device}"
            )
        try:
            return ops.set_backend(f"cuda:{number or local_rank % ops.gpus()}")
        except PellucidError:
            if name == "auto":
                return ""
            raise

    def flags(self) -> list[str]:
        """The flags that say this on another command line."""
        threads = ["--threads", str(self.threads)] if self.threads is not None else []
        return ["--device", self.device, "--backend", self.backend, *threads]


DEFAULT = Machine()
