"""What part of its input one place of a layer's output sees."""

from dataclasses import dataclass

from pellucid.ops.arrays import Pair
from pellucid.ops.geometry import PLAIN, Geometry


@dataclass(frozen=True)
class Window:
    """A window that a layer slides over an image; sizes are (height, width), in pixels of the layer's input.

    geometry: where the windows stand.
    transposed: the layer is the adjoint of one with this geometry (it spreads instead of gathering), with
        `output_padding` more rows and columns at the end.
    fixed: images of every size are padded alike; otherwise `Layer.window_for` knows how each is.
    """

    kernel: Pair = (1, 1)
    geometry: Geometry = PLAIN
    transposed: bool = False
    output_padding: Pair = (0, 0)
    fixed: bool = True


POINT = Window()
"""Each place sees the same place of the input, and no other."""
