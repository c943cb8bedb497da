"""Training steps of whole networks against PyTorch: the same network and batch, Adam, the same threads.

pip install -e '.[bench]'
python -m benchmarks.training [--rows resnet18 ...] [--rounds 9] [--compile] [--start]

A step is the forward pass, the loss, the backward pass and the update. All sides take turns in one process; each
figure is the median over the turns. PyTorch runs eagerly, its tensors in either order, and with --compile also
compiled. The first losses of both sides are compared. --start: instead, the time from a fresh process to the end of
its first step, compiling included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from benchmarks.measure import Timing, Work, alternate, clean_environment, machine, matrix_product_peak
from benchmarks.torch_twin import torch_twin
from pellucid import ops
from pellucid.layers import Dropout, SoftmaxCrossEntropy, training
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import channels_last
from pellucid.training.optimizers import Adam
from pellucid.zoo import create

ROWS: dict[str, tuple[Shape, int]] = {
    "deep-convnet": ((1, 28, 28), 128),
    "convnet": ((3, 64, 64), 32),
    "resnet18": ((3, 224, 224), 16),
    "mobilenet-v2": ((3, 224, 224), 16),
}
"""By the zoo's name: the input, and images in a batch."""

CLASSES = 10
RATE = 1e-3
SAME = 1e-3  # of the first loss, which is compared where no dropout draws otherwise on each side


def batch(shape: Shape, number: int) -> tuple[Array, Array]:
    """Noise with labels."""
    rng = np.random.default_rng(0)
    return channels_last(rng.standard_normal((number, *shape), np.float32)), rng.integers(0, CLASSES, number)


def our_step(network: Network, x: Array, labels: Array) -> Work:
    """One step of ours; gives the loss before it."""
    loss, optimizer, rng = SoftmaxCrossEntropy(), Adam(RATE), np.random.default_rng(0)

    def step() -> float:
        value, gradient = loss(network.forward(x, training(rng)), labels)
        network.backward(gradient)
        optimizer.update(network.vector, network.gradient)
        return value

    return step


def torch_step(network: Network, x: Array, labels: Array, *, last: bool, compiled: bool) -> Work:
    """One step of PyTorch's on a copy of the network; gives the loss before it."""
    import torch

    order = torch.channels_last if last else torch.contiguous_format
    module: Any = torch_twin(network).train().to(memory_format=order)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)
    images = torch.from_numpy(np.ascontiguousarray(x)).contiguous(memory_format=order)
    targets = torch.from_numpy(labels)
    run = torch.compile(module) if compiled else module

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(run(images), targets)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def sides(row: str, *, compiled: bool) -> dict[str, Work]:
    """All contestants of a row by name."""
    shape, number = ROWS[row]
    x, labels = batch(shape, number)
    network = Network(create(row, CLASSES), shape)
    found = {
        "PyTorch, NCHW": torch_step(network, x, labels, last=False, compiled=False),
        "PyTorch, channels last": torch_step(network, x, labels, last=True, compiled=False),
    }
    if compiled:
        found["PyTorch, compiled"] = torch_step(network, x, labels, last=True, compiled=True)
    found = {"pellucid": our_step(network, x, labels), **found}
    if not any(type(node.layer) is Dropout for node in network.nodes):
        losses = {name: float(str(step())) for name, step in found.items()}
        if max(losses.values()) - min(losses.values()) > SAME * max(losses.values()):
            raise SystemExit(f"{row}: the sides' first losses differ: {losses}")
    return found


def report(row: str, timings: dict[str, Timing]) -> None:
    """Print the figures, and how we stand against the fastest other side."""
    number = ROWS[row][1]
    print(f"\n{row}, {number} images of {'x'.join(map(str, ROWS[row][0]))}")
    for name, timing in timings.items():
        print(f"  {name:24} {timing!s:28} {number / timing.median:10,.0f} images/s")
    others = {name: timing.median for name, timing in timings.items() if name != "pellucid"}
    best = min(others, key=lambda name: others[name])
    print(f"  {others[best] / timings['pellucid'].median:.2f} times as fast as {best}", flush=True)


START = """
import sys, time; start = time.perf_counter()
from benchmarks.training import CLASSES, ROWS, batch, our_step
from pellucid.network import Network
from pellucid.zoo import create
row = sys.argv[1]
our_step(Network(create(row, CLASSES), ROWS[row][0]), *batch(*ROWS[row]))()
print(time.perf_counter() - start)
"""


def measure_start(row: str) -> None:
    """From a fresh process to the end of its first training step, with an empty and with a full cache of kernels."""
    print(f"\n{row}: from the start of a process to the end of its first training step")
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("cold", "warm", "warm"):
            start = time.perf_counter()
            run = subprocess.run(
                [sys.executable, "-c", START, row],
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
                capture_output=True,
                text=True,
                check=True,
            )
            whole = time.perf_counter() - start
            print(f"  {cache} cache: {float(run.stdout):.2f} s ({whole:.2f} s with the interpreter's own start)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compile", action="store_true", help="PyTorch compiled as well: a minute a row")
    parser.add_argument("--start", action="store_true", help="how long the first step takes, instead of the table")
    given = parser.parse_args()
    clean_environment()
    if given.start:
        print(machine())
        for row in given.rows:
            measure_start(row)
        return
    import torch

    torch.set_num_threads(ops.threads())
    peak = matrix_product_peak() / 1e9
    print(machine(), f"{torch.get_num_threads()} threads, a matrix product at {peak:.0f} GFLOP/s", sep="\n")
    for row in given.rows:
        report(row, alternate(sides(row, compiled=given.compile), rounds=given.rounds))


if __name__ == "__main__":
    main()
