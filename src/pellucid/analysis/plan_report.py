"""What a plan is made of and what each step takes; and its block of memory as a picture."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from pellucid.analysis.figures import PALETTE, figure_png, new_figure
from pellucid.graph.fold import Affine
from pellucid.layers import BatchNorm2d, Dropout, Identity, Linear
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.plan import Plan

SCRATCH = "#c0c0c0"
LETTER = 0.013  # of the picture's height, that a letter takes


@dataclass(frozen=True)
class StepRow:
    """A step of a plan.

    name: of the value that it gives. layers: kinds of the layers that it stands for. algorithm: what computes them.
    output_bytes, weight_bytes, scratch_bytes: of its output, of what it reads besides, of memory that it works in.
    multiply_adds: of a direct computation, of the whole batch. seconds: within an answer, the least of several.
    share: of the peak of a matrix product, which an algorithm that saves multiplications exceeds.
    """

    name: str
    layers: str
    algorithm: str
    output_shape: Shape
    output_bytes: int
    weight_bytes: int
    scratch_bytes: int
    multiply_adds: int
    seconds: float
    share: float


@dataclass(frozen=True)
class PlanReport:
    """All steps.

    block_bytes: of the block that holds all values between; apart_bytes: of these, each by itself.
    peak: FLOP/s of a matrix product.
    """

    shape: Shape
    rows: tuple[StepRow, ...]
    block_bytes: int
    apart_bytes: int
    weight_bytes: int
    peak: float

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(row.seconds for row in self.rows)


def plan_report(network: Network, plan: Plan) -> PlanReport:
    """Each step, measured within answers to a batch of zeros."""
    peak, seconds = product_peak(), plan.step_seconds()
    folded = _folded_norms(network, plan)
    rows = []
    for step, taken in zip(plan.steps, seconds, strict=True):
        name, prepared = step.operation.name, step.prepared
        multiply_adds = 0 if prepared is None else prepared.multiply_adds
        kinds: list[str] = []
        for node in step.operation.nodes:
            kinds += [*folded.get(node.name, {}).get("before", []), node.layer.kind]
            kinds += folded.get(node.name, {}).get("after", [])
        rows.append(
            StepRow(
                name,
                " + ".join(kinds) + (" (pooled)" if step.operation.pooled and "Pool" not in kinds[-1] else ""),
                step.algorithm,
                plan.shapes[name],
                plan.sizes[name],
                0 if prepared is None else prepared.weight_bytes,
                0 if prepared is None else prepared.scratch,
                multiply_adds,
                taken,
                2 * multiply_adds / taken / peak,
            )
        )
    apart = sum(size for _, _, size, _, _ in plan.block.buffers)
    return PlanReport(plan.shape, tuple(rows), plan.block.size, apart, plan.folded.weight_bytes, peak)


def _folded_norms(network: Network, plan: Plan) -> dict[str, dict[str, list[str]]]:
    """By node, what has been folded into it, and whether it stood before or after."""
    kept = plan.folded.nodes.by_name
    found: dict[str, dict[str, list[str]]] = {}
    for node in network.nodes:
        if node.name in kept or not isinstance(node.layer, BatchNorm2d):
            continue
        source = network.nodes.by_name.get(node.inputs[0])
        while source is not None and isinstance(source.layer, Dropout | Identity):
            source = network.nodes.by_name.get(source.inputs[0])
        if source is not None and isinstance(source.layer, Affine):
            found.setdefault(source.name, {}).setdefault("after", []).append(node.layer.kind)
            continue
        reader = network.nodes.sole_reader(node.name)
        if reader is not None:
            found.setdefault(reader.name, {}).setdefault("before", []).append(node.layer.kind)
    return found


SHORT, ROUNDS = 512, 200
"""Rows and columns of a product that is over before anything else on the machine comes between, and how many."""


def product_peak(seconds: float = 0.2) -> float:
    """FLOP/s of the best large float32 matrix product here: NumPy's, or ours where its library lags behind.

    OpenBLAS 0.3 runs on a Zen 5 as on a processor with AVX2, at half of the peak. Ours is as short as a plan's steps:
    where others use the machine too, a longer one would be interrupted each time, and no share make sense.
    """
    a = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    out, best = np.empty_like(a), math.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or best == math.inf:
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - start)
    product = Plan(Network(Linear(SHORT), (SHORT,)), (SHORT, SHORT))
    return float(max(2 * len(a) ** 3 / best, 2 * SHORT**3 / min(product.step_seconds(ROUNDS))))


def draw_block(plan: Plan, title: str = "") -> bytes:
    """PNG: a plan's block of memory over its steps; what lies beside another is there at the same time."""
    from matplotlib.patches import Rectangle

    steps = len(plan.steps)
    figure = new_figure(max(5.0, min(14.0, 0.28 * steps + 2)), 5.2)
    axes = figure.subplots()
    unit, scale = ("MiB", 1 << 20) if plan.block.size >= 1 << 20 else ("KiB", 1 << 10)
    height = max(plan.block.size, 1) / scale
    values = len(plan.block.values)
    for number, (name, offset, size, first, last) in enumerate(plan.block.buffers):
        scratch, end = number >= values, min(last, steps - 1)
        colour = SCRATCH if scratch else PALETTE[first % len(PALETTE)]
        place, width, tall = (first - 0.5, offset / scale), end - first + 1, size / scale
        axes.add_patch(Rectangle(place, width, tall, facecolor=colour, edgecolor="white", linewidth=0.4, alpha=0.6))
        upright = width < 3
        if not scratch and tall > LETTER * height * (len(name) if upright else 1.5):
            middle = ((first + end) / 2, (offset + size / 2) / scale)
            axes.text(*middle, name, ha="center", va="center", fontsize=6, rotation=90 if upright else 0)
    axes.set_xlim(-0.5, steps - 0.5)
    axes.set_ylim(0, height)
    axes.set_xlabel("step")
    axes.set_ylabel(f"{unit} from the block's start")
    apart = sum(size for _, _, size, _, _ in plan.block.buffers) / scale
    axes.set_title(f"{title}: {height:.3g} {unit} instead of {apart:.3g} {unit}; grey: scratch memory", fontsize=9)
    return figure_png(figure)
