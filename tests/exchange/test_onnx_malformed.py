"""Files that somebody has changed: a network or one line, in bounded time and memory, and no file outside is read."""

import copy
import os
import time
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from robustness.mutations import mutated
from robustness.onnx_files import models

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_file import parse_onnx, read_onnx_file
from pellucid.exchange.onnx_import import to_network

onnx = pytest.importorskip("onnx")

MUTATIONS = int(os.environ.get("PELLUCID_MUTATIONS", "120"))
MOST_SECONDS, MOST_BYTES = 10.0, 1 << 30


def test_a_network_or_one_line() -> None:
    networks = 0
    for seed in range(MUTATIONS):
        draw = Random(seed)
        content = mutated("x.onnx", draw.choice(models()).SerializeToString(), draw)
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
