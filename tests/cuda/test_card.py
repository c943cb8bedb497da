"""What a card does by itself: streams side by side and recordings, on a model of the driver (cuda_driver.py)."""

import gc
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from cuda_driver import FINE, Driver, Result
from pellucid.errors import OutOfMemoryError, PellucidError
from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops import card, device, pool, ptx
from pellucid.ops.cuda_ops.activation import _relu
from pellucid.ops.cuda_ops.ahead import Ahead
from pellucid.ops.cuda_ops.arrays import array, empty
from pellucid.ops.cuda_ops.card import Card
from pellucid.ops.cuda_ops.pool import Pool
from pellucid.ops.cuda_ops.recorder import Recorded

Use = Callable[..., Driver]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Makes a driver, whose one card is the one that arrays are on from then on."""

    def make(seed: int = 0, room: int = 1 << 30) -> Driver:
        driver, common = Driver(seed, room), Pool()
        monkeypatch.setattr(card, "cu", driver)
        monkeypatch.setattr(device, "_current", Card(0))
        monkeypatch.setattr(pool, "_pool", common)
        monkeypatch.setattr(pool, "_common", common)
        return driver

    yield make
    gc.collect()  # arrays of the model go before it does


def test_the_model_has_the_drivers_functions() -> None:
    real = pytest.importorskip("cuda.bindings.driver")
    for name, ours in inspect.getmembers(Driver, inspect.isfunction):
        if name.startswith("cu"):
            theirs = re.match(rf"{name}\((.*?)\)", getattr(real, name).__doc__)
            assert theirs is not None
            assert len(inspect.signature(ours).parameters) - 1 == len([p for p in theirs[1].split(",") if p]), name


def brought(batches: list[Array]) -> list[Array]:
    """Each batch copied ahead, and read by a step before the next one is asked for."""
    ahead, target = Ahead(), empty((4,), np.float32)
    seen = []
    for batch in batches:
        ahead.bring((target,), (batch,))
        batch[...] = -1  # the host makes the next one where this one was
        seen.append(target.copy())
    return [one.host() for one in seen]


def test_batches_copied_ahead_are_read_whole(use: Use) -> None:
    """Whatever order the streams come to run in."""
    for seed in range(60):
        use(seed)
        batches = [np.full(4, number, np.float32) for number in range(7)]
        assert [one.tolist() for one in brought(batches)] == [[number] * 4 for number in range(7)]


@pytest.mark.parametrize("place", [0, 1], ids=["until it came", "until it was taken"])
def test_the_model_sees_a_wait_that_is_left_out(place: int, use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the stream of all work, or by that of the copies."""
    wrong = 0
    for seed in range(60):
        driver = use(seed)
        waits = driver.cuStreamWaitEvent

        def some(stream: Any, *event: Any, driver: Driver = driver, waits: Any = waits) -> Any:
            return FINE if stream is driver.streams[place] else waits(stream, *event)

        monkeypatch.setattr(driver, "cuStreamWaitEvent", some)
        batches = [np.full(4, number, np.float32) for number in range(7)]
        wrong += [one.tolist() for one in brought(batches)] != [[number] * 4 for number in range(7)]
    assert wrong > 10


def test_a_recording_copies_from_memory_that_stays(use: Use) -> None:
    """A table of the host's, as resizing has, which Python gives back as soon as the step has been recorded."""
    driver, target = use(), empty((3,), np.float32)

    def step() -> None:
        target[...] = np.array([1, 2, 3], np.float32)

    do = Recorded(step, warm_ups=0)
    do()
    target.fill(0)
    do()
    assert target.tolist() == [1, 2, 3]
    assert len(driver.pinned) == 1
    del do
    gc.collect()
    assert not driver.pinned


def test_memory_that_dies_while_a_step_is_recorded_is_given_back_afterwards(use: Use) -> None:
    """Python may collect an old network at any time; giving its memory back waits for the card."""
    driver, target = use(), empty((3,), np.float32)
    old = Pool(0)  # which keeps nothing
    left = [old.take(5000)]
    address = left[0].address

    def step() -> None:
        left.clear()
        assert address in driver.memory
        target.fill(0)

    Recorded(step, warm_ups=0)()
    assert address not in driver.memory
    assert target.tolist() == [0, 0, 0]


def test_memory_that_dies_while_a_recording_fails_is_given_back_too(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, target = use(), empty((3,), np.float32)
    left = [Pool(0).take(5000)]
    end = driver.cuStreamEndCapture

    def invalid(stream: Any) -> Any:
        end(stream)
        return Result.CUDA_ERROR_INVALID_VALUE, None

    def step() -> None:
        left.clear()
        target.fill(0)

    monkeypatch.setattr(driver, "cuStreamEndCapture", invalid)
    address = left[0].address
    with pytest.raises(PellucidError, match="recording a step"):
        Recorded(step, warm_ups=0)()
    assert address not in driver.memory


def test_memory_that_lies_idle_elsewhere_serves_a_recorded_step(use: Use) -> None:
    use(room=5 << 20)
    evaluated = empty((3 << 20,), np.uint8)
    del evaluated  # idle in the common pool
    target = empty((3,), np.uint8)

    def step() -> None:
        empty((4 << 20,), np.uint8).fill(0)
        target.fill(0)

    do = Recorded(step, warm_ups=1)
    do()
    do()
    assert target.tolist() == [0, 0, 0]


def test_what_a_recording_writes_to_is_never_given_back(use: Use) -> None:
    """A recording that runs out of memory says so, and leaves the card as it was."""
    driver = use(room=5 << 20)
    sizes = iter([3 << 20, 4 << 20])

    def step() -> Any:
        first = empty((3 << 20,), np.uint8)
        first.fill(0)
        del first  # idle, but recorded work fills it
        return empty((next(sizes),), np.uint8)

    do = Recorded(step, warm_ups=1)
    do()
    with pytest.raises(OutOfMemoryError, match=r"0\.004 GB needed at once"):
        do()
    assert driver.recording is None
    assert array(np.ones(3)).tolist() == [1, 1, 1]


def test_a_recording_may_not_wait(use: Use) -> None:
    use()
    with pytest.raises(PellucidError, match="STREAM_CAPTURE_UNSUPPORTED"):
        Recorded(lambda: device.device().synchronize(), warm_ups=0)()


@pytest.mark.parametrize(
    ("call", "answer", "says"),
    [
        ("cuInit", (Result.CUDA_ERROR_NO_DEVICE,), r"no usable NVIDIA GPU \(CUDA_ERROR_NO_DEVICE\)$"),
        ("cuDriverGetVersion", (*FINE, 12080), "GPU driver: expected CUDA 13.0 or later, got 12.8$"),
        ("cuDeviceGetCount", (*FINE, 0), "GPU 0: this machine has 0, counted from 0$"),
        ("cuDeviceGetAttribute", (*FINE, 7), r"GPU 0 \(model\): expected compute capability 8.0 or later, got 7.7$"),
    ],
)
def test_a_card_that_will_not_do_is_named(
    call: str, answer: Any, says: str, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use(), call, lambda *_: answer)
    with pytest.raises(PellucidError, match=says):
        Card(0)


def test_a_compiler_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from numba import cuda

    def missing(*_: Any, **settings: Any) -> Any:
        raise ImportError("libNVVM is not available")

    monkeypatch.setenv("PELLUCID_PTX", str(tmp_path))
    monkeypatch.setattr(cuda, "compile_ptx", missing, raising=False)
    monkeypatch.setattr(ptx, "signature", lambda compiled: None)
    monkeypatch.setattr(ptx, "_compiling_for", lambda capability: nullcontext())
    with pytest.raises(PellucidError, match=r"can't compile kernels \(libNVVM is not available\): pip install"):
        ptx.ptx(_relu.of("float32"), (9, 0))
