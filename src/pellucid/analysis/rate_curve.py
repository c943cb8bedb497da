"""The loss at rising learning rates, as a picture."""

from __future__ import annotations

import numpy as np

from pellucid.analysis.figures import PALETTE, figure_png, new_figure
from pellucid.ops.arrays import Array


def rate_curve(rates: Array, losses: Array, smoothed: Array, suggestion: float) -> bytes:
    """PNG: of each step's rate the loss, as it was and smoothed; the suggested rate as an upright line."""
    figure = new_figure(7, 4)
    axes = figure.subplots()
    axes.plot(rates, losses, color=PALETTE[0], alpha=0.3, linewidth=1, label="of each batch")
    axes.plot(rates, smoothed, color=PALETTE[0], linewidth=2, label="smoothed")
    axes.axvline(suggestion, color=PALETTE[1], linestyle="--", label=f"suggested {suggestion:.2g}")
    low, high = float(np.min(smoothed)), float(smoothed[0])
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(low - 0.15 * (high - low), 1.5 * high))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure_png(figure)
