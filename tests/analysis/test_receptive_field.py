"""Receptive fields equal those of a probe that changes one pixel after the other."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.analysis.probe import probe
from pellucid.analysis.receptive_field import View, find_view, views
from pellucid.errors import PellucidError
from pellucid.graph import Concat, Residual, Sequential, Sum, Upsampled
from pellucid.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

LARGEST = 400  # places of an image inside a random network


@st.composite
def pairs(draw: st.DrawFn, low: int, high: int) -> tuple[int, int]:
    return draw(st.integers(low, high)), draw(st.integers(low, high))


@st.composite
def windows(draw: st.DrawFn) -> Layer:
    kind = draw(st.sampled_from(["conv", "conv", "transposed", "max", "average"]))
    kernel = draw(pairs(1, 4))
    if kind in {"max", "average"}:
        pool = MaxPool2d if kind == "max" else AvgPool2d
        padding = draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2))
        return pool(kernel, stride=draw(pairs(1, 3)), padding=padding, ceil=draw(st.booleans()))
    groups, stride, dilation, padding = (
        draw(st.sampled_from([1, 2])), draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(0, 3)),
    )  # fmt: skip
    if kind == "conv":
        return Conv2d(2, kernel, stride=stride, dilation=dilation, padding=padding, groups=groups)
    more = draw(st.integers(0, stride[0] - 1)), draw(st.integers(0, stride[1] - 1))
    return ConvTranspose2d(
        2, kernel, stride=stride, dilation=dilation, padding=padding, groups=groups, output_padding=more
    )


@st.composite
def branches(draw: st.DrawFn, shape: Shape, depth: int) -> Layer:
    """Branches that keep the image size, or two chains that happen to end with the same."""
    same = [
        Conv2d(2, r, padding=d * (r // 2), dilation=d)
        for r, d in draw(st.lists(st.sampled_from([(1, 1), (3, 1), (3, 2), (5, 1)]), min_size=1, max_size=2))
    ]
    kind = draw(st.sampled_from(["residual", "sum", "concat", "cross", "chains", "upsampled"]))
    if kind == "upsampled":
        return Upsampled(Sequential(Conv2d(2, 3, padding=1), MaxPool2d(2), *same), 2)
    if kind == "residual":
        return Residual(Sequential(*same, ReLU()))
    if kind == "cross":
        return Sum(Conv2d(2, (1, 5), padding=(0, 2)), Conv2d(2, (3, 1), padding=(1, 0)))
    if kind == "chains":
        first, second = draw(chains(shape, depth + 1)), draw(chains(shape, depth + 1))
        if first.output_shape(shape) == second.output_shape(shape):
            return Sum(first, second)
    return Sum(*same) if kind == "sum" else Concat(*same, names=None) if len(same) == 1 else Sum(*same, Identity())


@st.composite
def chains(draw: st.DrawFn, shape: Shape, depth: int = 0) -> Sequential:
    """Layers that fit an image of 2 channels."""
    layers: list[Layer] = []
    for _ in range(draw(st.integers(1, 4))):
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            layer = draw(branches(shape, depth))
        else:
            layer = draw(st.one_of(windows(), st.sampled_from(["ReLU", "Sigmoid", "BatchNorm2d"]).map(point)))
        try:
            after = layer.output_shape(shape)
        except PellucidError:  # the image has become too small for it
            continue
        if after[1] * after[2] <= LARGEST:
            layers.append(layer)
            shape = after
    return Sequential(*layers)


def point(kind: str) -> Layer:
    return {"ReLU": ReLU, "Sigmoid": Sigmoid, "BatchNorm2d": BatchNorm2d}[kind]()


@st.composite
def networks(draw: st.DrawFn) -> Network:
    shape = (2, draw(st.integers(4, 12)), draw(st.integers(4, 12)))
    chain = draw(chains(shape))
    head: list[Layer] = draw(st.sampled_from(["", "", "", "linear", "global"]).map(heads))
    return Network(Sequential(chain, *head), shape)


def heads(kind: str) -> list[Layer]:
    return {"": [], "linear": [Flatten(), Linear(3), ReLU()], "global": [GlobalAvgPool2d(), Linear(3)]}[kind]


@settings(max_examples=200, deadline=None)
@given(networks(), st.data())
def test_every_unit_sees_what_the_probe_finds(network: Network, data: st.DataObject) -> None:
    found = views(network.nodes, network.input_shape)
    name = data.draw(st.sampled_from(list(found)))
    seen, view = probe(network, name), found[name]
    assert seen.shape == (*view.extent, *network.input_shape[1:])
    field = view.field()
    for unit in np.ndindex(view.extent):
        expected = view.region(unit).mask(*network.input_shape[1:])
        np.testing.assert_array_equal(expected, seen[unit], err_msg=f"layer {name}, unit {unit}")
        if field.size is not None and is_inside(view, unit):
            top, left, bottom, right = box(seen[unit])
            assert bottom - top + 1 <= field.size[0]
            assert right - left + 1 <= field.size[1]
            assert unit != (0, 0) or field.centre == ((top + bottom) / 2, (left + right) / 2)


def is_inside(view: View, unit: tuple[int, int]) -> bool:
    """Whether the image's border cuts nothing off what the unit sees."""
    free = view.region(unit, bounded=False)
    return bool(free.boxes) and free == view.region(unit)


def box(seen: Array) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(seen)
    return int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())


@settings(max_examples=40, deadline=None)
@given(st.lists(windows(), min_size=1, max_size=2))
def test_size_and_stride_are_those_of_units_far_from_the_border(layers: list[Layer]) -> None:
    """On an image so large that whole periods of units see no border, the largest field and the stride are met."""
    shape = (2, 24, 24)
    chain = Sequential(*layers)
    try:
        if np.prod(chain.output_shape(shape)[1:]) > 1600:
            return
    except PellucidError:
        return
    network = Network(chain, shape)
    view = find_view(network.nodes, shape, str(len(layers) - 1))
    seen, field = probe(network, str(len(layers) - 1)), view.field()
    inner = {unit: box(seen[unit]) for unit in np.ndindex(view.extent) if is_inside(view, unit)}
    assert field.size is not None
    for axis in (0, 1):
        # what a transposed convolution makes repeats with its stride
        pattern = math.prod(layer.stride[axis] for layer in layers if isinstance(layer, ConvTranspose2d))
        period = 9 if 9 % pattern == 0 else 12
        stride = field.stride[axis]
        assert stride is not None
        for unit, start in inner.items():
            other = inner.get((unit[0] + period * (axis == 0), unit[1] + period * (axis == 1)))
            if other is not None and period % stride.denominator == 0:
                assert other[axis] - start[axis] == stride * period
    rows, columns = ({unit[axis] for unit in inner} for axis in (0, 1))
    if len(rows) >= period and len(columns) >= period:
        sizes = np.array([(bottom - top + 1, right - left + 1) for top, left, bottom, right in inner.values()])
        assert tuple(sizes.max(axis=0)) == field.size


@pytest.mark.parametrize(
    ("layers", "size", "stride", "centre"),
    [
        ([Conv2d(1, 3), Conv2d(1, 3)], 5, 1, 2.0),
        ([Conv2d(1, 3), Conv2d(1, 3), Conv2d(1, 3)], 7, 1, 3.0),
        ([Conv2d(1, 3, dilation=2, padding=2)], 5, 1, 0.0),
        ([Conv2d(1, 3, padding=1), MaxPool2d(2), Conv2d(1, 3, padding=1)], 8, 2, 0.5),
        ([Conv2d(1, 7, stride=2, padding=3), MaxPool2d(3, stride=2, padding=1)], 11, 4, 0.0),
        ([MaxPool2d(2), ConvTranspose2d(1, 4, stride=2, padding=1)], 4, 1, -0.5),
        ([ConvTranspose2d(1, 2, stride=2)], 1, Fraction(1, 2), 0.0),
        ([ConvTranspose2d(1, 3, stride=2)], 2, Fraction(1, 2), -0.5),
    ],
)
def test_known_fields(layers: list[Layer], size: int, stride: Fraction | int, centre: float) -> None:
    network = Network(Sequential(*layers), (1, 24, 24))
    field = list(views(network.nodes, network.input_shape).values())[-1].field()
    assert (field.size, field.stride, field.centre) == ((size, size), (stride, stride), (centre, centre))


def test_branches_of_different_strides_have_no_stride() -> None:
    network = Network(Sequential(Sum(MaxPool2d(2), Conv2d(1, 5))), (1, 8, 8))
    found = views(network.nodes, network.input_shape)
    assert found["0"].field().stride == (None, None)
    assert found["0"].field().size == (5, 5)
    assert found["0.0"].field().stride == (Fraction(2), Fraction(2))


def test_a_vector_sees_the_whole_image() -> None:
    network = Network(Sequential(Conv2d(1, 3), GlobalAvgPool2d(), Linear(2)), (1, 6, 6))
    view = find_view(network.nodes, (1, 6, 6), "2")
    assert view.field().size is None
    assert view.region((0, 0)).mask(6, 6).all()


def test_a_layer_or_unit_that_is_not_there_names_those_that_are() -> None:
    network = Network(Sequential(Conv2d(1, 3), ReLU()), (1, 6, 6))
    with pytest.raises(PellucidError, match="no layer 'conv1': expected one of 0, 1"):
        find_view(network.nodes, (1, 6, 6), "conv1")
    with pytest.raises(PellucidError, match=r"layer 1: no unit \(4, 0\), its output is 4x4"):
        find_view(network.nodes, (1, 6, 6), "1").region((4, 0))
