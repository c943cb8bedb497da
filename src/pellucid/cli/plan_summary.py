"""`pellucid summary --plan`: a network's plan for one image, step by step."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pellucid.cli.output import byte_count, dimensions, print_json, print_note, print_table, working
from pellucid.network import Network

NUMBERS = ("output bytes", "weights", "scratch", "mult-adds", "ms", "peak")
LEGEND = """
Of one image. layers: what the step stands for; weights: bytes that it reads, packed; scratch: memory it works in;
ms: within an answer, the least of several; peak: share of a matrix product's speed, which winograd exceeds as it
multiplies less. A step that is done by "layer" is no compiled step: the layer's forward pass is called."""


def plan_summary(network: Network, title: str, picture: Path | None, json: bool) -> None:
    """Print the steps of the network's plan for one image; draw its block of memory to a PNG."""
    from pellucid.analysis.plan_report import draw_block, plan_report
    from pellucid.files import write_picture
    from pellucid.plan import Plan

    with working("measuring the steps of the plan"):
        plan = Plan(network, (1, *network.input_shape))
        report = plan_report(network, plan)
    if picture is not None:
        write_picture(picture, draw_block(plan, title), "summary")
    if json:
        print_json(asdict(report) | {"seconds": report.seconds})
        return
    rows = [
        (
            row.name,
            row.layers,
            row.algorithm,
            dimensions(row.output_shape),
            *(byte_count(size) if size else "" for size in (row.output_bytes, row.weight_bytes, row.scratch_bytes)),
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            f"{1e3 * row.seconds:.3f}",
            f"{100 * row.share:.0f} %" if row.multiply_adds else "",
        )
        for row in report.rows
    ]
    totals = (f"{sum(row.multiply_adds for row in report.rows):,}", f"{1e3 * report.seconds:.3f}", "")
    print_table(
        ("step", "layers", "algorithm", "output", *NUMBERS),
        rows,
        title=f"{title}, plan for {dimensions(plan.shape)}",
        footer=("total", "", "", "", byte_count(report.block_bytes), byte_count(report.weight_bytes), "", *totals),
        right=NUMBERS,
        wrapped="layers",
    )
    saved = f"{byte_count(report.apart_bytes)} of values and scratch memory lie in a block of "
    print_note(f"{LEGEND}\n{saved}{byte_count(report.block_bytes)}; peak {report.peak / 1e9:.0f} GFLOP/s.")
