"""Several processes against one: the same weights, how much faster, and what the sum over the ranks takes.

python -m benchmarks.distributed [--quick]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.jobs import MPIEXEC
from benchmarks.measure import machine
from pellucid import ops
from pellucid.data import Data, mnist_dataset
from pellucid.ops.arrays import Array
from pellucid.recipes import build_trainer, load_recipe
from pellucid.training import Alone, Communicator, Trainer, TrainingState
from pellucid.training.distributed import join_ranks
from pellucid.weights import read_arrays, write_arrays

BATCH = 256  # images of a step, of all ranks together, where speed is measured
STEPS = 4  # of a turn
GRADIENT = 4 * 123_552  # bytes
SIZES = [1 << n for n in range(8, 26, 2)]  # bytes of an array that is summed over the ranks


def trainer(communicator: Communicator, kind: str, batch: int, steps: int) -> Trainer:
    """DeepConvNet as published, on the first digits; nothing is measured or written beside the steps."""
    settings = {"training.batch_size": batch, "training.epochs": 1, "training.precision": kind}
    digits = mnist_dataset(train=True).subset(range(batch * steps))
    recipe = load_recipe("deep-convnet", settings)
    found = build_trainer(recipe, Data(digits, None, digits), communicator=communicator)
    found.evaluations = {}
    return found


def weights_after_50_steps(path: Path) -> None:
    """A batch that neither 3 nor 4 ranks can share evenly."""
    communicator = join_ranks()
    ops.set_threads(1)
    run = trainer(communicator, "float64", 50, 50)
    run.fit()
    if communicator.rank == 0:
        write_arrays(path, {"weights": run.network.vector}, {})


def largest_differences(folder: Path) -> None:
    """From one process's weights, which have moved by about 0.1 by then."""
    found: dict[int, Array] = {}
    for ranks in (1, 2, 3, 4):
        path = folder / f"{ranks}.safetensors"
        run_ranks(ranks, "--weights", str(path))
        found[ranks] = read_arrays(path)[0]["weights"]
        if ranks > 1:
            print(f"{ranks} ranks: largest difference {np.abs(found[ranks] - found[1]).max():.1e}", flush=True)


def run_ranks(ranks: int, *arguments: str) -> None:
    command = [str(MPIEXEC), "-n", str(ranks), sys.executable, "-m", "benchmarks.distributed", *arguments]
    subprocess.run(command, check=True)


def compare_speeds(rounds: int) -> None:
    """The same global batch in turns: both ranks on a thread each, rank 0 alone on one and on two."""
    communicator = join_ranks()
    together, alone = trainer(communicator, "float32", BATCH, STEPS), trainer(Alone(), "float32", BATCH, STEPS)
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, threads, run in (
            ("2 ranks x 1 thread", 1, together),
            ("1 rank x 1 thread", 1, alone),
            ("1 rank x 2 threads", 2, alone),
        ):
            ops.set_threads(threads)
            communicator.barrier()
            if communicator.rank == 0 or run is together:
                run.state = TrainingState()
                start = time.perf_counter()
                run.fit()
                if turn:  # the first compiles
                    seconds.setdefault(name, []).append((time.perf_counter() - start) / STEPS)
    if communicator.rank == 0:
        _report_speeds(seconds)
    gradient = _report_sums(communicator)
    if communicator.rank == 0:
        step = statistics.median(seconds["2 ranks x 1 thread"])
        print(f"sum of the gradient: {1e3 * gradient:.2f} ms of a step's {1e3 * step:.1f}: {gradient / step:.1%}")


def _report_speeds(seconds: dict[str, list[float]]) -> None:
    print(machine())
    for name, times in seconds.items():
        low, median, high = (1e3 * q for q in statistics.quantiles(times, n=4))
        print(f"{name:20s} {median:6.1f} ms a step ({low:.1f}-{high:.1f}), {1e3 * BATCH / median:6.0f} images/s")
    pair = seconds["2 ranks x 1 thread"]
    for name in ("1 rank x 1 thread", "1 rank x 2 threads"):
        ratios = [other / mine for mine, other in zip(pair, seconds[name], strict=True)]  # neighbours in time
        low, median, high = statistics.quantiles(ratios, n=4)
        print(f"2 ranks x 1 thread against {name}: {median:.2f} ({low:.2f}-{high:.2f})")


def sum_times(communicator: Communicator) -> dict[int, float]:
    """Median seconds of a sum over the ranks, by the array's bytes."""
    found = {}
    for size in SIZES:
        array = np.ones(size // 4, np.float32)
        times = []
        for _ in range(max(5, min(50, (1 << 26) // size))):
            communicator.barrier()
            start = time.perf_counter()
            communicator.all_reduce(array)
            times.append(time.perf_counter() - start)
        found[size] = statistics.median(times)
    return found


def _report_sums(communicator: Communicator) -> float:
    """By the array's size. Returns what the gradient's takes: all that overlapping it with `backward` could save."""
    times = sum_times(communicator)
    if communicator.rank == 0:
        for size, seconds in times.items():
            print(f"sum of {size:10,} bytes over {communicator.ranks} ranks: {1e6 * seconds:9.1f} us")
    return float(np.interp(GRADIENT, list(times), list(times.values())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sums", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--speeds", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.weights:
        weights_after_50_steps(options.weights)
    elif options.sums:
        _report_sums(join_ranks())
    elif options.speeds:
        compare_speeds(options.speeds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            largest_differences(Path(folder))
        run_ranks(2, "--speeds", "3" if options.quick else "15")


if __name__ == "__main__":
    main()
