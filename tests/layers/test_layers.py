"""One contract for every layer, checked over drawn settings and shapes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.analysis.gradient_check import check_gradients
from pellucid.analysis.numerical import TOLERANCE
from pellucid.errors import PellucidError
from pellucid.graph import Branches, Concat, Residual, Sequential, Sum, Upsampled
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    Abs,
    Add,
    AvgPool2d,
    BatchNorm2d,
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
    ReLU,
    ReLU6,
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
    training,
)
from pellucid.layers.frame import PadMode
from pellucid.layers.interpolation import COORDINATES
from pellucid.network import Network
from pellucid.ops.arrays import Array

Draw = Callable[[st.SearchStrategy[int]], int]
PADS: tuple[PadMode, ...] = ("constant", "edge", "reflect", "wrap")
small, flag = st.integers(1, 3), st.integers(0, 1)

LAYERS: dict[str, Callable[[Draw], Layer]] = {
    "Conv2d": lambda draw: Conv2d(
        2 * draw(small),
        (draw(small), draw(small)),
        stride=(draw(small), draw(small)),
        padding=(draw(flag), 2 * draw(flag)),
        dilation=(draw(small), draw(small)),
        groups=1 + draw(flag),
        bias=bool(draw(flag)),
    ),
    "ConvTranspose2d": lambda draw: ConvTranspose2d(
        2 * draw(small),
        (draw(small), draw(small)),
        stride=(2, 2 + draw(flag)),
        padding=(0, 0),
        output_padding=(draw(flag), draw(flag)),
        dilation=(draw(small), draw(small)),
        groups=1 + draw(flag),
        initial="bilinear" if draw(flag) else "he",
    ),
    "MaxPool2d": lambda draw: MaxPool2d(
        (1 + draw(small), 2), stride=draw(small), padding=draw(flag), ceil=bool(draw(flag))
    ),
    "AvgPool2d": lambda draw: AvgPool2d(
        (1 + draw(small), 2), stride=draw(small), padding=draw(flag), ceil=bool(draw(flag))
    ),
    "GlobalAvgPool2d": lambda draw: GlobalAvgPool2d(),
    "Linear": lambda draw: Sequential(Flatten(), Linear(draw(small), bias=bool(draw(flag)), initial="xavier")),
    "ReLU": lambda draw: ReLU(),
    "LeakyReLU": lambda draw: LeakyReLU(0.1 * draw(small)),
    "Clip": lambda draw: Clip(-0.3 * draw(small), 0.2 * draw(small)),
    "ReLU6": lambda draw: ReLU6(),
    "Sigmoid": lambda draw: Sigmoid(),
    "Tanh": lambda draw: Tanh(),
    "SiLU": lambda draw: SiLU(),
    "Dropout": lambda draw: Dropout(0.2 * draw(small)),
    "BatchNorm2d": lambda draw: BatchNorm2d(momentum=0.3),
    "Flatten": lambda draw: Flatten(),
    "Scale": lambda draw: Scale((4, 1, 1) if draw(flag) else (), trained=bool(draw(flag))),
    "Shift": lambda draw: Shift((4, 1, 1) if draw(flag) else ()),
    "Constant": lambda draw: Branches(Constant((4, 1, 1)), Identity(), join=Multiply()),
    "Reshape": lambda draw: Sequential(Conv2d(12, 3), GlobalAvgPool2d(), Reshape(3, 2, *(2, 1)[: 1 + draw(flag)])),
    "ChannelOrder": lambda draw: ChannelOrder(3, draw(small), 0, draw(flag)),
    "Transpose": lambda draw: Transpose(2, 0, 1),
    "Expand": lambda draw: Sequential(GlobalAvgPool2d(flatten=False), Expand(2, 4, 3, draw(small))),
    "Pad": lambda draw: Pad((draw(small), 1), (draw(flag), draw(small)), mode=PADS[draw(small) + draw(flag) - 1]),
    "Slice": lambda draw: Slice(
        (1, -2, draw(flag)), (None, None if draw(flag) else 0, 6), (1, -draw(small), draw(small))
    ),
    "DepthToSpace": lambda draw: DepthToSpace(2, columns_first=bool(draw(flag))),
    "SpaceToDepth": lambda draw: Sequential(Resize((6, 8)), SpaceToDepth(2, columns_first=bool(draw(flag)))),
    "Resize": lambda draw: Resize(
        scale=(0.4 * draw(small) + 0.3, 0.9 * draw(small)),
        mode=("nearest", "linear", "cubic")[draw(small) - 1],
        coordinates=COORDINATES[draw(small) + 2 * draw(flag) - 1],
        antialias=bool(draw(flag)),
        exclude_outside=bool(draw(flag)),
    ),
    "ELU": lambda draw: ELU(0.5 * draw(small)),
    "SELU": lambda draw: SELU(),
    "GELU": lambda draw: GELU(tanh=bool(draw(flag))),
    "Erf": lambda draw: Erf(),
    "Abs": lambda draw: Abs(),
    "Exp": lambda draw: Exp(),
    "Log": lambda draw: Sequential(Softplus(), Log()),
    "Power": lambda draw: (
        Power(1 + draw(small)) if draw(flag) else Sequential(Softplus(), Power(draw(small) / 2 - 1.5))
    ),
    "Softplus": lambda draw: Softplus(),
    "Mish": lambda draw: Mish(),
    "HardSigmoid": lambda draw: HardSigmoid(0.2 * draw(small)),
    "HardSwish": lambda draw: HardSwish(),
    "PReLU": lambda draw: PReLU((1,) if draw(flag) else None),
    "Softmax": lambda draw: Softmax(draw(small) - 1),
    "LogSoftmax": lambda draw: LogSoftmax(draw(small) - 1),
    "GroupNorm": lambda draw: GroupNorm(2),
    "InstanceNorm2d": lambda draw: InstanceNorm2d(epsilon=1e-3),
    "LayerNorm": lambda draw: LayerNorm((4, 1, 1) if draw(flag) else (1,), axes=draw(small)),
    "LayerNorm2d": lambda draw: LayerNorm2d(epsilon=1e-3),
    "LocalResponseNorm": lambda draw: LocalResponseNorm(draw(small) + draw(flag), alpha=0.5, k=2.0),
    "Reduce": lambda draw: Reduce(
        ("mean", "sum", "max", "min", "l2")[draw(st.integers(0, 4))], (draw(flag), 2), keepdims=bool(draw(flag))
    ),
    "GlobalMaxPool2d": lambda draw: GlobalMaxPool2d(flatten=bool(draw(flag))),
    "Subtract": lambda draw: Branches(Tanh(), Identity(), join=Subtract()),
    "Divide": lambda draw: Branches(Identity(), Softplus(), join=Divide()),
    "Maximum": lambda draw: Branches(Conv2d(4, 1), Identity(), Tanh(), join=Maximum()),
    "Minimum": lambda draw: Branches(Conv2d(4, 1), Identity(), join=Minimum()),
    "MatMul": lambda draw: Branches(Identity(), Transpose(0, 2, 1), join=MatMul()),
    "Identity": lambda draw: Identity(),
    "Add": lambda draw: Branches(GlobalAvgPool2d(flatten=False), Identity(), ReLU(), join=Add()),
    "Multiply": lambda draw: Branches(Conv2d(4, 1), Identity(), GlobalAvgPool2d(flatten=False), join=Multiply()),
    "Sequential": lambda draw: Sequential(Conv2d(3, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(2, 1), ReLU()),
    "Residual": lambda draw: Residual(Sequential(Conv2d(4, 3, padding=1), BatchNorm2d(), SiLU()), Conv2d(4, 1)),
    "Sum": lambda draw: Sum(Conv2d(2, 3, padding=1), Conv2d(2, 1), Conv2d(2, 5, padding=2)),
    "Concat": lambda draw: Concat(Conv2d(2, 1), Identity(), Sequential(Conv2d(3, 3, padding=1), Tanh())),
    "Upsampled": lambda draw: Upsampled(Sequential(Conv2d(4, 3, padding=draw(small)), AvgPool2d(draw(small))), 4),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_contract(name: str, data: st.DataObject) -> None:
    layer = LAYERS[name](data.draw)
    N, H, W = data.draw(st.integers(2, 3)), data.draw(st.integers(7, 9)), data.draw(st.integers(7, 9))
    network = Network(layer, (4, H, W), dtype=np.float64, seed=data.draw(st.integers(0, 3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    network.vector += 0.1 * rng.standard_normal(network.vector.size)
    x = rng.standard_normal((N, H, W, 4)).transpose(0, 3, 1, 2)
    before = x.copy()

    y = network.forward(x, training(np.random.default_rng(0)))
    assert y.dtype == x.dtype
    assert y.shape == (N, *network.output_shape) == (N, *layer.output_shape((4, H, W)))
    target, dy = rng.standard_normal(y.shape), rng.standard_normal(y.shape)
    dy_before = dy.copy()
    dx = network.backward(dy, input_gradient=True)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dy, dy_before)

    def loss(output: Array) -> tuple[float, Array]:
        difference = output - target
        return float((difference**3).sum()), 3 * difference**2  # no quadratic: third derivatives are exercised too

    rows = check_gradients(network, loss, x, samples=3, seed=1)
    assert {row.name for row in rows} == {n for n, p in network.parameters.items() if p.trained} | {"input"}
    assert max(row.error for row in rows) < TOLERANCE

    single = network.astype(np.float32)
    y32 = single.forward(x.astype(np.float32), training(np.random.default_rng(0)))
    assert y32.dtype == single.backward(dy.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(y32, network.forward(x, training(np.random.default_rng(0))), rtol=1e-3, atol=1e-4)


def test_every_layer_is_under_contract() -> None:
    import pellucid.layers as package

    containers = {"Residual", "Sequential", "Sum", "Upsampled"}
    exported = {n for n in package.__all__ if isinstance(getattr(package, n), type)}
    layers = {n for n in exported if issubclass(getattr(package, n), Layer)} - {"Join", "Layer"}
    assert layers == set(LAYERS) - containers - {"Concat"}


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (Conv2d(4, 5), (1, 3, 3), "layer 0 (Conv2d): expected an image of at least its 5x5 window, got 3x3"),
        (Linear(3), (1, 3, 3), "layer 0 (Linear): expected feature vectors (put Flatten before it), got shape"),
        (Conv2d(4, groups=4), (6, 9, 9), "layer 0 (Conv2d): expected input channels in a multiple of groups=4"),
        (MaxPool2d(4), (1, 3, 9), "layer 0 (MaxPool2d): expected an image of at least its 4x4 window, got 3x9"),
        (Sum(Conv2d(2, 1), Conv2d(3, 1)), (1, 3, 3), "layer 0.add (Add): expected inputs of one shape, got (2, 3"),
        (Concat(Conv2d(2, 1), Conv2d(2, 3)), (1, 3, 3), "layer 0.concat (Concat): expected inputs of one height"),
    ],
)  # fmt: skip
def test_an_input_that_does_not_fit_is_named(layer: Layer, shape: tuple[int, ...], expected: str) -> None:
    with pytest.raises(PellucidError) as caught:
        Network(Sequential(layer), shape)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2d(3, 0),
        lambda: Conv2d(3, groups=2),
        lambda: Conv2d(3, padding=-1),
        lambda: MaxPool2d(2, padding=2),
        lambda: Dropout(1.0),
        lambda: Clip(1, 1),
        lambda: Linear(0),
        lambda: ConvTranspose2d(1, 2, stride=2, output_padding=2),
        lambda: Network(Conv2d(3, initial="best"), (1, 5, 5)),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(PellucidError):
        make()


def test_a_power_of_zero_is_a_constant() -> None:
    layer = Power(0)
    x = np.array([[0.0, -3.0]])
    np.testing.assert_array_equal(layer.forward(x, training()), [[1.0, 1.0]])
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), [[0.0, 0.0]])
