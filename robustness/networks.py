"""Networks drawn from all layers and containers: what fits together is kept, with weights that are no defaults."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from pellucid import nn
from pellucid.errors import PellucidError
from pellucid.layers import Layer
from pellucid.network import Network


def drawn_network(shape: tuple[int, ...], kind: Any, draw: Random) -> Network:
    """A network of layers that fit one another: those that don't are left out."""
    layers: list[Layer] = []
    network = Network(nn.Sequential(nn.Identity()), shape, dtype=kind)
    for _ in range(draw.randint(1, 6)):
        try:
            trial = [*layers, _layer(draw, network.output_shape)]
            made = Network(
                nn.Sequential(*copy.deepcopy(trial)), shape, dtype=kind, seed=draw.randrange(99),
                fuse=draw.random() < 0.8,
            )  # fmt: skip
        except PellucidError as error:
            assert str(error).isprintable(), repr(str(error))
            continue
        if np.prod(made.output_shape) < 2000 and not _norm_of_one(made):
            layers, network = trial, made
    for parameter in network.parameters.values():  # no statistics of nought and one, no scales of one
        if parameter.size:
            new = np.random.default_rng(draw.randrange(99)).uniform(0.3, 1.2, parameter.shape)
            parameter.value[...] = new if not parameter.trained else parameter.value.astype(np.float64) * new
    return network


def _norm_of_one(network: Network) -> bool:
    """Whether a norm sees one number by itself: what is 0 then is a rounding error times 300 in another order."""
    shapes = network.nodes.shapes(network.input_shape)
    for node in network.nodes:
        seen = shapes[node.inputs[0]]
        parts = {
            "GroupNorm": getattr(node.layer, "groups", 1), "InstanceNorm2d": seen[0] if seen else 1,
            "LayerNorm2d": int(np.prod(seen[1:])), "LayerNorm": int(np.prod(seen[:-1])),
        }.get(node.layer.kind)  # fmt: skip
        if parts is not None and np.prod(seen) <= parts:
            return True
    return False


def _layer(draw: Random, shape: Any) -> Layer:
    """A layer or container. shape: of what it will see."""
    shape = shape if shape and isinstance(shape[0], int) else (1,)
    size = shape[0]
    join: Any = draw.choice([nn.Add, nn.Concat, nn.Multiply, nn.Maximum, nn.Minimum])
    pairwise: Any = draw.choice([nn.Subtract, nn.Maximum, nn.Minimum])
    inner = [_simple(draw, size) for _ in range(draw.randint(1, 3))]
    kinds: list[Callable[[], Layer]] = [
        lambda: nn.Residual(nn.Sequential(*inner)),
        lambda: nn.Residual(nn.Sequential(nn.Conv2d(size, 3, padding=1), *inner[:1])),
        lambda: nn.Branches(*inner, join=join()),
        lambda: nn.Branches(nn.Conv2d(3, 1), nn.Conv2d(2, 3, padding=1), join=nn.Concat()),
        lambda: nn.Branches(nn.Identity(), inner[0], join=pairwise()),
        lambda: nn.Branches(nn.Identity(), nn.Softplus(), join=nn.Divide()),  # by nothing near 0
        lambda: nn.Branches(nn.Identity(), nn.Constant(shape, trained=draw.random() < 0.5), join=pairwise()),
        lambda: nn.Branches(nn.Sequential(nn.Reshape(size, -1)), nn.Sequential(
            nn.Reshape(size, -1), nn.Transpose(1, 0)), join=nn.MatMul()),
        lambda: nn.Sequential(nn.Reduce("mean", [0], keepdims=True), nn.Expand(*shape)),
        lambda: nn.Sequential(nn.Softplus(), nn.Power(draw.choice([0.5, -1, 1.5, 2]))),
        lambda: nn.Sequential(nn.Abs(), nn.Shift((size, 1, 1)), nn.Softplus(), nn.Log()),
        lambda: nn.Sequential(nn.Tanh(), nn.Exp()), lambda: nn.LayerNorm(shape[-draw.randint(1, 2):]),
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
        nn.Softplus, nn.Erf, nn.Abs, nn.Exp, lambda: nn.Power(draw.choice([2, 3, 1])),
        nn.PReLU, nn.Softmax, nn.LogSoftmax, nn.GlobalAvgPool2d, nn.GlobalMaxPool2d,
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


def batch(network: Network, draw: Random) -> Any:
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
