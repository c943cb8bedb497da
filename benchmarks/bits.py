"""Sixteen bits and eight against float32 and against other libraries: answers and training steps.

All sides take turns in one process, with the same weights. What this processor has no instructions for says so.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from benchmarks.inference import ROWS, drawn, onnx_runtime, openvino
from benchmarks.measure import Timing, Work, alternate, machine
from benchmarks.torch_twin import torch_twin
from pellucid import ops
from pellucid.exchange.onnx_export import save_onnx
from pellucid.layers import SoftmaxCrossEntropy, training
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type
from pellucid.plan import answering
from pellucid.precision import quantize
from pellucid.training.master_weights import trained_weights

ANSWERS = ("deep-convnet-128", "deep-convnet-1", "resnet18-16", "resnet18-1", "mobilenet-v2-16", "mobilenet-v2-1")
STEPS = ("resnet18-16", "mobilenet-v2-16", "deep-convnet-128")
FORMS = ("float32", "bfloat16", "float16", "int8")


def pytorch(network: Network, x: Array) -> Work:
    import torch

    torch.set_num_threads(ops.threads())
    module = torch_twin(network).eval().to(memory_format=torch.channels_last).to(torch.bfloat16)
    batch = torch.from_numpy(np.ascontiguousarray(x)).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)

    def run() -> Any:
        with torch.inference_mode():
            return module(batch)

    return run


def answers(row: str, folder: Path) -> dict[str, Work]:
    """All sides of a row that answers, by name."""
    name, shape, number, options = ROWS[row]
    network = drawn(name, shape, options)
    x = np.random.default_rng(1).random((number, *shape), np.float32)
    file = folder / f"{row}.onnx"
    save_onnx(file, network)
    found: dict[str, Work] = {}
    for form in FORMS[:3]:
        twin = network.astype(float_type(form))
        found[form] = _answer(answering(twin), x.astype(twin.dtype), twin)
    integers = quantize(network, x[: min(number, 16)], 8)
    pixels = integers.input_scale.quantize(x)
    found["int8"] = lambda: integers.integer_logits(pixels)
    found["OpenVINO bf16"] = openvino(file, x, "bf16")
    found["PyTorch bf16"] = pytorch(network, x)
    found["ONNX Runtime f32"] = onnx_runtime(file, x)
    return found


def _answer(answer: Callable[[Array], Any], x: Array, network: Network) -> Work:
    return lambda: (answer(x), network)[0]  # its plans live as long as the network


def our_step(network: Network, x: Array, labels: Array) -> Work:
    weights, loss = trained_weights(network), SoftmaxCrossEntropy()

    def step() -> None:
        y = weights.outputs(network.forward(x, training(np.random.default_rng(0))))
        network.backward(weights.to_backward(loss(y, labels)[1]))
        weights.update(lambda w, g: ops.sgd_update(w, g, 1e-3), weights.gradient())

    return step


def pytorch_step(network: Network, x: Array, labels: Array) -> Work:
    import torch

    torch.set_num_threads(ops.threads())
    module = torch_twin(network).train().to(memory_format=torch.channels_last).to(torch.bfloat16)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    batch = torch.from_numpy(np.ascontiguousarray(x)).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(labels)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(batch).float(), targets).backward()
        optimizer.step()

    return step


def steps(row: str) -> dict[str, Work]:
    """All sides of a row that trains, by name."""
    name, shape, number, options = ROWS[row]
    x, labels = np.random.default_rng(1).random((number, *shape), np.float32), np.arange(number) % 10
    found = {}
    for form in FORMS[:2]:
        network = drawn(name, shape, options).astype(float_type(form))
        found[form] = our_step(network, x.astype(network.dtype), labels)
    found["PyTorch bf16"] = pytorch_step(drawn(name, shape, options), x, labels)
    return found


def print_row(title: str, timings: dict[str, Timing]) -> None:
    """A line a side: milliseconds, instructions of ours, and the speed against our float32."""
    base = timings["float32"].median
    print(title)
    for name, timing in timings.items():
        told = ops.instructions(name) if name in FORMS else ""
        print(f"  {name:18}{1e3 * timing.median:9.2f} ms  {base / timing.median:5.2f}x  {told}", flush=True)


def print_table(rows: list[str], rounds: int) -> None:
    """Answers and training steps of the rows, or of all."""
    print(machine())
    if not binding.get_host_cpu_features().get("amx-bf16"):
        print("bfloat16 and bytes on matrix tiles: not measured here (no AMX)")
    for form in FORMS[1:]:
        if "widened" in ops.instructions(form):
            print(f"products of {form}: not measured here ({ops.instructions(form)})")
    with tempfile.TemporaryDirectory() as folder:
        for row in ANSWERS:
            if not rows or row in rows:
                print_row(f"{row}, answers", alternate(answers(row, Path(folder)), rounds=rounds))
    for row in STEPS:
        if not rows or row in rows:
            print_row(f"{row}, training step", alternate(steps(row), rounds=rounds))
