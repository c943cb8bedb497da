"""What part of its input one place of a layer's output sees."""

from dataclasses import dataclass

from pellucid.ops.arrays import Pair


@dataclass(frozen=True)
class Window:
    """Geometry of a layer that slides a window over an image; (height, width) each, in pixels of its input.

    transposed: the layer is the adjoint of one with this geometry (it spreads instead of gathering), with
        `output_padding` more rows and columns at the end.
    """

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    transposed: bool = False
    output_padding: Pair = (0, 0)


POINT = Window()
"""Each place sees the same place of the input, and no other."""
