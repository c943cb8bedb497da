"""A device where there is none: this machine's memory, and Numba's simulator of kernels."""

from __future__ import annotations

import sys
import threading
from types import FunctionType
from typing import Any

import numpy as np
from numba import cuda
from numba.cuda.simulator import kernelapi

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.cuda_ops.interface import Graph, Grid
from pellucid.ops.cuda_ops.jit import Compiled

SWITCH_SECONDS = 1e-5  # between the threads of a block, most of which wait for one


class Shared(kernelapi.FakeCUDAShared):  # type: ignore[misc]
    """Shared memory by the line that asks for it. The simulator's own may give two threads that ask at once two."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._lock = threading.Lock()

    def array(self, shape: Any, dtype: Any, alignment: int | None = None) -> Array:
        """The block's array of that line."""
        frame = sys._getframe(1)
        line = frame.f_code.co_filename, frame.f_lineno
        with self._lock:
            found: Array | None = self._allocations.get(line)
            if found is None:
                found = self._allocations[line] = np.empty(shape, dtype)
        return found


class Simulated:
    """A device whose memory is this machine's, and whose kernels run in Numba's simulator."""

    number, name, capability = 0, "simulator", (9, 0)

    def __init__(self) -> None:
        self._memory: dict[int, Array] = {}
        self._recorded: list[tuple[Any, ...]] | None = None
        self._unwanted: list[int] = []  # memory to be given back when what is recorded has been
        self._brought: set[Pair] = set()  # places and addresses that wait to be taken
        self.limit: int | None = None  # bytes that there are, where a test sets it
        kernelapi.FakeCUDAShared = Shared

    def allocate(self, size: int) -> int | None:
        """Memory of this process, filled with what must not be read."""
        if self.limit is not None and sum(m.size for m in self._memory.values()) + size > self.limit:
            return None
        block = np.full(size, 0xA5, np.uint8)
        self._memory[block.ctypes.data] = block
        return int(block.ctypes.data)

    def free(self, address: int) -> None:
        """Let go of it."""
        if self._recorded is None:
            del self._memory[address]
        else:
            self._unwanted.append(address)

    def memory(self) -> Pair:
        """As a test sets it."""
        limit = self.limit or 1 << 34
        return limit - sum(m.size for m in self._memory.values()), limit

    def _at(self, address: int, size: int) -> Array:
        return np.asarray(_Bytes(address, size))

    def _do(self, *work: Any) -> None:
        if self._recorded is None:
            work[0](*work[1:])
        else:
            self._recorded.append(work)

    def upload(self, address: int, x: Array) -> None:
        """A copy."""
        self._do(np.copyto, self._at(address, x.nbytes), np.frombuffer(x.tobytes(), np.uint8))

    def upload_ahead(self, address: int, x: Array, place: int) -> None:
        """At once; what was brought there before has to be taken first."""
        if (place, address) in self._brought:
            raise PellucidError(f"GPU: what was brought to place {place} wasn't taken")
        self._brought.add((place, address))
        self.upload(address, x)

    def taken(self, place: int) -> None:
        """It may be filled again."""
        self._brought = {one for one in self._brought if one[0] != place}

    def download(self, x: Array, address: int) -> None:
        """A copy."""
        if self._recorded is not None:
            raise PellucidError("GPU: a captured step may not read from the device")
        x.reshape(-1).view(np.uint8)[...] = self._at(address, x.nbytes)

    def copy(self, target: int, source: int, size: int) -> None:
        """A copy."""
        self._do(np.copyto, self._at(target, size), self._at(source, size))

    def clear(self, address: int, size: int) -> None:
        """Zeros."""
        self._do(self._at(address, size).fill, 0)

    def launch(self, compiled: Compiled, grid: Grid, block: Grid, arguments: tuple[Any, ...]) -> None:
        """One block after the other, its threads as threads of this process."""
        if compiled.entry is None:
            compiled.entry = cuda.jit(_quiet(compiled.function))
        values = [_argument(compiled, word, x) for word, x in zip(compiled.words, arguments, strict=True)]
        self._do(_run, compiled.entry, grid, block, values)

    def synchronize(self) -> None:
        """Nothing is ever under way."""
        if self._recorded is not None:
            raise PellucidError("GPU: a captured step may not wait for the device")

    def begin_capture(self) -> None:
        """Record."""
        self._recorded = []

    def end_capture(self) -> Graph:
        """What was recorded."""
        recorded, self._recorded = self._recorded, None
        assert recorded is not None
        while self._unwanted:
            self.free(self._unwanted.pop())
        return _Recording(recorded)


def _run(kernel: Any, grid: Grid, block: Grid, arguments: list[Any]) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        kernel[grid, block](*arguments)
    finally:
        sys.setswitchinterval(before)


class _Recording:
    def __init__(self, work: list[tuple[Any, ...]]) -> None:
        self.work = work

    def replay(self) -> None:
        for function, *arguments in self.work:
            function(*arguments)


class _Bytes:
    def __init__(self, address: int, size: int) -> None:
        self.__array_interface__ = {"shape": (size,), "typestr": "|u1", "data": (address, False), "version": 3}


def _quiet(function: Any) -> Any:
    """The kernel, silent where numbers overflow, as on a card."""
    errstate = np.errstate

    def run(*arguments: Any) -> None:
        with errstate(all="ignore"):
            function(*arguments)

    return FunctionType(run.__code__, function.__globals__, function.__name__, None, run.__closure__)


def _argument(compiled: Compiled, word: str, x: Any) -> Any:
    kind = compiled.type_of(word)
    return x.layout.view(kind) if len(word) > 1 else kind(x)
