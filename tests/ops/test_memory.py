"""The pool of arrays: what waits in it follows from what was needed of late."""

from collections.abc import Iterator

import numpy as np
import pytest

from pellucid.ops import memory
from pellucid.ops.arrays import Array

MB = 1 << 20


@pytest.fixture(autouse=True)
def empty_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    memory.release()
    monkeypatch.setattr(memory, "_need", 0)
    monkeypatch.setattr(memory, "_need_before", 0)
    yield
    memory.release()


def megabytes(count: int) -> Array:
    return memory.empty((count * MB,), np.uint8)


def test_many_sizes_one_after_the_other_leave_no_more_than_the_largest_needs() -> None:
    for count in range(1, 200):
        megabytes(count)[:1] = 1  # each dies at once: never are more than `count` megabytes needed
    assert memory.idle_bytes() <= memory.SPARE * 200 * MB


def test_a_step_that_comes_again_finds_its_blocks() -> None:
    def step() -> list[int]:
        kept = [megabytes(count) for count in (3, 5, 8, 13, 5, 3)]
        places = sorted(array.ctypes.data for array in kept)
        while kept:
            kept.pop()
        return places

    first = step()
    waiting = memory.idle_bytes()
    for _ in range(3):
        assert step() == first
        assert memory.idle_bytes() == waiting


def test_the_need_of_long_ago_is_forgotten() -> None:
    megabytes(100)
    assert memory.idle_bytes() >= 100 * MB
    for _ in range(2 * memory.RECENT):
        megabytes(2)
    assert memory.idle_bytes() <= memory.SPARE * 2 * MB


def test_what_waited_longest_goes_first() -> None:
    several = [megabytes(40), megabytes(9)]
    places = [array.ctypes.data for array in several]
    del several[0]
    several.append(megabytes(30))  # in the block of 40
    assert several[-1].ctypes.data == places[0]
    several.clear()
    for _ in range(2 * memory.RECENT - 1):
        megabytes(9)
    assert megabytes(9).ctypes.data == places[1]
