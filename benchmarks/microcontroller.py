"""What the exported C takes on a Cortex-M, measured in QEMU: instructions of each loop, bytes of each kernel.

python -m benchmarks.microcontroller calibrate [WAY ...]     (writes src/pellucid/export/instructions.toml)
python -m benchmarks.microcontroller foretold [NAME ...]     (what fit-chip says, and what QEMU and the ELF file say)
python -m benchmarks.microcontroller exact [NAME ...] [--images 1000]    (whether all logits of the zoo are Python's)
python -m benchmarks.microcontroller answers RUN [--images 1000]       (float, Python, C here, C in QEMU)
Needs arm-none-eabi-gcc and qemu-system-arm.
"""

import argparse
import ctypes
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.export import export_c
from pellucid.export.boards import BOARDS
from pellucid.export.c import Program
from pellucid.export.chips import find_chip, read_chips
from pellucid.export.fit import fit
from pellucid.export.instructions import DSP, HELIUM, PLAIN, SMALL, pieces, turns
from pellucid.graph import Residual, Sequential
from pellucid.graph.containers import Branches
from pellucid.layers import (
    AvgPool2d,
    ChannelOrder,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Tanh,
)
from pellucid.layers.joins import Concat, Multiply
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.plan import IntegerNetwork
from pellucid.precision import quantize
from pellucid.recipes import open_model
from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.shrink import open_shrunk
from pellucid.zoo import create

WAYS = {
    DSP: ("cortex-m4", "-O2"),
    HELIUM: ("cortex-m55", "-O2"),
    PLAIN: ("cortex-m3", "-O2"),
    SMALL: ("cortex-m4", "-Os"),
}
FILE = Path("src/pellucid/export/instructions.toml")
WEIGHT_OF_ONE = 1e-4  # draws what the samples hardly tell apart to 0


def integers(layer: Layer, shape: Shape, bits: int) -> IntegerNetwork:
    images = np.random.default_rng(0).uniform(0, 1, (4, *shape)).astype(np.float32)
    return quantize(Network(layer, shape), images, bits)


def between(*layers: Layer) -> Layer:
    """Layers between convolutions, as in a network of some size: a kernel that is called once is compiled into it."""
    return Sequential(
        Conv2d(8, 1), ReLU(), *layers, ReLU(), Conv2d(12, 1), ReLU(), GlobalAvgPool2d(), Flatten(), Linear(9), ReLU(),
        Linear(5),
    )  # fmt: skip


SHAPES = ((3, 16, 3, 12, 1), (16, 16, 3, 8, 1), (8, 8, 1, 10, 2), (8, 33, 5, 7, 1), (12, 32, 3, 6, 2))
"""Channels before the first convolution, filters, window, side, stride."""


def samples() -> Iterator[IntegerNetwork]:
    """Networks of a few layers, and some of the zoo, whose counts differ in all ways that matter."""
    for bits in (8, 4, 2):
        for channels, filters, kernel, side, stride in SHAPES:
            body = Conv2d(filters, kernel, stride=stride, padding=kernel // 2)
            yield integers(between(body), (channels, side, side), bits)
        pooled = between(Conv2d(16, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(24, 3), ReLU(), MaxPool2d(2))
        yield integers(pooled, (8, 12, 12), bits)
        yield integers(create("convnet", 6, widths=(12, 20)), (3, 16, 16), bits)
        yield integers(create("convnet", 9, widths=(16, 32, 24)), (8, 16, 16), bits)
        yield integers(Sequential(Flatten(), Linear(30), ReLU(), Linear(200)), (8, 12, 12), bits)
        yield integers(between(Conv2d(16, 3, groups=4), ReLU(), Conv2d(16, 3, padding=1)), (4, 9, 9), bits)
        yield integers(create("tiny-digits", 10), (1, 28, 28), bits)
        yield integers(create("lenet5", 10), (1, 28, 28), bits)
        yield integers(create("resnet8", 10, widths=(8, 12, 16)), (3, 16, 16), bits)
        yield integers(create("mobilenet-v1", 10, width=0.1), (3, 32, 32), bits)
    yield integers(create("resnet8", 10), (3, 16, 16), 8)
    yield integers(create("mobilenet-v1", 10, width=0.25), (3, 48, 48), 8)
    for channels, side, stride in ((8, 12, 1), (16, 8, 2)):
        depthwise = [Conv2d(8, 3, stride=stride, padding=1, groups=8), ReLU(), Conv2d(channels, 1), ReLU()]
        again = Conv2d(channels, 3, padding=1, groups=channels)
        yield integers(between(*depthwise, again), (8, side, side), 8)
    for stride, filters in ((2, 8), (1, 4)):
        yield integers(between(ConvTranspose2d(filters, 3, stride=stride)), (8, 7, 7), 8)
    for channels in (4, 24):
        shape = (channels, 10, 10)
        yield integers(between(Residual(Conv2d(8, 3, padding=1))), shape, 8)
        yield integers(between(Branches(Conv2d(channels, 1), Conv2d(4, 1), join=Concat())), shape, 8)
        yield integers(between(ChannelOrder(5, 3, 7, 1, 0, 2, 4, 6)), shape, 8)
        yield integers(between(MaxPool2d(3, stride=1, padding=1), Conv2d(8, 1)), shape, 8)
        yield integers(between(AvgPool2d(2), Conv2d(channels, 3), Tanh(), Conv2d(4, 1)), shape, 8)
        gate = Sequential(AvgPool2d(10), Conv2d(channels, 1))
        yield integers(between(Branches(Conv2d(channels, 1), gate, join=Multiply())), shape, 8)
        yield integers(between(Branches(*(Conv2d(channels, 1) for _ in range(3)))), shape, 8)


def samples_of_rows() -> Iterator[IntegerNetwork]:
    """Some whose images come row by row."""
    for bits in (8, 4):
        yield integers(create("tiny-digits", 10), (1, 28, 28), bits)
        yield integers(create("resnet8", 10, widths=(8, 12, 16)), (3, 16, 16), bits)
    yield integers(create("lenet5", 10), (1, 28, 28), 8)
    yield integers(create("mobilenet-v1", 10, width=0.25), (3, 64, 64), 8)


@dataclass(frozen=True)
class Measured:
    """In QEMU: instructions of an image and bytes of stack; in the object file: bytes of flash and of static RAM."""

    instructions: int
    flash: int
    ram: int
    stack: int
    same: bool
    """Whether the logits are Python's, bit for bit."""


def python_logits(network: IntegerNetwork, q: Array) -> Array:
    """Of images (N, C, H, W), in the order of the C's: a row an image, of maps all classes of a place together."""
    logits = network.integer_logits(q)
    return (logits.transpose(0, 2, 3, 1) if logits.ndim == 4 else logits).reshape(len(q), -1)


def measure(network: IntegerNetwork, way: str, *, rows: bool = False, images: int = 2) -> Measured:
    """A network compiled one of three ways. rows: images come row by row."""
    core, level = WAYS[way]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_c(network, folder, [], core, rows=rows)
        q = np.random.default_rng(1).integers(0, 256, (images, *network.input_shape)).astype(np.uint8)
        (folder / "images.bin").write_bytes(q.transpose(0, 2, 3, 1).tobytes())
        ran = subprocess.run(
            ["make", "-s", "bench", f"LEVEL={level}"], cwd=folder, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise RuntimeError(ran.stderr)
        sizes = subprocess.run(["arm-none-eabi-size", folder / "bench.o"], capture_output=True, text=True, check=True)
        logits = np.fromfile(folder / "logits.bin", "<i4").reshape(images, -1)
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    said = {key: int(value) for key, value in re.findall(r"(\w+) (\d+)\n", ran.stdout + ran.stderr)}
    same = np.array_equal(logits, python_logits(network, q))
    return Measured(round(said["ticks"] * BOARDS[core].instructions), text + data, bss, said["stack"], same)


def solved(rows: list[dict[str, float]], results: list[float], by: list[float]) -> tuple[dict[str, float], Array]:
    """The numbers not below 0 that explain results best, each error relative to `by`; and those errors."""
    names = sorted(set().union(*rows))
    scale = np.array([max(row.get(name, 0) for row in rows) or 1 for name in names], np.float64)
    A = np.array([[row.get(name, 0) / size for name, size in zip(names, scale, strict=True)] for row in rows])
    relative = A / np.array(by)[:, None]
    ridge = np.diag(WEIGHT_OF_ONE * relative.max(axis=0))
    rows_and_ridge = np.vstack([relative, ridge])
    wanted = np.concatenate([np.array(results) / by, np.zeros(len(names))])
    x, kept = np.zeros(len(names)), np.arange(len(names))
    while len(kept):  # what would be below 0 is left out, the lowest first
        found = np.linalg.lstsq(rows_and_ridge[:, kept], wanted, rcond=None)[0]
        if found.min() >= 0:
            x[kept] = found
            break
        kept = np.delete(kept, found.argmin())
    errors = (A @ x - results) / by
    return dict(zip(names, (x / scale).tolist(), strict=True)), errors


def calibrate(ways: Sequence[str]) -> None:
    """Of the ways to compile, all by default; the numbers of others stay."""
    networks = [(network, False) for network in samples()]
    networks += [(network, True) for network in samples_of_rows()]
    programs = [Program(network, rows=rows) for network, rows in networks]
    before = tomllib.loads(FILE.read_text())
    found = {kind: {way: before[kind].get(way, {}) for way in WAYS} for kind in ("turns", "bytes")}
    for way in ways or WAYS:
        with ThreadPoolExecutor(2) as workers:
            measured = list(workers.map(lambda each, way=way: measure(each[0], way, rows=each[1]), networks))
        times = [float(each.instructions) for each in measured]
        rows: list[dict[str, float]] = [dict(turns(program, way)) for program in programs]
        found["turns"][way], errors = solved(rows, times, times)
        print(
            f"{way}: instructions off by {np.abs(errors).mean():.1%} on average, {np.abs(errors).max():.1%} at most"
        )
        code = [float(each.flash - program.constants[1]) for each, program in zip(measured, programs, strict=True)]
        counts: list[dict[str, float]] = [dict(pieces(program)) for program in programs]
        found["bytes"][way], errors = solved(counts, code, code)
        print(f"{way}: code off by {np.abs(errors).mean():.1%} on average, {np.abs(errors).max():.1%} at most")
    lines = ["# Written by python -m benchmarks.microcontroller calibrate, in QEMU, with arm-none-eabi-gcc 12."]
    for kind, tables in found.items():
        for way, numbers in tables.items():
            lines += ["", f"[{kind}.{way}]", *(f'"{name}" = {value:.4g}' for name, value in numbers.items())]
    FILE.write_text("\n".join(lines) + "\n")


ZOO: dict[str, tuple[str, Shape, dict[str, object]]] = {
    "tiny-digits": ("tiny-digits", (1, 28, 28), {}),
    "lenet5": ("lenet5", (1, 28, 28), {}),
    "deep-convnet": ("deep-convnet", (1, 28, 28), {}),
    "plain-convnet": ("plain-convnet", (1, 28, 28), {}),
    "convnet": ("convnet", (3, 32, 32), {}),
    "cifar-net": ("cifar-net", (3, 32, 32), {}),
    "resnet8": ("resnet8", (3, 32, 32), {}),
    "mobilenet-v1 0.25": ("mobilenet-v1", (3, 96, 96), {"width": 0.25}),
    "mobilenet-v2": ("mobilenet-v2", (3, 32, 32), {}),
    "shufflenet-v2, narrow": ("shufflenet-v2", (3, 64, 64), {"widths": (24, 48, 96), "stem": 16, "last": 128}),
    "squeezenet": ("squeezenet", (3, 64, 64), {}),
    "fcn-small": ("fcn-small", (1, 28, 28), {}),
    "detector-small": ("detector-small", (1, 64, 64), {}),
}
"""Networks of the zoo that some chip has room for: name, image, options."""


def foretold(names: Sequence[str]) -> None:
    """A row for each network: what `fit` says, and what is measured."""
    chips = read_chips()
    print("network, bits, compiled: flash, static RAM, instructions (each foretold, measured, off by), stack, logits")
    for title in names or ZOO:
        name, shape, options = ZOO[title]
        for bits, way in ((8, DSP), (4, DSP), (8, HELIUM), (4, HELIUM), (8, PLAIN), (8, SMALL)):
            core, level = WAYS[way]
            network = integers(create(name, 10, **options), shape, bits)
            told, found = fit(network, find_chip(f"4M,4M,{core}", chips), small=way == SMALL), measure(network, way)
            pairs = ((told.flash, found.flash), (told.arena, found.ram), (told.instructions, found.instructions))
            cells = [f"{one:,} | {other:,} | {one / other - 1:+.1%}" for one, other in pairs]
            same = "equal" if found.same else "OTHER LOGITS"
            print(f"| {title} | {bits} | {core} {level} | {' | '.join(cells)} | {found.stack} | {same} |", flush=True)


def pictures(count: int, shape: Shape) -> Array:
    """Bytes (N, C, H, W) of all kinds: noise of any brightness and contrast, and of it smooth blots."""
    rng = np.random.default_rng(1)
    middle, spread = rng.uniform(0, 255, (count, shape[0], 1, 1)), rng.uniform(0, 128, (count, 1, 1, 1))
    noise = rng.uniform(-1, 1, (count, *shape))
    for axis in (2, 3):
        noise[::2] += np.roll(noise[::2], 1, axis) + np.roll(noise[::2], 2, axis)
    return np.clip(np.rint(middle + spread * noise), 0, 255).astype(np.uint8)


def exact(names: Sequence[str], images: int) -> None:
    """A row for each network and number of bits: of how many images all logits in QEMU are Python's."""
    for title in names or ZOO:
        name, shape, options = ZOO[title]
        q = pictures(images, shape)
        for bits in (8, 4, 2):
            network = integers(create(name, 10, **options), shape, bits)
            with tempfile.TemporaryDirectory() as folder:
                export_c(network, Path(folder), [], "cortex-m4")
                logits, _ = in_qemu(Path(folder), q, "cortex-m4")
            python = [python_logits(network, part) for part in np.array_split(q, -(-images // 50))]
            same = (logits == np.concatenate(python)).all(axis=1).sum()
            print(f"| {title} | {bits} | {same:,} of {images:,} | {logits.size:,} numbers |", flush=True)


def on_this_machine(folder: Path, q: Array, count: int) -> Array:
    """Logits of images (N, C, H, W) by the exported C, compiled here."""
    library = folder / "network.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", folder / "network.c", "-o", library], check=True)
    program = ctypes.CDLL(str(library))
    program.network_input.restype = ctypes.POINTER(ctypes.c_uint8)
    program.network_run.restype = ctypes.POINTER(ctypes.c_int32)
    found = []
    for pixels in q.transpose(0, 2, 3, 1):
        ctypes.memmove(program.network_input(), pixels.tobytes(), pixels.size)
        found.append(np.ctypeslib.as_array(program.network_run(), (count,)).copy())
    return np.array(found)


def in_qemu(folder: Path, q: Array, core: str) -> tuple[Array, str]:
    """The same on an emulated Cortex-M, and what its program printed."""
    (folder / "images.bin").write_bytes(q.transpose(0, 2, 3, 1).tobytes())
    ran = subprocess.run(["make", "-s", "bench"], cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return np.fromfile(folder / "logits.bin", "<i4").reshape(len(q), -1), f"{core}: {ran.stdout}{ran.stderr}"


def answers(run: Path, images: int, core: str = "cortex-m4") -> None:
    """A run's test images in float, in Python's integers, in C here and in C on the emulated core."""
    shrunk, model = open_shrunk(run), open_model(run)
    data = build_data(model.recipe, model.held_out)
    chosen = data.test.subset(np.arange(min(images, len(data.test))))
    batches = list(build_loader(model.recipe, chosen, training=False).epoch(0))
    x = np.concatenate([batch.inputs for batch in batches])
    truth = np.concatenate([batch.targets for batch in batches])
    q = shrunk.network.input_scale.quantize(x)
    floats = np.concatenate([model.network.forward(part.astype(model.network.dtype)) for part in np.split(x, len(x))])
    python, pixels = shrunk.network.integer_logits(q), np.asarray(chosen.inputs[np.arange(len(chosen))])
    with tempfile.TemporaryDirectory() as name:
        export_c(shrunk.network, Path(name), shrunk.class_names, core, mean=shrunk.mean, std=shrunk.std)
        here = on_this_machine(Path(name), pixels, python.shape[1])
        there, printed = in_qemu(Path(name), pixels, core)
    step = shrunk.network.logit_step
    for title, row in (("float", floats[0]), ("integers", python[0] * step)):
        print(f"{title:12}", *(f"{value:8.2f}" for value in row))
    for title, row in (("Python", python[0]), ("C here", here[0]), ("C in QEMU", there[0])):
        print(f"{title:12}", *(f"{value:8}" for value in row))
    print(
        f"{len(q):,} images; Python = C here: {(python == here).all()}; Python = C in QEMU: {(python == there).all()}"
    )
    off = np.abs(python * step - floats)
    print(f"a logit is {off.mean():.3f} off the float network's on average, {off.max():.3f} at most")
    same = (python.argmax(1) == floats.argmax(1)).sum()
    right = [(logits.argmax(1) == truth).mean() for logits in (floats, python)]
    print(f"the class is the same for {same:,}; right: float {right[0]:.2%}, integers {right[1]:.2%}")
    print(printed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("calibrate", "foretold", "exact", "answers"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="a run, networks, or ways to compile")
    parser.add_argument("--images", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.what == "calibrate":
        calibrate(arguments.names)
    elif arguments.what == "foretold":
        foretold(arguments.names)
    elif arguments.what == "exact":
        exact(arguments.names, arguments.images)
    else:
        answers(Path(*arguments.names or ["runs/last"]), arguments.images)


if __name__ == "__main__":
    main()
