"""ONNX files as networks: the zoo's own come back, others give what onnxruntime gives, and all can be trained on."""

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from exchange.light_models import expected, light_files, redrawn
from exchange.onnx_networks import by_definition, error, images, run_onnx, zoo_network
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_export import onnx_model, save_onnx
from pellucid.exchange.onnx_file import parse_onnx
from pellucid.exchange.onnx_import import Imported, import_onnx, to_network
from pellucid.graph import Branches, Graph, Node, Sequential
from pellucid.layers import (
    Add,
    Conv2d,
    Flatten,
    Identity,
    LayerNorm,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Softmax,
    Tanh,
    Transpose,
    training,
)
from pellucid.layers.joins import Concat as Join
from pellucid.network import Network
from pellucid.plan import answering
from pellucid.zoo import NETWORKS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

LARGE = {"light_bvlc_alexnet", "light_vgg19", "light_zfnet512"}  # 60 to 143 million weights
FCN = {"fcn-small", "fcn8", "fcn16", "fcn32", "detector-pyramid", "unet-pyramid"}
"""Where what depends on a second map's size is a fixed frame or part."""


def back(model: Any, **settings: Any) -> Imported:
    return to_network(parse_onnx(model.SerializeToString(), "x.onnx"), **settings)


def shown(network: Network) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, settings and inputs of each node; a class that only starts otherwise is the one it is."""
    names = {"PriorConv2d": "Conv2d"}
    return [
        (n.name, repr(n.layer).replace(n.layer.kind, names.get(n.layer.kind, n.layer.kind)), n.inputs)
        for n in network.nodes
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_zoo_comes_back(name: str) -> None:
    network = zoo_network(name)
    found = back(onnx_model(network)).network
    assert list(found.parameters) == list(network.parameters)
    assert found.digest() == network.digest()
    if name not in FCN:
        assert shown(found) == shown(network)
    x = images(network)
    np.testing.assert_array_equal(found.forward(x), network.forward(x))


@pytest.mark.parametrize("file", light_files(), ids=lambda file: file.stem)
def test_light_models(file: Path) -> None:
    """In float64: their weights are all alike, and logits of 1e10, rounded to float32, are not any more."""
    network = import_onnx(file).network
    if file.stem not in LARGE:
        network = network.astype(np.float64)
    y, answer = network.forward(np.ones((1, 3, 224, 224), network.dtype)), expected(file)
    assert error(y, answer) < 1e-5


@pytest.mark.parametrize("file", light_files(), ids=lambda file: file.stem)
def test_light_models_with_drawn_weights(file: Path) -> None:
    if file.stem in LARGE and not os.environ.get("PELLUCID_LARGE"):
        pytest.skip("gigabytes; PELLUCID_LARGE=1 runs it")
    content = redrawn(file, 3).SerializeToString()
    network = to_network(parse_onnx(content, file.name)).network
    x = images(network, 1) - np.float32(0.5)
    assert error(network.forward(x), run_onnx(content, x)) < 1e-5


@pytest.mark.parametrize(("name", "size"), [("squeezenet", 64), ("shufflenet", 224)])
def test_light_models_can_be_trained(name: str, size: int) -> None:
    """The gradient along a direction, by numerical derivatives in float64, of the loss before the softmax."""
    file = next(file for file in light_files() if file.stem == f"light_{name}")
    found = back(redrawn(file, 1), logits=True).network
    network = Network(copy.deepcopy(found.layer), (3, size, size), dtype=np.float64, seed=None)
    network.load_state(found.state())
    rng = np.random.default_rng(0)
    x, r = images(network, 1).astype(np.float64), rng.standard_normal((1, *network.output_shape))
    network.forward(x, pl.nn.DIFFERENTIABLE)
    network.backward(r)
    start, direction = network.vector.copy(), network.vector * rng.standard_normal(network.vector.size)
    slope = float(network.gradient @ direction)

    def loss(step: float) -> float:
        network.vector = start + step * direction
        return float((network.forward(x) * r).sum())

    h = 1e-8  # so small that hardly any kink lies between
    numerical = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    assert abs(slope - numerical) < 1e-5 * abs(slope)


def test_weights_at_two_places_are_one_parameter() -> None:
    graph = Graph(
        Node(Conv2d(4, padding=1), "input", "first"),
        Node(ReLU(), "first", "relu"),
        Node(Conv2d(4, padding=1, bias=False), "relu", "second"),
        Node(Add(), ("first", "second"), "sum"),
        outputs="sum",
        tied=[("second.weight", "first.weight")],
    )
    network = Network(graph, (4, 5, 5), seed=1)
    assert list(network.parameters) == ["first.weight", "first.bias"]
    found = back(onnx_model(network)).network
    assert list(found.parameters) == ["first.weight", "first.bias"]
    x = images(network)
    dy = np.ones((2, 4, 5, 5), np.float32)
    for each in (network, found):
        each.forward(x, training())
        each.backward(dy)
    np.testing.assert_array_equal(found.gradient, network.gradient)
    copied = found.astype(np.float64)
    assert list(copied.parameters) == ["first.weight", "first.bias"]


def test_bytes_are_normalised_as_in_training() -> None:
    network, mean, std = zoo_network("convnet"), (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    found = back(onnx_model(network, mean=mean, std=std, class_names=list("abcdefg"), pixels=True))
    assert (found.mean, found.std, found.class_names) == (mean, std, tuple("abcdefg"))
    assert found.network.digest() == network.digest()


def test_a_model_of_a_file(tmp_path: Path) -> None:
    network = zoo_network("squeezenet")
    save_onnx(tmp_path / "x.onnx", network, class_names=list("abcdefg"), mean=(0.5,) * 3, std=(0.2,) * 3)
    model = pl.load(tmp_path / "x.onnx")
    assert model.class_names == tuple("abcdefg")
    photo = np.random.default_rng(0).integers(0, 256, (3, 96, 96), np.uint8)
    probabilities = model.predict(photo).probabilities
    z = by_definition(network, ((photo[None] / 255 - 0.5) / 0.2).astype(np.float32))
    np.testing.assert_allclose(probabilities, np.exp(z[0]) / np.exp(z[0]).sum(), atol=1e-5)
    model.save(tmp_path / "again.safetensors")
    assert pl.load(tmp_path / "again.safetensors").network.digest() == network.digest()
    model.save(tmp_path / "again.onnx")
    assert pl.load(tmp_path / "again.onnx").network.digest() == network.digest()


def test_a_network_in_the_middle_of_others_is_named_after_its_weights() -> None:
    network = Network(Sequential(Conv2d(2), Flatten(), Linear(3), names=["stem", "flat", "fc"]), (1, 5, 5))
    model = onnx_model(network)
    for i, node in enumerate(model.graph.node):
        node.name = f"/{node.name}/{node.op_type}_{i}"
    assert [node.name for node in back(model).network.nodes] == ["stem", "/flat/Flatten_1", "fc"]


def one_node(operator: str, shape: list[Any], *tensors: Any, opset: int = 21, **attributes: Any) -> Any:
    """A model of one operator, of one input."""
    helper, kinds = onnx.helper, onnx.TensorProto
    names = [f"t{i}" for i in range(len(tensors))]
    node = helper.make_node(operator, ["x", *names], ["y"], name="it", **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kinds.FLOAT, shape)],
        [helper.make_tensor_value_info("y", kinds.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(t), n) for t, n in zip(tensors, names, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


IMAGE = ["N", 3, 8, 8]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: one_node("Conv", ["N", 3, 8], np.zeros((2, 3, 3), np.float32)), r"Conv 'it': of 1 .*\(opset 21\)"),
        (lambda: one_node("MaxPool", ["N", 3, 8, 8, 8], kernel_shape=[2, 2, 2]), r"MaxPool 'it': kernel_shape"),
        (lambda: one_node("AveragePool", ["N", 1, 4, 2, 2], kernel_shape=[3, 1, 1], auto_pad="SAME_UPPER"),
         r"AveragePool 'it': kernel_shape"),
        (lambda: one_node("Reshape", IMAGE, np.array([-1, 3])), r"Reshape 'it': .*\['N', 3\]|which would mix images"),
        (lambda: one_node("Reshape", [2, 3, 8, 8], np.array([1, -1])), "would mix images"),
        (lambda: one_node("Softmax", IMAGE, axis=0), "Softmax 'it': along the axis of the batch"),
        (lambda: one_node("Einsum", IMAGE, equation="abcd->ab"), "Einsum 'it': not among the operators"),
        (lambda: one_node("Relu", ["N", 3, "H", "W"]), "expected a size for what the file leaves open"),
        (lambda: one_node("Relu", ["N"]), r"expected a shape \(N, C, H, W\)"),
        (lambda: one_node("Relu", IMAGE, opset=6), "opset 6, expected one of 7 to"),
        (lambda: one_node("Add", IMAGE, np.zeros((4, 3, 8, 8), np.float32)), "differ from image to image"),
        (lambda: one_node("Conv", IMAGE, np.zeros((2, 4, 3, 3), np.float32)), r"in 1 groups, for 3 channels"),
    ],
)  # fmt: skip
def test_what_has_no_form_is_named(model: Any, message: str) -> None:
    with pytest.raises(PellucidError, match=message) as caught:
        back(model())
    assert str(caught.value).startswith("x.onnx: ")


@pytest.mark.parametrize("padding", [{}, {"auto_pad": "NOTSET"}, {"auto_pad": "VALID"}])
def test_means_over_neighbouring_channels_come_in(padding: dict[str, Any]) -> None:
    model = one_node("AveragePool", ["N", 1, 4, 2, 2], kernel_shape=[3, 1, 1], **padding)
    x = np.random.default_rng(0).random((2, 1, 4, 2, 2), np.float32)
    np.testing.assert_allclose(by_definition(back(model).network, x), run_onnx(model, x), rtol=1e-6)


def test_all_that_is_missing_is_named_at_once() -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Einsum", ["x"], ["a"], name="one", equation="abcd->ab"),
        helper.make_node("Relu", ["a"], ["b"], name="two"),
        helper.make_node("NonZero", ["x"], ["c"], name="three"),
        helper.make_node("NonZero", ["b"], ["d"], name="four"),
        helper.make_node("Det", ["d"], ["e"], name="five"),
        helper.make_node("Concat", ["b", "c", "e"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kinds.FLOAT, IMAGE)],
        [helper.make_tensor_value_info("y", kinds.FLOAT, None)],
    )  # fmt: skip
    message = r"^x.onnx: no form of Einsum 'one': .*; NonZero 'three': .* \(and 1 more\); Det 'five': .*21\)$"
    with pytest.raises(PellucidError, match=message):
        back(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]))


def test_open_sides_take_a_size() -> None:
    found = back(one_node("Relu", ["N", 3, "H", "W"]), size=(5, 6)).network
    assert found.output_shape == (3, 5, 6)


def test_plans_answer_for_values_of_any_rank() -> None:
    layers = (
        Conv2d(6, 3),
        Reshape(2, 3, 6, 5),
        Branches(Identity(), Tanh(), join=Join()),
        Transpose(1, 0, 2, 3),
        ReLU(),
        Reshape(12, 6, 5),
        MaxPool2d(2),
        Softmax(0),
        Reshape(12, 6),
        LayerNorm((6,)),
        Flatten(),
        Linear(4),
    )
    network = Network(Sequential(*layers), (2, 8, 7), seed=1)
    x = images(network, 3)
    y = network.forward(x)
    np.testing.assert_allclose(answering(network)(x), y, atol=1e-5 * float(np.abs(y).max()))
