"""Pellucid and PyTorch on one NVIDIA GPU, in one run, taking turns.

    python -m benchmarks.gpu [SECTION ...] [--out FILE] [--seconds 60]

Sections: see SECTIONS below; by default all. Each is a process of its own with a time limit, so that one that fails
loses nothing; within one, each contestant that fails is left out. A figure is the median over the turns; a turn is
many steps started one behind the other, and the wait for the last. PyTorch gets what is best for it: channels last,
bfloat16 autocast, fused Adam, the whole step in a CUDA graph, and its compiler.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from benchmarks import torch_gpu
from pellucid import ops
from pellucid.data import Dataset, Loader, mnist_dataset
from pellucid.layers import Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type
from pellucid.task import Task
from pellucid.tasks import Classify
from pellucid.training import Trainer
from pellucid.training.optimizers import Adam, AdamW
from pellucid.training.recorded import recorded_steps
from pellucid.training.schedules import Constant, OneCycle
from pellucid.zoo import create

ROUNDS = 15
TURN_SECONDS = 0.03
TARGET = 0.99


@dataclass
class Contestant:
    """Work of which so many calls make a turn. begin: before a turn, not timed. wait: for all that was started."""

    call: Callable[[], object]
    wait: Callable[[], object]
    begin: Callable[[], object] = lambda: None
    most: int = 1 << 20
    """Calls between two beginnings."""


Maker = Callable[[], Contestant]


def seconds_of(one: Contestant, calls: int) -> float:
    """A turn: seconds of one call."""
    one.begin()
    one.wait()
    start = time.perf_counter()
    for _ in range(calls):
        one.call()
    one.wait()
    return (time.perf_counter() - start) / calls


def compare(makers: dict[str, Maker], limit: float) -> dict[str, Any]:
    """Milliseconds of one call of each contestant that could be made: median and quartiles over the rounds."""
    ready: dict[str, tuple[Contestant, int]] = {}
    found: dict[str, Any] = {}
    for name, make in makers.items():
        try:
            start = time.perf_counter()
            with alarm(limit):
                one = make()
                for _ in range(4):
                    single = seconds_of(one, min(5, one.most))
            ready[name] = one, max(1, min(one.most, int(TURN_SECONDS / single)))
            found[name] = {"prepared": round(time.perf_counter() - start, 2)}
        except BaseException as error:  # a contestant that fails is left out, whatever it was
            found[name] = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
            traceback.print_exc()
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(ROUNDS):
        for name, (one, calls) in ready.items():
            times[name].append(1e3 * seconds_of(one, calls))
    for name, values in times.items():
        low, median, high = statistics.quantiles(values, n=4)
        found[name] |= {"ms": round(median, 4), "quartiles": [round(low, 4), round(high, 4)], "calls": ready[name][1]}
    return found


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after so long."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not ready after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Our side.


def random_images(count: int, shape: tuple[int, int, int], classes: int) -> Dataset:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    names = tuple(map(str, range(classes)))
    return Dataset(pixels, np.arange(count) % classes, names, "random images")


def our_training(layer: Callable[[], Layer], data: Dataset, batch: int, kind: str) -> Contestant:
    """Steps of Adam on a data set that lies on the card: each makes its batch too."""
    network = Network(layer(), data.image_shape, dtype=float_type(kind))
    loader = Loader(data, batch_size=batch, dtype=float_type(kind), drop_last=True)
    task: Task = Classify(data.class_names)
    trainer = Trainer(
        network=network, task=task, loader=loader, optimizer=Adam(1e-3), schedule=Constant(1, 1), epochs=1.0
    )
    steps = recorded_steps(trainer)
    assert steps is not None

    def begin() -> None:
        steps.read()
        steps.begin()

    return Contestant(steps.step, ops.recorder().synchronize, begin, len(loader))


def our_inference(layer: Callable[[], Layer], shape: tuple[int, int, int], batch: int, kind: str) -> Contestant:
    network = Network(layer(), shape, dtype=float_type(kind))
    rows = np.random.default_rng(0).standard_normal((batch, *shape[1:], shape[0]), dtype=np.float32)
    x = ops.array(rows.astype(float_type(kind)).transpose(0, 3, 1, 2))
    return Contestant(ops.recorder().Recorded(lambda: network.forward(x)), ops.recorder().synchronize)


# Sections.


def wanted(modes: torch_gpu.Modes) -> torch_gpu.Modes:
    """PyTorch's ways that compute in one of the types that are asked for."""
    marks = {"float32": ("float32", "TF32"), "bfloat16": ("bfloat16",)}
    chosen = [mark for kind in OPTIONS.types for mark in marks[kind]]
    return {title: settings for title, settings in modes.items() if any(mark in title for mark in chosen)}


def training(name: str, batch: int, modes: torch_gpu.Modes) -> dict[str, Any]:
    """Training steps of a network of the zoo."""
    ops.set_backend("cuda")
    data = mnist_dataset(train=True) if name == "deep-convnet" else random_images(batch * 12, (3, 224, 224), 1000)
    makers: dict[str, Maker] = {
        f"pellucid {kind}": partial(our_training, lambda: create(name, data.classes), data, batch, kind)
        for kind in OPTIONS.types
    }
    images = np.asarray(data.inputs[:batch], np.float32) / 255
    labels = np.asarray(data.targets[:batch]).astype(np.int64)
    for title, settings in wanted(modes).items():
        makers[f"torch {title}"] = partial(_torch_training, name, images, labels, settings)
    return compare(makers, OPTIONS.limit)


def _torch_training(name: str, images: Array, labels: Array, settings: dict[str, Any]) -> Contestant:
    return Contestant(*torch_gpu.training(torch_gpu.NETWORKS[name](), images, labels, **settings))


def inference(name: str, shape: tuple[int, int, int], batch: int, modes: torch_gpu.Modes) -> dict[str, Any]:
    """A network's answers."""
    ops.set_backend("cuda")
    classes = 10 if name == "deep-convnet" else 1000
    makers: dict[str, Maker] = {
        f"pellucid {kind}": partial(our_inference, lambda: create(name, classes), shape, batch, kind)
        for kind in OPTIONS.types
    }
    x = np.random.default_rng(0).standard_normal((batch, *shape), dtype=np.float32)
    for title, settings in wanted(modes).items():
        makers[f"torch {title}"] = partial(_torch_inference, name, x, settings)
    return compare(makers, OPTIONS.limit)


def _torch_inference(name: str, x: Array, settings: dict[str, Any]) -> Contestant:
    return Contestant(*torch_gpu.inference(torch_gpu.NETWORKS[name](), x, **settings))


RECIPE: dict[str, float] = {"batch": 256, "epochs": 2, "rate": 0.008, "decay": 0.05, "smoothing": 0.05, "peak": 0.2}
"""Fixed before; found on a CPU."""


def mnist_run(seed: int, kind: str, epochs: float | None = None) -> tuple[float, float]:
    """(test accuracy, seconds): from the files to the measured network."""
    start = time.perf_counter()
    train, test = mnist_dataset(train=True), mnist_dataset(train=False)
    layer = create("deep-convnet", 10, dropout=0.0, last_dropout=False)
    dtype = float_type(kind)
    network = Network(layer, (1, 28, 28), seed=seed, dtype=dtype)
    loader = Loader(train, batch_size=int(RECIPE["batch"]), seed=seed, drop_last=True, dtype=dtype)
    epochs = epochs or RECIPE["epochs"]
    steps = round(epochs * len(loader))
    trainer = Trainer(
        network=network,
        task=Classify(train.class_names, label_smoothing=RECIPE["smoothing"]),
        loader=loader,
        optimizer=AdamW(RECIPE["rate"], weight_decay=RECIPE["decay"]),
        schedule=OneCycle(steps, len(loader), peak=RECIPE["peak"]),
        epochs=epochs,
        evaluations={"test": Loader(test, batch_size=2000, shuffle=False, dtype=dtype)},
        samples={"test": Loader(test.subset(np.arange(2000)), batch_size=2000, shuffle=False, dtype=dtype)},
        seed=seed,
    )
    trainer.fit()
    return trainer.state.history[-1]["test"]["accuracy"], time.perf_counter() - start


def mnist_to_99(kind: str) -> dict[str, Any]:
    ops.set_backend("cuda")
    mnist_run(99, kind, epochs=0.1)  # compiles what isn't compiled yet
    runs = [mnist_run(seed, kind) for seed in range(5)]
    return {
        "recipe": RECIPE,
        "accuracies": [round(a, 4) for a, _ in runs],
        "seconds": [round(s, 3) for _, s in runs],
        "median seconds": round(statistics.median(s for _, s in runs), 3),
        "reached": all(a >= TARGET for a, _ in runs),
    }


def check() -> dict[str, Any]:
    """Losses of a few steps on the card next to NumPy's, in float32 without and with recording."""
    found: dict[str, Any] = {}
    for backend in ("numpy", "cuda"):
        with ops.use_backend(backend):
            data = mnist_dataset(train=True).subset(np.arange(640))
            layer = create("deep-convnet", 10, dropout=0.0, last_dropout=False)
            loader = Loader(data, batch_size=64, seed=1)
            losses: list[float] = []
            trainer = Trainer(
                network=Network(layer, (1, 28, 28), seed=1),
                task=Classify(data.class_names),
                loader=loader,
                optimizer=AdamW(0.003),
                schedule=Constant(10, 10),
                epochs=1,
            )
            trainer.fit()
            losses = [loss for _, loss in trainer.state.trace]
            found[backend] = [round(loss, 6) for loss in losses]
    both = np.array([found["numpy"], found["cuda"]])
    found["largest difference"] = float(np.abs(both[0] - both[1]).max())
    return found


MNIST, PHOTOGRAPH = (1, 28, 28), (3, 224, 224)

SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "check": check,
    "train DeepConvNet 128": lambda: training("deep-convnet", 128, torch_gpu.TRAINING),
    "MNIST to 99 bfloat16": lambda: mnist_to_99("bfloat16"),
    "train ResNet-18 64": lambda: training("resnet18", 64, torch_gpu.TRAINING),
    "train DeepConvNet 1024": lambda: training("deep-convnet", 1024, torch_gpu.TRAINING),
    "infer ResNet-18 64": lambda: inference("resnet18", PHOTOGRAPH, 64, torch_gpu.INFERENCE),
    "infer DeepConvNet 128": lambda: inference("deep-convnet", MNIST, 128, torch_gpu.INFERENCE),
    "infer ResNet-18 1": lambda: inference("resnet18", PHOTOGRAPH, 1, torch_gpu.INFERENCE),
    "MNIST to 99 float32": lambda: mnist_to_99("float32"),
    "train DeepConvNet 128 compiled": lambda: training("deep-convnet", 128, torch_gpu.TRAINING_COMPILED),
    "train ResNet-18 64 compiled": lambda: training("resnet18", 64, torch_gpu.TRAINING_COMPILED),
    "infer ResNet-18 64 compiled": lambda: inference("resnet18", PHOTOGRAPH, 64, torch_gpu.INFERENCE_COMPILED),
    "train DeepConvNet 1024 compiled": lambda: training("deep-convnet", 1024, torch_gpu.TRAINING_COMPILED),
}

OPTIONS = argparse.Namespace(limit=30.0, types=["float32", "bfloat16"])


def run_section(name: str, seconds: float) -> dict[str, Any]:
    """In a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu",
        "--one",
        name,
        "--limit",
        str(OPTIONS.limit),
        "--types",
        *OPTIONS.types,
    ]
    start = time.perf_counter()
    try:
        done = subprocess.run(command, timeout=seconds, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired as error:
        output = error.stderr.decode() if isinstance(error.stderr, bytes) else error.stderr or ""
        return {"failed": f"not done after {seconds:g} s", "errors": output[-1500:]}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found = (
        json.loads(lines[-1]) if lines else {"failed": f"exit code {done.returncode}", "errors": done.stderr[-1500:]}
    )
    return found | {"section seconds": round(time.perf_counter() - start, 1)}


def table(name: str, found: dict[str, Any]) -> str:
    """A section as a person reads it."""
    lines = [f"\n{name}"]
    for key, value in found.items():
        if isinstance(value, dict) and "ms" in value:
            low, high = value["quartiles"]
            lines.append(f"  {key:42} {value['ms']:9.4f} ms  ({low:.4f}-{high:.4f})   ready in {value['prepared']} s")
        else:
            lines.append(f"  {key}: {value}")
    times = {side: [v["ms"] for k, v in found.items() if k.startswith(side) and isinstance(v, dict) and "ms" in v]
             for side in ("pellucid", "torch")}  # fmt: skip
    if all(times.values()):
        lines.append(f"  PyTorch's best / our best: {min(times['torch']) / min(times['pellucid']):.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=75, help="of one section at most")
    parser.add_argument("--total", type=float, default=300, help="seconds of all sections; later ones are left out")
    parser.add_argument("--limit", type=float, default=30, help="seconds to make one contestant ready")
    parser.add_argument("--types", nargs="+", default=OPTIONS.types)
    parser.add_argument("--one")
    options = parser.parse_args()
    OPTIONS.limit, OPTIONS.types = options.limit, options.types
    if options.one:
        print(json.dumps(SECTIONS[options.one]()), flush=True)
        return
    start, results = time.perf_counter(), {}
    for name in options.sections or SECTIONS:
        left = options.total - (time.perf_counter() - start)
        if left < 5:
            print(f"\n{name}: left out, no time")
            continue
        results[name] = run_section(name, min(options.seconds, left))
        print(table(name, results[name]), flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
