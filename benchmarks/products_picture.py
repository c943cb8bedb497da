"""Draws what one instruction multiplies: a lane of float32, of pairs of bfloat16, of bytes, and a matrix tile.

python -m benchmarks.products_picture PICTURE.png
"""

import sys
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

PIXELS, FILTERS, SUMS = "#56B4E9", "#E69F00", "#009E73"  # told apart by every kind of colour vision (Okabe, Ito 2008)
LANES = 16


def grid(
    axes: Any, corner: tuple[float, float], rows: int, columns: int, size: tuple[float, float], colour: str
) -> None:
    """A block of cells; size: width and height of one."""
    for row in range(rows):
        for column in range(columns):
            place = corner[0] + column * size[0], corner[1] + row * size[1]
            axes.add_patch(Rectangle(place, *size, facecolor=colour, edgecolor="white", linewidth=0.6))


def word(axes: Any, x: float, y: float, numbers: list[str], colour: str) -> None:
    """32 bits, cut into numbers."""
    width = 4 / len(numbers)
    for i, text in enumerate(numbers):
        axes.add_patch(Rectangle((x + i * width, y), width, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
        axes.text(x + (i + 0.5) * width, y + 0.5, text, ha="center", va="center", fontsize=8)


def draw_lane(axes: Any, y: float, count: int, name: str) -> None:
    """One lane of 32 bits: count products at once, added to what the lane holds."""
    axes.text(-0.2, y + 0.5, name, ha="right", va="center", fontsize=9)
    word(axes, 0, y, [f"x{i}" for i in range(count)], PIXELS)
    axes.text(4.5, y + 0.5, "x", ha="center", va="center")
    word(axes, 5, y, [f"w{i}" for i in range(count)], FILTERS)
    axes.text(9.5, y + 0.5, "+", ha="center", va="center")
    word(axes, 10, y, ["sum"], SUMS)


def draw_register(axes: Any) -> None:
    """A register of 16 lanes: two channels of one pixel in all, two weights of 16 filters, 16 sums."""
    for y, colour, text in (
        (5.2, PIXELS, "two channels of one pixel, in every lane"),
        (2.6, FILTERS, "the two weights of 16 filters"),
    ):
        grid(axes, (0, y), 1, 2 * LANES, (0.5, 1.0), colour)
        axes.text(8, y + 1.2, text, ha="center", fontsize=9)
    grid(axes, (0, 0), 1, LANES, (1.0, 1.0), SUMS)
    axes.text(8, 1.2, "16 sums in float32: 32 products", ha="center", fontsize=9)
    axes.text(-0.3, 4.2, "x", ha="right", fontsize=12)
    axes.text(-0.3, 1.6, "+", ha="right", fontsize=12)
    axes.set(xlim=(-1.5, 16.5), ylim=(-0.5, 7.5))


def draw_tile(axes: Any) -> None:
    """Tiles of 16 rows of 64 bytes: 16 pixels, 16 filters, 256 sums."""
    grid(axes, (0, 0), LANES, 32, (0.5, 1.0), PIXELS)
    grid(axes, (17.5, 17.5), 32, LANES, (1.0, 0.5), FILTERS)
    grid(axes, (17.5, 0), LANES, LANES, (1.0, 1.0), SUMS)
    axes.text(8, 16.4, "16 pixels, 32 channels", ha="center", fontsize=9)
    axes.text(25.5, 34.0, "32 channels, 16 filters", ha="center", fontsize=9)
    axes.text(25.5, -1.8, "256 sums: 8,192 products", ha="center", fontsize=9)
    axes.set(xlim=(-0.5, 34), ylim=(-3, 36), aspect="equal")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    figure = Figure(figsize=(13, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    lane, register, tile = figure.subplots(1, 3, width_ratios=(1.15, 1.2, 1))
    for y, count, name in (
        (4.5, 1, "float32\nvfmadd231ps"),
        (2.5, 2, "bfloat16\nvdpbf16ps"),
        (0.5, 4, "bytes\nvpdpbusd"),
    ):
        draw_lane(lane, y, count, name)
    lane.set(title="a lane of 32 bits", xlim=(-5.2, 14.5), ylim=(-0.5, 7.5))
    draw_register(register)
    register.set_title("a register: vdpbf16ps, 16 lanes")
    draw_tile(tile)
    tile.set_title("a matrix tile: tdpbf16ps (AMX)")
    for axes in (lane, register, tile):
        axes.axis("off")
    figure.savefig(Path(arguments[0]), format="png", metadata={"Software": None})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
