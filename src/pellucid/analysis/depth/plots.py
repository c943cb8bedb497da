"""The experiment's pictures: accuracy against depth, and against the amount of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.analysis.depth.findings import Findings
from pellucid.analysis.depth.statistics import Sample
from pellucid.analysis.figures import MARKERS, PALETTE, figure_png, new_figure

_NOTE = "bars: 95 % interval of the mean over seeds"


def accuracy_against_depth(findings: Findings) -> bytes:
    """PNG: one line an amount of data."""
    figure = new_figure(7.2, 4.6)
    axes = figure.subplots()
    for i, fraction in enumerate(findings.fractions):
        samples = [findings.sample(depth, fraction) for depth in findings.depths]
        apart = 0.08 * (i - (len(findings.fractions) - 1) / 2)  # so that intervals don't hide each other
        _line(axes, i, [depth + apart for depth in findings.depths], samples, f"{findings.images(fraction):,}")
    axes.set_xticks(findings.depths)
    axes.set_xlabel("convolutions")
    _finish(axes, "training images", findings.title)
    return figure_png(figure)


def accuracy_against_data(findings: Findings) -> bytes:
    """PNG: one line a depth; the amount of data on a logarithmic scale."""
    figure = new_figure(7.2, 4.6)
    axes = figure.subplots()
    images = [findings.images(fraction) for fraction in findings.fractions]
    for i, depth in enumerate(findings.depths):
        samples = [findings.sample(depth, fraction) for fraction in findings.fractions]
        apart = 1.03 ** (i - (len(findings.depths) - 1) / 2)
        _line(axes, i, [count * apart for count in images], samples, str(depth))
    axes.set_xscale("log")
    axes.set_xticks(images, [f"{count:,}" for count in images])
    axes.minorticks_off()
    axes.set_xlabel("training images")
    _finish(axes, "convolutions", findings.title)
    return figure_png(figure)


def _line(axes: Any, index: int, x: Sequence[float], samples: Sequence[Sample], label: str) -> None:
    """Means with their intervals."""
    axes.errorbar(
        x,
        [100 * s.mean for s in samples],
        yerr=[100 * s.margin if s.n > 1 else 0 for s in samples],
        color=PALETTE[index % len(PALETTE)],
        marker=MARKERS[index % len(MARKERS)],
        capsize=3,
        label=label,
    )


def _finish(axes: Any, legend: str, title: str) -> None:
    axes.set_ylabel("test accuracy in %")
    axes.set_title(f"{title}\n{_NOTE}", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(title=legend, fontsize=9, title_fontsize=9)
