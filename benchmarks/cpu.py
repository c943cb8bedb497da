"""Training and inference of DeepConvNet, and single convolutions, against PyTorch.

pip install -e '.[bench]'
python -m benchmarks.cpu [--quick]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

import numpy as np

from benchmarks import torch_side
from benchmarks.measure import Timing, Work, alternate, clean_environment, machine, matrix_product_peak
from pellucid import ops
from pellucid.layers import SoftmaxCrossEntropy, training
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry, sides
from pellucid.zoo import create

BATCH = 128
FLOPS_PER_IMAGE = 52.8e6  # of a direct training step: 8.8 M multiply-adds, forward and two gradients


def images(count: int, channels: int = 1, size: int = 28) -> Array:
    rows = np.random.default_rng(0).standard_normal((count, size, size, channels), dtype=np.float32)
    return rows.transpose(0, 3, 1, 2)


def our_training_step(x: Array, labels: Array) -> Work:
    network, loss = Network(create("deep-convnet", 10), (1, 28, 28)), SoftmaxCrossEntropy()
    m, v = np.zeros_like(network.vector), np.zeros_like(network.vector)
    rng, steps = np.random.default_rng(0), 0

    def step() -> float:
        nonlocal steps
        steps += 1
        value, gradient = loss(network.forward(x, training(rng)), labels)
        network.backward(gradient)
        ops.adam_update(network.vector, network.gradient, m, v, steps, 1e-3, 0.9, 0.999, 1e-8)
        return value

    return step


def our_convolution(x: Array, w: Array, b: Array, dy: Array | None) -> Work:
    dw, db, geometry = np.empty_like(w), np.empty_like(b), Geometry(padding=sides(1))

    def run() -> Array:
        y = ops.conv2d_relu(x, w, b, geometry)
        return y if dy is None else ops.conv2d_relu_backward(dy, y, x, w, dw, db, geometry)

    return run


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


def compare_training(rounds: int) -> None:
    x, labels = images(BATCH), np.arange(BATCH) % 10
    sides = {
        "pellucid": our_training_step(x, labels),
        "PyTorch eager, NCHW": torch_side.training_step(x, labels, channels_last=False),
        "PyTorch eager, channels last": torch_side.training_step(x, labels, channels_last=True),
    }
    timings = alternate(sides, rounds=rounds)
    report(f"DeepConvNet training step, batch {BATCH}, Adam", timings, "images/s", BATCH)
    peak = matrix_product_peak()
    direct = BATCH * FLOPS_PER_IMAGE / peak
    print(
        f"  perfect direct convolution at the matrix-product peak of {peak / 1e9:.0f} GFLOP/s: {1e3 * direct:.1f} ms"
    )
    print(f"  ratio to it: {direct / timings['pellucid'].median:.2f}")


def compare_inference(rounds: int, compiled: bool) -> None:
    for batch in (BATCH, 1):
        x = images(batch)
        network = Network(create("deep-convnet", 10), (1, 28, 28))
        sides: dict[str, Work] = {"pellucid": lambda network=network, x=x: network.forward(x)}  # type: ignore[misc]
        for last in (False, True):
            for how in (False, True) if compiled else (False,):
                name = f"PyTorch {'compiled' if how else 'eager'}, {'channels last' if last else 'NCHW'}"
                sides[name] = torch_side.inference(x, channels_last=last, compiled=how)
        report(f"DeepConvNet inference, batch {batch}", alternate(sides, rounds=rounds), "images/s", batch)


def compare_convolutions(rounds: int) -> None:
    for channels, size, batch in ((64, 224, 1), (128, 28, 8), (16, 28, 128)):
        rng = np.random.default_rng(0)
        x, dy = images(batch, channels, size), images(batch, channels, size)
        w = rng.standard_normal((channels, channels, 3, 3), dtype=np.float32) / np.float32(3 * channels**0.5)
        b = rng.standard_normal(channels, dtype=np.float32)
        for title, gradient in (("forward", None), ("forward + backward", dy)):
            sides = {"pellucid": our_convolution(x, w, b, gradient)}
            for name, last in (("PyTorch, NCHW", False), ("PyTorch, channels last", True)):
                sides[name] = torch_side.convolution(x, w, b, gradient, channels_last=last)
            shape = f"{channels}->{channels} at {size}x{size} N={batch}"
            report(f"3x3 convolution + bias + ReLU, {shape}, {title}", alternate(sides, rounds=rounds))


START = """
import time; start = time.perf_counter()
import numpy as np
from benchmarks.cpu import BATCH, images, our_training_step
step = our_training_step(images(BATCH), np.arange(BATCH) % 10); step()
print(time.perf_counter() - start)
"""


def measure_start() -> None:
    """Time from a fresh process to the end of its first training step, with an empty and with a full cache."""
    import os

    print("\nFrom the start of a process to the end of its first training step")
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("cold", "warm", "warm"):
            start = time.perf_counter()
            run = subprocess.run(
                [sys.executable, "-c", START],
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
                capture_output=True,
                text=True,
                check=True,
            )
            whole = time.perf_counter() - start
            print(f"  {cache} cache: {float(run.stdout):.2f} s ({whole:.2f} s with the interpreter's own start)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, PyTorch not compiled")
    quick = parser.parse_args().quick
    clean_environment()
    import torch

    torch.set_num_threads(ops.threads())
    print(machine(), f"{torch.get_num_threads()} PyTorch threads, backend {ops.backend()}", sep="\n")
    rounds = 5 if quick else 15
    compare_training(rounds)
    compare_inference(rounds, compiled=not quick)
    compare_convolutions(rounds)
    measure_start()


if __name__ == "__main__":
    main()
