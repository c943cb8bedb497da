"""Models whose weights come from elsewhere: pretrained ones, and runs made of PyTorch's files."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec

from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import PRETRAINED, load_pretrained
from pellucid.exchange.torch_files import read_torch
from pellucid.exchange.torch_names import load_torch
from pellucid.files import write_whole
from pellucid.ops.arrays import Array, Pair
from pellucid.recipes.check import check_choices
from pellucid.recipes.model import Model, model_notes
from pellucid.recipes.network import build_network, build_task
from pellucid.recipes.schema import DataSettings, Recipe
from pellucid.recipes.write import recipe_toml
from pellucid.training.folder import RUNS, RunFolder, create_run_folder
from pellucid.weights import save_model

CHANNELS = 3


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
    recipe = _recipe(name, name, f"Weights from {file.name}", used.size, used.mean, used.std)
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
    arrays = read_torch(file)
    outputs = _outputs(arrays, file)
    names = tuple(class_names) or (imagenet_names() if outputs == 1000 else tuple(map(str, range(outputs))))
    if len(names) != outputs or len(set(names)) < outputs:
        raise PellucidError(f"{file}: {outputs} outputs, got {len(set(names))} different names of classes")
    recipe = _recipe(name, network, f"Weights from {file.name}", size, tuple(mean), tuple(std))
    shape = (CHANNELS, *size)
    made = build_network(recipe, shape, outputs, seed=None)
    found = load_torch(made, arrays, str(file))
    run = create_run_folder(name, RUNS / name)
    write_whole(run.recipe, recipe_toml(recipe).encode())
    save_model(run.model, made, model_notes(recipe, shape, names, Framing("stretch", CHANNELS, size)))
    return run, found


def _recipe(
    name: str, network: str, description: str, size: Pair, mean: tuple[float, ...], std: tuple[float, ...]
) -> Recipe:
    """How a network would be trained on, on pictures of that kind."""
    recipe = Recipe(
        name=name,
        description=description,
        network={"name": network},
        optimizer={"name": "adamw", "rate": 0.001, "weight_decay": 0.01},
        data=DataSettings(source="pictures", size=size, mean=mean, std=std),
    )
    check_choices(recipe)
    return msgspec.convert(msgspec.to_builtins(recipe), Recipe)


def _outputs(arrays: dict[str, Array], file: Path) -> int:
    """How many classes the last weight of a file tells."""
    weights = [
        array.shape for name, array in arrays.items() if name.rpartition(".")[2] == "weight" and array.ndim > 1
    ]
    if not weights:
        raise PellucidError(f"{file}: no weights of a convolution or an affine layer")
    return int(weights[-1][0])
