"""Networks drawn from all layers and containers, and everything that takes a network, in drawn orders.

What a network gives is held to its twin in float64 on the definition; a plan, a copy, a file, a format that holds the
same numbers have to give the same.
"""

from __future__ import annotations

import copy
import pickle
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import ml_dtypes
import numpy as np

from pellucid import ops
from pellucid.analysis.cost import network_cost
from pellucid.analysis.explanation import cam_layer, grad_cam, occlusion
from pellucid.analysis.features import feature_maps
from pellucid.analysis.receptive_field import views
from pellucid.data.framing import Framing
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_export import save_onnx
from pellucid.exchange.onnx_import import import_onnx
from pellucid.export import export_c
from pellucid.export.chips import find_chip, read_chips
from pellucid.export.fit import fit, shares
from pellucid.export.page import PageImage, Subject, page_html
from pellucid.layers import DIFFERENTIABLE, training
from pellucid.network import Network
from pellucid.plan import IntegerNetwork, answering
from pellucid.precision import fold_batch_norm, quantize
from pellucid.weights import load_model, save_model
from robustness.like import LARGE, like
from robustness.networks import batch, drawn_network

KINDS: list[Any] = [np.float32, np.float32, np.float32, np.float64, np.float16, ml_dtypes.bfloat16]
GRADIENTS = 5e-3  # of the largest, where no rounding decides which way a gradient goes
KINKED = {
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "MaxPool2d", "GlobalMaxPool2d", "Clip", "HardSigmoid", "HardSwish", "ELU",
    "SELU", "Abs", "Maximum", "Minimum", "Reduce", "Power", "Log", "Divide",
}  # fmt: skip
CHIPS = read_chips()


class NetworkCalls:
    """Builds a network and hands it to what takes one."""

    name = "networks"

    def attempt(self, draw: Random) -> None:
        """One network, several uses. Raises whatever they raise, and AssertionError where an answer is wrong."""
        kind = draw.choice(KINDS)
        shape: tuple[int, ...] = draw.choice(
            [(draw.randint(1, 5), draw.randint(3, 13), draw.randint(3, 13))] * 5 + [(draw.randint(1, 9),)]
        )
        self.call = f"{np.dtype(kind).name} {shape}"
        network = drawn_network(shape, kind, draw)
        self.call += f" {network!r}"
        try:
            self._use(network, draw)
        except PellucidError as error:
            raise AssertionError(f"a network that was made is refused: {error}") from error

    def _use(self, network: Network, draw: Random) -> None:
        x = batch(network, draw)
        acts: list[Callable[[Network, Any, Random], Network]] = [
            _answers, _answers, _threads, _other_type, _copies, _file, _integers, _onnx, _explains, _tells, _learns,
            _updates, _folded, _page, _chip,
        ]  # fmt: skip
        for act in draw.choices(acts, k=draw.randint(2, 5)):
            self.call += f"; {act.__name__}"
            network = act(network, x, draw)
            self.check(network, x)

    def check(self, network: Network, x: Any) -> None:
        """The network's answer, once more."""
        like(network.forward(x.astype(network.dtype)), network, x)


def _answers(network: Network, x: Any, draw: Random) -> Network:
    """Plans of several shapes, before and after the weights have changed."""
    for _ in range(2):
        some = x.astype(network.dtype)
        like(answering(network)(some), network, x)
        if draw.random() < 0.5 and network.vector.size:
            network.vector = (network.vector.astype(np.float32) * 0.9).astype(network.dtype)
        else:
            x = x[: draw.randint(0, len(x))]
    return network


def _threads(network: Network, x: Any, draw: Random) -> Network:
    """Several threads ask at once, of batches of several sizes."""
    some = x.astype(network.dtype)
    parts = [some[: draw.randint(1, max(1, len(some)))] for _ in range(3)]
    way = draw.choice([network.forward, answering(network)])
    got: list[Any] = [None] * len(parts)
    errors: list[BaseException] = []

    def ask(i: int) -> None:
        try:
            with np.errstate(all="ignore"):
                for _ in range(3):
                    got[i] = way(parts[i])
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=ask, args=(i,)) for i in range(len(parts))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise AssertionError(f"in a thread: {errors[0]!r}") from errors[0]
    for one, part in zip(got, parts, strict=True):
        like(one, network, part)
    return network


def _other_type(network: Network, x: Any, draw: Random) -> Network:
    """A copy in another float type, perhaps without fusing."""
    other = network.astype(draw.choice(KINDS), fuse=draw.choice([None, True, False]))
    np.testing.assert_array_equal(other.vector, network.vector.astype(other.dtype))
    like(other.forward(x.astype(other.dtype)), other, x)
    return other if draw.random() < 0.5 else network


def _copies(network: Network, x: Any, draw: Random) -> Network:
    """A copy is the same network, in the middle of a training step too."""
    if draw.random() < 0.5:
        network.forward(x.astype(network.dtype), DIFFERENTIABLE)
    ways: list[Any] = [copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))]
    twin: Network = draw.choice(ways)(network)
    assert twin.digest() == network.digest()
    return twin


def _file(network: Network, x: Any, draw: Random) -> Network:
    """Weights go to a file and back into a network that was something else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_model(path, network)
        twin = copy.deepcopy(network)
        if twin.vector.size:
            twin.vector = np.zeros_like(twin.vector)
        load_model(path, twin)
    assert twin.digest() == network.digest()
    return twin


def _integers(network: Network, x: Any, draw: Random) -> Network:
    """In integers, where its layers have such a form; as C."""
    if network.dtype != np.float32 or not len(x):
        return network
    try:
        found: IntegerNetwork = quantize(network, x.astype(np.float32), draw.choice([8, 8, 4, 2]))
    except PellucidError as error:
        assert str(error).isprintable()
        return network
    y = found.forward(x.astype(np.float32))
    with ops.use_backend("numpy"):
        np.testing.assert_array_equal(y, found.forward(x.astype(np.float32)))
    with tempfile.TemporaryDirectory() as folder:
        try:
            export_c(found, Path(folder) / "c", [str(i) for i in range(int(np.prod(found.output_shape)))])
        except PellucidError as error:
            assert str(error).isprintable()
    return network


def _onnx(network: Network, x: Any, draw: Random) -> Network:
    """To ONNX and back, where its layers have such a form."""
    if network.dtype != np.float32:
        return network
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "n.onnx"
        try:
            save_onnx(path, network)
        except PellucidError as error:
            assert str(error).isprintable()
            return network
        back = import_onnx(path).network
    if len(x):
        like(back.forward(x.astype(np.float32)), network, x)
    return network


def _explains(network: Network, x: Any, draw: Random) -> Network:
    """Grad-CAM, occlusion, feature maps of an image."""
    if len(network.input_shape) != 3 or not len(x) or isinstance(next(iter(network.output_shape), 0), tuple):
        return network
    image = x[0].astype(network.dtype)
    evidence = np.ones(network.output_shape, np.float32)
    try:
        name = cam_layer(network.nodes, image.shape)
    except PellucidError as error:
        assert str(error).isprintable()
    else:
        assert not (grad_cam(network, image, evidence, draw.choice([None, name])) < 0).any()
    found = occlusion(network, image, evidence, draw.randint(1, min(image.shape[1:])))
    assert found.shape == image.shape[1:]
    assert feature_maps(network, image) is not None
    return network


def _tells(network: Network, x: Any, draw: Random) -> Network:
    """What a network says of itself."""
    assert repr(network) and network._repr_html_()
    cost = network_cost(network)
    assert cost.parameters == sum(p.size for p in network.parameters.values() if p.trained)
    if len(network.input_shape) == 3:
        try:
            assert views(network.nodes, network.input_shape)
        except PellucidError as error:
            assert str(error).isprintable()
    return network


def _learns(network: Network, x: Any, draw: Random) -> Network:
    """Forward with dropout and statistics, then backward, against the twin; answers in between."""
    if not len(x) or isinstance(next(iter(network.output_shape), 0), tuple):
        return network
    if len(x) == 1 and any(layer.kind == "BatchNorm2d" for layer in network.layers()):  # which may see one value
        return network
    seed = draw.randrange(99)
    before = network.astype(network.dtype)
    some = x.astype(network.dtype)
    y = network.forward(some, training(np.random.default_rng(seed)))
    dy = np.random.default_rng(seed).standard_normal(y.shape).astype(network.dtype)
    if draw.random() < 0.3:
        network.forward(some[:1])
    if draw.random() < 0.3:
        answering(network)(some)
    dx = network.backward(dy, input_gradient=True)
    assert dx.shape == x.shape
    like(y, before, x, lambda: training(np.random.default_rng(seed)))
    if network.dtype in (np.float32, np.float64) and not any(layer.kind in KINKED for layer in network.layers()):
        wide = before.astype(np.float64)
        with ops.use_backend("numpy"):
            wide.forward(some.astype(np.float64), training(np.random.default_rng(seed)))
            wide_dx = wide.backward(dy.astype(np.float64), input_gradient=True)
        for got, wanted in ((dx, wide_dx), (network.gradient, wide.gradient)):
            largest = float(np.abs(wanted).max(initial=0))
            if largest < LARGE:
                np.testing.assert_allclose(got, wanted, rtol=0, atol=GRADIENTS * max(1.0, largest))
    return network


def _updates(network: Network, x: Any, draw: Random) -> Network:
    """A parameter is written by hand, as people do."""
    trained = [p for p in network.parameters.values() if p.trained and p.size]
    if trained:
        parameter = draw.choice(trained)
        if draw.random() < 0.5:
            parameter.value[...] = 0
        else:
            parameter.value *= parameter.value.dtype.type(0.5)
    return network


def _folded(network: Network, x: Any, draw: Random) -> Network:
    """Batch norms folded into the convolutions before them."""
    folded = fold_batch_norm(network)
    like(folded.forward(x.astype(folded.dtype)), network, x)
    return network


def _page(network: Network, x: Any, draw: Random) -> Network:
    """As one web page, of floats or integers, where its layers have such a form."""
    shown: Network | IntegerNetwork = network.astype(np.float32)
    shape = network.output_shape
    if not shape or isinstance(shape[0], tuple):
        return network
    try:
        if draw.random() < 0.4:
            shown = quantize(network.astype(np.float32), x.astype(np.float32))
        task, classes = ("classify", shape[0]) if len(shape) == 1 else ("segment", shape[0])
        size = (network.input_shape[1], network.input_shape[2]) if len(network.input_shape) == 3 else (1, 1)
        framing = Framing("stretch", network.input_shape[0], size)
        names = [draw.choice(["<b>", "a", "\u2028", "</script>"]) + str(i) for i in range(classes)]
        images = [PageImage(np.zeros(network.input_shape, np.uint8), 0)] if len(network.input_shape) == 3 else []
        html = page_html(
            Subject("</script>", shown, task, names, framing, images=images), bits=draw.choice([32, 16, 8])
        )
    except PellucidError as error:
        assert str(error).isprintable()
        return network
    assert html.count(b"</script>") == html.count(b"<script"), "what a network says ends a script"
    return network


def _chip(network: Network, x: Any, draw: Random) -> Network:
    """On every chip, compiled for time and for size, with whole images and row by row."""
    if not len(x):
        return network
    rows = draw.random() < 0.3
    try:
        integers = quantize(network.astype(np.float32), x.astype(np.float32), draw.choice([8, 4, 2]))
        chips = [find_chip(name, CHIPS) for name in CHIPS.chips]
        found = [fit(integers, one, small=small, rows=rows) for one in chips for small in (False, True)]
    except PellucidError as error:
        assert str(error).isprintable()
        return network
    for one in found:
        assert one.flash > 0 and one.ram > 0 and one.cycles > 0
        if not one.fits:
            try:
                assert min(shares(one)) >= 0
            except PellucidError as error:
                assert str(error).isprintable()
    return network
