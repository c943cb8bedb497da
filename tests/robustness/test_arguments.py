"""Every public class and function, each argument in turn odd: an object that works, or one line that says why not."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.layers import training as in_training

ODD: list[Any] = [
    "x", "", b"x", None, 3.5, -1, -2.5, 0, float("nan"), float("inf"), True, 10**12, 10**30, [], [[1]], ["x"],
    [-1], [0, 0], [1.5, 2], (1, 2, 3, 4, 5), [10**6, 10**6], {"a": 1}, object(), np.zeros((2, 2)), np.float32(0.5),
    1 + 2j, np.array("x"), int, lambda: 1,
]  # fmt: skip
X, Y = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8)).astype(np.uint8), np.arange(12) % 2
DATA = pl.data.arrays(X, Y)
CONV = {"channels": 2, "kernel": 3}


def layer() -> pl.nn.Layer:
    return pl.nn.Conv2d(2, 3, padding=1)


def node() -> pl.nn.Node:
    return pl.nn.Node(layer(), "input", "a")


GIVEN: dict[str, dict[str, Any]] = {
    "Clip": {"low": 0.0, "high": 1.0}, "Constant": {"shape": (2,)}, "Conv2d": CONV, "ConvTranspose2d": CONV,
    "DepthToSpace": {"block": 1}, "SpaceToDepth": {"block": 2}, "GroupNorm": {"groups": 1},
    "LayerNorm": {"shape": (8,)}, "Linear": {"features": 2}, "LocalResponseNorm": {"size": 3},
    "Pad": {"before": (1,), "after": (1,)},
    "Reduce": {"what": "mean", "axes": (1,)}, "Resize": {"scale": 2.0}, "Scale": {"shape": (1, 1, 1)},
    "Shift": {"shape": (1, 1, 1)}, "Slice": {"starts": (0, 0, 0), "stops": (None, 4, 4)},
    "Residual": {"body": layer}, "Upsampled": {"body": layer, "channels": 2},
    "Node": {"layer": layer, "inputs": "input", "name": "a"},
    "Graph": {"*nodes": node, "outputs": "a"}, "Sequential": {"*layers": layer}, "Branches": {"*branches": layer},
    "Sum": {"*branches": layer}, "Reshape": {"*shape": -1}, "Transpose": {"*axes": 0}, "Expand": {"*shape": 2},
    "ChannelOrder": {"*order": 0},
}  # fmt: skip
"""Arguments that make each; a function makes a new one each time."""

OPEN = {"Layer", "Parameter", "Context", "training"}
"""What isn't made by people, or takes whatever a class of one's own takes."""


def made(value: Any) -> Any:
    return value() if inspect.isfunction(value) and value in (layer, node) else value


def attempts(thing: Callable[..., Any], given: dict[str, Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each argument in turn odd: what is said of the call, and the call."""
    called = thing.__init__ if isinstance(thing, type) else thing  # type: ignore[misc]
    for name, parameter in inspect.signature(called).parameters.items():
        if name == "self" or parameter.kind is parameter.VAR_KEYWORD:
            continue
        for odd in ODD:
            spread = parameter.kind is parameter.VAR_POSITIONAL

            def call(name: str = name, odd: Any = odd, spread: bool = spread) -> Any:
                named = {key: made(value) for key, value in given.items() if key != name and key[0] != "*"}
                others = [made(value) for key, value in given.items() if key[0] == "*" and not spread]
                return thing(*([odd] if spread else others), **(named if spread else {**named, name: odd}))

            yield f"{thing.__name__}({name}={odd!r})", call


def one_line(call: Callable[[], Any], said: str) -> Any:
    """What the call gives; None where it is refused. Any other exception fails."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return call()
    except PellucidError as error:
        assert str(error).strip() and "\n" not in str(error), said
    except Exception as error:
        raise AssertionError(f"{said}: {type(error).__name__}: {error}") from error
    return None


def used(layers: Any) -> None:
    """In networks for a vector and for images: forward, and in training backward, by the definition."""
    for shape in ((8,), (2, 8, 8)):
        try:
            network = pl.Network(layers, shape)
        except PellucidError:
            continue
        x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
        with ops.use_backend("numpy"):
            network.forward(x)
            y = network.forward(x, in_training(np.random.default_rng(0)))
            network.backward(np.ones_like(y))
        return


@pytest.mark.parametrize(
    "name", [name for name in pl.nn.__all__ if callable(getattr(pl.nn, name)) and name not in OPEN]
)
def test_layers(name: str) -> None:
    for said, call in attempts(getattr(pl.nn, name), GIVEN.get(name, {})):
        layers = one_line(call, said)
        if isinstance(layers, pl.nn.Layer):
            one_line(lambda made=layers: used(made), f"{said} in use")  # type: ignore[misc]


@pytest.mark.parametrize("name", pl.optim.__all__)
def test_optimizers_and_schedules(name: str) -> None:
    kind = getattr(pl.optim, name)
    rate = {"rate": 0.1} if issubclass(kind, pl.optim.Optimizer) else {}
    for said, call in attempts(kind, rate):
        thing = one_line(call, said)
        if isinstance(thing, pl.optim.Schedule):
            factors = [one_line(lambda step=step, of=thing: of(step), said) for step in (0, 1, 50, 10**6)]  # type: ignore[misc]
            assert all(factor is None or 0 <= factor < np.inf for factor in factors), f"{said}: {factors}"
        elif thing is not None and kind is not pl.optim.Optimizer:
            vector = np.ones(4, np.float32)
            with ops.use_backend("numpy"):
                one_line(lambda of=thing, w=vector: of.update(w, np.ones(4, np.float32)), f"{said} in use")  # type: ignore[misc]


def batch(**settings: Any) -> None:
    loader = pl.data.Loader(DATA.train, 4, **settings)
    next(loader.epoch(0))


@pytest.mark.parametrize("kind", [pl.data.Augmentation, pl.data.RandomCrop])
def test_augmentation(kind: type) -> None:
    setting = "augment" if kind is pl.data.Augmentation else "crop"
    for said, call in attempts(kind, {}):
        thing = one_line(call, said)
        if thing is not None:
            one_line(lambda of=thing: batch(**{setting: of}), f"{said} in use")  # type: ignore[misc]


def test_loaders() -> None:
    for said, call in attempts(pl.data.Loader, {"dataset": DATA.train, "batch_size": 4}):
        thing = one_line(call, said)
        if thing is not None:
            one_line(lambda of=thing: next(of.epoch(0)), f"{said} in use")  # type: ignore[misc]


def test_networks() -> None:
    for name in ("input_shape", "dtype", "seed", "fuse", "layer"):
        for odd in ODD:
            arguments = {"layer": layer(), "input_shape": (2, 8, 8), name: odd}
            said = f"Network({name}={odd!r})"
            network = one_line(lambda a=arguments: pl.Network(**a), said)  # type: ignore[misc]
            if network is not None:
                x = np.zeros((1, *network.input_shape), network.dtype)
                one_line(lambda n=network, x=x: n.forward(x), f"{said} in use")  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", ["arrays", "folder", "voc", "coco", "yolo", "load_data", "load_boxed", "load_masked"]
)
def test_data(name: str, tmp_path: Any) -> None:
    path = tmp_path / "none"
    given = {"arrays": {"X": X, "y": Y}}.get(name, {"source" if name.startswith("load") else "path": path})
    for said, call in attempts(getattr(pl.data, name), given):
        one_line(call, said)


@pytest.mark.parametrize("name", [name for name in pl.zoo.__all__ if inspect.isfunction(getattr(pl.zoo, name))])
def test_zoo(name: str) -> None:
    given = {"create": {"name": "lenet5", "classes": 2}, "convolutionalize": {}}.get(name, {"classes": 2})
    for said, call in attempts(getattr(pl.zoo, name), given):
        one_line(call, said)


@pytest.mark.parametrize(
    "name", ["CSV", "Checkpoint", "Curve", "EarlyStopping", "Live", "Progress", "TensorBoard", "Call"]
)
def test_callbacks(name: str, tmp_path: Any) -> None:
    given = {"Checkpoint": {"path": tmp_path / "x"}, "Call": {"function": print}, "TensorBoard": {"folder": tmp_path}}
    for said, call in attempts(getattr(pl.callbacks, name), given.get(name, {})):
        one_line(call, said)


def test_training() -> None:
    for name in inspect.signature(pl.fit).parameters:
        for odd in ODD:
            if name in {"epochs", "verbosity"} and isinstance(odd, int) and odd > 10:
                continue  # it would be right, and long
            arguments: dict[str, Any] = {"data": DATA, "epochs": 0.2, "batch_size": 4, "verbosity": 0}
            net = pl.Network(pl.nn.Sequential(pl.nn.Flatten(), pl.nn.Linear(2)), (1, 8, 8))
            arguments |= {"network": net, name: odd}
            one_line(lambda a=arguments: pl.fit(**a), f"fit({name}={odd!r})")  # type: ignore[misc]
