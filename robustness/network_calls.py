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

from pellucid import nn, ops
from pellucid.analysis.cost import network_cost
from pellucid.analysis.explanation import cam_layer, grad_cam, occlusion
from pellucid.analysis.features import feature_maps
from pellucid.analysis.receptive_field import views
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_export import save_onnx
from pellucid.exchange.onnx_import import import_onnx
from pellucid.export import export_c
from pellucid.layers import DIFFERENTIABLE, Layer, training
from pellucid.network import Network
from pellucid.plan import IntegerNetwork, answering
from pellucid.precision import fold_batch_norm, quantize
from pellucid.weights import load_model, save_model

KINDS: list[Any] = [np.float32, np.float32, np.float32, np.float64, np.float16, ml_dtypes.bfloat16]
TOLERANCES = {"float64": 1e-8, "float32": 5e-3, "float16": 6e-2, "bfloat16": 4e-1}
LARGE = 1e3  # beyond which 16 bits and twenty layers no longer agree to a part of the largest


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
        network = _drawn(shape, kind, draw)
        self.call += f" {network!r}"
        x = _batch(network, draw)
        acts: list[Callable[[Network, Any, Random], Network]] = [
            _answers, _answers, _threads, _other_type, _copies, _file, _integers, _onnx, _explains, _tells, _learns,
            _updates, _folded,
        ]  # fmt: skip
        for act in draw.choices(acts, k=draw.randint(2, 5)):
            self.call += f"; {act.__name__}"
            network = act(network, x, draw)
            self.check(network, x)

    def check(self, network: Network, x: Any) -> None:
        """The network's answer, once more."""
        _near(network.forward(x.astype(network.dtype)), _wanted(network, x), network.dtype)


def _wanted(network: Network, x: Any) -> Any:
    with ops.use_backend("numpy"):
        return network.astype(np.float64).forward(x.astype(network.dtype).astype(np.float64))


def _answers(network: Network, x: Any, draw: Random) -> Network:
    """Plans of several shapes, before and after the weights have changed."""
    for _ in range(2):
        some = x.astype(network.dtype)
        _near(answering(network)(some), _wanted(network, x), network.dtype)
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
    wanted = [_wanted(network, part.astype(np.float64)) for part in parts]
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
    for one, other in zip(got, wanted, strict=True):
        _near(one, other, network.dtype)
    return network


def _other_type(network: Network, x: Any, draw: Random) -> Network:
    """A copy in another float type, perhaps without fusing."""
    other = network.astype(draw.choice(KINDS), fuse=draw.choice([None, True, False]))
    _near(other.forward(x.astype(other.dtype)), _wanted(network, x), _coarser(network, other))
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
        _near(back.forward(x.astype(np.float32)), _wanted(network, x), np.dtype(np.float32))
    return network


def _explains(network: Network, x: Any, draw: Random) -> Network:
    """Grad-CAM, occlusion, feature maps of an image."""
    if len(network.input_shape) != 3 or not len(x) or isinstance(network.output_shape[0], tuple):
        return network
    image = x[0].astype(network.dtype)
    evidence = np.ones(network.output_shape, np.float32)
    try:
        name = cam_layer(network.nodes, image.shape)
    except PellucidError as error:
        assert str(error).isprintable()
    else:
        assert (grad_cam(network, image, evidence, draw.choice([None, name])) >= 0).all()
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
    if not len(x) or isinstance(network.output_shape[0], tuple):
        return network
    seed = draw.randrange(99)
    wide = network.astype(np.float64)
    some = x.astype(network.dtype)
    y = network.forward(some, training(np.random.default_rng(seed)))
    dy = np.random.default_rng(seed).standard_normal(y.shape).astype(network.dtype)
    if draw.random() < 0.3:
        network.forward(some[:1])
    if draw.random() < 0.3:
        answering(network)(some)
    dx = network.backward(dy, input_gradient=True)
    assert dx.shape == x.shape
    with ops.use_backend("numpy"):
        wanted = wide.forward(some.astype(np.float64), training(np.random.default_rng(seed)))
        wide.backward(dy.astype(np.float64))
    _near(y, wanted, network.dtype)
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
    _near(folded.forward(x.astype(folded.dtype)), _wanted(network, x), network.dtype)
    return network


def _coarser(network: Network, other: Network) -> np.dtype[Any]:
    return max(network.dtype, other.dtype, key=lambda kind: TOLERANCES[kind.name])


def _drawn(shape: tuple[int, ...], kind: Any, draw: Random) -> Network:
    """A network of layers that fit one another: those that don't are left out."""
    layers: list[Layer] = []
    network = Network(nn.Sequential(nn.Identity()), shape, dtype=kind)
    for _ in range(draw.randint(1, 6)):
        trial = [*layers, _layer(draw, network.output_shape)]
        try:
            made = Network(
                nn.Sequential(*copy.deepcopy(trial)), shape, dtype=kind, seed=draw.randrange(99),
                fuse=draw.random() < 0.8,
            )  # fmt: skip
        except PellucidError as error:
            assert str(error).isprintable(), repr(str(error))
            continue
        if np.prod(made.output_shape) < 2000:
            layers, network = trial, made
    for parameter in network.parameters.values():  # no statistics of nought and one, no scales of one
        if parameter.size:
            new = np.random.default_rng(draw.randrange(99)).uniform(0.3, 1.2, parameter.shape)
            parameter.value[...] = new if not parameter.trained else parameter.value.astype(np.float64) * new
    return network


def _layer(draw: Random, shape: Any) -> Layer:
    """A layer or container. shape: of what it will see."""
    size = shape[0] if shape and isinstance(shape[0], int) else 1
    join: Any = draw.choice([nn.Add, nn.Concat, nn.Multiply])
    inner = [_simple(draw, size) for _ in range(draw.randint(1, 3))]
    kinds: list[Callable[[], Layer]] = [
        lambda: nn.Residual(nn.Sequential(*inner)),
        lambda: nn.Residual(nn.Sequential(nn.Conv2d(size, 3, padding=1), *inner[:1])),
        lambda: nn.Branches(*inner, join=join()),
        lambda: nn.Branches(nn.Conv2d(3, 1), nn.Conv2d(2, 3, padding=1), join=nn.Concat()),
        lambda: nn.Sequential(nn.Conv2d(4, 3, padding=1), nn.BatchNorm2d(), nn.ReLU()),
        lambda: nn.Sequential(nn.Conv2d(size, 3, groups=size, padding=1), nn.BatchNorm2d(), nn.ReLU6()),
        lambda: nn.Sequential(nn.Conv2d(5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        lambda: nn.Sequential(nn.GlobalAvgPool2d(), nn.Linear(4)),
        lambda: nn.Branches(nn.Identity(), nn.Sequential(
            nn.GlobalAvgPool2d(flatten=False), nn.Conv2d(size, 1), nn.Sigmoid()), join=nn.Multiply()),
    ]  # fmt: skip
    made = draw.choice(kinds)() if draw.random() < 0.45 else inner[0]
    return made


def _simple(draw: Random, size: int) -> Layer:
    pad: Any = draw.choice([0, 1, (1, 0), (0, 1, 1, 0), "same", "same-lower"])
    kernel: Any = draw.choice([1, 2, 3, 3, (3, 1), (1, 4), 5])
    stride: Any = draw.choice([1, 1, 2, (2, 1), 3])
    pool_pad: Any = draw.choice([0, 1, "same"])
    dilation: Any = draw.choice([1, 2, (1, 3)])
    scale: Any = draw.choice([2, 0.5, (1.5, 2)])
    target: Any = draw.choice([4, (3, 7)])
    reduction: Any = draw.choice(["mean", "sum", "max", "min"])
    pad_mode: Any = draw.choice(["constant", "reflect", "edge", "wrap"])
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    modes: Any = draw.choice(["nearest", "linear", "cubic"])
    kinds: list[Callable[[], Layer]] = [
        lambda: nn.Conv2d(draw.choice([2, 4, 8]), kernel, stride=stride, padding=pad, bias=draw.random() < 0.7),
        lambda: nn.Conv2d(2 * size, kernel, groups=draw.choice(divisors), padding=pad,
                          dilation=dilation),
        lambda: nn.ConvTranspose2d(draw.choice([2, 4]), kernel, stride=stride, padding=draw.choice([0, 1]),
                                   output_padding=draw.choice([0, 0, 1])),
        lambda: nn.MaxPool2d(draw.choice([2, 3]), stride=stride, padding=pool_pad,
                             ceil=draw.random() < 0.4, dilation=draw.choice([1, 1, 2])),
        lambda: nn.AvgPool2d(draw.choice([2, 3]), stride=stride, padding=pool_pad,
                             ceil=draw.random() < 0.4, count_padding=draw.random() < 0.5),
        lambda: nn.Linear(draw.randint(1, 6)), nn.Flatten, nn.ReLU, nn.BatchNorm2d, nn.Identity,
        lambda: nn.LeakyReLU(draw.choice([0.0, 0.01, 1.0, -0.5])), lambda: nn.Clip(-0.3, draw.choice([0.5, 6.0])),
        nn.Sigmoid, nn.Tanh, nn.SiLU, nn.ELU, nn.SELU, nn.GELU, nn.Mish, nn.HardSigmoid, nn.HardSwish,
        nn.Softplus, nn.Erf, nn.PReLU, nn.Softmax, nn.LogSoftmax, nn.GlobalAvgPool2d, nn.GlobalMaxPool2d,
        lambda: nn.Dropout(draw.choice([0.1, 0.5])), lambda: nn.GroupNorm(draw.choice(divisors)),
        nn.InstanceNorm2d, nn.LayerNorm2d, lambda: nn.LocalResponseNorm(draw.choice([1, 3, 5])),
        lambda: nn.Resize(scale=scale, mode=modes, antialias=draw.random() < 0.2),
        lambda: nn.Resize(target, mode=modes),
        lambda: nn.Pad((0, draw.randint(0, 2), 1), (0, 1, draw.randint(0, 2)),
                       mode=pad_mode),
        lambda: nn.Slice((0, 0, draw.randint(0, 2)), (size, None, draw.choice([None, -1, 50]))),
        lambda: nn.DepthToSpace(2), lambda: nn.SpaceToDepth(2), lambda: nn.Transpose(*draw.sample([0, 1, 2], 3)),
        lambda: nn.Reduce(reduction, draw.sample([0, 1, 2], draw.randint(1, 2)),
                          keepdims=draw.random() < 0.5),
        lambda: nn.Reshape(draw.choice([-1, 2, 4]), draw.choice([-1, 1, 3])),
        lambda: nn.Scale((size, 1, 1)), lambda: nn.Shift((size, 1, 1)),
    ]  # fmt: skip
    return draw.choice(kinds)()


def _batch(network: Network, draw: Random) -> Any:
    """float64 numbers in some layout, that the network's type can hold."""
    count = draw.choice([0, 1, 1, 2, 3, 5])
    x = np.random.default_rng(draw.getrandbits(32)).standard_normal((count, *network.input_shape))
    x = x.astype(network.dtype).astype(np.float64)
    layout = draw.randrange(5)
    if layout == 0:
        return np.asfortranarray(x)
    if layout == 1 and x.ndim == 4:
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if layout == 2:
        return x[..., ::-1]
    if layout == 3 and count:
        return np.broadcast_to(x[:1], x.shape)
    return x


def _near(got: Any, wanted: Any, kind: Any) -> None:
    if isinstance(wanted, list):
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            _near(one, other, kind)
        return
    assert got.shape == wanted.shape, f"shape {got.shape}, expected {wanted.shape}"
    largest = max(1.0, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0)))
    if largest < LARGE:
        limit = TOLERANCES[np.dtype(kind).name] * largest
        np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol=0, atol=limit)
