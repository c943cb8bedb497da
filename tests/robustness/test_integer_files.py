"""Files of integer networks whose geometry was changed: refused, as Python and C would each go their own way."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.precision import quantize
from pellucid.precision.storage import load_integer, save_integer
from pellucid.weights import read_arrays, write_arrays

About = dict[str, Any]


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with ops.use_backend("numpy"):
        yield


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Array], About]:
    layers = Sequential(
        Conv2d(4, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(6, 3, stride=2, padding="same"), ReLU(), AvgPool2d(2),
        Flatten(), Linear(3),
    )  # fmt: skip
    images = np.random.default_rng(0).random((8, 1, 16, 16), np.float32)
    path = tmp_path_factory.mktemp("n") / "n.safetensors"
    with ops.use_backend("numpy"):
        save_integer(path, quantize(Network(layers, (1, 16, 16)), images, 8))
    arrays, notes = read_arrays(path)
    return arrays, {**notes, "network": json.loads(notes["network"])}


def step(kind_: str, **changes: Any) -> Callable[[About], None]:
    """Changes the first step of that kind."""

    def change(about: About) -> None:
        found = next(values for values in about["steps"] if values["kind"] == kind_)
        found.update(changes)

    return change


def last(**changes: Any) -> Callable[[About], None]:
    return lambda about: about["steps"][-1].update(changes)


def end(**changes: Any) -> Callable[[About], None]:
    return lambda about: about.update(changes)


CHANGES = [
    *(step("IntegerConv2d", **{name: value}) for name, value in [
        ("stride", [2, 2]), ("stride", [1.0, 1.0]), ("stride", [0, 1]), ("stride", [-1, 1]), ("stride", [1]),
        ("padding", [0, 0]), ("padding", [-1, 1]), ("padding", [1, 1, 1]), ("padding", [1 << 40, 1]),
        ("dilation", [2, 1]), ("dilation", [0, 0]), ("groups", 0), ("groups", True), ("groups", 1.0), ("pool", 0),
        ("pool", 3), ("pool", 1), ("pool", "2"), ("zeros", [300, 0]), ("zeros", [0, -1]), ("low", 256),
        ("low", None),
        ("bits", 4), ("bits", 3), ("filters", [4, 1, 9, 1]), ("filters", [4, 1, 3]), ("filters", [-4, -1, 3, 3]),
        ("output_shape", [4, 8, 9]), ("output_shape", [4, 8]), ("input_shape", [1, 16, 15]), ("logits", True),
        ("high", 1.5), ("same", "valid"), ("same", 1), ("name", 3), ("kind", "IntegerConv3d"), ("kind", []),
        ("inputs", ["nobody"]), ("inputs", "input"), ("more", 1),
    ]),
    *(step("IntegerPool2d", **{name: value}) for name, value in [
        ("kernel", [3, 3]), ("kernel", [0, 2]), ("stride", [1, 1]), ("padding", [2, 2]), ("padding", [1, 0]),
        ("average", 1), ("ceil", "yes"), ("dilation", [5, 1]), ("output_shape", [6, 2, 1]),
    ]),
    last(logits=False), last(output_shape=[4, 1, 1]), last(zeros=[0, 999]), last(pool=2),
    end(logit_step=float("nan")), end(logit_step=0), end(logit_step="1"), end(input_scale=[0.1]),
    end(input_scale=[-1, 0]), end(input_scale=[0.1, 256]), end(input_scale=[float("inf"), 0]), end(bits=16),
    end(output_shape=[4]), end(output_shape=[1.0, 3.0]), end(input_shape=[1, 16, 16, 1]),
    end(input_shape=[0, 16, 16]),
    end(steps=[]), end(steps=None), end(steps=[3]),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_changed_description_is_refused(tmp_path: Path, parts: tuple[dict[str, Array], About], number: int) -> None:
    arrays, notes = parts
    about = deepcopy(notes["network"])
    CHANGES[number](about)
    assert json.dumps(about) != json.dumps(notes["network"])
    path = tmp_path / "n.safetensors"
    write_arrays(path, arrays, {**notes, "network": json.dumps(about)})
    with pytest.raises(PellucidError, match=r"n\.safetensors: damaged description of an integer network") as caught:
        load_integer(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.update({"0.bias": np.full_like(arrays["0.bias"], (1 << 31) - 1)}),
        lambda arrays: arrays.update({"0.multiplier": -arrays["0.multiplier"]}),
        lambda arrays: arrays.update({"0.weight": arrays["0.weight"][:-1]}),
        lambda arrays: arrays.update({"0.weight": np.concatenate([arrays["0.weight"], arrays["0.weight"]])}),
        lambda arrays: arrays.update({"0.weight": np.full_like(arrays["0.weight"], 128)}),
        lambda arrays: arrays.update({"0.shift": arrays["0.shift"].astype(np.int64)}),
        lambda arrays: arrays.update({"9.weight": arrays["0.weight"]}),
        lambda arrays: arrays.pop("0.bias"),
    ],
)
def test_changed_arrays_are_refused(
    tmp_path: Path, parts: tuple[dict[str, Array], About], change: Callable[[dict[str, Array]], object]
) -> None:
    arrays, notes = dict(parts[0]), parts[1]
    change(arrays)
    write_arrays(tmp_path / "n", arrays, {**notes, "network": json.dumps(notes["network"])})
    with pytest.raises(PellucidError, match="damaged description of an integer network"):
        load_integer(tmp_path / "n")


def test_the_description_unchanged_is_read(tmp_path: Path, parts: tuple[dict[str, Array], About]) -> None:
    arrays, notes = parts
    write_arrays(tmp_path / "n", arrays, {**notes, "network": json.dumps(notes["network"])})
    network, _ = load_integer(tmp_path / "n")
    assert network.output_shape == (3,)
