"""Networks as ONNX files: valid by the standard's own checker, and the same numbers in onnxruntime."""

import json
from pathlib import Path

import numpy as np
import pytest

from exchange.onnx_networks import by_definition, error, images, run_onnx, untrained_run, zoo_network
from pellucid.cli import main
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_export import OPSET, onnx_model, save_onnx
from pellucid.exchange.onnx_file import parse_onnx
from pellucid.exchange.onnx_import import to_network
from pellucid.exchange.onnx_writers import WRITERS
from pellucid.graph import Branches, Residual, Sequential
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    Abs,
    Add,
    AvgPool2d,
    ChannelOrder,
    Clip,
    Constant,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Divide,
    Dropout,
    Erf,
    Exp,
    Expand,
    Flatten,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Identity,
    InstanceNorm2d,
    Layer,
    LayerNorm,
    LayerNorm2d,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    Log,
    LogSoftmax,
    MatMul,
    Maximum,
    MaxPool2d,
    Minimum,
    Mish,
    Multiply,
    Pad,
    Power,
    PReLU,
    Reduce,
    Reshape,
    Resize,
    Scale,
    Shift,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    SpaceToDepth,
    Subtract,
    Tanh,
    Transpose,
)
from pellucid.network import Network
from pellucid.precision import quantization_aware
from pellucid.recipes import open_model
from pellucid.zoo import NETWORKS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_zoo_goes_out(name: str) -> None:
    network = zoo_network(name)
    model = onnx_model(network)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert model.opset_import[0].version == OPSET >= 17
    batch, *shape = model.graph.input[0].type.tensor_type.shape.dim
    assert (batch.dim_param, batch.dim_value) == ("N", 0)
    assert tuple(side.dim_value for side in shape) == network.input_shape
    assert {tensor.name for tensor in model.graph.initializer} >= set(network.parameters)
    assert {node.name for node in network.nodes} <= {node.name for node in model.graph.node}
    for count in (1, 3):
        x = images(network, count)
        assert error(run_onnx(model, x), by_definition(network, x)) < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        Conv2d(4, (3, 2), stride=(2, 1), padding=(0, 1, 2, 1), dilation=(1, 2), groups=2),
        Sequential(Conv2d(4, 3, stride=2, padding="same-lower"), Tanh()),
        Sequential(Conv2d(4, (2, 4), padding="same", bias=False), LeakyReLU(0.2)),
        ConvTranspose2d(6, 3, stride=(2, 3), padding=(0, 1, 1, 0), output_padding=(1, 2), groups=2),
        ConvTranspose2d(4, (4, 3), stride=2, padding="same"),
        ConvTranspose2d(4, 2, stride=3, padding="same-lower", bias=False),
        Sequential(MaxPool2d(3, stride=2, padding=1, ceil=True), Clip(-0.5, 0.25)),
        MaxPool2d(2, padding="same"),
        MaxPool2d((2, 3), stride=1, dilation=2),
        AvgPool2d(3, stride=2, padding=1, count_padding=True),
        AvgPool2d(3, stride=2, padding=(1, 0, 0, 1), ceil=True),
        AvgPool2d(2, stride=3, padding="same", ceil=True),
        AvgPool2d(3, stride=(3, 2), padding=1, ceil=True, count_padding=True),
        AvgPool2d(3, stride=(1, 4), ceil=True, count_padding=True),
        Sequential(MaxPool2d(1, stride=2, ceil=True), MaxPool2d(2, padding=1, ceil=True)),
        Sequential(Conv2d(4, 2, stride=3, padding="same-lower"), MaxPool2d(1, stride=3, padding="same")),
        Branches(GlobalAvgPool2d(flatten=False), Identity(), SiLU(), join=Add()),
        Residual(Branches(Conv2d(4, 1), Sigmoid(), join=Multiply())),
        Sequential(Dropout(0.3), Flatten(), Linear(5, bias=False)),
        Sequential(ELU(0.5), SELU(), Softplus(), Mish()),
        Sequential(HardSigmoid(), HardSwish(), GELU(), GELU(tanh=True)),
        Sequential(PReLU(), Softmax(1), LogSoftmax(2)),
        Sequential(GroupNorm(2), InstanceNorm2d(epsilon=1e-3), LayerNorm((11, 10))),
        Sequential(LayerNorm2d(epsilon=1e-3), Erf(), GlobalAvgPool2d(), LayerNorm2d()),
        Sequential(LocalResponseNorm(3, alpha=0.5), LayerNorm((1,), axes=2, bias=False)),
        Sequential(Scale((4, 1, 1)), Shift((10,)), Resize((7, 15), mode="linear", antialias=True)),
        Branches(Constant((4, 1, 1)), Identity(), join=Multiply()),
        Sequential(Resize(scale=(2.5, 0.5), mode="cubic", exclude_outside=True), GlobalMaxPool2d()),
        Resize((5, 6), mode="linear", coordinates="tf_crop_and_resize", region=(0.1, -0.5, 0.7, 1.5), outside=3.0),
        Resize(scale=2.0, coordinates="asymmetric", nearest="floor"),
        Sequential(Pad((1, 2), (0, 1), mode="reflect"), Slice((0, -2, 1), (3, None, 9), (2, -3, 2))),
        Sequential(Pad((1, 1, 0), (0, 0, 1), value=2.0), Reduce("min", (0,), keepdims=True), Expand(6, 12, 11)),
        ChannelOrder(2, 0, 0),
        Sequential(DepthToSpace(2), Transpose(2, 0, 1), Reshape(4, 5, 22), GlobalMaxPool2d(flatten=False)),
        Sequential(Pad((1, 0), (0, 0)), SpaceToDepth(2), DepthToSpace(2, columns_first=False)),
        Sequential(Pad((1, 0), (0, 0)), SpaceToDepth(2, columns_first=False), Reduce("sum", (0, 2))),
        Sequential(GlobalAvgPool2d(), Expand(2, 3, 4)),
        Sequential(Abs(), Shift(()), Power(1.5), Exp(), Power(-1), Reduce("l2", (0,), keepdims=True)),
        Sequential(Softplus(), Log(), Exp(), Power(0.5), Power(2)),
        Branches(Tanh(), Softplus(), join=Divide()),
        Branches(Tanh(), Identity(), join=Subtract()),
        Branches(Tanh(), Identity(), SELU(), join=Maximum()),
        Branches(Tanh(), Identity(), join=Minimum()),
        Branches(Identity(), Transpose(0, 2, 1), join=MatMul()),
    ],
    ids=repr,
)
def test_settings_go_out(layer: Layer) -> None:
    network = Network(layer, (4, 11, 10), seed=3)
    network.vector += 0.1 * np.random.default_rng(1).standard_normal(network.vector.size).astype(np.float32)
    model = onnx_model(network)
    onnx.checker.check_model(model, full_check=True)
    x = images(network) - np.float32(0.5)
    assert error(run_onnx(model, x), by_definition(network, x)) < 1e-5
    back = to_network(parse_onnx(model.SerializeToString(), "x.onnx")).network
    assert error(back.forward(x), by_definition(network, x)) < 1e-5


def test_every_layer_has_a_form() -> None:
    import pellucid.layers as package

    layers = {kind for kind in vars(package).values() if isinstance(kind, type) and issubclass(kind, Layer)}
    missing = {kind.__name__ for kind in layers if not any(base in WRITERS for base in kind.__mro__)}
    assert missing == {"Layer", "Join"}


def test_a_shared_weight_is_there_once() -> None:
    first = Conv2d(4, 3, padding=1)
    network = Network(first, (4, 6, 6))
    second = Conv2d(4, 3, padding=1, weight=network.layer.parameters()["weight"], bias=False)
    both = Network(Sequential(Conv2d(4, 3, padding=1, weight=second.weight), second), (4, 6, 6))
    model = onnx_model(both)
    assert [tensor.name for tensor in model.graph.initializer] == ["0.weight", "0.bias"]
    assert error(run_onnx(model, x := images(both)), by_definition(both, x)) < 1e-5


def test_pixels_are_normalised_by_the_file() -> None:
    network, mean, std = zoo_network("convnet"), (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    model = onnx_model(network, mean=mean, std=std, class_names=["cat", "dog"], pixels=True)
    onnx.checker.check_model(model, full_check=True)
    notes = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert notes == {"class_names": ["cat", "dog"], "mean": list(mean), "std": list(std)}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), np.uint8)
    x = (pixels / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert error(run_onnx(model, pixels), by_definition(network, x)) < 1e-5
    with pytest.raises(PellucidError, match="mean: expected 3 numbers, one a channel, got 1"):
        onnx_model(network, mean=[0.5], pixels=True)


def test_what_has_no_form_is_named() -> None:
    network = quantization_aware(Network(Sequential(Conv2d(3), Flatten(), Linear(2)), (1, 5, 5)), 8)
    with pytest.raises(PellucidError, match=r"no form of 0 \(RoundedWeights\), 0-rounded \(Rounding\), 2 \(Round"):
        onnx_model(network)


def test_a_run_goes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = untrained_run(tmp_path / "run")
    assert main(["export", str(run), "--to", "onnx", "--out", str(tmp_path / "digits.onnx")]) == 0
    model = onnx.load(tmp_path / "digits.onnx")
    notes = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert notes["class_names"] == [str(digit) for digit in range(10)]
    network = open_model(run).network
    x = images(network)
    assert error(run_onnx(model, x), by_definition(network, x)) < 1e-5
    capsys.readouterr()
    assert main(["export", str(run), "--to", "onnx", "--form", "cmake"]) == 2
    assert main(["export", str(run), "--pixels"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    network = zoo_network("lenet5")
    save_onnx(tmp_path / "lenet.onnx", network)
    assert [file.name for file in tmp_path.iterdir()] == ["lenet.onnx"]
    assert onnx.load(tmp_path / "lenet.onnx") == onnx_model(network)


def test_what_the_checker_does_not_take_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise onnx.checker.ValidationError("first line\nsecond line")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(PellucidError, match=r"x\.onnx: no form that ONNX's checker takes \(first line second line\)"):
        save_onnx(tmp_path / "x.onnx", zoo_network("lenet5"))
    assert not (tmp_path / "x.onnx").exists()
