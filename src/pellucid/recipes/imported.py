"""Models whose weights come from elsewhere: pretrained ones, ONNX files, and runs made of PyTorch's files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from pellucid.data.framing import Framing, Rule
from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_import import import_onnx
from pellucid.exchange.pretrained import PRETRAINED, load_pretrained
from pellucid.exchange.torch_files import read_torch_ordered
from pellucid.exchange.torch_names import by_number, load_torch
from pellucid.files import write_whole
from pellucid.network import Network
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.recipes.check import check_choices
from pellucid.recipes.model import Model, model_notes, read_framing
from pellucid.recipes.network import build_network, build_task
from pellucid.recipes.schema import Choice, DataSettings, Recipe, TrainingSettings
from pellucid.recipes.write import recipe_toml
from pellucid.recipes.written import written
from pellucid.training.folder import RUNS, RunFolder, new_run_folder
from pellucid.weights import save_model

CHANNELS = 3
IMAGENET = 1000  # classes


def imagenet_names() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in the order that networks have them."""
    text = resources.files("pellucid.exchange").joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(text.splitlines())


def pretrained_model(name: str) -> Model:
    """A network of the zoo with the weights that it learnt on ImageNet, to be asked as any trained model.

    Raises PellucidError for one without such weights, and where their package is missing.
    """
    if name not in PRETRAINED:
        raise PellucidError(f"network {name}: no pretrained weights, there are some for {', '.join(PRETRAINED)}")
    used = PRETRAINED[name]
    names, file = imagenet_names(), used.file()
    recipe = _recipe(name, {"name": name}, f"Weights from {file.name}", used.size, used.mean, used.std)
    shape = (CHANNELS, *used.size)
    network = build_network(recipe, shape, len(names), seed=None)
    load_pretrained(network, name)
    framing = Framing("crop", CHANNELS, used.size)
    ids = tuple(range(1, len(names) + 1))
    return Model(network, build_task(recipe, names), recipe, shape, names, file, framing, HeldOut(0), ids)


def import_torch_run(
    file: Path,
    network: str,
    name: str,
    *,
    size: Pair = (224, 224),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    class_names: Sequence[str] = (),
) -> tuple[RunFolder, dict[str, str]]:
    """A new run runs/<name> with a PyTorch file's weights, and the file's name of each of our parameters.

    network: of the zoo, whose layers the file has. size, mean, std: of the images it is used to. class_names: by
    default ImageNet's of a network of 1,000 outputs, else 0, 1, ... Raises PellucidError where the file's layers
    are others, or the names are not one for each output; then no folder is made.
    """
    arrays, ordered = read_torch_ordered(file)
    if not ordered:
        arrays = by_number(arrays)
    outputs = _outputs(arrays, file)
    names = tuple(class_names) or default_names(outputs)
    if len(names) != outputs or len(set(names)) < outputs:
        raise PellucidError(f"{file}: {outputs} outputs, got {len(set(names))} different names of classes")
    recipe = _recipe(name, {"name": network}, f"Weights from {file.name}", size, tuple(mean), tuple(std))
    channels = _channels(arrays)
    shape = (channels, *size)
    _check_channels(file, {"mean": mean, "std": std}, channels)
    made = build_network(recipe, shape, outputs, seed=None)
    found = load_torch(made, arrays, str(file), ordered=ordered)
    with new_run_folder(name, RUNS / name) as run:
        save_model(run.model, made, model_notes(recipe, shape, names, Framing("stretch", channels, size)))
        write_whole(run.recipe, recipe_toml(recipe).encode())
    return run, found


def onnx_file_model(
    file: Path,
    name: str = "",
    *,
    size: Pair | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    class_names: Sequence[str] = (),
) -> Model:
    """The network of an ONNX file, to be asked as any trained model: a classifier, or one that labels every pixel.

    A softmax at its end is left out, since a classifier here gives logits. size: (height, width), where the file
    leaves it open. mean, std, class_names: where the file doesn't say; names are by default ImageNet's for 1,000
    classes, else 0, 1, ... Raises PellucidError where it can't be read, or what it gives is neither.
    """
    found = import_onnx(file, size=size, logits=True)
    network, task = found.network, _task(found.network, file)
    classes = network.output_shape[0]
    names = tuple(class_names) or found.class_names or default_names(classes)
    if len(names) != classes or len(set(names)) < classes:
        raise PellucidError(f"{file}: {classes} outputs, got {len(set(names))} different names of classes")
    layers: Choice = {"name": "layers", "layers": written(network.layer)}
    shape = network.input_shape
    sides = (shape[1], shape[2]) if len(shape) == 3 else None
    mean, std = (tuple(given) or said for given, said in ((mean, found.mean), (std, found.std)))
    _check_channels(file, {"mean": mean, "std": std}, shape[0])
    recipe = _recipe(
        name or _plain(file.stem), layers | ({"head": found.head} if found.head else {}),
        f"Weights from {file.name}", sides, tuple(mean), tuple(std), task=task, batch_size=32,
    )  # fmt: skip
    try:
        framing = read_framing(found.metadata["framing"], _as_image(shape), file)
    except (PellucidError, KeyError, TypeError, ValueError):
        rule: Rule = "own" if sides is None else "canvas" if task == "segment" else "stretch"
        framing = Framing(rule, *_framed(shape))
    ids = tuple(range(1, classes + 1))
    return Model(network, build_task(recipe, names), recipe, shape, names, file, framing, HeldOut(0), ids)


def import_onnx_run(file: Path, name: str, **settings: Any) -> tuple[RunFolder, Model]:
    """A new run runs/<name> of an ONNX file's network; settings: see `onnx_file_model`."""
    model = onnx_file_model(file, name, **settings)
    with new_run_folder(name, RUNS / name) as run:
        notes = model_notes(model.recipe, model.image_shape, model.class_names, model.framing)
        save_model(run.model, model.network, notes)
        write_whole(run.recipe, recipe_toml(model.recipe).encode())
    return run, model


def _task(network: Network, file: Path) -> str:
    """What a network is for, by the shape of what it gives."""
    output = network.output_shape
    if len(network.nodes.outputs) == 1 and len(output) == 1:
        return "classify"
    if len(network.nodes.outputs) == 1 and len(output) == 3 and output[1:] == network.input_shape[1:]:
        return "segment"
    raise PellucidError(
        f"{file}: outputs of shape {output}, expected one number a class, or one a class and pixel "
        "(pellucid.exchange.onnx_import reads the network alone)"
    )


def default_names(classes: int) -> tuple[str, ...]:
    """ImageNet's names for 1,000 classes, else 0, 1, ..."""
    return imagenet_names() if classes == IMAGENET else tuple(map(str, range(classes)))


def _check_channels(file: Path, given: dict[str, Sequence[float]], channels: int) -> None:
    for name, values in given.items():
        if values and len(values) != channels:
            raise PellucidError(f"{file}: {name} of {len(values)} numbers, expected {channels}, one a channel")


def _as_image(shape: Shape) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (1, 1, math.prod(shape))


def _framed(shape: Shape) -> tuple[int, Pair]:
    C, H, W = _as_image(shape)
    return C, (H, W)


def _plain(name: str) -> str:
    """A name that a run can have."""
    return "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in name).strip(".-")[:100] or "onnx"


def _recipe(
    name: str,
    network: Choice,
    description: str,
    size: Pair | None,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    *,
    task: str = "classify",
    batch_size: int = 128,
) -> Recipe:
    """How a network would be trained on, on pictures of that kind."""
    recipe = Recipe(
        name=name,
        description=description,
        network=network,
        task={"name": task},
        optimizer={"name": "adamw", "rate": 0.001, "weight_decay": 0.01},
        data=DataSettings(source="pictures", size=size, mean=mean, std=std),
        training=TrainingSettings(batch_size=batch_size),
    )
    check_choices(recipe)
    return msgspec.convert(msgspec.to_builtins(recipe), Recipe)


def _channels(arrays: dict[str, Array]) -> int:
    """Of the images: 3 where a convolution takes 3, else what the first one takes."""
    taken = [int(array.shape[1]) for array in arrays.values() if array.ndim == 4]
    return CHANNELS if CHANNELS in taken or not taken else taken[0]


def _outputs(arrays: dict[str, Array], file: Path) -> int:
    """How many classes the last affine layer of a file tells, or the last convolution where there is none."""
    weights = [
        array.shape for name, array in arrays.items() if name.rpartition(".")[2] == "weight" and array.ndim > 1
    ]
    if not weights:
        raise PellucidError(f"{file}: no weights of a convolution or an affine layer")
    affine = [shape for shape in weights if len(shape) == 2]  # sorted, classifier stands before features
    return int((affine or weights)[-1][0])
