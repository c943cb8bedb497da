"""What a command is about: a run, a model's file, a recipe, or a network of the zoo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.data import Data
    from pellucid.network import Network
    from pellucid.ops.arrays import Shape
    from pellucid.recipes import AnyModel, Recipe
    from pellucid.task import Task

LAST = "runs/last"
MODEL_FILES = (".safetensors", ".onnx")
FEW = 64
CLASSES = 10
SUBJECT_HELP = "A run folder, a model's file, a recipe's name or file, or a network's name."
RUN_HELP = "A run folder, or a model file."
INPUT_HELP = "Another input than the usual: channels x height x width, such as 3x224x224."
DATA_HELP = "Other data than the run's: a directory, or mnist."
CLASSES_HELP = "Classes of a network that's given by its name."


@dataclass(frozen=True)
class Subject:
    """A network with its trained weights where it has been trained, else with its first ones.

    recipe: None for a network of the zoo, which comes without data. class_names: of class 0, 1, ...
    """

    title: str
    network: Network
    task: Task
    class_names: tuple[str, ...]
    recipe: Recipe | None


def open_subject(
    name: str, input_: str | None = None, classes: int | None = None, *, weights: bool = True, usual: bool = True
) -> Subject:
    """What that name stands for; of a name that is both a recipe's and a network's, the recipe, unless shape or
    classes are given.

    input_: its shape, such as "3x224x224"; by default a recipe's or run's own. weights: whether a network of the zoo
    needs its first ones. usual: whether such a network sees images of its usual size by default; else its input has
    to be given. Raises PellucidError where there is nothing of that name, or it takes no such input.
    """
    from pellucid.recipes import list_recipes, open_model
    from pellucid.recipes.choices import unknown
    from pellucid.training.folder import RunFolder, find_run
    from pellucid.zoo import NETWORKS
    from pellucid.zoo.usual import USUAL_INPUTS

    shape = _shape(input_) if input_ else None
    path = Path(name) if name in {*NETWORKS, *list_recipes()} else find_run(name)
    if path.suffix in MODEL_FILES or RunFolder(path).model.exists():
        model = open_model(path)
        _own_classes(name, classes, len(model.class_names))
        network = model.network if shape is None else _resized(model.network, shape)
        return Subject(name, network, model.task, model.class_names, model.recipe)
    if name in NETWORKS and (classes or shape or name not in list_recipes()):
        if shape is None and not usual:
            raise PellucidError(f"network {name}: expected --input with the shape of an image, such as 3x32x32")
        return _of_the_zoo(name, shape or USUAL_INPUTS[name], classes or CLASSES, 0 if weights else None)
    if name not in list_recipes() and path.name == name and path.suffix != ".toml" and not path.exists():
        raise unknown("recipe or network", name, dict.fromkeys((*list_recipes(), *NETWORKS)))
    return _of_a_recipe(name, shape, classes)


def _of_the_zoo(name: str, shape: Shape, classes: int, seed: int | None) -> Subject:
    from pellucid.network import Network
    from pellucid.zoo import create

    network = Network(create(name, classes), shape, seed=seed)
    names = tuple(map(str, range(classes)))
    return Subject(name, network, _task(network, names), names, None)


def _of_a_recipe(name: str, shape: Shape | None, classes: int | None) -> Subject:
    from pellucid.recipes import build_data, build_network, build_task, load_recipe

    recipe = load_recipe(name)
    train = build_data(few_scenes(recipe)).train
    _own_classes(name, classes, train.classes)
    network = build_network(recipe, shape or train.image_shape, train.classes)
    return Subject(name, network, build_task(recipe, train.class_names), train.class_names, recipe)


def _own_classes(name: str, asked: int | None, own: int) -> None:
    if asked:
        raise PellucidError(f"--classes {asked}: {name} knows its own, {own}")


def _resized(network: Network, shape: Shape) -> Network:
    """The same weights, for images of another size."""
    import copy

    from pellucid.network import Network

    twin = Network(copy.deepcopy(network.layer), shape, dtype=network.dtype)
    twin.load_state(network.state())
    return twin


def _task(network: Network, names: tuple[str, ...]) -> Task:
    """What a network is for, by the shape of what it gives."""
    from pellucid.tasks import Classify, Detect, Segment

    output = network.output_shape
    if len(output) == 1:
        return Classify(names)
    if output[0] == len(names):
        return Segment(names)
    return Detect(names, stride=max(1, network.input_shape[1] // output[1]))


def _shape(text: str) -> Shape:
    """The input that the flag asks for."""
    parts = text.lower().split("x")
    if len(parts) not in {1, 3} or not all(part.isdecimal() and int(part) for part in parts):
        raise PellucidError(f"--input {text}: expected channels x height x width, such as 3x224x224")
    return tuple(map(int, parts))


def trained(name: str | Path) -> Path:
    """The path of a run or a model's file; a run in runs/ may be called by its name alone.

    Raises PellucidError for the name of what is still to be trained.
    """
    from pellucid.recipes import list_recipes
    from pellucid.training.folder import find_run
    from pellucid.zoo import NETWORKS

    text = str(name)
    if not Path(name).exists() and (text in NETWORKS or text in list_recipes()):
        how = f"pellucid train {text}" if text in list_recipes() else "train a recipe with it"
        raise PellucidError(f"{text}: not trained yet, expected a run or a model's file ({how})")
    return find_run(name)


def few_scenes(recipe: Recipe) -> Recipe:
    """The recipe with the first few of its scenes, where it has some: enough to look at, and there at once."""
    import msgspec

    if recipe.data.scenes is None:
        return recipe
    scenes = recipe.data.scenes | {"train": FEW, "validation": FEW, "test": FEW}
    return msgspec.structs.replace(recipe, data=msgspec.structs.replace(recipe.data, scenes=scenes))


def data_for(model: AnyModel, source: str | None, *, learns: bool = False) -> Data:
    """The data that a model was trained on, or other data of the same classes.

    learns: whether something will be learnt from other data's training images; else all images of other data without
    parts are its test, unless they are called as the run's own: a copy, of which it has learnt most. Raises
    PellucidError where the classes are others.
    """
    import msgspec

    from pellucid.data.held_out import HeldOut
    from pellucid.recipes import build_data

    recipe, held_out = model.recipe, model.held_out
    if source is not None and not same_data(model, source):
        held_out = HeldOut(recipe.data.seed, whole=not learns)
        settings = msgspec.structs.replace(recipe.data, source=source, validation=0)
        recipe = msgspec.structs.replace(recipe, data=settings)
    data = build_data(recipe, held_out, model.framing)
    if data.test.class_names != model.class_names:
        raise PellucidError(
            f"{data.test.name} has {_listed(data.test.class_names)}, "
            f"but {model.path} was trained on {_listed(model.class_names)}"
        )
    if not held_out.whole or data.test.keys is None or "test" not in data.lists:
        return data
    own = set(model.held_out.lists.get("test", ()))
    if own and 4 * len(own & set(data.test.keys)) >= 3 * len(own):
        data = build_data(recipe, model.held_out, model.framing)
        return _noted(data, f"{source}: images called as the run's own, so only what it held out is measured")
    return _noted(data, f"{source}: no parts, so all {len(data.test):,} images are measured")


def _noted(data: Data, said: str) -> Data:
    """The data whose test says one thing more."""
    from dataclasses import replace

    return replace(data, test=replace(data.test, notes=(*data.test.notes, said)))


def others_for(path: Path, source: str | None) -> Data | None:
    """Other data than a run's or a model file's own, to be learnt from and measured apart; None: its own."""
    from pellucid.recipes import open_model

    return None if source is None else data_for(open_model(path), source, learns=True)


def same_data(model: AnyModel, source: str | None) -> bool:
    """Whether a source, None for the model's own, is what the model was trained on."""
    own = model.recipe.data.source
    return source in {None, own} or (source is not None and Path(source).resolve() == Path(own).resolve())


def _listed(names: tuple[str, ...]) -> str:
    some = ", ".join(names if len(names) <= 4 else (*names[:3], "...", names[-1]))
    return f"{len(names)} classes ({some})"
