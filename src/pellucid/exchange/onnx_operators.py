"""How each layer is written in ONNX's operators: one function a layer, found by its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.exchange.onnx_sheet import Sheet
from pellucid.graph import Node
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    Abs,
    Add,
    AvgPool2d,
    BatchNorm2d,
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
    Parameter,
    Power,
    PReLU,
    Reduce,
    ReLU,
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
from pellucid.layers.joins import Concat
from pellucid.layers.quantize import FakeQuantize
from pellucid.layers.resize import CropLike, RepeatEdges
from pellucid.layers.sliding import SAME, SAME_LOWER, Sliding
from pellucid.network import Network
from pellucid.ops.arrays import Shape

Write = Callable[["Writer", Node], None]

AUTO_PAD = {SAME: "SAME_UPPER", SAME_LOWER: "SAME_LOWER"}


class Writer(Sheet):
    """The file of a network of layers. values: what each of its values is called there."""

    def __init__(self, network: Network, sheet: Sheet) -> None:
        super().__init__(sheet.values, sheet.nodes, sheet.tensors)
        self.network = network
        self.shapes = network.nodes.shapes(network.input_shape)
        self._names = {id(parameter): name for name, parameter in network.parameters.items()}

    def write(self, operator: str, node: Node, *more: str, **attributes: Any) -> None:
        """Add the operator that a node of the network is, its inputs and then `more`."""
        self.node(operator, [*self.inputs(node), *more], self.values[node.name], **attributes)

    def inputs(self, node: Node) -> list[str]:
        """What a node sees."""
        return [self.values[name] for name in node.inputs]

    def inner(self, node: Node, part: str) -> str:
        """A name inside a node's."""
        return f"{self.values[node.name]}/{part}"

    def parameter(self, parameter: Parameter) -> str:
        """Name of a parameter's tensor; one that layers share is there once."""
        name = self._names[id(parameter)]
        self.tensors[name] = np.ascontiguousarray(ops.host(parameter.value).astype(np.float32))
        return name

    def shape_in(self, node: Node, place: int = 0) -> Shape:
        """Shape of one sample of what a node sees."""
        return self.shapes[node.inputs[place]]


def _sliding(layer: Sliding) -> dict[str, Any]:
    """The attributes of a window."""
    top, bottom, left, right = layer.geometry.padding
    if layer.same:
        padding: dict[str, Any] = {"auto_pad": AUTO_PAD[layer.same]}
    else:
        padding = {"pads": [top, left, bottom, right]}
    return {
        "kernel_shape": list(layer.kernel),
        "strides": list(layer.stride),
        "dilations": list(layer.dilation),
        **padding,
    }


def _conv(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = [writer.parameter(parameter) for parameter in layer.parameters().values()]
    writer.write("Conv", node, *tensors, group=layer.groups, **_sliding(layer))


def _conv_transpose(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = [writer.parameter(parameter) for parameter in layer.parameters().values()]
    top, bottom, left, right = layer.geometry.padding
    settings = _sliding(layer) | {"pads": [top, left, bottom, right]}
    settings.pop("auto_pad", None)  # what it amounts to stands in the geometry
    writer.write(
        "ConvTranspose", node, *tensors, group=layer.groups, output_padding=list(layer.output_padding), **settings
    )


def _linear(writer: Writer, node: Node) -> None:
    tensors = [writer.parameter(parameter) for parameter in node.layer.parameters().values()]
    writer.write("Gemm", node, *tensors, transB=1)


def _batch_norm(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = [writer.parameter(parameter) for parameter in layer.parameters().values()]
    writer.write("BatchNormalization", node, *tensors, epsilon=layer.epsilon, momentum=1 - layer.momentum)


def _max_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("MaxPool", node, ceil_mode=int(layer.ceil), **_sliding(layer))


def _avg_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    settings = _sliding(layer) | {"count_include_pad": int(layer.count_padding), "ceil_mode": int(layer.ceil)}
    writer.write("AveragePool", node, **settings)


def _global_avg_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    if not layer.flatten:
        writer.write("GlobalAveragePool", node)
        return
    writer.write("ReduceMean", node, _axes(writer, node, (2, 3)), keepdims=0)


def _axes(writer: Writer, node: Node, axes: Sequence[int]) -> str:
    return writer.constant(writer.inner(node, "axes"), np.asarray(axes, np.int64))


def _plain(operator: str, *settings: str, **names: str) -> Write:
    """The writer of a layer that is one operator, whose attributes are the layer's; `names` where those differ."""

    def write(writer: Writer, node: Node) -> None:
        attributes = {key: getattr(node.layer, key) for key in settings}
        writer.write(operator, node, **attributes, **{key: getattr(node.layer, own) for key, own in names.items()})

    return write


def _clip(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    bounds = (("low", layer.low), ("high", layer.high))
    names = [writer.constant(writer.inner(node, name), np.asarray(value, np.float32)) for name, value in bounds]
    writer.write("Clip", node, *names)


def _silu(writer: Writer, node: Node) -> None:
    gate = writer.node("Sigmoid", writer.inputs(node), writer.inner(node, "sigmoid"))
    writer.write("Mul", node, gate)


def _joined(operator: str) -> Write:
    """The writer of a sum or product of any number of inputs: of two with each other, then with the next."""

    def write(writer: Writer, node: Node) -> None:
        first, *others = writer.inputs(node)
        if not others:
            writer.node("Identity", [first], writer.values[node.name])
        for i, other in enumerate(others, 1):
            last = i == len(others)
            name = writer.values[node.name] if last else writer.inner(node, str(i))
            first = writer.node(operator, [first, other], name)

    return write


def _concat(writer: Writer, node: Node) -> None:
    writer.write("Concat", node, axis=1)


def _repeat_edges(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    _, h, w = writer.shape_in(node)
    _, H, W = writer.shapes[node.name]
    top, left = layer.before
    pads = [0, 0, top, left, 0, 0, H - h - top, W - w - left]
    name = writer.constant(writer.inner(node, "pads"), np.asarray(pads, np.int64))
    writer.node("Pad", [writer.inputs(node)[0], name], writer.values[node.name], mode="edge")


def _crop_like(writer: Writer, node: Node) -> None:
    _, H, W = writer.shapes[node.name]
    bounds = (("starts", [0, 0]), ("ends", [H, W]), ("axes", [2, 3]))
    names = [writer.constant(writer.inner(node, name), np.asarray(v, np.int64)) for name, v in bounds]
    writer.node("Slice", [writer.inputs(node)[0], *names], writer.values[node.name])


def _numbers(writer: Writer, node: Node, part: str, values: Sequence[int]) -> str:
    return writer.constant(writer.inner(node, part), np.asarray(values, np.int64))


def _weighed(operator: str, *settings: str, **names: str) -> Write:
    """As `_plain`, with the layer's parameters as further inputs."""

    def write(writer: Writer, node: Node) -> None:
        tensors = [writer.parameter(parameter) for parameter in node.layer.parameters().values()]
        attributes = {key: getattr(node.layer, key) for key in settings}
        attributes |= {key: getattr(node.layer, own) for key, own in names.items()}
        writer.write(operator, node, *tensors, **attributes)

    return write


def _layer_norm(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = [writer.parameter(parameter) for parameter in layer.parameters().values()]
    writer.write("LayerNormalization", node, *tensors, axis=-layer.axes, epsilon=layer.epsilon)


def _layer_norm_2d(writer: Writer, node: Node) -> None:
    """Over the last axis, with the channels moved there and back."""
    layer: Any = node.layer
    tensors = [writer.parameter(parameter) for parameter in layer.parameters().values()]
    if len(writer.shape_in(node)) == 1:
        writer.write("LayerNormalization", node, *tensors, axis=-1, epsilon=layer.epsilon)
        return
    last, normed = (writer.inner(node, part) for part in ("last", "normed"))
    writer.node("Transpose", writer.inputs(node), last, perm=[0, 2, 3, 1])
    writer.node("LayerNormalization", [last, *tensors], normed, axis=-1, epsilon=layer.epsilon)
    writer.node("Transpose", [normed], writer.values[node.name], perm=[0, 3, 1, 2])


def _along(operator: str) -> Write:
    """The writer of a softmax along an axis of the sample."""

    def write(writer: Writer, node: Node) -> None:
        layer: Any = node.layer
        writer.write(operator, node, axis=layer.axis + 1)

    return write


def _gelu(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Gelu", node, approximate="tanh" if layer.tanh else "none")


def _reshape(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Reshape", node, _numbers(writer, node, "shape", (0, *layer.shape)))


def _transpose(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Transpose", node, perm=[0, *(axis + 1 for axis in layer.axes)])


def _expand(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    seen, shape = writer.inputs(node)[0], writer.shape_in(node)
    if len(shape) < len(layer.shape):
        inner = (0, *(1 for _ in range(len(layer.shape) - len(shape))), *shape)
        seen = writer.node("Reshape", [seen, _numbers(writer, node, "aligned", inner)], writer.inner(node, "reshape"))
    writer.node("Expand", [seen, _numbers(writer, node, "shape", (1, *layer.shape))], writer.values[node.name])


def _pad(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    lead = [0] * (len(writer.shape_in(node)) + 1 - len(layer.before))
    pads = _numbers(writer, node, "pads", [*lead, *layer.before, *lead, *layer.after])
    value = writer.constant(writer.inner(node, "value"), np.asarray(layer.value, np.float32))
    writer.write("Pad", node, pads, *([value] if layer.mode == "constant" else []), mode=layer.mode)


def _slice(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    far = int(np.iinfo(np.int64).max)
    ends = [
        (far if step > 0 else -far) if stop is None else stop
        for stop, step in zip(layer.stops, layer.steps, strict=True)
    ]
    bounds = (("starts", layer.starts), ("ends", ends), ("axes", range(1, len(ends) + 1)), ("steps", layer.steps))
    writer.write("Slice", node, *(_numbers(writer, node, name, list(values)) for name, values in bounds))


def _depth_to_space(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("DepthToSpace", node, blocksize=layer.block, mode="CRD" if layer.columns_first else "DCR")


def _space_to_depth(writer: Writer, node: Node) -> None:
    """One operator; where columns come first, which that has no setting for in this opset, what it amounts to."""
    layer: Any = node.layer
    b = layer.block
    if not layer.columns_first:
        writer.write("SpaceToDepth", node, blocksize=b)
        return
    C, H, W = writer.shape_in(node)
    parts = _numbers(writer, node, "parts", (0, C, H // b, b, W // b, b))
    split = writer.node("Reshape", [writer.inputs(node)[0], parts], writer.inner(node, "split"))
    order = [0, 1, 3, 5, 2, 4]
    moved = writer.node("Transpose", [split], writer.inner(node, "moved"), perm=order)
    shape = _numbers(writer, node, "shape", (0, C * b * b, H // b, W // b))
    writer.node("Reshape", [moved, shape], writer.values[node.name])


def _constant(writer: Writer, node: Node) -> None:
    """The numbers, repeated as often as there are samples."""
    layer: Any = node.layer
    count = writer.node("Shape", writer.inputs(node), writer.inner(node, "samples"), start=0, end=1)
    ones = _numbers(writer, node, "ones", [1] * len(layer.shape))
    shape = writer.node("Concat", [count, ones], writer.inner(node, "shape"), axis=0)
    name = writer.parameter(*layer.parameters().values())
    writer.node("Expand", [name, shape], writer.values[node.name])


def _reduce(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    axes = _axes(writer, node, [axis + 1 for axis in layer.axes])
    writer.write(f"Reduce{layer.what.capitalize()}", node, axes, keepdims=int(layer.keepdims))  # "l2" gives L2


def _global_max_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    if layer.keepdims:
        writer.write("GlobalMaxPool", node)
    else:
        _reduce(writer, node)


def _resize(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    how, cropped = layer.how, layer.how.coordinates == "tf_crop_and_resize"
    region = writer.constant(writer.inner(node, "region"), np.asarray(layer.region, np.float32)) if cropped else ""
    if layer.size is not None and layer.scale is not None:
        raise layer.error("a size or a scale, to go out as ONNX", "both")
    if layer.size is None:
        given = [writer.constant(writer.inner(node, "scales"), np.asarray(layer.scale, np.float32))]
    else:
        given = ["", _numbers(writer, node, "sizes", layer.size)]
    settings: dict[str, Any] = {"nearest_mode": how.nearest} if how.mode == "nearest" else {}
    settings |= {"cubic_coeff_a": how.cubic} if how.mode == "cubic" else {}
    settings |= {"extrapolation_value": layer.outside} if cropped else {}
    settings |= {"antialias": 1} if how.antialias else {}
    settings |= {"exclude_outside": 1} if how.exclude_outside else {}
    writer.write(
        "Resize", node, region, *given, mode=how.mode, coordinate_transformation_mode=how.coordinates, axes=[2, 3],
        **settings,
    )  # fmt: skip


def _fake_quantize(writer: Writer, node: Node) -> None:
    """Quantised, and back."""
    layer: Any = node.layer
    kinds = {
        (int(np.iinfo(kind).min), int(np.iinfo(kind).max)): kind for kind in ("int8", "uint8", "int16", "uint16")
    }
    kind = kinds.get((layer.low, layer.high))
    if kind is None:
        raise layer.error("the bounds of a type of 8 or 16 bits, to go out as ONNX", layer.describe())
    scale = writer.constant(writer.inner(node, "scale"), np.asarray(layer.scale, np.float32))
    zero = writer.constant(writer.inner(node, "zero"), np.asarray(layer.zero, kind))
    steps = writer.node("QuantizeLinear", [*writer.inputs(node), scale, zero], writer.inner(node, "steps"))
    writer.node("DequantizeLinear", [steps, scale, zero], writer.values[node.name])


def _power(writer: Writer, node: Node) -> None:
    """Sqrt and Reciprocal by their names, else Pow."""
    layer: Any = node.layer
    name = {0.5: "Sqrt", -1.0: "Reciprocal"}.get(layer.exponent)
    if name is not None:
        writer.write(name, node)
        return
    exponent = writer.constant(writer.inner(node, "exponent"), np.asarray(layer.exponent, np.float32))
    writer.write("Pow", node, exponent)


WRITERS: dict[type[Layer], Write] = {
    Abs: _plain("Abs"),
    Exp: _plain("Exp"),
    Log: _plain("Log"),
    Power: _power,
    FakeQuantize: _fake_quantize,
    Constant: _constant,
    DepthToSpace: _depth_to_space,
    Divide: _plain("Div"),
    ELU: _plain("Elu", "alpha"),
    Erf: _plain("Erf"),
    Expand: _expand,
    GELU: _gelu,
    GlobalMaxPool2d: _global_max_pool,
    GroupNorm: _weighed("GroupNormalization", "epsilon", num_groups="groups"),
    HardSigmoid: _plain("HardSigmoid", "alpha", "beta"),
    HardSwish: _plain("HardSwish"),
    InstanceNorm2d: _weighed("InstanceNormalization", "epsilon"),
    LayerNorm: _layer_norm,
    LayerNorm2d: _layer_norm_2d,
    LocalResponseNorm: _plain("LRN", "size", "alpha", "beta", bias="k"),
    LogSoftmax: _along("LogSoftmax"),
    MatMul: _plain("MatMul"),
    Maximum: _plain("Max"),
    Minimum: _plain("Min"),
    Mish: _plain("Mish"),
    PReLU: _weighed("PRelu"),
    Pad: _pad,
    Reduce: _reduce,
    Reshape: _reshape,
    Resize: _resize,
    SELU: _plain("Selu", "alpha", gamma="scale"),
    Scale: _weighed("Mul"),
    Shift: _weighed("Add"),
    Slice: _slice,
    Softmax: _along("Softmax"),
    Softplus: _plain("Softplus"),
    SpaceToDepth: _space_to_depth,
    Subtract: _plain("Sub"),
    Transpose: _transpose,
    Add: _joined("Add"),
    AvgPool2d: _avg_pool,
    BatchNorm2d: _batch_norm,
    Clip: _clip,
    Concat: _concat,
    Conv2d: _conv,
    ConvTranspose2d: _conv_transpose,
    CropLike: _crop_like,
    Dropout: lambda writer, node: writer.write("Dropout", node, _ratio(writer, node)),
    Flatten: _plain("Flatten"),
    GlobalAvgPool2d: _global_avg_pool,
    Identity: _plain("Identity"),
    LeakyReLU: _plain("LeakyRelu", alpha="slope"),
    Linear: _linear,
    MaxPool2d: _max_pool,
    Multiply: _joined("Mul"),
    ReLU: _plain("Relu"),
    RepeatEdges: _repeat_edges,
    SiLU: _silu,
    Sigmoid: _plain("Sigmoid"),
    Tanh: _plain("Tanh"),
}
"""By layer; one that is written as its base class isn't named."""


def _ratio(writer: Writer, node: Node) -> str:
    layer: Any = node.layer
    return writer.constant(writer.inner(node, "ratio"), np.asarray(layer.rate, np.float32))


def write_layers(sheet: Sheet, network: Network) -> dict[str, Shape]:
    """Each node of the network on the sheet; the shapes of one sample of its outputs, by their names there.

    Raises PellucidError where layers have no ONNX form, naming all of them.
    """
    writers = _writers(network)
    writer = Writer(network, sheet)
    writer.values |= {node.name: node.name or "output" for node in network.nodes}
    for node, write in zip(network.nodes, writers, strict=True):
        write(writer, node)
    return {writer.values[name]: writer.shapes[name] for name in network.nodes.outputs}


def _writers(network: Network) -> list[Write]:
    """One for each node, that of its layer's class or of the nearest base."""
    found = [
        next((WRITERS[kind] for kind in type(node.layer).__mro__ if kind in WRITERS), None) for node in network.nodes
    ]
    missing = [node for node, write in zip(network.nodes, found, strict=True) if write is None]
    if missing:
        listed = ", ".join(f"{node.name or 'the network'} ({node.layer.kind})" for node in missing)
        raise PellucidError(f"ONNX has no form of {listed}")
    return [write for write in found if write is not None]
