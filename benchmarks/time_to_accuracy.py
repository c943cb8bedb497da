"""Time until DeepConvNet reads 99.0 % of MNIST's test images, by a recipe that is fixed before.

    python -m benchmarks.time_to_accuracy [--recipe deep-convnet-fast] [--seeds 5]

Each seed is a process of its own, `pellucid train`, with kernels already compiled. Two clocks are printed: the
training steps alone, with the loading of each batch; and the whole process, from its start through loading the data
and training to the evaluation and the files it leaves, which is more than was asked for.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import clean_environment, machine

TARGET = 0.99


def run(recipe: str, seed: int, folder: Path) -> tuple[float, float, float]:
    """(test accuracy after the last epoch, seconds of training, seconds of the whole process)."""
    out = folder / f"seed-{seed}"
    command = [sys.executable, "-m", "pellucid", "train", recipe, "--seed", str(seed), "--out", str(out), "--quiet"]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - start
    last = json.loads((out / "history.jsonl").read_text().splitlines()[-1])
    return last["test"]["accuracy"], last["seconds"], whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="deep-convnet-fast")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    clean_environment()
    print(machine(), f"recipe {options.recipe}", sep="\n")
    with tempfile.TemporaryDirectory() as name:
        Path(name, "warm-up").mkdir()
        run(options.recipe, 0, Path(name, "warm-up"))  # compiles what isn't compiled yet
        rows = []
        for seed in range(options.seeds):
            rows.append(run(options.recipe, seed, Path(name)))
            accuracy, training, whole = rows[-1]
            verdict = "reached" if accuracy >= TARGET else "missed"
            print(f"seed {seed}: {accuracy:.2%} ({verdict}), training {training:.1f} s, process {whole:.1f} s")
    accuracies, trainings, wholes = zip(*rows, strict=True)
    reached = sum(accuracy >= TARGET for accuracy in accuracies)
    print(f"{reached} of {len(rows)} reached {TARGET:.1%}; mean {statistics.mean(accuracies):.2%}")
    print(f"median: training {statistics.median(trainings):.1f} s, process {statistics.median(wholes):.1f} s")


if __name__ == "__main__":
    main()
