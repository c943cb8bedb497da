"""The page's engine, run by Node.js, against the network in float64 with the weights that the page carries."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.export.page import carried_state
from pellucid.export.page.html import ENGINE, source
from pellucid.export.page.nodes import rows_of
from pellucid.export.page.weights import Packed
from pellucid.graph import Branches, Concat, Graph, Node, Residual, Sequential, Sum, Upsampled
from pellucid.layers import (
    DIFFERENTIABLE,
    Add,
    AvgPool2d,
    BatchNorm2d,
    ChannelOrder,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Multiply,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Slice,
    Tanh,
    Transpose,
)
from pellucid.network import Network
from pellucid.zoo import create

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js isn't installed (apt-get install nodejs)")
RUN = """
const { model, text, images, seed } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const network = new Network(model, unpackArrays(model.arrays, text)), last = model.outputs[0];
console.log(JSON.stringify(images.map((image) => {
  const values = network.forward(Float32Array.from(image));
  const back = seed ? Array.from(network.backward(values, last, Float32Array.from(seed)).input) : null;
  return { output: Array.from(values[last]), back };
})));
"""


def run_node(script: str, given: Any) -> Any:
    """What a script prints as JSON, behind the engine's parts."""
    assert NODE is not None
    code = "".join(map(source, ENGINE)) + script
    done = subprocess.run([NODE, "-e", code], input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def engine(network: Network, images: Any, bits: int, seed: Any = None) -> Any:
    packed = Packed(bits)
    rows = rows_of(network.nodes, network.input_shape, packed)
    model = {"input": network.input_shape, "nodes": rows, "outputs": network.nodes.outputs, "arrays": packed.rows}
    flat = [image.ravel().tolist() for image in images]
    return run_node(RUN, {"model": model, "text": packed.text(), "images": flat, "seed": seed})


def with_statistics(make: Any, shape: tuple[int, ...]) -> tuple[Network, Network]:
    """A network whose statistics and biases are no beginner's, and its twin in float64."""
    network, wide = Network(make(), shape), Network(make(), shape, dtype=np.float64)
    rng = np.random.default_rng(3)
    state = {name: np.asarray(value).copy() for name, value in network.state().items()}
    moved = {name: rng.uniform(0, 0.3, value.shape).astype(value.dtype) for name, value in state.items()}
    network.load_state({name: value + (value.ndim == 1) * moved[name] for name, value in state.items()})
    return network, wide


def check(make: Any, shape: tuple[int, ...], bits: int = 16, gradient: bool = True, count: int = 2) -> None:
    network, wide = with_statistics(make, shape)
    wide.load_state({name: np.asarray(value, np.float64) for name, value in carried_state(network, bits).items()})
    images = np.random.default_rng(4).random((count, *shape), dtype=np.float32)
    expected = wide.forward(images.astype(np.float64), DIFFERENTIABLE)
    seed = np.random.default_rng(1).standard_normal(expected.shape[1:]).astype(np.float32)
    found = engine(network, images, bits, seed.ravel().tolist() if gradient else None)
    output = np.array([one["output"] for one in found]).reshape(expected.shape)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-4 * scale)
    if gradient:
        back = np.array([one["back"] for one in found]).reshape(images.shape)
        dx = wide.backward(np.broadcast_to(seed.astype(np.float64), expected.shape).copy(), input_gradient=True)
        np.testing.assert_allclose(back, dx, rtol=0, atol=1e-4 * max(1.0, float(np.abs(dx).max())))


@needs_node
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("deep-convnet", (1, 28, 28)),
        ("tiny-digits", (1, 28, 28)),
        ("lenet5", (1, 28, 28)),
        ("plain-convnet", (1, 28, 28)),
        ("convnet", (3, 32, 32)),
        ("squeezenet", (3, 48, 48)),
        ("mobilenet-v2", (3, 64, 64)),
        ("shufflenet-v2", (3, 64, 64)),
        ("efficientnet-lite0", (3, 64, 64)),
        ("fcn-small", (1, 32, 40)),
        ("detector-small", (1, 32, 32)),
        ("unet", (1, 32, 32)),
        ("resnet8", (3, 32, 32)),
        ("mobilenet-v1", (3, 32, 32)),
        ("cifar-net", (3, 32, 32)),
        ("detector-pyramid", (3, 64, 64)),
        ("unet-pyramid", (3, 64, 64)),
    ],
)
def test_logits_and_input_gradients_of_the_zoo_equal_the_network_in_float64(
    name: str, shape: tuple[int, ...]
) -> None:
    # where so many ReLU6 stand, some have a number within rounding of a kink, and gradients differ by right
    options = {"widths": (8, 16, 24)} if name == "unet" else {}  # at full width it has 31 million parameters
    kinks = {"mobilenet-v2", "efficientnet-lite0", "unet-pyramid"}
    check(lambda: create(name, 5, **options), shape, gradient=name not in kinks)


def every_layer() -> Layer:
    attention = Graph(
        Node(Conv2d(6, 3, padding="same", stride=2), "input", "maps"),
        Node(Sequential(GlobalAvgPool2d(flatten=False), Conv2d(6, 1), Sigmoid()), "maps", "weights"),
        Node(Multiply(), ("maps", "weights"), "scaled"),
        Node(Add(), ("scaled", "weights"), "sum"),
        outputs="sum",
    )
    return Sequential(
        Conv2d(4, (3, 2), padding=(1, 0, 2, 1), dilation=(1, 2)), BatchNorm2d(), SiLU(), attention,
        Concat(Conv2d(4, 3, padding=1, groups=2), Sequential(Conv2d(6, 1, groups=6), LeakyReLU(0.1))),
        Branches(Sequential(GlobalAvgPool2d(), Linear(10), Reshape(10, 1, 1), Tanh()), Identity(), join=Multiply()),
        Residual(Sequential(Conv2d(10, 3, padding=1), Tanh())), Sum(ReLU6(), Clip(-0.5, 0.5)),
        MaxPool2d(3, stride=2, padding=1, ceil=True), AvgPool2d(3, stride=1, padding=1, count_padding=True),
        AvgPool2d(2, stride=1, padding=(0, 1, 0, 1)),
        ConvTranspose2d(4, 3, stride=2, padding=(1, 0, 0, 1), output_padding=1, groups=2),
        ReLU(), Flatten(), Linear(7),
    )  # fmt: skip


@needs_node
@pytest.mark.parametrize("bits", [32, 16, 8])
def test_every_kind_of_layer_gives_the_definitions_numbers_in_every_width(bits: int) -> None:
    check(every_layer, (3, 13, 12), bits)


@needs_node
def test_channels_in_another_order() -> None:
    """A shuffle as other libraries' files have it, halves of it, a channel twice; each run is one row."""

    def layers() -> Layer:
        half = Sequential(Slice((3, 0, 0), (None, None, None)), Conv2d(3, 1), ReLU())
        shuffle = Reshape(2, 3, 15, 12), Transpose(1, 0, 2, 3), Reshape(6, 15, 12)
        return Sequential(
            Conv2d(6, 3, groups=2), *shuffle, Concat(ChannelOrder(2, 0, 1, 2), half), Flatten(),
            Slice((-1,), (None,), (-2,)), Linear(4),
        )  # fmt: skip

    check(layers, (2, 17, 14))
    rows = rows_of(Network(layers(), (2, 17, 14)).nodes, (2, 17, 14), Packed(16))
    assert [row["op"] for row in rows].count("order") == 3
    assert next(row["order"] for row in rows if row["op"] == "order") == [1, 0, 3, 1]


@needs_node
def test_the_gradients_of_all_weights_are_the_networks() -> None:
    shape = (3, 13, 12)
    network, wide = with_statistics(every_layer, shape)
    wide.load_state({name: np.asarray(value, np.float64) for name, value in carried_state(network, 32).items()})
    image = np.random.default_rng(4).random(shape, dtype=np.float32)
    output = wide.forward(image[None].astype(np.float64), DIFFERENTIABLE)
    seed = np.random.default_rng(1).standard_normal((output.shape[1],))
    wide.backward(seed[None])
    packed = Packed(32)
    rows = rows_of(network.nodes, shape, packed)
    model = {"input": shape, "nodes": rows, "outputs": network.nodes.outputs, "arrays": packed.rows}
    script = """
    const { model, text, image, seed } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const network = new Network(model, unpackArrays(model.arrays, text));
    const values = network.forward(Float32Array.from(image));
    const sums = network.arrays.map(({ data }) => new Float64Array(data.length));
    network.learn(values, network.backward(values, model.outputs[0], Float32Array.from(seed)), sums);
    console.log(JSON.stringify(sums.map((sum) => Array.from(sum))));
    """
    given = {"model": model, "text": packed.text(), "image": image.ravel().tolist(), "seed": seed.tolist()}
    sums, compared = run_node(script, given), 0
    for node, row in zip(wide.nodes, rows, strict=True):
        for name in ("weight", "bias"):
            if name not in row or row["op"] == "norm":  # a norm's two numbers are others than the page's
                continue
            expected = np.asarray(getattr(node.layer, "built_weight" if name == "weight" else name).gradient)
            found = np.array(sums[row[name]]).reshape(expected.shape)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))
            compared += 1
    assert compared >= 16


@needs_node
def test_a_map_that_grows_back_to_its_image_covers_it_as_the_network_has_it() -> None:
    check(lambda: Upsampled(Sequential(Conv2d(3, 3, stride=2), ReLU(), Conv2d(2, 2, stride=2)), 2), (1, 17, 14))


@needs_node
@pytest.mark.parametrize(
    ("name", "shape"),
    [("deep-convnet", (1, 28, 28)), ("lenet5", (1, 28, 28)), ("resnet8", (3, 32, 32)), ("mobilenet-v2", (3, 64, 64))],
)
def test_grad_cam_is_that_of_pellucid_explain(name: str, shape: tuple[int, ...]) -> None:
    from pellucid.analysis.explanation import cam_layer, grad_cam

    network, wide = with_statistics(lambda: create(name, 5), shape)
    wide.load_state({key: np.asarray(value, np.float64) for key, value in carried_state(network, 16).items()})
    image = np.random.default_rng(6).random(shape, dtype=np.float32)
    evidence = np.array([1.0, -0.5, 0.3, -2, 1])
    expected = grad_cam(wide, image.astype(np.float64), evidence)
    if not expected.any():  # all speaks against it, so against its contrary nothing
        evidence = -evidence
        expected = grad_cam(wide, image.astype(np.float64), evidence)
    packed = Packed(16)
    rows = rows_of(network.nodes, shape, packed)
    model = {"input": shape, "nodes": rows, "outputs": network.nodes.outputs, "arrays": packed.rows}
    given = {"model": model, "text": packed.text(), "image": image.ravel().tolist(), "seed": evidence.tolist()}
    script = """
    const { model, text, image, seed } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const network = new Network(model, unpackArrays(model.arrays, text)), last = model.outputs[0];
    const values = network.forward(Float32Array.from(image)), { name, shape } = camLayer(model);
    const gradient = network.backward(values, last, Float32Array.from(seed))[name];
    console.log(JSON.stringify({ name, cam: Array.from(gradCam(values[name], gradient, shape)) }));
    """
    found = run_node(script, given)
    assert found["name"] == cam_layer(network.nodes, shape)
    assert expected.max() > 0
    np.testing.assert_allclose(found["cam"], expected.ravel(), rtol=0, atol=1e-4 * expected.max())


class Unheard(Layer):
    def forward(self, x: Any, context: Any = None) -> Any:
        return x


def test_a_layer_that_the_page_cannot_run_is_named() -> None:
    network = Network(Sequential(Conv2d(2), Unheard()), (1, 8, 8))
    with pytest.raises(PellucidError, match=r"layer 1 \(Unheard\) can't be shown"):
        rows_of(network.nodes, network.input_shape, Packed(16))
    network = Network(Sequential(Conv2d(2), Reshape(6, 6, 2)), (1, 8, 8))
    with pytest.raises(PellucidError, match=r"layer 1 \(Reshape\): expected whole channels, in another order"):
        rows_of(network.nodes, network.input_shape, Packed(16))


def test_other_widths_are_refused() -> None:
    with pytest.raises(PellucidError, match="32, 16, 8 bits, got 5"):
        Packed(5)


@needs_node
def test_boxes_are_those_that_the_task_decodes() -> None:
    from pellucid.tasks import Detect

    task = Detect(("a", "b", "c"))
    outputs = np.random.default_rng(5).standard_normal((8, 6, 7)).astype(np.float32) * 1.5
    expected = task.decode(outputs[None].astype(np.float64), np.array([[24, 28]]))[0]
    names = ("stride", "base", "log_range", "quality_power", "least_score", "candidates", "most", "nms_iou")
    given = {"y": outputs.ravel().tolist(), "set": {name: getattr(task, name) for name in names}}
    script = """
    const { y, set } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify(findBoxes(y, [8, 6, 7], set, [24, 28])));
    """
    found = run_node(script, given)
    kept = [one for one in found if not one["dropped"]]
    assert 0 < len(kept) < len(found)
    np.testing.assert_allclose([one["box"] for one in kept], expected.boxes, atol=1e-9)
    assert [one["label"] for one in kept] == expected.labels.tolist()
    np.testing.assert_allclose([one["score"] for one in kept], expected.scores, atol=1e-12)


@needs_node
@pytest.mark.parametrize("size", [(40, 61), (9, 12), (24, 24)])
def test_a_photograph_is_framed_as_predict_frames_it(size: tuple[int, int], tmp_path: Path) -> None:
    from PIL import Image

    from pellucid.data.framing import Framing

    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    rgba = np.concatenate([pixels, np.full((*size, 1), 255, np.uint8)], axis=2)
    script = """
    const { rgba, sides, model } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify(Array.from(framed(rgba, sides, model))));
    """
    for channels, rule in ((1, "stretch"), (3, "stretch"), (3, "crop"), (3, "canvas")):
        expected = Framing(rule, channels, (24, 20)).read(tmp_path / "photo.png").pixels  # type: ignore[arg-type]
        model = {"input": [channels, 24, 20], "framing": rule}
        found = run_node(script, {"rgba": rgba.ravel().tolist(), "sides": size, "model": model})
        difference = np.abs(np.array(found).reshape(expected.shape) - expected.astype(int))
        assert difference.max() <= 1  # a half is rounded here upwards, there by whole-number weights


@needs_node
def test_a_drawn_character_is_centred_as_predict_centres_it(tmp_path: Path) -> None:
    from PIL import Image, ImageDraw

    from pellucid.data import prepare_character

    picture = Image.new("L", (280, 280), 0)
    drawing = ImageDraw.Draw(picture)
    drawing.line([(60, 70), (150, 60), (100, 220)], fill=255, width=22, joint="curve")
    picture.save(tmp_path / "seven.png")
    expected = prepare_character(tmp_path / "seven.png")[0].astype(int)
    rgba = np.asarray(picture.convert("RGBA")).ravel().tolist()
    script = """
    const { rgba, sides, model } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify(Array.from(framed(rgba, sides, model))));
    """
    model = {"input": [1, 28, 28], "framing": "character"}
    found = np.array(run_node(script, {"rgba": rgba, "sides": [280, 280], "model": model})).reshape(28, 28)
    assert np.abs(found - expected).mean() < 4  # of 255; predict makes the strokes of a coarser picture
