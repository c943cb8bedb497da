"""A real card, by the CUDA driver."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.cuda_ops.interface import PLACES_AHEAD, Grid
from pellucid.ops.cuda_ops.jit import Compiled
from pellucid.ops.cuda_ops.ptx import entry, ptx

OLDEST_CAPABILITY = (8, 0)
OLDEST_DRIVER = 13000  # CUDA 13.0

try:
    from cuda.bindings import driver as cu
except ImportError:
    cu = None


def check(what: str, result: tuple[Any, ...]) -> Any:
    """What a call of the driver returned. Raises PellucidError where it failed."""
    if result[0] != cu.CUresult.CUDA_SUCCESS:
        raise PellucidError(f"GPU: {what} failed: {result[0].name}")
    return result[1] if len(result) == 2 else result[1:]


def _attribute(handle: Any, part: str) -> int:
    attribute = getattr(cu.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_{part}")
    return int(check("asking for the compute capability", cu.cuDeviceGetAttribute(attribute, handle)))


def count_cards() -> int:
    """How many there are. Raises PellucidError where driver or package is missing or too old."""
    if cu is None:
        raise PellucidError("backend 'cuda' needs the package cuda-bindings: pip install 'pellucid[cuda]'")
    try:
        started = cu.cuInit(0)[0]
    except RuntimeError as error:  # no driver library
        raise PellucidError(f"backend 'cuda': no NVIDIA driver found ({error})") from None
    if started != cu.CUresult.CUDA_SUCCESS:
        raise PellucidError(f"backend 'cuda': no usable NVIDIA GPU ({started.name})")
    version = int(check("asking for the driver's version", cu.cuDriverGetVersion()))
    if version < OLDEST_DRIVER:
        raise PellucidError(f"GPU driver: expected CUDA 13.0 or later, got {version // 1000}.{version % 1000 // 10}")
    return int(check("counting GPUs", cu.cuDeviceGetCount()))


class Card:
    """One card, its memory, and the stream that all its work goes onto."""

    def __init__(self, number: int) -> None:
        self.number = number
        count = count_cards()
        if not 0 <= number < count:
            raise PellucidError(f"GPU {number}: this machine has {count}, counted from 0")
        handle = check("opening the GPU", cu.cuDeviceGet(number))
        self.name = check("asking for its name", cu.cuDeviceGetName(128, handle)).decode().strip("\0 ")
        self.capability: Pair = _attribute(handle, "MAJOR"), _attribute(handle, "MINOR")
        if self.capability < OLDEST_CAPABILITY:
            raise PellucidError(
                f"GPU {number} ({self.name}): expected compute capability 8.0 or later, got "
                f"{self.capability[0]}.{self.capability[1]}"
            )
        self._context = check("opening a context", cu.cuDevicePrimaryCtxRetain(handle))
        check("using the context", cu.cuCtxSetCurrent(self._context))
        self.stream = check("making a stream", cu.cuStreamCreate(cu.CUstream_flags.CU_STREAM_NON_BLOCKING.value))
        self._captured: list[_Pinned] | None = None
        self._unwanted: list[int] = []  # memory to be given back when what is recorded has been
        self._side: Any = None  # the stream of what is copied ahead, and of each place when it has come and was taken
        self._arrived: list[Any] = []
        self._taken: list[Any] = []

    def allocate(self, size: int) -> int | None:
        """Device memory; None where the card has no more."""
        code, pointer = cu.cuMemAlloc(size)
        if code == cu.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            return None
        return int(check(f"allocating {size} bytes", (code, pointer)))

    def free(self, address: int) -> None:
        """Give it back, once all work is done: at the end of a recording where there is one.

        Perhaps from another thread, in which Python collects what nothing refers to any more.
        """
        if self._captured is not None:
            self._unwanted.append(address)
            return
        check("using the context", cu.cuCtxSetCurrent(self._context))
        self.synchronize()
        check("freeing memory", cu.cuMemFree(address))

    def memory(self) -> Pair:
        """Bytes free, and in all."""
        free, total = check("asking for memory", cu.cuMemGetInfo())
        return int(free), int(total)

    def upload(self, address: int, x: Array) -> None:
        """Pageable memory is copied away before the call returns, so x may change at once.

        What a recorded step uploads it uploads again at each replay, so that is kept, where nothing moves it.
        """
        source = x.ctypes.data
        if self._captured is not None:
            self._captured.append(_Pinned(x))
            source = self._captured[-1].address
        check("copying to the GPU", cu.cuMemcpyHtoDAsync(address, source, x.nbytes, self.stream))

    def upload_ahead(self, address: int, x: Array, place: int) -> None:
        """On a stream of its own: it begins when the place is free, not when all work is done."""
        self._have_side()
        check("waiting for a place", cu.cuStreamWaitEvent(self._side, self._taken[place], 0))
        check("copying to the GPU", cu.cuMemcpyHtoDAsync(address, x.ctypes.data, x.nbytes, self._side))
        check("noting an arrival", cu.cuEventRecord(self._arrived[place], self._side))
        check("waiting for an arrival", cu.cuStreamWaitEvent(self.stream, self._arrived[place], 0))

    def taken(self, place: int) -> None:
        """The other stream may fill it again."""
        self._have_side()
        check("noting what was taken", cu.cuEventRecord(self._taken[place], self.stream))

    def _have_side(self) -> None:
        if self._side is not None:
            return
        self._side = check("making a stream", cu.cuStreamCreate(cu.CUstream_flags.CU_STREAM_NON_BLOCKING.value))
        untimed = cu.CUevent_flags.CU_EVENT_DISABLE_TIMING.value
        self._arrived, self._taken = (
            [check("making an event", cu.cuEventCreate(untimed)) for _ in range(PLACES_AHEAD)] for _ in range(2)
        )

    def download(self, x: Array, address: int) -> None:
        """Copy, and wait for it."""
        if self._captured is not None:
            raise PellucidError("GPU: a captured step may not read from the device")
        check("copying from the GPU", cu.cuMemcpyDtoHAsync(x.ctypes.data, address, x.nbytes, self.stream))
        self.synchronize()

    def copy(self, target: int, source: int, size: int) -> None:
        """Within the card."""
        check("copying within the GPU", cu.cuMemcpyDtoDAsync(target, source, size, self.stream))

    def clear(self, address: int, size: int) -> None:
        """Zeros."""
        check("clearing memory", cu.cuMemsetD8Async(address, 0, size, self.stream))

    def launch(self, compiled: Compiled, grid: Grid, block: Grid, arguments: tuple[Any, ...]) -> None:
        """Run a kernel, which is compiled and loaded when it first runs."""
        if compiled.entry is None:
            compiled.entry = _Entry(compiled, self.capability)
        gx, gy, gz = (grid, 1, 1) if isinstance(grid, int) else (*grid, 1, 1)[:3]
        bx, by, bz = (block, 1, 1) if isinstance(block, int) else (*block, 1, 1)[:3]
        pointers = compiled.entry.fill(arguments)
        result = cu.cuLaunchKernel(compiled.entry.function, gx, gy, gz, bx, by, bz, 0, self.stream, pointers, 0)
        if result[0] != cu.CUresult.CUDA_SUCCESS:
            check(f"starting kernel {compiled.name}", result)

    def synchronize(self) -> None:
        """Wait for the stream; errors of kernels come out here."""
        check("running kernels", cu.cuStreamSynchronize(self.stream))

    def begin_capture(self) -> None:
        """Record; other threads may go on using the driver."""
        self._captured = []
        mode = cu.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        check("beginning to record", cu.cuStreamBeginCapture(self.stream, mode))

    def end_capture(self) -> _Graph:
        """What was recorded, ready to run."""
        kept, self._captured = self._captured or [], None
        try:
            graph = check("recording a step", cu.cuStreamEndCapture(self.stream))
        finally:
            while self._unwanted:
                self.free(self._unwanted.pop())
        return _Graph(check("preparing a recorded step", cu.cuGraphInstantiate(graph, 0)), graph, self, kept)


class _Pinned:
    """A copy of an array in memory of the host that stays where it is, as recorded work has to find it."""

    def __init__(self, x: Array) -> None:
        self.address = int(check("keeping memory of the host", cu.cuMemHostAlloc(x.nbytes, 0)))
        ctypes.memmove(self.address, x.ctypes.data, x.nbytes)

    def __del__(self) -> None:
        if cu is not None and hasattr(self, "address"):
            cu.cuMemFreeHost(self.address)


class _Graph:
    def __init__(self, executable: Any, graph: Any, card: Card, kept: list[_Pinned]) -> None:
        self.executable, self.graph, self.card, self.kept = executable, graph, card, kept

    def replay(self) -> None:
        check("replaying a step", cu.cuGraphLaunch(self.executable, self.card.stream))

    def __del__(self) -> None:
        if cu is not None:
            cu.cuGraphExecDestroy(self.executable)
            cu.cuGraphDestroy(self.graph)


FIELD_BYTES = 8
FORMATS = {"float32": "f4x", "float64": "d", "int64": "q", "uint64": "Q"}
FORMATS |= {"uint8": "B7x", "int8": "b7x", "uint16": "H6x", "int32": "i4x"}


def layout(compiled: Compiled) -> struct.Struct:
    """How a kernel's arguments lie side by side, as Numba passes them.

    An array is two unused addresses, the count of its numbers, the bytes of one, its address, its shape and its
    strides in bytes; each field takes 8 bytes here, of which a float32 uses 4.
    """
    return struct.Struct(
        "="
        + "".join(
            "q" * (5 + 2 * int(word[1:])) if len(word) > 1 else FORMATS[np.dtype(compiled.type_of(word)).name]
            for word in compiled.words
        )
    )


class _Entry:
    """A loaded kernel, and room for its arguments."""

    def __init__(self, compiled: Compiled, capability: Pair) -> None:
        text = ptx(compiled, capability)
        self.module = check(f"loading kernel {compiled.name}", cu.cuModuleLoadData(text.encode() + b"\0"))
        name = entry(text).encode()
        self.function = check(f"finding kernel {compiled.name}", cu.cuModuleGetFunction(self.module, name))
        self.words = compiled.words
        self.packer = layout(compiled)
        self.values = ctypes.create_string_buffer(self.packer.size)
        count, start = self.packer.size // FIELD_BYTES, ctypes.addressof(self.values)
        self.pointers = (ctypes.c_void_p * count)(*range(start, start + FIELD_BYTES * count, FIELD_BYTES))
        self.address = ctypes.addressof(self.pointers)

    def fill(self, arguments: tuple[Any, ...]) -> int:
        """Write the arguments; the address of the table of their addresses."""
        fields: list[Any] = []
        for word, x in zip(self.words, arguments, strict=True):
            if len(word) > 1:
                fields += (0, 0, x.size, x.itemsize, x.address, *x.shape, *x.strides)
            else:
                fields.append(x)
        self.packer.pack_into(self.values, 0, *fields)
        return self.address
