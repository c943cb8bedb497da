"""Files that somebody has changed: a network or one line, in bounded time and memory, and no file outside is read."""

import copy
import os
import time
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_export import onnx_model
from pellucid.exchange.onnx_file import parse_onnx, read_onnx_file
from pellucid.exchange.onnx_import import to_network
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

onnx = pytest.importorskip("onnx")

MUTATIONS = int(os.environ.get("PELLUCID_MUTATIONS", "120"))
MOST_SECONDS, MOST_BYTES = 10.0, 1 << 30
HUGE = [-(1 << 63), -1, 0, 1, 3, 1 << 20, 1 << 31, (1 << 40) + 1, (1 << 63) - 1]


@cache
def models() -> tuple[Any, ...]:
    layers = (
        Conv2d(4, 3, padding=1), BatchNorm2d(), ReLU(), Residual(Conv2d(4, 1)), MaxPool2d(2),
        Resize((6, 6), mode="linear"),
        ConvTranspose2d(2, 2, stride=2), Pad((1, 0), (0, 1)), Slice((0, 1, 0), (None, None, 11)), Reshape(4, 6, 11),
        Flatten(), Linear(5), Softmax(),
    )  # fmt: skip
    mixed = onnx_model(Network(Sequential(*layers), (3, 8, 8), seed=1), class_names=list("abcde"))
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
    return mixed, shaped


def changed_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(data[: rng.integers(len(data))])
    for _ in range(rng.integers(1, 8)):
        place = int(rng.integers(len(data)))
        if kind == 1:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            data[place : place + int(rng.integers(1, 9))] = rng.bytes(int(rng.integers(1, 9)))
        else:
            data[place] = int(rng.choice([0, 0x7F, 0x80, 0xFF]))
    return bytes(data)


def changed_fields(model: Any, rng: np.random.Generator) -> bytes:
    """One or a few fields with values that a file may have, and no sound file has."""
    changed = copy.deepcopy(model)
    graph = changed.graph
    for _ in range(rng.integers(1, 3)):
        node = graph.node[int(rng.integers(len(graph.node)))]
        tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
        big = int(rng.choice(HUGE))
        names = [n for other in graph.node for n in (*other.input, *other.output)]
        kind = int(rng.integers(12))
        if kind == 0 and tensor.dims:
            tensor.dims[int(rng.integers(len(tensor.dims)))] = big
        elif kind == 1:
            tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))] + rng.bytes(3)
        elif kind == 2 and node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            if attribute.ints:
                attribute.ints[int(rng.integers(len(attribute.ints)))] = big
            attribute.i, attribute.f = big, float(rng.choice([0, -1, 1e38, float("nan"), float("inf")]))
        elif kind == 3 and node.input:
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(names))
        elif kind == 4:
            node.op_type = str(
                rng.choice([other.op_type for other in graph.node] + ["Einsum", "Loop", "ConstantOfShape"])
            )
        elif kind == 5 and node.output:
            node.output[0] = str(rng.choice(names))
        elif kind == 6:
            tensor.data_type = int(rng.integers(0, 27))
        elif kind == 7:
            side = graph.input[0].type.tensor_type.shape.dim[int(rng.integers(4))]
            side.dim_value = big
        elif kind == 8:
            tensor.data_location = 1
            tensor.ClearField("raw_data")
            for key, value in (("location", rng.choice(["/etc/passwd", "../x", "", "x", "a\0b"])), ("offset", big)):
                tensor.external_data.add(key=key, value=str(value))
        elif kind == 9 and tensor.data_type == 7:
            values = np.full(len(tensor.raw_data) // 8, big, np.int64)
            tensor.raw_data = values.tobytes()
        elif kind == 10:
            del graph.node[int(rng.integers(len(graph.node)))]
        else:
            changed.opset_import[0].version = int(rng.choice([0, 6, 7, 11, 13, 18, 99]))
    return bytes(changed.SerializeToString())


def test_a_network_or_one_line() -> None:
    networks = 0
    for seed in range(MUTATIONS):
        rng = np.random.default_rng(seed)
        model = models()[int(rng.integers(len(models())))]
        content = (
            changed_bytes(model.SerializeToString(), rng) if rng.integers(3) == 0 else changed_fields(model, rng)
        )
        tracemalloc.start()
        start, network = time.monotonic(), None
        try:
            network = to_network(parse_onnx(content, "x.onnx")).network
        except PellucidError as error:
            assert "\n" not in str(error), seed
        assert time.monotonic() - start < MOST_SECONDS, seed
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES, seed
        tracemalloc.stop()
        if network is not None and np.prod(network.input_shape) < 1 << 16:
            networks += 1
            with np.errstate(all="ignore"), ops.use_backend("numpy"):
                network.forward(np.zeros((1, *network.input_shape), np.float32))
    assert 0 < networks < MUTATIONS


def with_outside(location: str, offset: str, length: str) -> Any:
    model = copy.deepcopy(models()[0])
    tensor = next(t for t in model.graph.initializer if t.name == "0.bias")
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    return model


def test_tensors_in_another_file_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    values = np.arange(4, dtype="<f4")
    (folder / "weights.bin").write_bytes(bytes(8) + values.tobytes())
    (tmp_path / "secret").write_bytes(bytes(64))
    (folder / "link").symlink_to(tmp_path / "secret")
    file = folder / "x.onnx"
    file.write_bytes(with_outside("weights.bin", "8", "16").SerializeToString())
    found = to_network(read_onnx_file(file)).network
    np.testing.assert_array_equal(found.state()["0.bias"], values)
    for location, offset, length in (
        ("../secret", "0", "16"), (str(tmp_path / "secret"), "0", "16"), ("link", "0", "16"),
        ("weights.bin", "16", "16"),
        ("weights.bin", "-8", "16"), ("weights.bin", "0", "20"), ("none", "0", "16"), (".", "0", "16"),
        ("", "0", "16"),
        ("weights.bin", "x", "16"),
    ):  # fmt: skip
        file.write_bytes(with_outside(location, offset, length).SerializeToString())
        with pytest.raises(PellucidError, match=r"tensor '0\.bias'"):
            read_onnx_file(file)


def test_sizes_are_checked_before_memory_is_taken() -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["w"]),
        helper.make_node("Relu", ["w"], ["v"]),
        helper.make_node("Add", ["x", "v"], ["y"]),
    ]
    for size in ([1 << 40], [1 << 20, 1 << 20], [-1]):
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("x", kinds.FLOAT, ["N", 3, 4, 4])],
            [helper.make_tensor_value_info("y", kinds.FLOAT, None)],
            [onnx.numpy_helper.from_array(np.array(size), "size")],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
        with pytest.raises(PellucidError, match=r"ConstantOfShape 'w': a tensor of .* numbers, expected at most"):
            to_network(parse_onnx(model.SerializeToString(), "x.onnx"))
