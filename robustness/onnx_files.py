"""ONNX files to begin with, and what somebody may have changed in one beside its bytes."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.graph import Residual, Sequential
from pellucid.layers import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Linear,
    MaxPool2d,
    Pad,
    ReLU,
    Reshape,
    Resize,
    Slice,
    Softmax,
)
from pellucid.network import Network

HUGE = [-(1 << 63), -1, 0, 1, 3, 1 << 20, 1 << 31, (1 << 40) + 1, (1 << 63) - 1]
ODD = [0.0, -1.0, 1e38, float("nan"), float("inf")]


@cache
def models() -> tuple[Any, ...]:
    """A network of many operators, the same with arithmetic of shapes before it, and one in integers."""
    import onnx

    from pellucid.exchange.onnx_export import onnx_model
    from pellucid.precision import quantize

    layers = (
        Conv2d(4, 3, padding=1), BatchNorm2d(), ReLU(), Residual(Conv2d(4, 1)), MaxPool2d(2),
        Resize((6, 6), mode="linear"),
        ConvTranspose2d(2, 2, stride=2), Pad((1, 0), (0, 1)), Slice((0, 1, 0), (None, None, 11)), Reshape(4, 6, 11),
        Flatten(), Linear(5), Softmax(),
    )  # fmt: skip
    notes: dict[str, Any] = {"class_names": list("abcde"), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)}
    mixed = onnx_model(Network(Sequential(*layers), (3, 8, 8), seed=1), **notes)
    shaped = copy.deepcopy(mixed)
    helper = onnx.helper
    first = shaped.graph.node[0].input[0]
    shaped.graph.node.insert(0, helper.make_node("Shape", [first], ["sh"]))
    shaped.graph.node.insert(1, helper.make_node("Range", ["lo", "hi", "lo1"], ["rg"]))
    shaped.graph.node.insert(2, helper.make_node("Gather", ["sh", "rg"], ["again"], axis=0))
    shaped.graph.node.insert(3, helper.make_node("Reshape", [first, "again"], ["seen"]))
    shaped.graph.node[4].input[0] = "seen"
    for name, value in (("lo", 0), ("hi", 4), ("lo1", 1)):
        shaped.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, np.int64), name))
    plain = Sequential(Conv2d(4, 3), ReLU(), MaxPool2d(2), Flatten(), Linear(5))
    with ops.use_backend("numpy"):
        images = np.random.default_rng(0).random((4, 3, 8, 8), np.float32)
        integers = quantize(Network(plain, (3, 8, 8), seed=1), images)
    return mixed, shaped, onnx_model(integers, pixels=True, **notes)


def write_models(folder: Path) -> None:
    """One file each."""
    for number, model in enumerate(models()):
        (folder / f"{number}.onnx").write_bytes(model.SerializeToString())


def read(folder: Path, victim: Path) -> object:
    """The network, asked once if it is small, and all that a run takes of the file."""
    from pellucid.exchange.onnx_import import import_onnx
    from pellucid.recipes import open_model

    network = import_onnx(victim).network
    if np.prod(network.input_shape) < 1 << 16:
        with np.errstate(all="ignore"):  # weights may be any numbers
            network.forward(np.zeros((1, *network.input_shape), np.float32))
    return open_model(victim)


def onnx_changed(content: bytes, draw: Random) -> bytes:
    """One field with a value that a file may have, and no sound file has. Raises ValueError for what is no ONNX."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        changed = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    _CHANGES[draw.randrange(len(_CHANGES))](changed, draw)
    return bytes(changed.SerializeToString())


def _size(model: Any, draw: Random) -> None:
    tensor = draw.choice(model.graph.initializer)
    if tensor.dims:
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(HUGE)


def _length(model: Any, draw: Random) -> None:
    tensor = draw.choice(model.graph.initializer)
    tensor.raw_data = tensor.raw_data[: draw.randrange(len(tensor.raw_data) + 1)] + draw.randbytes(3)


def _setting(model: Any, draw: Random) -> None:
    found = [attribute for node in model.graph.node for attribute in node.attribute]
    attribute, big = draw.choice(found), draw.choice(HUGE)
    if attribute.ints:
        attribute.ints[draw.randrange(len(attribute.ints))] = big
    attribute.i, attribute.f = big, draw.choice(ODD)


def _edge(model: Any, draw: Random) -> None:
    """Another value, of before or after: a cycle, perhaps."""
    node = draw.choice(model.graph.node)
    names = [name for other in model.graph.node for name in (*other.input, *other.output)]
    ends = node.input if node.input and draw.random() < 0.6 else node.output
    ends[draw.randrange(len(ends))] = draw.choice(names)


def _operator(model: Any, draw: Random) -> None:
    kinds = [other.op_type for other in model.graph.node]
    draw.choice(model.graph.node).op_type = draw.choice([*kinds, "Einsum", "Loop", "ConstantOfShape"])


def _type(model: Any, draw: Random) -> None:
    draw.choice(model.graph.initializer).data_type = draw.randrange(27)


def _side(model: Any, draw: Random) -> None:
    draw.choice(model.graph.input[0].type.tensor_type.shape.dim).dim_value = draw.choice(HUGE)


def _elsewhere(model: Any, draw: Random) -> None:
    """A tensor in another file, of the folder or outside it."""
    tensor = draw.choice(model.graph.initializer)
    tensor.data_location = 1
    tensor.ClearField("raw_data")
    places = ["/etc/passwd", "../x", "", "x", "a\0b", "0.onnx", "/dev/zero"]
    for key, value in (("location", draw.choice(places)), ("offset", draw.choice(HUGE)), ("length", 16)):
        tensor.external_data.add(key=key, value=str(value))


def _numbers(model: Any, draw: Random) -> None:
    """All numbers of a tensor by one."""
    tensor = draw.choice(model.graph.initializer)
    if tensor.data_type == 7:
        tensor.raw_data = draw.choice(HUGE).to_bytes(8, "little", signed=True) * (len(tensor.raw_data) // 8)
    elif tensor.data_type == 1:
        value = np.float32(draw.choice(ODD)).tobytes()
        tensor.raw_data = value * (len(tensor.raw_data) // 4)


def _gone(model: Any, draw: Random) -> None:
    del model.graph.node[draw.randrange(len(model.graph.node))]


def _opset(model: Any, draw: Random) -> None:
    model.opset_import[0].version = draw.choice([0, 6, 7, 11, 13, 18, 99])


def _note(model: Any, draw: Random) -> None:
    note = draw.choice(model.metadata_props)
    texts = ["", "[]", "[1e999, 0, 0]", '["a", "a"]', "{" * 9999, "[0, 0, 0]", '["\\n", "b", "c", "d", "e"]', "null"]
    note.value = draw.choice(texts)


_CHANGES = (
    _size, _length, _setting, _edge, _operator, _type, _side, _elsewhere, _numbers, _gone, _opset, _note,
)  # fmt: skip
