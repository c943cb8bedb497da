"""Measures of each class as pictures: precision against recall of what is found, IoU of what is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.analysis.figures import PALETTE, figure_png, new_figure, plain
from pellucid.ops.arrays import Array


def precision_recall(scores: Array, right: Array, void: Array, boxes: int) -> tuple[Array, Array, Array]:
    """(precision, recall, score) of one class's detections down to each score, from the surest on.

    scores: (D,). right, void: (D,) bool, whether a detection took a box, or counts neither way. boxes: how many there
    are to be found. Of equal scores the last one stands for all.
    """
    counted = ~void
    order = np.argsort(-scores[counted], kind="stable")
    sorted_scores, hits = scores[counted][order], np.cumsum(right[counted][order])
    last = np.append(np.diff(sorted_scores) != 0, True)[: len(sorted_scores)]
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / max(1, boxes)
    return precision[last], recall[last], sorted_scores[last]


def draw_precision_recall(curves: Mapping[str, tuple[Array, Array, float]], things: str = "boxes") -> bytes:
    """PNG: a curve a class. curves: by its name, precision and recall, and the average precision for the legend.
    things: what is found.
    """
    figure = new_figure(7, 5)
    axes = figure.subplots()
    styles = ("-", "--", "-.", ":")
    for i, (name, (precision, recall, average)) in enumerate(curves.items()):
        label = f"{plain(name)}, AP {100 * average:.1f} %"
        colour, style = PALETTE[i % len(PALETTE)], styles[i // len(PALETTE) % len(styles)]
        start, rest = (precision[:1], precision) if len(precision) else (np.zeros(1), np.zeros(0))
        axes.step(
            np.append(0, recall), np.concatenate([start, rest]), where="post", label=label, color=colour, ls=style
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"recall: part of the {things} that is found")
    axes.set_ylabel("precision: part of what is found that is right")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")
    return figure_png(figure)


def draw_shares(names: Sequence[str], shares: Sequence[float], label: str) -> bytes:
    """PNG: a bar a class, of fractions; a class without one has none."""
    figure = new_figure(7, 0.8 + 0.32 * len(names))
    axes = figure.subplots()
    known = np.nan_to_num(np.asarray(shares, np.float64))
    places = np.arange(len(names))[::-1]
    axes.barh(places, 100 * known, color=PALETTE[0])
    for place, share in zip(places, shares, strict=True):
        text = "no pixel" if np.isnan(share) else f"{100 * share:.1f}"
        axes.text(1 + 100 * np.nan_to_num(share), place, text, va="center", fontsize=8)
    axes.set_yticks(places, [plain(name) for name in names], fontsize=9)
    axes.set_xlim(0, 108)
    axes.set_xlabel(label)
    return figure_png(figure)
