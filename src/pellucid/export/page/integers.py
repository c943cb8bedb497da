"""An integer network's steps as data that the page's engine runs, number for number: a row a step, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.export.page.weights import Packed
from pellucid.ops.arrays import Array, Shape
from pellucid.plan import IntegerNetwork
from pellucid.plan.integer_affine import IntegerAffine, IntegerConv2d, IntegerConvTranspose2d
from pellucid.plan.integer_steps import (
    Images,
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

Row = dict[str, Any]


def integer_rows(network: IntegerNetwork, packed: Packed) -> list[Row]:
    """A row for each step; its arrays go into `packed`.

    zero, step: what the bytes that it gives mean, step * (byte - zero); of logits, what one is worth. Files of
    version 0.1 don't say it: then step is None.
    """
    rows = []
    for step in network.steps:
        form, kind = FORMS[type(step)]
        scale = network.scales.get(step.name)
        last = step is network.steps[-1]
        rows.append(
            {
                "name": step.name,
                "kind": kind,
                "inputs": list(step.inputs),
                "shape": list(network.output_shape if last else _shape(step.output_shape)),
                "wide": step.wide,
                "zero": 0 if scale is None else scale.zero,
                "step": network.logit_step if step.wide else None if scale is None else scale.step,
                **form(step, packed),
            }
        )
    return rows


def entry_table(network: IntegerNetwork, seen: Array) -> list[list[int]]:
    """The byte that the network sees of each byte of a pixel, by channel.

    seen: what a network of floats sees of them: (C, 256).
    """
    table: list[list[int]] = network.input_scale.quantize(seen).tolist()
    return table


def _shape(images: Images) -> Shape:
    """Images of one pixel are features."""
    return images[:1] if images[1:] == (1, 1) else images


def _window(step: IntegerPool2d | IntegerAffine) -> Row:
    geometry = step.geometry
    return {
        "kernel": list(step.kernel),
        "stride": list(geometry.stride),
        "pads": list(geometry.padding),
        "dilation": list(geometry.dilation),
    }


def _affine(step: IntegerAffine, packed: Packed) -> Row:
    weight = step.weight
    if isinstance(step, IntegerConvTranspose2d):  # as the adjoint's filters, which a layer of floats has too
        K, C, R, S = weight.shape
        groups = step.groups
        weight = weight.reshape(groups, K // groups, C, R, S).swapaxes(1, 2).reshape(groups * C, K // groups, R, S)
    whole = step.kernel == step.input_shape[1:] and step.output_shape[1:] == (1, 1) and step.groups == 1
    plain = whole and not any(step.geometry.padding)
    joins = isinstance(step, IntegerConv2d) and plain and step.pool == 1
    return {
        "op": "spread" if isinstance(step, IntegerConvTranspose2d) else "linear" if joins else "conv",
        "says": _said(step, joins),
        **({"kind": "Linear"} if joins else {}),
        **_window(step),
        "groups": step.groups,
        "pool": step.pool,
        **({"grown": list(step.grown(step.input_shape[1:]))} if isinstance(step, IntegerConvTranspose2d) else {}),
        "from": step.zeros[0],
        "low": step.low,
        "high": step.high,
        "zero": step.zeros[1],
        "active": step.low == step.zeros[1],
        "weight": packed.add_levels(weight, step.bits),
        "bias": packed.add_whole(step.bias),
        "multiplier": packed.add_whole(step.multiplier),
        "shift": packed.add_whole(step.shift),
    }


def _said(step: IntegerAffine, joins: bool) -> str:
    """What a card says of it."""
    window = "x".join(map(str, step.kernel))
    stride = "" if step.stride == (1, 1) else f" stride {step.stride[0]}"
    groups = "" if step.groups == 1 else f" groups {step.groups}"
    pool = "" if step.pool == 1 else f", max {step.pool}x{step.pool}"
    return f"int{step.bits} " + ("all" if joins else f"{window}{stride}{groups}{pool}")


def _pool(step: IntegerPool2d, packed: Packed) -> Row:
    window = "x".join(map(str, step.kernel))
    op, kind = ("average", "AvgPool2d") if step.average else ("max", "MaxPool2d")
    return {"op": op, "kind": kind, "says": window, **_window(step)}


def _add(step: IntegerAdd, packed: Packed) -> Row:
    return {
        "op": "add",
        "says": "",
        "zeros": list(step.zeros),
        "multipliers": list(step.multipliers),
        "shift": step.shift,
        "zero": step.zero,
        "low": step.low,
        "high": step.high,
        "active": True,
    }


def _multiply(step: IntegerMultiply, packed: Packed) -> Row:
    return {
        "op": "multiply",
        "says": "",
        "zeros": list(step.zeros),
        "multiplier": step.multiplier,
        "shift": step.shift,
        "zero": step.zero,
        "low": step.low,
        "high": step.high,
    }


def _table(step: IntegerTable, packed: Packed) -> Row:
    return {"op": "table", "says": "256 results", "table": packed.add_whole(step.table), "active": True}


def _concat(step: IntegerConcat, packed: Packed) -> Row:
    return {"op": "concat", "says": "", "tables": packed.add_whole(step.tables)}


FORMS: dict[type[IntegerStep], tuple[Callable[[Any, Packed], Row], str]] = {
    IntegerConv2d: (_affine, "Conv2d"),
    IntegerConvTranspose2d: (_affine, "ConvTranspose2d"),
    IntegerPool2d: (_pool, "Pool2d"),
    IntegerAdd: (_add, "Add"),
    IntegerMultiply: (_multiply, "Multiply"),
    IntegerTable: (_table, "Table"),
    IntegerConcat: (_concat, "Concat"),
    IntegerFlatten: (lambda step, packed: {"op": "same", "says": ""}, "Flatten"),
    IntegerOrder: (lambda step, packed: {"op": "order", "says": "", "order": list(step.order)}, "Order"),
    IntegerRepeatEdges: (
        lambda step, packed: {"op": "edges", "says": "", "before": list(step.before)},
        "RepeatEdges",
    ),
    IntegerCropLike: (lambda step, packed: {"op": "crop", "says": ""}, "CropLike"),
}
"""How each kind of step is written down, and what it is called."""
