"""More photographs than memory should hold, through training: memory, and how long the steps waited for data.

    python -m benchmarks.photographs [--images 20000] [--epochs 1] [--keep FOLDER] [--train FLAG ...]

Writes JPEGs of 500x400 in ten class folders, about 64 kB each, and trains on them in a process of its own, by
`pellucid train FOLDER/`, for an epoch and its evaluation. In the first epoch no picture has been decoded before, so
nothing is slower than that. --keep: where the files stay, or are already. Kernels should be compiled before, which
takes memory too.
Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.inference_memory import resident
from benchmarks.measure import clean_environment, machine
from pellucid.data import Batch, Loader
from pellucid.ops.arrays import Array

SIZE = 400, 500
CLASSES = 10
CONTENTS = 200
NOISE = 12.0  # standard deviation; makes files as large as photographs'
QUALITY = 88


def contents(generator: np.random.Generator) -> Array:
    """Pictures (CONTENTS, H, W, 3), smooth ground with ten edged shapes on each; those of a class share a shade."""
    H, W = SIZE
    y, x = np.mgrid[:H, :W].astype(np.float32)
    made = np.empty((CONTENTS, H, W, 3), np.uint8)
    for number in range(CONTENTS):
        shade = np.random.default_rng(number % CLASSES).uniform(60, 190, 3)
        slopes = generator.uniform(-0.15, 0.15, (2, 3))
        picture = shade + (y - H / 2)[..., None] * slopes[0] + (x - W / 2)[..., None] * slopes[1]
        for _ in range(10):
            centre, radius = generator.uniform(0, SIZE), generator.uniform(10, 80)
            inside = np.hypot(y - centre[0], x - centre[1]) < radius
            picture[inside] += generator.uniform(-60, 60, 3)
        made[number] = picture.clip(0, 255)
    return made


def write(folder: Path, images: int) -> None:
    """So many JPEGs, no two of which are alike: the contents in turn, each time under other noise."""
    generator = np.random.default_rng(0)
    bases, (H, W) = contents(generator), SIZE
    noise = generator.normal(0, NOISE, (2 * H, 2 * W, 3)).astype(np.int16)
    corners = generator.integers(0, (H, W), (images, 2))

    def save(number: int) -> None:
        top, left = corners[number]
        base = bases[number % CONTENTS]
        pixels = (base + noise[top : top + H, left : left + W]).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"class{number % CLASSES}" / f"{number:06}.jpg", quality=QUALITY)

    for number in range(CLASSES):
        (folder / f"class{number}").mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(save, range(images)):
            pass


def child(command: list[str], result: Path) -> int:
    """`pellucid` with that command line in this process; what is measured goes into a file."""
    from pellucid.cli.app import main as pellucid

    begun = time.perf_counter()
    waits: list[float] = []
    computed: list[float] = []
    epochs: set[int] = set()
    epoch = Loader.epoch

    def timed(loader: Loader, number: int, start_batch: int = 0) -> Iterator[Batch]:
        batches = epoch(loader, number, start_batch)
        if not loader.shuffle or number in epochs:  # no training, but an evaluation or a look at a batch
            yield from batches
            return
        epochs.add(number)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            end = time.perf_counter()
            if batch is None:
                return
            waits.append(end - (start if waits else begun))
            yield batch
            computed.append(time.perf_counter() - end)

    Loader.epoch = timed  # type: ignore[method-assign, assignment]
    try:
        code = pellucid(command)
    finally:
        Loader.epoch = epoch  # type: ignore[method-assign]
    measured = {"memory": resident("VmHWM"), "waits": waits, "computed": computed}
    result.write_text(json.dumps(measured))
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", default="1")
    parser.add_argument("--keep", type=Path, help="where the files stay, or are already")
    parser.add_argument("--only-write", action="store_true", help="with --keep: write the files and end")
    parser.add_argument("--train", nargs=argparse.REMAINDER, default=[], help="further flags of pellucid train")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return child(given.train, given.child)
    clean_environment()
    print(machine())
    with tempfile.TemporaryDirectory() as own:
        folder = given.keep or Path(own) / "photographs"
        if not folder.exists():
            write(folder, given.images)
        files = list(folder.glob("*/*.jpg"))
        size = sum(path.stat().st_size for path in files)
        print(f"{len(files):,} JPEGs of {SIZE[1]}x{SIZE[0]}, {size / len(files) / 1e3:.0f} kB each", flush=True)
        if given.only_write:
            return 0
        result = Path(own) / "measured.json"
        command = ["train", f"{folder}/", "--epochs", given.epochs, "--out", f"{own}/run", *given.train]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.photographs", "--child", str(result), "--train", *command],
            check=False,
        )
        if done.returncode:
            return done.returncode
        found = json.loads(result.read_text())
    (first, *waits), computed = (
        found["waits"],
        found["computed"][1 : len(found["waits"])],
    )  # the first step may compile
    waited, steps = sum(waits), sum(computed)
    print(f"memory at most {found['memory'] / 1e6:.0f} MB")
    print(f"the first batch {first:.1f} s behind the command's beginning: files listed, headers and some pixels read")
    print(
        f"{len(waits)} steps more: waited {waited:.2f} s for data, computed {steps:.2f} s: "
        f"{100 * waited / (waited + steps):.1f} % waiting, the longest {1e3 * max(waits):.0f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
