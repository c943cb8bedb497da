"""How everything here is timed: contestants take turns, and the figure is the median over the turns."""

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from pellucid import ops

Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median over the rounds, and the spread between the quartiles."""

    median: float
    quartiles: tuple[float, float]

    def __str__(self) -> str:
        low, high = (1e3 * q for q in self.quartiles)
        return f"{1e3 * self.median:.3g} ms ({low:.3g}-{high:.3g})"


def alternate(
    contestants: Mapping[str, Work],
    *,
    rounds: int = 15,
    seconds: float = 0.1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time each contestant in turn, round after round, so that a noisy neighbour meets all alike.

    A turn lasts about `seconds`; its first call isn't counted, as the other side's threads may still be spinning.
    clock: `time.process_time` counts what the processor did for this process, whoever else has used it meanwhile.
    """
    repeats = {}
    for name, work in contestants.items():
        work()
        start = clock()
        work()
        repeats[name] = max(2, int(seconds / max(clock() - start, 1e-6)))
    found: dict[str, list[float]] = {name: [] for name in contestants}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, work in contestants.items():
                work()
                calls = []
                for _ in range(repeats[name]):
                    start = clock()
                    work()
                    calls.append(clock() - start)
                found[name].append(statistics.median(calls))
    finally:
        gc.enable()
    return {name: _timing(times) for name, times in found.items()}


def _timing(times: list[float]) -> Timing:
    low, median, high = statistics.quantiles(times, n=4)
    return Timing(median, (low, high))


def machine() -> str:
    """The processor, its cores, threads in use, and the versions of what is compared."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    features = ""
    if information.exists():
        text = information.read_text()
        name = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), name)
        flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
        features = ", ".join(f for f in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16") if f in flags)
    packages = []
    for package in ("numpy", "numba", "torch"):
        try:
            packages.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            packages.append(f"no {package}")
    return "\n".join(
        [
            f"{name} ({features}), {os.cpu_count()} cores, {ops.threads()} threads",
            f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {', '.join(packages)}",
        ]
    )


def clean_environment() -> None:
    """Start this program again without variables that make OpenBLAS slower than it is."""
    unwanted = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & set(os.environ)
    if unwanted:
        kept = {key: value for key, value in os.environ.items() if key not in unwanted}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)


def matrix_product_peak(seconds: float = 1.0) -> float:
    """FLOP/s of NumPy's best large float32 matrix product here: what a perfect direct convolution could reach."""
    best = 0.0
    for size in (1024, 2048, 3072):
        a = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
        out = np.empty_like(a)
        np.matmul(a, a, out=out)
        end = time.perf_counter() + seconds / 3
        while time.perf_counter() < end:
            start = time.perf_counter()
            np.matmul(a, a, out=out)
            best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def report(title: str, timings: Mapping[str, Timing], unit: str = "", count: float = 0) -> float:
    """Print one comparison; returns how much faster we are than the best other side."""
    print(f"\n{title}")
    for name, timing in timings.items():
        rate = f"   {count / timing.median:,.0f} {unit}" if count else ""
        print(f"  {name:34} {timing!s:30}{rate}")
    others = {name: t.median for name, t in timings.items() if name != "pellucid"}
    best = min(others, key=lambda name: others[name])
    ratio = others[best] / timings["pellucid"].median
    print(f"  ratio to {best}: {ratio:.2f}")
    return ratio
