"""Models with QuantizeLinear and DequantizeLinear: the same steps as onnxruntime takes, trainable, and out again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange.onnx_networks import images, run_onnx
from pellucid.exchange.onnx_export import onnx_model, save_onnx
from pellucid.exchange.onnx_file import parse_onnx
from pellucid.exchange.onnx_import import import_onnx, to_network
from pellucid.graph import Sequential
from pellucid.layers import DIFFERENTIABLE, Conv2d, Flatten, Linear, MaxPool2d, ReLU
from pellucid.layers.quantize import FakeQuantize
from pellucid.network import Network
from pellucid.precision import quantize

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def network() -> Network:
    layers = Conv2d(4, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(6, 3), ReLU(), Flatten(), Linear(5)
    return Network(Sequential(*layers), (3, 8, 8), seed=2)


def quantized(folder: Path) -> Path:
    """What onnxruntime's own tool makes of the network: weights of 8 bits a channel, activations of 8 bits."""
    tool = pytest.importorskip("onnxruntime.quantization")
    save_onnx(folder / "floats.onnx", network())

    class Reader(tool.CalibrationDataReader):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            self.left = iter([{"input": images(network(), 8)}])

        def get_next(self) -> Any:
            return next(self.left, None)

    out = folder / "x.onnx"
    tool.quantize_static(
        folder / "floats.onnx", out, Reader(), quant_format=tool.QuantFormat.QDQ, per_channel=True,
        extra_options={"QuantizeBias": True},
    )  # fmt: skip
    return out


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_model_comes_in(tmp_path: Path) -> None:
    file = quantized(tmp_path)
    found = import_onnx(file).network
    assert any(isinstance(node.layer, FakeQuantize) for node in found.nodes)
    x = images(found, 4)
    reference, y = run_plainly(file.read_bytes(), x), found.forward(x)
    step = max(node.layer.scale for node in found.nodes if isinstance(node.layer, FakeQuantize))
    assert np.abs(y - reference).max() <= step * 1.001  # a sum on the edge between two steps may fall either way
    assert (np.abs(y - reference) < step / 100).mean() > 0.9
    found.forward(x, DIFFERENTIABLE)
    found.backward(np.ones_like(y))
    assert np.count_nonzero(found.gradient) > found.gradient.size / 4
    integers = quantize(found, x)
    assert np.abs(integers.forward(x) - y).max() < 0.1 * np.abs(y).max()


def run_plainly(content: bytes, x: Any) -> Any:
    """The nodes as they stand, nothing fused."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("bounds", [(-128, 127), (0, 255), (-32768, 32767), (0, 65535)])
def test_rounding_goes_out_and_comes_back(bounds: tuple[int, int]) -> None:
    low, high = bounds
    made = Network(FakeQuantize(0.03, low + 100, low, high), (3, 5, 4))
    model = onnx_model(made)
    onnx.checker.check_model(model, full_check=True)
    x = 10 * np.random.default_rng(0).standard_normal((2, 3, 5, 4)).astype(np.float32)
    y = made.forward(x)
    np.testing.assert_allclose(y, run_onnx(model, x), atol=1e-6)
    assert len(np.unique(y)) <= high - low + 1
    back = to_network(parse_onnx(model.SerializeToString(), "x.onnx")).network
    np.testing.assert_array_equal(back.forward(x), y)
