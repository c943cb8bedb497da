"""The exported C: compiled strictly, run under sanitizers, and equal to the integer network bit for bit."""

import re
import shutil
import subprocess
from math import prod
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import normalized
from pellucid.errors import PellucidError
from pellucid.export import Exported, export_c
from pellucid.export.c import Program
from pellucid.graph import Concat, Sequential
from pellucid.layers import (
    AvgPool2d,
    ChannelOrder,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Slice,
    Tanh,
    Transpose,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.plan import IntegerNetwork
from pellucid.plan.integer_steps import IntegerStep
from pellucid.plan.memory import overlap_gap, plan_memory
from pellucid.precision import quantize
from pellucid.zoo import create

NAMES = ("zero", 'quo"te', "Größe\n", "%d\\", "four")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def every_kernel() -> Layer:
    return Sequential(
        Conv2d(6, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(6, 3, groups=3, dilation=(1, 2)), Tanh(),
        MaxPool2d(3, stride=1, padding=1), Conv2d(7, (3, 2), stride=(2, 1), padding=(0, 1)),
        AvgPool2d(2, stride=1, padding=1, ceil=True), Conv2d(4, 1), ReLU(), Flatten(), Linear(9), ReLU(), Linear(5),
    )  # fmt: skip


def shuffled() -> Layer:
    """Channels shuffled, split, joined, shuffled again, left out and doubled."""
    half = Sequential(Slice((3, 0, 0), (None, None, None)), Conv2d(3, 1), ReLU())
    return Sequential(
        Conv2d(6, 3), ReLU(), Reshape(2, 3, 13, 15), Transpose(1, 0, 2, 3), Reshape(6, 13, 15),
        Concat(ChannelOrder(2, 0, 1, 2), half), ChannelOrder(6, 0, 5, 1, 4, 2, 3), MaxPool2d(2),
        ChannelOrder(3, 1), Conv2d(4, 3), ChannelOrder(*range(4), *range(4)), GlobalAvgPool2d(), Linear(5),
    )  # fmt: skip


def wide_open() -> Layer:
    return Sequential(Conv2d(3, 5, stride=2), ReLU(), GlobalAvgPool2d(), Linear(5))


def several_filters_a_channel() -> Layer:
    """The first layer's image grows into what it sees, of which each group looks at a channel in its turn."""
    return Sequential(Conv2d(9, (3, 1), padding=(1, 0), groups=3), ReLU(), Flatten(), Linear(5))


def one_convolution() -> Layer:
    return Sequential(Conv2d(5, 3))


def one_affine() -> Layer:
    return Sequential(Flatten(), Linear(5))


def shrunk(layer: Layer, bits: int, channels: int = 1) -> IntegerNetwork:
    network = Network(layer, (channels, 15, 17))
    x = np.random.default_rng(0).uniform(0, 1, (40, channels, 15, 17)).astype(np.float32)
    return quantize(network, x, bits)


def write_image(path: Path, pixels: Array) -> Path:
    """Pixels (C, H, W) as PGM or PPM."""
    C, H, W = pixels.shape
    header = f"P{5 if C == 1 else 6}\n# a comment\n{W} {H}\n255\n".encode()
    path.write_bytes(header + pixels.transpose(1, 2, 0).tobytes())
    return path


def run_demo(program: Path, *images: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, *images], capture_output=True, check=False)


def compiled(
    network: IntegerNetwork, folder: Path, target: str = "checked", *, small: bool = False
) -> tuple[Path, Exported]:
    """The demo, compiled by the Makefile that was written: with sanitizers unless told otherwise."""
    exported = export_c(network, folder, NAMES)
    defined = f"DEFINES=-DNETWORK_SMALL={int(small)}"
    made = subprocess.run(["make", "-C", folder, target, defined], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert "-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion -Wshadow" in made.stdout
    return folder / target, exported


@needs_compiler
@pytest.mark.parametrize(
    ("layer", "bits", "channels"),
    [
        (every_kernel, 8, 1),
        (every_kernel, 4, 1),
        (shuffled, 8, 1),
        (several_filters_a_channel, 8, 3),
        (wide_open, 2, 3),
        (one_convolution, 8, 1),
        (one_affine, 4, 1),
    ],
)
@pytest.mark.parametrize("small", [False, True])
def test_the_program_computes_the_same_integers(
    layer: object, bits: int, channels: int, small: bool, tmp_path: Path
) -> None:
    assert callable(layer)
    network = shrunk(layer(), bits, channels)
    program, _ = compiled(network, tmp_path, small=small)
    q = np.random.default_rng(1).integers(0, 256, (12, channels, 15, 17)).astype(np.uint8)
    q[0], q[1] = 0, 255
    paths = [write_image(tmp_path / f"{i}.pnm", pixels) for i, pixels in enumerate(q)]
    ran = run_demo(program, *paths)
    assert ran.returncode == 0, ran.stderr
    logits = re.findall(rb"\(logits ([-0-9 ]+)\)\n", ran.stdout)
    expected = network.integer_logits(q)
    places_last = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    np.testing.assert_array_equal([list(map(int, row.split())) for row in logits], places_last.reshape(12, -1))
    if expected.ndim == 2:
        start = f"{paths[0]}: {NAMES[expected[0].argmax()]}  (logits".encode()
        assert ran.stdout.startswith(start)


@needs_compiler
@pytest.mark.parametrize(("small", "by_rows"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)), ((), (0.5, 2.0, 0.01)), ((0.9, 0.0, 0.1), ()), ((), ())],
)
def test_plain_pixels_are_normalised_as_in_python(
    mean: tuple[float, ...], std: tuple[float, ...], small: bool, by_rows: bool, tmp_path: Path
) -> None:
    """All 256 values of each channel, at the edge and inside; a frame of zeros is the mean's grey, not black."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 3, 15, 17)).astype(np.uint8)
    pixels[:2].reshape(2, 3, -1)[..., :255] = np.arange(255)
    seen = normalized(pixels, np.float32, 255, mean or None, std or None)
    layers = Sequential(Conv2d(4, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(5))
    network = quantize(Network(layers, (3, 15, 17)), seen, 8)
    exported = export_c(network, tmp_path, NAMES, mean=mean, std=std, rows=by_rows)
    made = subprocess.run(
        ["make", "-C", tmp_path, "checked", f"DEFINES=-DNETWORK_SMALL={int(small)}"], capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    paths = [write_image(tmp_path / f"{i}.ppm", image) for i, image in enumerate(pixels[:12])]
    rows = re.findall(rb"\(logits ([-0-9 ]+)\)\n", run_demo(tmp_path / "checked", *paths).stdout)
    expected = network.integer_logits(network.input_scale.quantize(seen[:12]))
    np.testing.assert_array_equal([list(map(int, row.split())) for row in rows], expected)
    assert ("input_tables[768]" in (tmp_path / "network.c").read_text()) == bool(mean or std)
    assert exported.constants == Program(network, mean, std, rows=by_rows).constants[1]


@needs_compiler
def test_bytes_of_the_program(tmp_path: Path) -> None:
    network = shrunk(every_kernel(), 4)
    _, exported = compiled(network, tmp_path, "size")
    sizes = subprocess.run(["size", tmp_path / "network.o"], capture_output=True, text=True, check=True).stdout
    text, data, bss = map(int, sizes.splitlines()[1].split()[:3])
    assert exported.ram >= exported.plan.size + 4 * 5  # and columns of pixels, and what a pool compares
    assert exported.ram <= bss < exported.ram + 64  # and what aligns the two arrays
    assert exported.constants < text + data < exported.constants + 6000
    assert not re.search(r"malloc|free|include <(?!stdint|arm_acle|arm_mve)", (tmp_path / "network.c").read_text())


@needs_compiler
def test_the_demo_refuses_what_is_no_such_image(tmp_path: Path) -> None:
    program, _ = compiled(shrunk(wide_open(), 8), tmp_path, "demo")
    good = write_image(tmp_path / "good.pgm", np.zeros((1, 15, 17), np.uint8)).read_bytes()
    wrong = {
        "expected a binary PGM file (P5)": b"P6" + good[2:],
        "expected an image of 17 x 15 pixels": good.replace(b"17 15", b"15 17"),
        "expected one byte a sample": good.replace(b"255", b"65535"),
        "the file ends too early": good[:-1],
        "a sample is brighter than white": good.replace(b"255", b"9")[:-1] + b"\x0a",
    }
    for message, content in wrong.items():
        (tmp_path / "bad.pgm").write_bytes(content)
        ran = run_demo(program, tmp_path / "bad.pgm")
        assert (ran.returncode, ran.stdout) == (2, b"")
        assert ran.stderr == f"{tmp_path}/bad.pgm: {message}\n".encode()
    assert b"cannot be opened" in run_demo(program, tmp_path / "none.pgm").stderr
    assert b"usage" in run_demo(program).stderr


def simulate(steps: list[IntegerStep]) -> None:
    """Walk through the plan pixel by pixel: nothing may be written over a byte that is still to be read."""
    plan = plan_memory(steps)
    for step, start, end in zip(steps[:-1], plan.offsets[:-1], plan.offsets[1:], strict=True):
        size_in, size_out = prod(step.input_shape), prod(step.output_shape)
        assert 0 <= start <= plan.size - size_in
        assert 0 <= end <= plan.size - size_out
        assert end + overlap_gap(step) <= start or end >= start + size_in


@pytest.mark.parametrize("layer", [every_kernel, wide_open])
def test_buffers_fit_and_share(layer: object) -> None:
    assert callable(layer)
    steps = shrunk(layer(), 8).steps
    simulate(steps)
    sizes = [prod(step.input_shape) for step in steps]
    assert max(sizes) <= plan_memory(steps).size < sum(sizes)


def tiny_digits() -> IntegerNetwork:
    network = Network(create("tiny-digits", 10), (1, 28, 28))
    return quantize(network, np.zeros((1, 1, 28, 28), np.float32), 4)


def test_the_plan_of_tiny_digits() -> None:
    steps = tiny_digits().steps
    simulate(steps)
    assert plan_memory(steps).size + 40 < 4096


@needs_compiler
def test_tiny_digits_compiled_for_size(tmp_path: Path) -> None:
    exported = export_c(tiny_digits(), tmp_path, NAMES)
    made = subprocess.run(["make", "-s", "-C", tmp_path, "size"], capture_output=True, text=True, check=True)
    text, data, bss = map(int, made.stdout.splitlines()[1].split()[:3])
    assert exported.small_ram <= bss < exported.small_ram + 64
    assert text + data < 9_701  # as it was before other networks than chains could be written


# Every network of the zoo but the few that take images of 63 pixels and more, narrow and small.
SMALL: dict[str, tuple[Shape, dict[str, object]]] = {
    "deep-convnet": ((1, 28, 28), {}),
    "detector-small": ((1, 16, 16), {"stem": (4,), "shallow": (4, 4), "deep": (6, 4), "top": (4,)}),
    "fcn-small": ((1, 12, 16), {"widths": (3, 4, 5)}),
    "fcn8": ((1, 28, 28), {}),
    "lenet5": ((1, 28, 28), {}),
    "resnet8": ((3, 17, 16), {"widths": (3, 4, 5)}),
    "resnet18": ((3, 32, 40), {"width": 2}),
    "googlenet": ((3, 40, 40), {"width": 0.05}),
    "densenet121": ((3, 32, 40), {"growth": 2}),
    "squeezenet": ((3, 33, 34), {"width": 1}),
    "shufflenet-v2": ((3, 33, 40), {"widths": (5, 8, 12), "stem": 4, "last": 9}),
    "mobilenet-v1": ((3, 33, 40), {"width": 0.1}),
    "mobilenet-v2": ((3, 32, 40), {"width": 0.1}),
    "efficientnet-lite0": ((3, 32, 40), {"width": 0.1}),
    "unet": ((3, 8, 12), {"widths": (3, 4, 5)}),
}


@needs_compiler
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_networks_of_the_zoo_give_the_same_integers(name: str, small: bool, tmp_path: Path) -> None:
    """Residual additions, concatenations, depthwise and transposed convolutions, pools: by 8, 4 or 2 bits."""
    shape, options = SMALL[name]
    rng = np.random.default_rng(0)
    bits = (8, 4, 2)[list(SMALL).index(name) % 3]
    layers = Network(create(name, 5, **options), shape)
    network = quantize(layers, rng.uniform(0, 1, (20, *shape)).astype(np.float32), bits)
    program, _ = compiled(network, tmp_path, small=small)
    q = rng.integers(0, 256, (3, *shape)).astype(np.uint8)
    q[0] = 255
    ran = run_demo(program, *(write_image(tmp_path / f"{i}.pnm", pixels) for i, pixels in enumerate(q)))
    assert ran.returncode == 0, ran.stderr
    rows = [list(map(int, row.split())) for row in re.findall(rb"\(logits ([-0-9 ]+)\)\n", ran.stdout)]
    expected = network.integer_logits(q)
    places_last = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    np.testing.assert_array_equal(rows, places_last.reshape(3, -1))


def analysed(*options: object) -> None:
    """cppcheck finds nothing, compiled any way, but conditions that a constant of this network decides."""
    for way in (["-DNETWORK_SMALL=0"], ["-DNETWORK_SMALL=0", "-D__ARM_FEATURE_MVE"], ["-DNETWORK_SMALL=1"]):
        found = subprocess.run(
            ["cppcheck", "--std=c99", "--enable=warning,performance,portability,style", "--error-exitcode=1",
             "--quiet", "--suppress=knownConditionTrueFalse", "--suppress=moduloofone",
             "-D__GNUC__", "-D__ARM_FEATURE_DSP", *way, *map(str, options)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr


@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="no cppcheck")
@pytest.mark.parametrize("name", ["resnet8", "unet", "mobilenet-v1", "every kernel"])
def test_static_analysis_finds_nothing(name: str, tmp_path: Path) -> None:
    """In the network, its demo, and the program that measures."""
    if name == "every kernel":
        network = shrunk(every_kernel(), 8)
    else:
        shape, options = SMALL[name]
        network = quantize(Network(create(name, 5, **options), shape), np.ones((2, *shape), np.float32), 4)
    export_c(network, tmp_path, NAMES, "cortex-m4")
    analysed(tmp_path / "network.c", tmp_path / "demo.c", tmp_path / "bench.c")


@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="no cppcheck")
def test_static_analysis_of_the_arduino_library(tmp_path: Path) -> None:
    export_c(shrunk(wide_open(), 2), tmp_path, NAMES, form="arduino")
    analysed(tmp_path / "src" / "network.c")
    example = tmp_path / "examples" / "answer" / "answer.ino"
    analysed("--language=c++", f"-I{tmp_path / 'src'}", example)


@needs_compiler
@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")
def test_the_cmake_project_gives_the_same_integers(tmp_path: Path) -> None:
    network = shrunk(wide_open(), 8)
    export_c(network, tmp_path, NAMES, form="cmake")
    assert (tmp_path / "zephyr" / "module.yml").exists()
    subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build"], capture_output=True, check=True)
    subprocess.run(["cmake", "--build", tmp_path / "build"], capture_output=True, check=True)
    q = np.random.default_rng(1).integers(0, 256, (1, 1, 15, 17)).astype(np.uint8)
    ran = run_demo(tmp_path / "build" / "demo", write_image(tmp_path / "a.pgm", q[0]))
    assert ran.stdout.endswith(f"(logits {' '.join(map(str, network.integer_logits(q)[0]))})\n".encode())


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_arduino_library_is_called_from_cpp(tmp_path: Path) -> None:
    network = shrunk(wide_open(), 4)
    export_c(network, tmp_path, NAMES, form="arduino")
    text = (tmp_path / "examples" / "answer" / "answer.ino").read_text()
    assert "#include <network.h>" in text
    assert "@" not in text
    program = "#include <network.h>\n#include <cstdio>\nint main() { static uint8_t image[NETWORK_IMAGE_BYTES];\n"
    program += 'std::printf("%d\\n", (int)network_predict(image)); }\n'
    (tmp_path / "main.cpp").write_text(program)
    source = tmp_path / "src"
    subprocess.run(["cc", "-std=c99", "-c", source / "network.c", "-o", tmp_path / "network.o"], check=True)
    subprocess.run(
        [
            "c++",
            "-Wall",
            "-Werror",
            "-I",
            source,
            tmp_path / "main.cpp",
            tmp_path / "network.o",
            "-o",
            tmp_path / "main",
        ],
        check=True,
    )
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    assert int(said) == network.integer_logits(np.zeros((1, 1, 15, 17), np.uint8))[0].argmax()


@needs_compiler
def test_features_that_were_a_map_are_in_the_order_of_the_network(tmp_path: Path) -> None:
    """Channel by channel, as Flatten gives them, and not pixel by pixel, as they are stored."""
    network = shrunk(Sequential(Conv2d(3, 5, stride=4), Flatten(), Tanh()), 8)
    program, _ = compiled(network, tmp_path)
    q = np.random.default_rng(1).integers(0, 256, (1, 1, 15, 17)).astype(np.uint8)
    ran = run_demo(program, write_image(tmp_path / "one.pnm", q[0]))
    (found,) = re.findall(rb"\(logits ([-0-9 ]+)\)\n", ran.stdout)
    np.testing.assert_array_equal([int(number) for number in found.split()], network.integer_logits(q)[0])


def test_logits_of_a_map_as_features_are_refused(tmp_path: Path) -> None:
    network = shrunk(Sequential(Conv2d(3, 5, stride=4), Flatten()), 8)
    with pytest.raises(PellucidError, match=r"layer 0: expected logits .* got a map \(3, 3, 4\) as 36 features"):
        export_c(network, tmp_path, NAMES)


def test_unknown_forms_are_refused(tmp_path: Path) -> None:
    network = shrunk(wide_open(), 8)
    with pytest.raises(PellucidError, match="unknown form 'bazel', expected one of make, cmake, arduino"):
        export_c(network, tmp_path, NAMES, form="bazel")
    with pytest.raises(PellucidError, match="a target goes with the form make, not with arduino"):
        export_c(network, tmp_path, NAMES, "cortex-m4", "arduino")


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\techo mine\n")
    with pytest.raises(PellucidError, match="Makefile: there is something that export didn't make"):
        export_c(shrunk(wide_open(), 8), tmp_path, NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ["Makefile"]


def test_bad_input(tmp_path: Path) -> None:
    class Unknown(IntegerStep):
        pass

    network = shrunk(wide_open(), 8)
    shifted = quantize(
        Network(wide_open(), (1, 15, 17)), np.random.default_rng(0).normal(size=(9, 1, 15, 17)).astype(np.float32)
    )
    with pytest.raises(PellucidError, match="expected mean and std, or a network of pixels from 0 to 1"):
        export_c(shifted, tmp_path / "c", NAMES)
    with pytest.raises(PellucidError, match="mean: expected 1 numbers, one a channel, got 3"):
        export_c(shifted, tmp_path / "c", NAMES, mean=(0.5, 0.4, 0.3), std=())
    first = network.steps[0]
    network.steps.insert(1, Unknown("7", (first.name,), first.output_shape, first.output_shape))
    with pytest.raises(PellucidError, match=r"layer 7 \(Unknown\) has no kernel in C"):
        export_c(network, tmp_path / "c", NAMES)
    assert not (tmp_path / "c").exists()
    (tmp_path / "file").touch()
    with pytest.raises(PellucidError, match="cannot write"):
        export_c(shrunk(wide_open(), 8), tmp_path / "file", NAMES)
