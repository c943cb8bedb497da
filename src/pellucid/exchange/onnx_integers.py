"""Integer networks in ONNX's QuantizeLinear and DequantizeLinear: what runtimes turn into integers of their own.

Each value is rounded to its bytes and widened again, `name/bytes` and `name`; weights are int8 with one step a
filter, biases int32 on the step of the products. An integer step is what stands between, a float operator.

What a runtime gives differs from the integer network where a number lies halfway between two bytes: here halves are
rounded upwards, there to even and after float32; each such byte moves by one. Logits are not rounded at all in the
file, in ours to whole `logit_step`s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_sheet import Sheet
from pellucid.exchange.onnx_tables import function_of
from pellucid.exchange.onnx_windows import pool_attributes, window_attributes
from pellucid.graph import INPUT
from pellucid.ops.arrays import Array, Shape
from pellucid.plan.integer_affine import IntegerAffine, IntegerConv2d, IntegerConvTranspose2d
from pellucid.plan.integer_network import IntegerNetwork, images_shape
from pellucid.plan.integer_steps import (
    IntegerAdd,
    IntegerConcat,
    IntegerCropLike,
    IntegerFlatten,
    IntegerMultiply,
    IntegerOrder,
    IntegerPool2d,
    IntegerRepeatEdges,
    IntegerStep,
    IntegerTable,
)
from pellucid.plan.scale import Scale

LEAST_STEP = float(np.finfo(np.float32).tiny)


def write_integers(sheet: Sheet, network: IntegerNetwork) -> dict[str, Shape]:
    """Each step of the network on the sheet; the shape of one sample of its output, by its name there.

    Raises PellucidError for a network whose values' scales nobody knows: of a file of an earlier version.
    """
    unknown = [step.name for step in network.steps if not step.wide and step.name not in _scales(network)]
    if unknown:
        raise PellucidError(f"integer network: the scale of {unknown[0]} is not known; shrink the run again")
    writer = _Writer(sheet, network)
    writer.begin()
    for step in network.steps:
        _FORMS[type(step)](writer, step)
    last, shape = sheet.values[network.steps[-1].name], network.output_shape
    if len(shape) == 1:
        last = sheet.node("Flatten", [last], "output/flat" if "output" in network.shapes else "output")
    return {last: shape}


def _scales(network: IntegerNetwork) -> dict[str, Scale]:
    """Of every value of bytes; features laid out anew have that of what they were."""
    found = dict(network.scales)
    for step in network.steps:
        if isinstance(step, IntegerFlatten) and step.inputs[0] in found:
            found.setdefault(step.name, found[step.inputs[0]])
    return found


class _Writer:
    """The sheet, and what the network says of its values."""

    def __init__(self, sheet: Sheet, network: IntegerNetwork) -> None:
        self.sheet, self.network = sheet, network
        self.scales, self.shapes = _scales(network), network.shapes

    def begin(self) -> None:
        """The input, an image of one pixel if it is features, in bytes and back."""
        name, scale = self.sheet.values[INPUT], self.network.input_scale
        if len(self.network.input_shape) == 1:
            shape = self.whole_numbers(f"{INPUT}/shape", (0, *images_shape(self.network.input_shape)))
            name = self.sheet.node("Reshape", [name, shape], f"{INPUT}/image")
        self.sheet.values[INPUT] = self.rounded(name, f"{INPUT}/rounded", scale)

    def name(self, step: IntegerStep) -> str:
        """What a step's value is called in the file; the one layer of a network has no name."""
        return step.name or "layer"

    def rounded(self, name: str, called: str, scale: Scale) -> str:
        """A value in the bytes of a scale, and back."""
        step = self.sheet.constant(f"{called}/scale", np.asarray(scale.step, np.float32))
        zero = self.sheet.constant(f"{called}/zero", np.asarray(scale.zero, np.uint8))
        q = self.sheet.node("QuantizeLinear", [name, step, zero], f"{called}/bytes")
        return self.sheet.node("DequantizeLinear", [q, step, zero], called)

    def give(self, step: IntegerStep, value: str) -> None:
        """Let the step's value be that, in bytes where it has some."""
        bytes_ = not step.wide
        value = self.rounded(value, self.name(step), self.scales[step.name]) if bytes_ else value
        self.sheet.values[step.name] = value

    def operator(self, step: IntegerStep, operator: str, *more: str, **attributes: Any) -> str:
        """The step's operator, of its inputs and `more`."""
        inputs = [self.sheet.values[name] for name in step.inputs]
        return self.sheet.node(operator, [*inputs, *more], self.exact(step), **attributes)

    def exact(self, step: IntegerStep) -> str:
        """What a step's value is called before it is rounded."""
        return self.name(step) if step.wide else f"{self.name(step)}/exact"

    def clipped(self, step: Any, value: str) -> str:
        """Cut off at the step's lowest and highest byte, where these aren't the type's."""
        if step.wide or (step.low, step.high) == (0, 255):
            return value
        scale, name = self.scales[step.name], f"{self.name(step)}/clipped"
        if (step.low, step.high) == (scale.zero, 255):
            return self.sheet.node("Relu", [value], name)
        ends = [("low", step.low), ("high", step.high)]
        bounds = [self.number(f"{self.name(step)}/{end}", (byte - scale.zero) * scale.step) for end, byte in ends]
        return self.sheet.node("Clip", [value, *bounds], name)

    def number(self, name: str, value: float) -> str:
        """A float."""
        return self.sheet.constant(name, np.asarray(value, np.float32))

    def whole_numbers(self, name: str, values: Any) -> str:
        """Lengths, axes or widths."""
        return self.sheet.constant(name, np.asarray(list(values), np.int64))

    def widened(self, name: str, levels: Array, steps: Array, axis: int) -> str:
        """A constant of whole numbers as floats, with a step a place of an axis."""
        called = self.sheet.constant(f"{name}/levels", levels)
        given = [called, self.sheet.constant(f"{name}/steps", steps.astype(np.float32))]
        zeros = self.sheet.constant(f"{name}/zeros", np.zeros(len(steps), levels.dtype))
        return self.sheet.node("DequantizeLinear", [*given, zeros], name, axis=axis)


def _affine(writer: _Writer, step: Any) -> None:
    """A convolution, or a transposed one, of what the levels stand for."""
    scale, transposed = writer.scales[step.inputs[0]], isinstance(step, IntegerConvTranspose2d)
    given = writer.network.logit_step if step.logits else writer.scales[step.name].step
    factor = step.multiplier.astype(np.float64) / 2.0 ** step.shift.astype(np.float64)
    steps = np.maximum(factor * given / scale.step, LEAST_STEP)
    bias = step.bias.astype(np.int64)
    if not transposed:  # there, b holds minus zero times the sum of the weights
        bias = bias + scale.zero * step.weight.sum(axis=(1, 2, 3), dtype=np.int64)
    offsets = writer.widened(f"{writer.name(step)}.bias", bias.astype(np.int32), steps * scale.step, 0)
    settings = window_attributes(step.geometry, step.kernel, step.same) | {"group": step.groups}
    if transposed:
        weight = _adjoint(writer, step, steps)
        settings |= {"output_padding": list(step.output_padding)}
    else:
        weight = writer.widened(f"{writer.name(step)}.weight", step.weight, steps, 0)
    value = writer.operator(step, "ConvTranspose" if transposed else "Conv", weight, offsets, **settings)
    value = writer.clipped(step, value)
    if step.pool > 1:
        if not step.wide:
            value = writer.rounded(value, f"{writer.name(step)}/whole", writer.scales[step.name])
        sides = [step.pool, step.pool]
        value = writer.sheet.node(
            "MaxPool", [value], f"{writer.name(step)}/pooled", kernel_shape=sides, strides=sides
        )
    writer.give(step, value)


def _adjoint(writer: _Writer, step: IntegerAffine, steps: Array) -> str:
    """The filters of a transposed convolution, (C, K/groups, R, S).

    A step a filter is one a place of the second axis where there is one group; of several, the filters are laid out
    as the operator has them once they are floats.
    """
    (K, C, R, S), groups, name = step.weight.shape, step.groups, f"{writer.name(step)}.weight"
    if groups == 1:
        return writer.widened(name, np.ascontiguousarray(step.weight.swapaxes(0, 1)), steps, 1)
    value = writer.widened(f"{name}/filters", step.weight, steps, 0)
    parts = writer.whole_numbers(f"{name}/parts", (groups, K // groups, C, R, S))
    value = writer.sheet.node("Reshape", [value, parts], f"{name}/grouped")
    value = writer.sheet.node("Transpose", [value], f"{name}/turned", perm=[0, 2, 1, 3, 4])
    shape = writer.whole_numbers(f"{name}/shape", (groups * C, K // groups, R, S))
    return writer.sheet.node("Reshape", [value, shape], name)


def _pool(writer: _Writer, step: Any) -> None:
    settings = pool_attributes(step.input_shape[1:], step.kernel, step.geometry, step.same, step.ceil)
    whole = step.kernel == step.input_shape[1:] and not any(step.geometry.padding) and step.output_shape[1:] == (1, 1)
    if step.average and whole:
        writer.give(step, writer.operator(step, "GlobalAveragePool"))
        return
    if step.average and step.geometry.dilation == (1, 1):
        del settings["dilations"]  # onnxruntime's average of bytes knows none
    counted = {"count_include_pad": 0} if step.average else {}
    writer.give(step, writer.operator(step, "AveragePool" if step.average else "MaxPool", **settings, **counted))


def _table(writer: _Writer, step: Any) -> None:
    """The function that a table holds; of one that is none of those known, its bytes, looked up."""
    found = function_of(step.table, writer.scales[step.inputs[0]], writer.scales[step.name])
    if found is None:
        _looked_up(writer, step)
        return
    operator, numbers = found
    if operator == "SiLU":
        gate = writer.sheet.node("Sigmoid", [writer.sheet.values[step.inputs[0]]], f"{writer.name(step)}/sigmoid")
        value = writer.operator(step, "Mul", gate)
    elif operator == "Clip":
        bounds = [writer.number(f"{writer.name(step)}/{end}", number) for end, number in numbers.items()]
        value = writer.operator(step, operator, *bounds)
    else:
        value = writer.operator(step, operator, **numbers)
    writer.give(step, value)


def _looked_up(writer: _Writer, step: Any) -> None:
    sheet, name, scale = writer.sheet, writer.name(step), writer.scales[step.name]
    place = sheet.node("Cast", [f"{sheet.values[step.inputs[0]]}/bytes"], f"{name}/places", to=INT32)
    table = sheet.constant(f"{name}/table", step.table)
    q = sheet.node("Gather", [table, place], f"{name}/bytes")
    zero = sheet.constant(f"{name}/zero", np.uint8(scale.zero))
    ends = [writer.number(f"{name}/scale", scale.step), zero]
    sheet.values[step.name] = sheet.node("DequantizeLinear", [q, *ends], name)


INT32 = 6  # TensorProto's number of the type


def _add(writer: _Writer, step: Any) -> None:
    first, *others = (writer.sheet.values[name] for name in step.inputs)
    for i, other in enumerate(others, 1):
        name = writer.exact(step) if i == len(others) else f"{writer.name(step)}/{i}"
        first = writer.sheet.node("Add", [first, other], name)
    if not others:
        first = writer.sheet.node("Identity", [first], writer.exact(step))
    writer.give(step, writer.clipped(step, first))


def _multiply(writer: _Writer, step: Any) -> None:
    writer.give(step, writer.clipped(step, writer.operator(step, "Mul")))


def _concat(writer: _Writer, step: Any) -> None:
    writer.give(step, writer.operator(step, "Concat", axis=1))


def _flatten(writer: _Writer, step: Any) -> None:
    shape = writer.whole_numbers(f"{writer.name(step)}/shape", (0, *step.output_shape))
    writer.give(step, writer.operator(step, "Reshape", shape))


def _order(writer: _Writer, step: Any) -> None:
    order = writer.whole_numbers(f"{writer.name(step)}/order", step.order)
    writer.give(step, writer.operator(step, "Gather", order, axis=1))


def _repeat_edges(writer: _Writer, step: Any) -> None:
    (_, h, w), (_, H, W), (top, left) = step.input_shape, step.output_shape, step.before
    pads = writer.whole_numbers(f"{writer.name(step)}/pads", (0, 0, top, left, 0, 0, H - h - top, W - w - left))
    writer.give(step, writer.operator(step, "Pad", pads, mode="edge"))


def _crop_like(writer: _Writer, step: Any) -> None:
    bounds = {"starts": (0, 0), "ends": step.output_shape[1:], "axes": (2, 3)}
    names = [writer.whole_numbers(f"{writer.name(step)}/{name}", values) for name, values in bounds.items()]
    writer.give(step, writer.operator(step, "Slice", *names))


_FORMS: dict[type[IntegerStep], Callable[[_Writer, Any], None]] = {
    IntegerAdd: _add,
    IntegerConcat: _concat,
    IntegerConv2d: _affine,
    IntegerConvTranspose2d: _affine,
    IntegerCropLike: _crop_like,
    IntegerFlatten: _flatten,
    IntegerMultiply: _multiply,
    IntegerOrder: _order,
    IntegerPool2d: _pool,
    IntegerRepeatEdges: _repeat_edges,
    IntegerTable: _table,
}
