"""A model of the CUDA driver, for what the simulator can't show: streams that run beside each other, and recordings.

Memory is this machine's. What is put onto a stream is done late, when somebody waits: of the streams that could go
on, one taken at random does its next piece of work. So work that nothing holds back comes in every order, sooner or
later. While a stream records, nothing may wait for it or be freed, and what it copies from the host lies in memory
that stays where it is.
"""
# ruff: noqa: N802, N815 - the names are the driver's

from __future__ import annotations

import ctypes
import enum
import random
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class Result(enum.Enum):
    """The driver's answers that a test may meet."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


FINE = (Result.CUDA_SUCCESS,)
NOT_NOW = (Result.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,)


class Stream:
    """Work in order. A piece that answers False can't be done yet."""

    def __init__(self) -> None:
        self.work: deque[Callable[[], bool]] = deque()


class Event:
    """How often it was recorded, by the calls and by the streams."""

    def __init__(self) -> None:
        self.asked = self.reached = 0


class Driver:
    """What card.Card calls, by the names in cuda.bindings.driver."""

    CUresult = Result
    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR=9, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR=0
    )
    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=SimpleNamespace(value=1))
    CUevent_flags = SimpleNamespace(CU_EVENT_DISABLE_TIMING=SimpleNamespace(value=2))
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_RELAXED=2)

    def __init__(self, seed: int, room: int = 1 << 30) -> None:
        self.random, self.room = random.Random(seed), room
        self.memory: dict[int, Any] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: list[Stream] = []
        self.recording: list[Callable[[], bool]] | None = None

    def cuInit(self, flags: int) -> Any:
        return FINE

    def cuDriverGetVersion(self) -> Any:
        return *FINE, 13000

    def cuDeviceGetCount(self) -> Any:
        return *FINE, 1

    def cuDeviceGet(self, number: int) -> Any:
        return *FINE, number

    def cuDeviceGetName(self, length: int, handle: int) -> Any:
        return *FINE, b"model"

    def cuDeviceGetAttribute(self, attribute: int, handle: int) -> Any:
        return *FINE, attribute

    def cuDevicePrimaryCtxRetain(self, handle: int) -> Any:
        return *FINE, 1

    def cuCtxSetCurrent(self, context: int) -> Any:
        return FINE

    # Memory.

    def cuMemGetInfo(self) -> Any:
        used = sum(len(block) for block in self.memory.values())
        return *FINE, self.room - used, self.room

    def cuMemAlloc(self, size: int) -> Any:
        if size > self.cuMemGetInfo()[1]:
            return Result.CUDA_ERROR_OUT_OF_MEMORY, 0
        block = ctypes.create_string_buffer(b"\xa5" * size, size)
        self.memory[ctypes.addressof(block)] = block
        return *FINE, ctypes.addressof(block)

    def cuMemFree(self, address: int) -> Any:
        if self.recording is not None:
            return NOT_NOW
        return FINE if self.memory.pop(address, None) is not None else (Result.CUDA_ERROR_INVALID_VALUE,)

    def cuMemHostAlloc(self, size: int, flags: int) -> Any:
        block = ctypes.create_string_buffer(size)
        self.pinned[ctypes.addressof(block)] = block
        return *FINE, ctypes.addressof(block)

    def cuMemFreeHost(self, address: int) -> Any:
        return FINE if self.pinned.pop(address, None) is not None else (Result.CUDA_ERROR_INVALID_VALUE,)

    # Streams and events.

    def cuStreamCreate(self, flags: int) -> Any:
        self.streams.append(Stream())
        return *FINE, self.streams[-1]

    def cuEventCreate(self, flags: int) -> Any:
        return *FINE, Event()

    def cuEventRecord(self, event: Event, stream: Stream) -> Any:
        event.asked += 1
        count = event.asked

        def reach() -> bool:
            event.reached = count
            return True

        return self._put(stream, reach)

    def cuStreamWaitEvent(self, stream: Stream, event: Event, flags: int) -> Any:
        count = event.asked
        return self._put(stream, lambda: event.reached >= count)

    def cuStreamSynchronize(self, stream: Stream) -> Any:
        if self.recording is not None and stream is self.streams[0]:
            return NOT_NOW
        while stream.work:
            assert any(self._goes_on(one) for one in self.random.sample(self.streams, len(self.streams)))
        return FINE

    def _goes_on(self, stream: Stream) -> bool:
        if not stream.work or not stream.work[0]():
            return False
        stream.work.popleft()
        return True

    def _put(self, stream: Stream, work: Callable[[], bool]) -> Any:
        if self.recording is not None and stream is self.streams[0]:
            self.recording.append(work)
        else:
            stream.work.append(work)
        return FINE

    # Work.

    def cuMemcpyHtoDAsync(self, target: int, source: int, size: int, stream: Stream) -> Any:
        if self.recording is not None and stream is self.streams[0]:
            if source not in self.pinned:
                return NOT_NOW
            return self._put(stream, lambda: self._move(target, source, size))
        staged = ctypes.create_string_buffer(ctypes.string_at(source, size), size)  # copied away before this returns
        return self._put(stream, lambda: self._move(target, ctypes.addressof(staged), size))

    def cuMemcpyDtoHAsync(self, target: int, source: int, size: int, stream: Stream) -> Any:
        return self._put(stream, lambda: self._move(target, source, size))

    cuMemcpyDtoDAsync = cuMemcpyDtoHAsync

    def cuMemsetD8Async(self, address: int, value: int, size: int, stream: Stream) -> Any:
        return self._put(stream, lambda: ctypes.memset(address, value, size) is not None)

    def _move(self, target: int, source: int, size: int) -> bool:
        ctypes.memmove(target, source, size)
        return True

    def cuStreamBeginCapture(self, stream: Stream, mode: int) -> Any:
        self.recording = []
        return FINE

    def cuStreamEndCapture(self, stream: Stream) -> Any:
        recorded, self.recording = self.recording, None
        return *FINE, recorded

    def cuGraphInstantiate(self, graph: Any, flags: int) -> Any:
        return *FINE, graph

    def cuGraphLaunch(self, graph: Any, stream: Stream) -> Any:
        stream.work.extend(graph)
        return FINE

    def cuGraphExecDestroy(self, graph: Any) -> Any:
        return FINE

    def cuGraphDestroy(self, graph: Any) -> Any:
        return FINE
