"""The first layers of a network line by line, for images larger than RAM: which can, and what they keep.

Of what such a layer sees only the rows that a line of its output needs are in memory; they move up as lines are done.
A line is the layer's own kernel on an image of just these rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.export.descriptions import Descriptions
from pellucid.export.kernels import CONVOLVE, DEPTHWISE, POOLED
from pellucid.export.offsets import Offset
from pellucid.graph import INPUT
from pellucid.plan.integer_affine import IntegerConv2d
from pellucid.plan.integer_steps import IntegerPool2d, IntegerStep

POOL, TABLE = "pool_windows", "look_up"
KERNELS = (CONVOLVE, POOLED, DEPTHWISE, POOL, TABLE)
KEPT = {"to": 4, "height": 2, "out_height": 2, "pad_top": 2}
"""Fields of a layer with weights that change from line to line, and bytes of each."""


@dataclass(frozen=True)
class Line:
    """What a layer keeps. rows: that a line needs. step: rows from line to line. before: rows of the frame."""

    step_number: int
    rows: int
    step: int
    before: int
    height: int
    row_bytes: int
    out_height: int
    out_row_bytes: int

    @property
    def size(self) -> int:
        """Bytes of the rows that are kept."""
        return min(self.rows, self.height) * self.row_bytes


def lines_of(steps: Sequence[IntegerStep], kernels: Sequence[str]) -> list[Line]:
    """As many of the first layers as can work line by line: a chain of windows and tables."""
    found: list[Line] = []
    before = INPUT
    for i, (step, kernel) in enumerate(zip(steps[:-1], kernels, strict=False)):
        readers = sum(before in other.inputs for other in steps)
        if kernel not in KERNELS or list(step.inputs) != [before] or readers != 1:
            break
        (C, H, W), (K, P, Q) = step.input_shape, step.output_shape
        rows, stride, top = 1, 1, 0
        if isinstance(step, IntegerConv2d | IntegerPool2d):
            side = step.pool if isinstance(step, IntegerConv2d) else 1
            down, dilation = step.stride[0], step.geometry.dilation[0]
            rows = (side - 1) * down + (step.kernel[0] - 1) * dilation + 1
            stride, top = side * down, step.geometry.before[0]
        found.append(Line(i, rows, stride, top, H, W * C, P, Q * K))
        before = step.name
    return found


def line_rows(lines: Sequence[Line], windows: Sequence[Offset], to: Offset) -> str:
    """The table of them in C."""
    rows = []
    for line, window in zip(lines, windows, strict=True):
        sizes = (
            line.row_bytes,
            to,
            line.out_row_bytes,
            line.height,
            line.out_height,
            line.rows,
            line.step,
            line.before,
        )
        rows.append(f"    {{{window}, {', '.join(map(str, sizes))}}},")
    return "\n".join(rows)


def line_cases(lines: Sequence[Line], kernels: Sequence[str], descriptions: Descriptions) -> str:
    """How each computes one line."""
    members = {each.name for _, each in descriptions.members}
    texts = []
    for n, line in enumerate(lines):
        i, kernel = line.step_number, kernels[line.step_number]
        texts.append(f"    case {n}u: {{")
        if kernel == TABLE:
            texts.append(f"        look_up(table_{i}, {line.row_bytes}, x, arena + to);")
        else:
            kind = "pool" if kernel == POOL else "convolution"
            texts.append(f"        struct {kind} one = {kind}_{i};")
            if kernel != POOL and "to" in members:
                texts.append("        one.to = to;")
            texts += ["        one.height = held;", "        one.pad_top = before;", "        one.out_height = 1;"]
            texts.append(f"        {kernel}(&one{', x, arena + to' if kernel == POOL else ''});")
        texts += ["        break;", "    }"]
    return "\n".join(texts)
