"""How much of the processors' time a container grants, on Linux.

`docker run --cpus 2` and its like leave a process all cores, but stop it when its threads together have run for twice
a period's length, until the next period: with more threads than that some are stopped, and the others wait for them.
The kernel keeps the limit in files of control groups, of which there are two versions. Parents of a group limit it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def granted_cores(root: Path = Path("/")) -> float:
    """Processors' worth of time that this process may take; infinity where nothing limits it.

    root: where the system's files lie.
    """
    return min(map(_quota, _groups(root)), default=math.inf)


def _groups(root: Path) -> Iterator[Path]:
    """The folder of each group that the process is in, of their parents, and of the topmost that can be seen."""
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        if line.count(":") < 2:
            continue
        _, kinds, path = line.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        inside = PurePosixPath(path.lstrip("/"))
        for mount in (mounts / kinds, mounts / "cpu") if kinds else (mounts, mounts / "unified"):
            yield from (mount / parent for parent in (inside, *inside.parents))


def _quota(group: Path) -> float:
    """A group's own limit."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return int(quota) / int(period) if quota != "max" and int(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
