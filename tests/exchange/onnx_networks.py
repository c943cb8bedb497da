"""Networks to send out and take in: the zoo at small sizes, with statistics that aren't those of the start."""

from pathlib import Path
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.data.framing import Framing
from pellucid.files import write_whole
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.recipes import build_network, load_recipe, model_notes, recipe_toml
from pellucid.training.folder import RunFolder
from pellucid.weights import save_model
from pellucid.zoo import create

SHAPES: dict[str, Shape] = {
    "deep-convnet": (1, 28, 28), "tiny-digits": (1, 28, 28), "lenet5": (1, 28, 28), "plain-convnet": (1, 28, 28),
    "detector-small": (1, 64, 64), "fcn-small": (1, 64, 64), "fcn8": (1, 56, 56), "fcn16": (1, 61, 63),
    "fcn32": (1, 50, 50), "convnet": (3, 32, 32), "unet": (3, 32, 32),
}  # fmt: skip
"""Others take photographs, 3x96x96 here."""

OPTIONS: dict[str, dict[str, Any]] = {
    "unet": {"widths": (8, 16, 32)},
    "vgg16": {"width": 0.25},
    "alexnet": {"width": 0.25},
}


def zoo_network(name: str, classes: int = 7) -> Network:
    network = Network(create(name, classes, **OPTIONS.get(name, {})), SHAPES.get(name, (3, 96, 96)), seed=1)
    return with_statistics(network)


def with_statistics(network: Network) -> Network:
    """The network with running means and variances that are none of the start's."""
    rng = np.random.default_rng(0)
    for name, parameter in network.parameters.items():
        if not parameter.trained:
            spread = rng.random(parameter.shape) + 0.5
            parameter.value[...] = spread if name.endswith("variance") else rng.standard_normal(parameter.shape) / 10
    return network


def images(network: Network, count: int = 2) -> Array:
    return np.random.default_rng(2).random((count, *network.input_shape)).astype(np.float32)


def by_definition(network: Network, x: Array) -> Array:
    """The answer in float64, plain NumPy, nothing fused."""
    with ops.use_backend("numpy"):
        return network.astype(np.float64, fuse=False).forward(x.astype(np.float64))


def run_onnx(model: Any, x: Array) -> Array:
    """What onnxruntime makes of a model."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    answer: Array = session.run(None, {session.get_inputs()[0].name: x})[0]
    return answer


def error(y: Array, reference: Array) -> float:
    """The largest, of the largest output."""
    assert y.shape == reference.shape
    return float(np.abs(y - reference).max() / np.abs(reference).max())


def untrained_run(folder: Path) -> Path:
    """A run of DeepConvNet, as one that has just begun."""
    recipe, names = load_recipe("deep-convnet"), tuple("0123456789")
    run, network = RunFolder(folder), build_network(recipe, (1, 28, 28), 10)
    write_whole(run.recipe, recipe_toml(recipe).encode())
    save_model(run.model, network, model_notes(recipe, (1, 28, 28), names, Framing("character", 1, (28, 28))))
    return folder
