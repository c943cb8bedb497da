"""The limit that a container sets is found in either version of its files."""

import math
from pathlib import Path

import pytest

from pellucid.ops import container, cores


def machine(folder: Path, groups: str, files: dict[str, str]) -> Path:
    """A system whose process is in `groups`, with files below the control groups' folder."""
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{k}": v for k, v in files.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("groups", "files", "granted"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0.5),
        ("3:cpu,cpuacct:/x\n", {"cpu,cpuacct/x/cpu.cfs_quota_us": "300000\n",
                                "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"}, 3),
        # what the process sees of a container's first version is often the container's own folder
        ("2:cpuset:/\n1:cpu:/docker/f0\n0::/\n", {"cpu/cpu.cfs_quota_us": "100000",
                                                  "cpu/cpu.cfs_period_us": "50000"}, 2),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("1:cpuacct:/x\n", {"cpuacct/x/cpu.cfs_quota_us": "1", "cpuacct/x/cpu.cfs_period_us": "100000"}, math.inf),
        ("0::/\n", {"cpu.max": "what is this"}, math.inf),
        ("0::/../../a\n", {"cpu.max": "100000 100000"}, 1),
        ("nothing of the kind\n\n0::/\n", {"cpu.max": "100000 100000"}, 1),
        ("", {}, math.inf),
    ],
)  # fmt: skip
def test_limits(tmp_path: Path, groups: str, files: dict[str, str], granted: float) -> None:
    assert container.granted_cores(machine(tmp_path, groups, files)) == granted


def test_nothing_to_read(tmp_path: Path) -> None:
    assert container.granted_cores(tmp_path) == math.inf


@pytest.mark.parametrize(("granted", "number"), [(0.5, 1), (1.9, 1), (math.inf, cores._reachable_cores())])
def test_threads_are_whole_cores(monkeypatch: pytest.MonkeyPatch, granted: float, number: int) -> None:
    monkeypatch.setattr(cores, "granted_cores", lambda: granted)
    assert cores.available_cores() == number


def test_threads_by_default_are_those_that_are_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "granted_cores", lambda: 1.0)
    told: list[int] = []
    monkeypatch.setattr(cores, "_openblas_setter", lambda: told.append)
    monkeypatch.setattr(cores, "_threads", None)
    assert cores.threads() == 1
    assert told == [1] or cores._reachable_cores() == 1


def test_more_threads_than_are_granted_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cores.threads()
    monkeypatch.setattr(cores, "granted_cores", lambda: 0.5)
    try:
        assert cores.set_threads(cores._reachable_cores()) == cores._reachable_cores()
        assert cores.set_threads() == 1
    finally:
        monkeypatch.undo()
        cores.set_threads(before)
