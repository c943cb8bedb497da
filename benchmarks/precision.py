"""Number formats: speed, memory of a training step, and exported C against Python on every test image.

python -m benchmarks.precision [ROW ...]      (see benchmarks.bits; rows are those of benchmarks.inference)
python -m benchmarks.precision convolutions   (see benchmarks.bits_convolution)
python -m benchmarks.precision memory [BATCH]
python -m benchmarks.precision exact RUN      (after pellucid shrink RUN)
"""

import ctypes
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.bits import print_table
from benchmarks.bits_convolution import print_convolutions
from benchmarks.inference import ROWS
from benchmarks.measure import machine
from pellucid import ops
from pellucid.data import mnist_dataset
from pellucid.export import export_c
from pellucid.layers import Layer, SoftmaxCrossEntropy, training
from pellucid.network import Network
from pellucid.ops import memory
from pellucid.ops.arrays import Array
from pellucid.ops.formats import FORMATS, float_type
from pellucid.recipes.shrink import open_shrunk
from pellucid.training.master_weights import trained_weights
from pellucid.zoo import create

BATCH = 128
ROUNDS = 5


def kept_arrays(layers: Iterable[Layer]) -> dict[int, int]:
    """Bytes of every array that layers keep for their backward, each piece of memory once, by its address."""
    found: dict[int, int] = {}
    for layer in layers:
        for value in vars(layer).values():
            if isinstance(value, np.ndarray):
                address = value.__array_interface__["data"][0]
                found[address] = max(found.get(address, 0), value.nbytes)
    return found


def training_step_bytes(name: str, batch: int) -> tuple[int, int, int]:
    """(activations kept, weights with gradient and float32 copy, peak of all arrays) of a step of DeepConvNet."""
    kind = float_type(name)
    tracemalloc.start()
    network = Network(create("deep-convnet", 10), (1, 28, 28), dtype=kind)
    weights = trained_weights(network)
    x, t = np.random.default_rng(0).random((batch, 1, 28, 28), np.float32).astype(kind), np.arange(batch) % 10
    loss = SoftmaxCrossEntropy()

    def forward() -> Array:
        return network.forward(x, training(np.random.default_rng(0)))

    def step() -> None:
        network.backward(weights.to_backward(loss(weights.outputs(forward()), t)[1]))
        weights.update(lambda w, g: ops.sgd_update(w, g, 1e-3), weights.gradient())

    step()
    memory.release()
    tracemalloc.reset_peak()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    forward()
    activations = sum(kept_arrays(node.layer for node in network._running.nodes).values())
    copy = weights.vector.nbytes if weights.vector is not network.vector else 0
    return activations, network.vector.nbytes + network.gradient.nbytes + copy, peak


def print_memory(batch: int) -> None:
    print(f"training step of deep-convnet, batch {batch}, backend {ops.backend()}; bytes, and against float32")
    print(f"{'format':10}{'activations':>14}{'weights':>12}{'both':>14}{'':>7}{'peak':>14}")
    measured = {name: training_step_bytes(name, batch) for name in FORMATS}
    base = sum(measured["float32"][:2])
    for name, (activations, weights, peak) in measured.items():
        both = activations + weights
        print(f"{name:10}{activations:14,}{weights:12,}{both:14,}{both / base:6.2f}x{peak:14,}")


def c_logits(folder: Path, images: Array, count: int) -> tuple[Array, float]:
    """Logits of images (N, C, H, W) uint8 from the exported C, and the seconds that they took."""
    library = folder / "network.so"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", library, folder / "network.c"], check=True)
    program = ctypes.CDLL(str(library))
    program.network_input.restype = ctypes.c_void_p
    program.network_run.restype = ctypes.POINTER(ctypes.c_int32)
    rows = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).reshape(len(images), -1)
    found = np.empty((len(images), count), np.int32)
    start = time.perf_counter()
    for row, logits in zip(rows, found, strict=True):
        ctypes.memmove(program.network_input(), row.ctypes.data, row.size)
        logits[:] = np.ctypeslib.as_array(program.network_run(), (count,))
    return found, time.perf_counter() - start


def print_exact(run: Path) -> bool:
    """Compare the exported C with Python on every test image; whether all logits are equal."""
    shrunk, test = open_shrunk(run), mnist_dataset(train=False)
    images, labels = np.asarray(test.inputs), np.asarray(test.targets)
    python = np.concatenate([shrunk.network.integer_logits(images[i : i + 500]) for i in range(0, len(images), 500)])
    with tempfile.TemporaryDirectory() as folder:
        exported = export_c(shrunk.network, Path(folder), shrunk.class_names)
        program, seconds = c_logits(Path(folder), images, python.shape[1])
        made = subprocess.run(["make", "-s", "-C", folder, "size"], capture_output=True, text=True, check=True)
    right = int((python.argmax(axis=1) == labels).sum())
    print(f"{shrunk.path}: {shrunk.title}, {right} of {len(labels)} right, backend {ops.backend()}")
    print(f"RAM {exported.ram:,} bytes, constants {exported.constants:,} bytes; compiled with -Os:\n{made.stdout}")
    print(f"images of other predictions: {(python.argmax(axis=1) != program.argmax(axis=1)).sum()}")
    print(f"logits that differ: {(python != program).sum()} of {python.size:,}")
    print(f"the C program: {len(images) / seconds:,.0f} images/s on one core (-O2)")
    return bool((python == program).all())


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["memory"] and len(arguments) <= 2:
        print_memory(int(arguments[1]) if len(arguments) == 2 else BATCH)
        return 0
    if arguments == ["convolutions"]:
        print(machine())
        print_convolutions(ROUNDS)
        return 0
    if len(arguments) == 2 and arguments[0] == "exact":
        return 0 if print_exact(Path(arguments[1])) else 1
    if all(row in ROWS for row in arguments):
        print_table(arguments, ROUNDS)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
