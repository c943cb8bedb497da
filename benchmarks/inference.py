"""Answers of whole networks against ONNX Runtime, OpenVINO and PyTorch: the same weights, float32, the same threads.

pip install -e '.[bench]'
python -m benchmarks.inference [--rows resnet18-1 ...] [--rounds 15] [--compile] [--busy]

All sides take turns in one process; each figure is the median over the turns. OpenVINO is told float32, which it
doesn't take by itself where the processor has 16-bit products. Every side's answer is compared with ours.

--busy is for a machine that others use too: one thread each, and the processor time of the process instead of the
wall's clock.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Timing, Work, alternate, clean_environment, machine
from benchmarks.torch_twin import torch_twin
from pellucid import ops
from pellucid.exchange.onnx_export import save_onnx
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import channels_last
from pellucid.plan import Plan
from pellucid.zoo import create

ROWS: dict[str, tuple[str, Shape, int, dict[str, Any]]] = {
    "deep-convnet-1": ("deep-convnet", (1, 28, 28), 1, {}),
    "deep-convnet-128": ("deep-convnet", (1, 28, 28), 128, {}),
    "resnet18-1": ("resnet18", (3, 224, 224), 1, {}),
    "resnet18-16": ("resnet18", (3, 224, 224), 16, {}),
    "mobilenet-v2-1": ("mobilenet-v2", (3, 224, 224), 1, {}),
    "mobilenet-v2-16": ("mobilenet-v2", (3, 224, 224), 16, {}),
    "vgg16-1": ("vgg16", (3, 224, 224), 1, {}),
    "unet-1": ("unet", (3, 256, 256), 1, {}),
    "efficientnet-lite0-1": ("efficientnet-lite0", (3, 224, 224), 1, {}),
}
"""By name: the zoo's network, its input, images in a batch, options."""

DIFFERENCE = 1e-4  # of the largest output


def drawn(name: str, shape: Shape, options: dict[str, Any]) -> Network:
    """A network of the zoo whose norms are not what they begin with, so that they can't be left out."""
    network = Network(create(name, 10, **options), shape)
    rng = np.random.default_rng(0)
    for key, parameter in network.parameters.items():
        if key.endswith(("running_mean", "bias")):
            parameter.value[...] = 0.1 * rng.standard_normal(parameter.shape)
        elif key.endswith("running_variance"):
            parameter.value[...] = rng.uniform(0.5, 1.5, parameter.shape)
    return network


def onnx_runtime(file: Path, x: Array) -> Work:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = ops.threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name, batch = session.get_inputs()[0].name, np.ascontiguousarray(x)
    return lambda: session.run(None, {name: batch})[0]


def openvino(file: Path, x: Array, precision: str = "f32") -> Work:
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": ops.threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    core = openvino.Core()
    model = core.read_model(str(file))
    model.reshape(list(x.shape))
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    batch = openvino.Tensor(np.ascontiguousarray(x))
    request.set_input_tensor(batch)

    def run() -> Any:
        request.infer()
        return request.get_output_tensor().data

    return run


def pytorch(network: Network, x: Array, *, compiled: bool) -> Work:
    import torch

    torch.set_num_threads(ops.threads())
    module = torch_twin(network).eval().to(memory_format=torch.channels_last)
    batch = torch.from_numpy(np.ascontiguousarray(x)).contiguous(memory_format=torch.channels_last)
    function = torch.compile(module) if compiled else module

    def run() -> Any:
        with torch.inference_mode():
            return function(batch).numpy()

    return run


def sides(row: str, folder: Path, *, compiled: bool) -> dict[str, Work]:
    """All contestants of a row by name."""
    name, shape, number, options = ROWS[row]
    network = drawn(name, shape, options)
    x = channels_last(np.random.default_rng(1).standard_normal((number, *shape), np.float32))
    file = folder / f"{row}.onnx"
    save_onnx(file, network)
    plan = Plan(network, x.shape)
    found: dict[str, Work] = {"pellucid": lambda: plan(x), "pellucid, layers": lambda: network.forward(x)}
    makers: dict[str, Callable[[], Work]] = {
        "ONNX Runtime": lambda: onnx_runtime(file, x),
        "OpenVINO": lambda: openvino(file, x),
        "PyTorch": lambda: pytorch(network, x, compiled=False),
    }
    if compiled:
        makers["PyTorch, compiled"] = lambda: pytorch(network, x, compiled=True)
    ours = plan(x)
    for title, make in makers.items():
        found[title] = work = make()
        difference = np.abs(np.asarray(work()) - ours).max() / np.abs(ours).max()
        if not difference < DIFFERENCE:
            raise SystemExit(f"{row}: {title} and pellucid differ by {difference:.1e} of the largest output")
    return found


def ratio(timings: dict[str, Timing]) -> tuple[str, float]:
    """The fastest rival, and how many times as long as ours it takes."""
    rivals = {name: timing.median for name, timing in timings.items() if not name.startswith("pellucid")}
    best = min(rivals, key=lambda name: rivals[name])
    return best, rivals[best] / timings["pellucid"].median


def main() -> None:
    clean_environment()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile", action="store_true", help="PyTorch compiled too, which takes a C++ compiler")
    parser.add_argument("--busy", action="store_true", help="one thread, processor time")
    given = parser.parse_args()
    if given.busy:
        ops.set_threads(1)
    clock = time.process_time if given.busy else time.perf_counter
    print(machine())
    print(", ".join(f"{name} {metadata.version(name)}" for name in ("onnxruntime", "openvino")))
    with tempfile.TemporaryDirectory() as folder:
        for row in given.rows:
            timings = alternate(sides(row, Path(folder), compiled=given.compile), rounds=given.rounds, clock=clock)
            print(f"\n{row}", flush=True)
            for title, timing in timings.items():
                print(f"  {title:20} {timing}")
            best, factor = ratio(timings)
            print(f"  {factor:.2f} times as fast as {best}", flush=True)


if __name__ == "__main__":
    main()
