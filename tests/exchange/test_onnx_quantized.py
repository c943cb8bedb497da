"""Models with QuantizeLinear and DequantizeLinear: the same steps as onnxruntime takes, trainable, and out again.

Our integer networks go out so, and come back as the same integers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange.light_models import light_files, redrawn
from exchange.onnx_networks import images, run_onnx, untrained_run
from pellucid import ops
from pellucid.cli.app import main
from pellucid.errors import PellucidError
from pellucid.exchange import onnx_integers
from pellucid.exchange.onnx_export import onnx_model, save_onnx
from pellucid.exchange.onnx_file import parse_onnx
from pellucid.exchange.onnx_import import import_onnx, to_network
from pellucid.exchange.onnx_tables import function_of
from pellucid.graph import INPUT, Concat, Sequential
from pellucid.layers import (
    DIFFERENTIABLE,
    ELU,
    GELU,
    SELU,
    AvgPool2d,
    Clip,
    Conv2d,
    Flatten,
    HardSigmoid,
    HardSwish,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Mish,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Slice,
    Softplus,
    Tanh,
    Transpose,
)
from pellucid.layers.quantize import FakeQuantize
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import IntegerNetwork
from pellucid.plan.integer_steps import IntegerAdd, IntegerOrder
from pellucid.plan.scale import Scale
from pellucid.precision import quantize
from pellucid.precision.storage import load_integer, save_integer
from pellucid.weights import read_arrays
from precision.test_integer_graphs import GRAPHS, trained
from precision.test_integer_graphs import images as small_images

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def network() -> Network:
    layers = Conv2d(4, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(6, 3), ReLU(), Flatten(), Linear(5)
    return Network(Sequential(*layers), (3, 8, 8), seed=2)


def shuffled() -> Network:
    """Channels shuffled as other libraries write it, and halves."""
    shuffle = Reshape(2, 3, 8, 8), Transpose(1, 0, 2, 3), Reshape(6, 8, 8)
    halves = Concat(Sequential(Slice((0, 0, 0), (3, 8, 8)), Conv2d(4, 1), ReLU()), Slice((3, 0, 0), (6, 8, 8)))
    return Network(Sequential(Conv2d(6, 3, padding=1), ReLU(), *shuffle, halves, Conv2d(5, 8), Flatten()), (3, 8, 8))


def quantized(folder: Path, network: Callable[[], Network] = network) -> Path:
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


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_shuffle_comes_in(tmp_path: Path) -> None:
    """What rounds between layers that only lay anew does nothing, and they are a step for each half."""
    content, x = quantized(tmp_path, shuffled).read_bytes(), images(shuffled(), 6)
    made = quantize(import_onnx(tmp_path / "x.onnx").network, x)
    assert sum(isinstance(step, IntegerOrder) for step in made.steps) == 2
    y = run_onnx(content, x)
    assert np.abs(made.forward(x) - y).max() < 0.03 * np.abs(y).max()


@pytest.mark.filterwarnings("ignore")
def test_a_shufflenet_of_the_package_onnx_becomes_integers() -> None:
    file = next(file for file in light_files() if file.stem == "light_shufflenet")
    content = redrawn(file, 3).SerializeToString()
    found = to_network(parse_onnx(content, file.name), logits=True).network
    x = images(found, 2)
    made, y = quantize(found, x), found.forward(x)
    assert sum(isinstance(step, IntegerOrder) for step in made.steps) == 16
    z = made.forward(x)
    assert np.corrcoef(y.ravel(), z.ravel())[0, 1] > 0.999
    assert np.abs(run_onnx(onnx_model(made).SerializeToString(), x) - z).max() < 0.03 * np.abs(z).max()


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


def bytes_of_all(network: IntegerNetwork, x: Array) -> dict[str, Array]:
    """What each step gives that gives bytes."""
    values, sizes = {INPUT: network.input_scale.quantize(x)}, {INPUT: x.shape[2:]}
    for step in network.steps:
        y = step.forward([values[name] for name in step.inputs], sizes.get(step.sized_by))
        values[step.name], sizes[step.name] = y, y.shape[2:]
    return {step.name: values[step.name] for step in network.steps if not step.wide}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("optimised", [False, True], ids=["as written", "in integers"])
def test_integers_go_out(graph: Any, optimised: bool) -> None:
    """Every byte is onnxruntime's, but for numbers halfway between two, which it rounds to even."""
    import onnxruntime

    with ops.use_backend("numpy"):
        made, x = quantize(trained(graph()), small_images(8)), small_images(4)
        model = onnx_model(made)
        onnx.checker.check_model(model, full_check=True)
        expected, y = bytes_of_all(made, x), made.forward(x)
    for name in expected:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(f"{name}/bytes"))
    options, levels = onnxruntime.SessionOptions(), onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    logits, *found = session.run(None, {INPUT: x})
    averages = any(isinstance(node.layer, AvgPool2d) for node in Network(graph(), (2, 24, 32)).nodes)
    for (name, mine), theirs in zip(expected.items(), found, strict=True):
        apart = np.abs(mine.astype(int) - theirs.astype(int))
        assert apart.max() <= 2, name  # a byte that fell the other way moves those after it
        few = 0.2 * apart.size if averages else max(2, 0.01 * apart.size)  # a mean of four is half the time a tie
        assert np.count_nonzero(apart) <= few, name
    if all((mine == theirs).all() for mine, theirs in zip(expected.values(), found, strict=True)):
        last = next(step for step in made.steps if step.wide)
        rounded = 255 * len(last.inputs) if isinstance(last, IntegerAdd) else 0  # its factors, to whole numbers
        assert np.abs(logits - y).max() <= made.logit_step * (1 + rounded)
    assert np.abs(logits - y).max() <= 0.02 * np.abs(y).max()


@pytest.mark.parametrize("graph", [graph for graph in GRAPHS if not graph.__name__.startswith("fcn")])
def test_integers_come_back(graph: Any) -> None:
    """As a network that rounds to the same bytes, and shrunk as the same integers."""
    with ops.use_backend("numpy"):
        made, x = quantize(trained(graph()), small_images(8)), small_images(4)
        content = onnx_model(made).SerializeToString()
        back = to_network(parse_onnx(content, "x.onnx")).network
        again = quantize(back, x)
        np.testing.assert_array_equal(again.integer_logits(q := made.input_scale.quantize(x)), made.integer_logits(q))
        assert np.abs(back.forward(x) - run_plainly(content, x)).max() <= 0.01 * np.abs(made.forward(x)).max()


@pytest.mark.parametrize(
    ("activation", "found"),
    [
        (ReLU(), ("Relu", {})), (Sigmoid(), ("Sigmoid", {})), (Tanh(), ("Tanh", {})), (SiLU(), ("SiLU", {})),
        (Clip(-0.5, 0.3), ("Clip", {"low": -0.5, "high": 0.3})), (LeakyReLU(0.125), ("LeakyRelu", {"alpha": 0.125})),
        (LeakyReLU(-0.31), ("LeakyRelu", {"alpha": -0.31})), (GELU(), ("Gelu", {})),
        (HardSwish(), ("HardSwish", {})), (HardSigmoid(), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5})),
        (Mish(), ("Mish", {})), (Softplus(), ("Softplus", {})), (ELU(), ("Elu", {"alpha": 1})), (SELU(), None),
    ],
    ids=repr,
)  # fmt: skip
def test_tables_are_recognised(activation: Layer, found: tuple[str, dict[str, float]] | None) -> None:
    seen = Scale.of_range(-2, 3)
    with ops.use_backend("numpy"):  # which makes the tables of networks too: of ties the same bytes
        y = activation.forward(seen.real(np.arange(256)))
    given = Scale.of_range(float(y.min()), float(y.max()))
    answer = function_of(given.quantize(y), seen, given)
    if found is None or answer is None:
        assert answer is found
        return
    assert answer[0] == found[0]
    assert answer[1] == pytest.approx(found[1], abs=0.005)


def test_a_table_of_no_known_function_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = quantize(Network(Sequential(Conv2d(3, 3), Sigmoid(), Conv2d(2, 3)), (2, 24, 32)), small_images(4))
    monkeypatch.setattr(onnx_integers, "function_of", lambda *_: None)
    model, x = onnx_model(made), small_images(2)
    onnx.checker.check_model(model, full_check=True)
    assert "Gather" in {node.op_type for node in model.graph.node}
    assert np.abs(run_onnx(model, x) - made.forward(x)).max() <= made.logit_step


def test_files_of_integers_keep_what_their_bytes_mean(tmp_path: Path) -> None:
    made = quantize(network(), images(network(), 8))
    save_integer(tmp_path / "n.safetensors", made)
    read = load_integer(tmp_path / "n.safetensors")[0]
    assert onnx_model(read) == onnx_model(made)
    read.scales.clear()
    with pytest.raises(PellucidError, match=r"the scale of .* is not known; shrink the run again"):
        onnx_model(read)


def test_a_shrunk_run_goes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = untrained_run(tmp_path / "run")
    assert main(["export", str(run), "--to", "onnx", "--bits", "8"]) == 2
    assert "no integer network yet" in capsys.readouterr().err
    made = quantize(network(), images(network(), 8))
    notes = read_arrays(run / "model.safetensors")[1]
    save_integer(run / "int8.safetensors", made, notes | {"epochs": "0"})
    for arguments in ([str(run), "--bits", "8"], [str(run / "int8.safetensors")]):
        out = tmp_path / "x.onnx"
        assert main(["export", *arguments, "--to", "onnx", "--out", str(out)]) == 0
        assert "in integers, weights of 8 bits" in capsys.readouterr().out
        x = images(network(), 3)
        assert np.abs(run_onnx(onnx.load(out), x) - made.forward(x)).max() <= 0.02
        assert {"class_names", "framing"} <= {entry.key for entry in onnx.load(out).metadata_props}
