"""Layers that slide a window over an image: the settings that convolutions and pools have in common."""

from pellucid.layers.base import Layer
from pellucid.layers.window import Window
from pellucid.ops.arrays import Pair
from pellucid.ops.geometry import Geometry, Sides, sides

Padding = int | Pair | Sides | str
"""One number, (rows, columns), (top, bottom, left, right), "same" or "same-lower"."""

MOST = 1 << 15  # of a window's settings: more than any image has

SAME, SAME_LOWER = "same", "same-lower"


class Sliding(Layer):
    """A layer with a window.

    padding: "same" gives ceil(size / stride) places, so that stride 1 keeps the image's size; what can't be halved
    goes after the image (below, to the right), with "same-lower" before it.

    `geometry` tells where the windows stand. With "same" and a stride the padding depends on the image's size:
    then `geometry` has the widest that any needs, and `geometry_for` tells what an image gets.
    """

    def __init__(
        self, kernel: int | Pair, stride: int | Pair, padding: Padding, dilation: int | Pair, groups: int = 1
    ) -> None:
        self.kernel = self.whole_pair("kernel", kernel)
        self.same = padding if isinstance(padding, str) else ""
        found = {"stride": self.whole_pair("stride", stride), "dilation": self.whole_pair("dilation", dilation)}
        for setting, value in {"kernel": self.kernel, **found}.items():
            if min(value) < 1:
                raise self.error(f"{setting} of at least 1", value)
        around = self._sides(padding)
        if min(around) < 0:
            raise self.error("padding of at least 0", padding)
        most = max(*self.kernel, *found["stride"], *found["dilation"], *around)
        if most > MOST:
            raise self.error(f"kernel, stride, padding and dilation of at most {MOST:,}", f"{most:,}")
        self.geometry = Geometry(found["stride"], around, found["dilation"], groups)
        self.sized = bool(self.same) and any(s > 1 and r > 1 for s, r in zip(self.stride, self.kernel, strict=True))
        if self.same:
            self.geometry = self._fitted((1, 1))
        self._last: tuple[Pair, Geometry] = ((1, 1), self.geometry)

    def _sides(self, padding: Padding) -> Sides:
        if isinstance(padding, str):
            if padding not in {SAME, SAME_LOWER}:
                raise self.error(f"padding {SAME!r}, {SAME_LOWER!r} or numbers", repr(padding))
            return 0, 0, 0, 0
        given = padding if isinstance(padding, list | tuple) else (padding, padding)
        if len(given) not in {2, 4}:
            raise self.error("padding as one number, (rows, columns) or (top, bottom, left, right)", padding)
        return sides(tuple(self.whole("padding", one) for one in given))  # type: ignore[arg-type]

    def _fitted(self, size: Pair) -> Geometry:
        return self.geometry.same(size, self.kernel, lower=self.same == SAME_LOWER)

    def geometry_for(self, size: Pair) -> Geometry:
        """Where the windows stand on an image (H, W) of that size."""
        if not self.sized:
            return self.geometry
        if self._last[0] != size:
            self._last = (size, self._fitted(size))
        return self._last[1]

    @property
    def stride(self) -> Pair:
        """Pixels from one window to the next, (down, across)."""
        return self.geometry.stride

    @property
    def dilation(self) -> Pair:
        """Pixels from one element of the window to the next, (down, across)."""
        return self.geometry.dilation

    @property
    def groups(self) -> int:
        """Parts into which channels are divided."""
        return self.geometry.groups

    @property
    def padding(self) -> Pair:
        """(rows, columns) on either side.

        Raises PellucidError where opposite sides differ, or follow from the image's size.
        """
        if self.sized or not self.geometry.symmetric:
            raise self.error("as much padding on one side as on the other", self.same or self.geometry.padding)
        return self.geometry.before

    @property
    def window(self) -> Window:
        """The window that is slid."""
        return Window(self.kernel, self.geometry, fixed=not self.sized)

    def window_for(self, size: Pair) -> Window:
        """The window with the padding that an image of that size gets."""
        return Window(self.kernel, self.geometry_for(size))

    def _phrases(self, stride: Pair = (1, 1)) -> list[str]:
        """Settings that differ from their default; that of the stride is given."""
        text = []
        if self.stride != stride:
            text.append(f"stride {_phrase(self.stride)}")
        if self.same:
            text.append(f"padding {self.same}")
        elif any(self.geometry.padding):
            padding = self.geometry.padding
            text.append(f"padding {_phrase(self.geometry.before) if self.geometry.symmetric else padding}")
        if self.dilation != (1, 1):
            text.append(f"dilation {_phrase(self.dilation)}")
        if self.groups > 1:
            text.append(f"groups {self.groups}")
        return text


def _phrase(value: Pair) -> str:
    return str(value[0] if value[0] == value[1] else value)
