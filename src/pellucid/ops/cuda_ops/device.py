"""The card that everything runs on: memory, copies, launches. In the simulator it is this machine.

All work goes in order onto one stream, so memory that was given back may be used again at once.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numba import cuda

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.cuda_ops.jit import Compiled
from pellucid.ops.cuda_ops.types import SIMULATED

if TYPE_CHECKING:
    from pellucid.ops.cuda_ops.arrays import DeviceArray

Grid = int | tuple[int, ...]


class Graph(Protocol):
    """Work that was recorded."""

    def replay(self) -> None:
        """Do it again."""


class Device(Protocol):
    """What a card does."""

    number: int
    name: str
    capability: Pair

    def allocate(self, size: int) -> int | None:
        """Address of so many bytes; None where there aren't."""

    def free(self, address: int) -> None:
        """Give memory back to the system."""

    def memory(self) -> Pair:
        """Bytes free, and in all."""

    def upload(self, address: int, x: Array) -> None:
        """Copy a C-contiguous host array to the device."""

    def download(self, x: Array, address: int) -> None:
        """Copy from the device into a C-contiguous host array; waits for it."""

    def copy(self, target: int, source: int, size: int) -> None:
        """Copy bytes within the device."""

    def clear(self, address: int, size: int) -> None:
        """Set bytes to 0."""

    def launch(self, compiled: Compiled, grid: Grid, block: Grid, arguments: tuple[Any, ...]) -> None:
        """Run a kernel."""

    def synchronize(self) -> None:
        """Wait until all work is done."""

    def begin_capture(self) -> None:
        """From here on record work instead of doing it."""

    def end_capture(self) -> Graph:
        """What was recorded."""


class Simulated:
    """A device whose memory is this machine's, and whose kernels run in Numba's simulator."""

    number, name, capability = 0, "simulator", (9, 0)

    def __init__(self) -> None:
        self._memory: dict[int, Array] = {}
        self._recorded: list[tuple[Any, ...]] | None = None
        self.limit: int | None = None  # bytes that there are, where a test sets it

    def allocate(self, size: int) -> int | None:
        """Memory of this process, filled with what must not be read."""
        if self.limit is not None and sum(m.size for m in self._memory.values()) + size > self.limit:
            return None
        block = np.full(size, 0xA5, np.uint8)
        self._memory[block.ctypes.data] = block
        return int(block.ctypes.data)

    def free(self, address: int) -> None:
        """Let go of it."""
        del self._memory[address]

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
        self._do(compiled.entry[grid, block], *values)

    def synchronize(self) -> None:
        """Nothing is ever under way."""

    def begin_capture(self) -> None:
        """Record."""
        self._recorded = []

    def end_capture(self) -> Graph:
        """What was recorded."""
        recorded, self._recorded = self._recorded, None
        assert recorded is not None
        return _Recording(recorded)


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


_current: Device | None = None


def set_device(number: int) -> None:
    """Make the card of that number the one that everything runs on. Raises PellucidError where it can't."""
    global _current
    if _current is not None and _current.number == number:
        return
    if SIMULATED:
        if number:
            raise PellucidError(f"GPU {number}: the simulator has GPU 0 only")
        _current = Simulated()
        return
    from pellucid.ops.cuda_ops.card import Card

    _current = Card(number)


def device() -> Device:
    """The card that everything runs on."""
    if _current is None:
        set_device(0)
    assert _current is not None
    return _current


def launch(compiled: Compiled, grid: Grid, block: Grid, *arguments: Any) -> None:
    """Run a kernel on arrays and numbers; arrays as its words say: contiguous, of that type and rank."""
    for word, x in zip(compiled.words, arguments, strict=True):
        if len(word) > 1:
            _check(compiled, word, x)
    device().launch(compiled, grid, block, arguments)


def _check(compiled: Compiled, word: str, x: DeviceArray) -> None:
    stored = {"T": compiled.number.name, "S": compiled.source.name}.get(word[0])
    name = stored or np.dtype(compiled.type_of(word)).name
    fits = x.dtype.name == name or (x.dtype.name == "bool" and name == "uint8")
    if not fits or x.ndim != int(word[1:]) or not x.flags.c_contiguous:
        raise PellucidError(
            f"GPU kernel {compiled.name}: expected {word[1:]} axes of {name}, contiguous, got {x.dtype} {x.shape}"
        )
