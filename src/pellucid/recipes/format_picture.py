"""The comparison of number formats as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.analysis.figures import figure_png, new_figure, plain
from pellucid.recipes.format_report import FormatRow

FLOAT, INTEGER = "#0072B2", "#D55E00"  # told apart by every kind of colour vision (Okabe, Ito 2008)

ROOM = 1.35  # of the longest bar: for its label


def draw_formats(rows: Sequence[FormatRow], measure: str, title: str) -> bytes:
    """A PNG file: one panel a measure, one bar a format."""
    from matplotlib.ticker import MaxNLocator

    panels = (
        (f"100 - {measure}, %", [100 - 100 * row.measure for row in rows], "{:.2f}"),
        ("weights, kB", [row.weight_bytes / 1e3 for row in rows], "{:.1f}"),
        ("activations of an image, kB", [row.activation_bytes / 1e3 for row in rows], "{:.1f}"),
        ("images/s", [row.images_per_second for row in rows], "{:,.0f}"),
        ("changed predictions, %", [100 * row.changed / row.predictions for row in rows], "{:.2f}"),
    )
    figure = new_figure(14, 0.42 * len(rows) + 1.5, dpi=110)
    figure.suptitle(plain(title))
    axes = figure.subplots(1, len(panels), sharey=True)
    colours = [INTEGER if row.format.startswith("int") else FLOAT for row in rows]
    for axis, (label, values, form) in zip(axes, panels, strict=True):
        bars = axis.barh(
            range(len(rows)), values, color=colours, hatch=["//" if c == INTEGER else "" for c in colours]
        )
        axis.bar_label(bars, [form.format(value) for value in values], padding=3, fontsize=9)
        axis.set_xlabel(label)
        axis.set_xlim(0, ROOM * max(*values, 1e-9))
        axis.xaxis.set_major_locator(MaxNLocator(4))  # more labels would run into each other
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(rows)), [row.format for row in rows])
    axes[0].invert_yaxis()
    return figure_png(figure)
