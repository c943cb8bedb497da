"""Networks as ONNX files: each layer one node of the standard's operators (https://onnx.ai/onnx/operators).

Networks of integers have QuantizeLinear and DequantizeLinear around them (onnx_integers).

Nodes, their values and the weights are called as in the network; the batch size is left open. Weights go out in
float32. What the network doesn't hold, how pixels become its input and what its classes are called, is metadata:

    class_names     JSON, a list
    mean, std       JSON, one number a channel, where white is 1: the input is (pixels / 255 - mean) / std
    untrained       JSON, names of tensors that are weights and don't learn

`pixels=True` makes that normalisation the first nodes of the file, which then takes bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_integers import write_integers
from pellucid.exchange.onnx_package import onnx_package
from pellucid.exchange.onnx_sheet import Sheet
from pellucid.exchange.onnx_writers import write_layers
from pellucid.files import write_whole
from pellucid.graph import INPUT
from pellucid.ops.arrays import Array
from pellucid.plan.integer_network import AnyNetwork, IntegerNetwork

OPSET = 21
"""The oldest with every operator used here in today's meaning (GroupNormalization by channel)."""

IR_VERSION = 10
"""That of the release which brought this opset."""

BATCH = "N"
WHITE = 255
STATISTICS = ("running_mean", "running_variance")
"""What no network trains; the operator says so."""


def onnx_model(
    network: AnyNetwork,
    *,
    class_names: Sequence[str] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    pixels: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """The network as an onnx.ModelProto that answers as the network does in inference.

    network: of layers, or of integers (see onnx_integers). mean, std: of each channel, as the network's input was
    normalised, where white is 1. pixels: the file takes uint8 images (N, C, H, W) and normalises them itself.
    metadata: further text, by name.
    Raises PellucidError where layers have no ONNX form, naming all of them.
    """
    onnx = onnx_package()
    sheet = Sheet({INPUT: INPUT})
    if pixels:
        _normalise(sheet, network.input_shape[0], mean, std)
    shapes = write_integers(sheet, network) if isinstance(network, IntegerNetwork) else write_layers(sheet, network)
    helper, kinds = onnx.helper, onnx.TensorProto
    inputs = [
        helper.make_tensor_value_info(INPUT, kinds.UINT8 if pixels else kinds.FLOAT, [BATCH, *network.input_shape])
    ]
    outputs = [helper.make_tensor_value_info(name, kinds.FLOAT, [BATCH, *shape]) for name, shape in shapes.items()]
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in sheet.tensors.items()]
    nodes = [helper.make_node(*args, name=name, **attributes) for *args, name, attributes in sheet.nodes]
    graph = helper.make_graph(nodes, "pellucid", inputs, outputs, tensors)
    model = helper.make_model(
        graph, producer_name="pellucid", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    notes = {"class_names": list(class_names), "mean": list(mean), "std": list(std), "untrained": _fixed(network)}
    given = {key: json.dumps(value) for key, value in notes.items() if value}
    helper.set_model_props(model, {**given, **(metadata or {})})
    return model


def save_onnx(path: str | Path, network: AnyNetwork, **settings: Any) -> None:
    """Write `onnx_model(network, **settings)`, checked with shape inference. Whole or not at all.

    Raises PellucidError for what is too large, and for what ONNX's checker doesn't take.
    """
    onnx, model = onnx_package(), onnx_model(network, **settings)
    try:
        content = model.SerializeToString()
    except ValueError as error:  # protobuf's limit
        raise PellucidError(f"{path}: larger than the 2 GiB that an ONNX file may have ({error})") from error
    try:
        onnx.checker.check_model(content, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())
        raise PellucidError(f"{path}: no form that ONNX's checker takes ({reason})") from error
    write_whole(Path(path), content)


def _fixed(network: AnyNetwork) -> list[str]:
    """Names of weights that don't learn, though their layer's could."""
    if isinstance(network, IntegerNetwork):
        return []
    return [
        name
        for name, parameter in network.parameters.items()
        if not parameter.trained and name.rpartition(".")[2] not in STATISTICS
    ]


def _normalise(sheet: Sheet, channels: int, mean: Sequence[float], std: Sequence[float]) -> None:
    """Bytes to what the network was trained on, as nodes."""
    for name, values in (("mean", mean), ("std", std)):
        if values and len(values) != channels:
            raise PellucidError(f"{name}: expected {channels} numbers, one a channel, got {len(values)}")

    def column(values: Sequence[float]) -> Array:
        return np.asarray(values, np.float32).reshape(1, -1, 1, 1)

    sheet.node("Cast", [INPUT], "pixels/float", to=onnx_package().TensorProto.FLOAT)
    last = "pixels/float"
    steps: list[tuple[str, str, Array]] = [("Div", "pixels/scaled", np.asarray(WHITE, np.float32))]
    steps += [("Sub", "pixels/centred", column(mean))] if mean else []
    steps += [("Div", "pixels/normalised", column(std))] if std else []
    for operator, name, by in steps:
        sheet.node(operator, [last, sheet.constant(f"{name}/by", by)], name)
        last = name
    sheet.values[INPUT] = last
