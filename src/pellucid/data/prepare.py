"""Any picture of a character, brought to what MNIST's images are.

LeCun, Cortes and Burges made MNIST so: the ink was scaled, its shape kept, to fit a square of 20 pixels, with
grey edges from the anti-aliasing; then its centre of mass was put in the middle of 28x28 pixels. Here, before
that, the ink has to be found: what differs from a background that may be shaded, noisy, light or dark.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid.arguments import checked_but
from pellucid.data.components import main_parts
from pellucid.data.pictures import flattened, open_picture
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 28  # pixels of an MNIST image
BOX = 20  # pixels of its ink's longer side
LONGEST = 1024  # pixels; a larger picture is made smaller first
CONTRAST = 0.04  # of white; ink that differs less from the background is none
NOISE = 5.0  # standard deviations that ink must rise above the background's noise
QUANTUM = 0.5 / 255  # half a grey level: no noise, but rounding
FAINTEST = 0.25  # of the darkest ink: what is fainter doesn't count for the ink's extent
THINNEST = 1.4  # pixels a stroke of MNIST is wide at least (its first percentile); thinner ones are widened


@checked_but("path")
def prepare_character(path: str | Path, side: int = SIDE) -> Array:
    """The character of a PNG or JPEG file as MNIST has it: (1, side, side) uint8, ink light on 0.

    path: of the file. side: of the square that comes back, pixels.
    Raises PellucidError, naming the file, where it is no picture or has no ink on it.

    >>> from PIL import Image
    >>> pixels = np.full((60, 60), 255, np.uint8)
    >>> pixels[10:50, 28:32] = 0
    >>> Image.fromarray(pixels).save("one.png")
    >>> pl.data.prepare_character("one.png").shape
    (1, 28, 28)
    """
    return prepared_character(flattened(open_picture(path)), str(path), side)


def prepared_character(picture: "Image", source: str, side: int = SIDE) -> Array:
    """As `prepare_character`, of an open picture in mode L or RGB. source: what messages call it."""
    ink = find_ink(_pixels(picture))
    if ink is None:
        raise PellucidError(f"{source}: the image is blank, expected a character on a plain background")
    return centred(fitted(ink, round(BOX * side / SIDE)), side)[None]


def _pixels(picture: "Image") -> Array:
    """The picture (H, W, 1 or 3) float32 in 0 .. 1, not larger than needed."""
    factor = -(-max(picture.size) // LONGEST)
    if factor > 1:
        picture = picture.reduce(factor)
    pixels = np.asarray(picture, np.float32) / 255
    return pixels.reshape(*pixels.shape[:2], -1)


def find_ink(pixels: Array) -> Array | None:
    """The ink of a picture (H, W, C), cut out, from 0 (background) to 1 (full): (h, w) float32, None for none."""
    ink = _contrast(pixels, background(pixels))
    noise = noise_level(ink)
    smooth = _smoothed(ink) if noise else ink
    peak = float(smooth.max())
    if peak < max(CONTRAST, NOISE * noise / 3):  # a mean of nine has a third of the noise
        return None
    present = (smooth > max(FAINTEST * peak, NOISE * noise / 3)) & (ink > max(FAINTEST * peak, 3 * noise))
    if not present.any():
        return None
    present &= main_parts(present, smooth)
    rows, columns = np.flatnonzero(present.any(1)), np.flatnonzero(present.any(0))
    cut = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    near = _grown(present[cut])
    full = float(np.percentile(ink[cut][present[cut]], 95))
    return np.where(near, ((ink[cut] - noise) / (full - noise)).clip(0, 1), 0).astype(np.float32)


def background(pixels: Array) -> Array:
    """The shade behind the ink at every pixel: per channel a quadratic surface through the picture's border.

    The fit leaves out, three times, the fifth of the border that lies farthest off: ink may touch the border.
    """
    H, W, _ = pixels.shape
    y, x = np.linspace(-1, 1, H)[:, None], np.linspace(-1, 1, W)[None, :]
    terms = np.stack(np.broadcast_arrays(np.ones((1, 1)), y, x, y * x, y * y, x * x), axis=-1)
    border = _border(H, W)
    known, seen = terms[border], pixels[border].astype(np.float64)
    kept = np.abs(seen - np.median(seen, axis=0)).max(1) <= 0.25
    for _ in range(4):
        surface = np.linalg.lstsq(known[kept], seen[kept], rcond=None)[0]
        off = np.abs(seen - known @ surface).max(1)
        kept = off <= np.quantile(off, 0.8)
    shade: Array = terms @ surface
    return shade


def _border(H: int, W: int) -> Array:
    """Mask of the outermost pixels: a thirtieth of the shorter side, at least one pixel."""
    width = max(1, min(H, W) // 30)
    border = np.ones((H, W), bool)
    border[width : H - width, width : W - width] = False
    return border


def _contrast(pixels: Array, shade: Array) -> Array:
    """How far each pixel (H, W, C) lies from the background in the direction of the ink's colour: (H, W).

    The direction is the mean change, each weighted by its size: the ink's, be it darker, lighter or coloured.
    Dark ink takes away a share of the light that falls there, so where the paper lies in shadow it counts for
    more.
    """
    change = pixels - shade
    size = np.sqrt((change**2).sum(2, keepdims=True))
    direction = (change * size**2).sum((0, 1))
    length = float(np.sqrt((direction**2).sum()))
    if length == 0:
        return np.zeros(change.shape[:2])
    ink: Array = change @ (direction / length)
    if direction.sum() < 0:
        light = shade.mean(2)
        brightest = light.max()
        ink *= brightest / np.maximum(light, 0.2 * brightest)
    return ink


def noise_level(ink: Array) -> float:
    """Standard deviation of the background's noise; 0 where it is less than rounding.

    By the median of the border's values, or of the differences between neighbours anywhere if that is less:
    the first is too large where ink fills the border, the second too small where the noise is in patches.
    """
    border = np.median(np.abs(ink[_border(*ink.shape)]))
    neighbours = np.median(np.abs(np.diff(ink, axis=1))) if ink.shape[1] > 1 else border
    noise = 1.4826 * min(float(border), 2 * float(neighbours) / np.sqrt(2))  # 1.4826: of a normal distribution
    return noise if noise > QUANTUM else 0.0


def _smoothed(image: Array) -> Array:
    """Mean of each pixel's 3x3 surroundings."""
    frame = np.pad(image, 1, mode="edge")
    rows = frame[:-2] + frame[1:-1] + frame[2:]
    smooth: Array = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return smooth


def _grown(mask: Array) -> Array:
    """The mask and every pixel beside it: the soft edge of a stroke belongs to it."""
    frame = np.pad(mask, 1)
    rows = frame[:-2] | frame[1:-1] | frame[2:]
    grown: Array = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return grown


def fitted(ink: Array, box: int) -> Array:
    """The ink (h, w) scaled, shape kept, so that its longer side is `box`; too thin strokes widened first."""
    from PIL import Image, ImageFilter

    working = 8 * box  # fine enough to widen strokes by parts of the final pixel
    if max(ink.shape) > working:
        ink = _resized(ink, working)
    pixel = max(ink.shape) / box  # of the final image, in pixels of this one
    missing = THINNEST * pixel - stroke_width(ink)
    if missing >= 1:
        margin = round(missing / 2)
        grey = Image.fromarray((np.pad(ink, margin) * 255).astype(np.uint8))
        ink = np.asarray(grey.filter(ImageFilter.MaxFilter(2 * margin + 1)), np.float32) / 255
    small = _resized(ink, box)
    full: Array = small / small.max()
    return full


def stroke_width(ink: Array) -> float:
    """Width of the strokes in pixels: twice their area over their outline, which is the total variation."""
    frame = np.pad(ink, 1)
    down, along = np.diff(frame, axis=0)[:, :-1], np.diff(frame, axis=1)[:-1]
    return float(2 * ink.sum() / np.sqrt(down**2 + along**2).sum())


def _resized(image: Array, longer: int) -> Array:
    """The image with a longer side of so many pixels, smoothed as it shrinks, never below one pixel."""
    from PIL import Image

    h, w = (max(1, round(side * longer / max(image.shape))) for side in image.shape)
    if (h, w) == image.shape:
        return image
    small: Array = np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BOX))
    return small


def centred(ink: Array, side: int) -> Array:
    """The ink (values to 1) on a square of 0, its centre of mass in the middle: (side, side) uint8.

    MNIST's centres of mass lie from 13.5 to 14.5, counted from the middle of the first pixel.
    """
    image = np.zeros((side, side), np.uint8)
    slices = []
    for axis, length in enumerate(ink.shape):
        mass = ink.sum(1 - axis)
        centre = float(mass @ np.arange(length) / mass.sum())
        start = int(np.floor(side / 2 - centre + 0.5))
        start = min(max(start, 0), side - length)
        slices.append(slice(start, start + length))
    image[slices[0], slices[1]] = np.rint(ink.clip(0, 1) * 255)
    return image
