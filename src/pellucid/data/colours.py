"""Random changes of training images' colours and sharpness, and of two images into one: none moves a pixel."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from pellucid.arguments import Checked
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.ops import memory
from pellucid.ops.arrays import Array

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, ITU-R BT.601
_REACH = 3.0  # deviations of a Gaussian that a blur takes in


@dataclass(frozen=True)
class Colours(Checked):
    """How far colours may change; every amount is drawn anew for every image and epoch.

    brightness, contrast, saturation: fractions; 0.2 draws a factor from 0.8 .. 1.2: of each pixel, of its distance
    from the image's mean grey, of its distance from its own grey. blur: pixels, largest deviation of a Gaussian;
    uniform in 0 .. blur. mixup: a, for which a batch becomes m x + (1 - m) x', of each image with another one of the
    batch, and the loss alike; m is drawn from Beta(a, a), the larger of m and 1 - m (Zhang et al. 2018, "mixup");
    0.2 is usual. Only for classes of whole images.

    0 everywhere, the default, changes nothing.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    blur: float = 0.0
    mixup: float = 0.0

    COLUMNS = 4  # random numbers an image: brightness, contrast, saturation, blur

    def __post_init__(self) -> None:
        limits = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "blur": 20.0, "mixup": 100.0}
        for field in fields(self):
            value, limit = getattr(self, field.name), limits[field.name]
            if not 0 <= value <= limit:
                raise PellucidError(f"colours {field.name} = {value}: expected 0 .. {limit:g}")

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return any(getattr(self, field.name) for field in fields(self))

    def __call__(self, pixels: Array, uniform: Array, white: float) -> Array:
        """The images (n, C, H, W) changed, as float32 of 0 .. white, from uniform numbers (n, COLUMNS)."""
        if not (self.brightness or self.contrast or self.saturation or self.blur):
            return pixels
        x = memory.empty_images(pixels.shape, np.float32)
        x[...] = pixels
        factors = 1 + (2 * uniform[:, :3] - 1) * [self.brightness, self.contrast, self.saturation]
        bright, strong, full = factors.astype(np.float32).T[:, :, None, None, None]
        if self.brightness:
            x *= bright
        if self.contrast:
            mean = _grey(x).mean((2, 3), keepdims=True)
            x = mean + strong * (x - mean)
        if self.saturation and x.shape[1] == 3:
            grey = _grey(x)
            x = grey + full * (x - grey)
        if self.blur:
            x = blurred(x, self.blur * uniform[:, 3])
        return np.clip(x, 0, white, out=x)


def _grey(x: Array) -> Array:
    """(n, 1, H, W): how bright each pixel is."""
    grey: Array = np.einsum("nchw,c->nhw", x, GREY)[:, None] if x.shape[1] == 3 else x.mean(1, keepdims=True)
    return grey


def blurred(x: Array, deviations: Array) -> Array:
    """Images (n, C, H, W), each convolved with a Gaussian of its own deviation in pixels; edges are repeated."""
    reach = int(np.ceil(_REACH * deviations.max(initial=0)))
    if not reach:
        return x
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / np.maximum(deviations, 1e-3)[:, None]) ** 2)
    weights = (weights / weights.sum(1, keepdims=True)).astype(x.dtype)
    for axis in (2, 3):
        rim = [(0, 0)] * 4
        rim[axis] = reach, reach
        wide, length = np.pad(x, rim, mode="edge"), x.shape[axis]
        parts = (
            weights[:, i, None, None, None] * np.take(wide, np.arange(i, i + length), axis=axis)
            for i in range(len(places))
        )
        x = sum(parts, np.zeros_like(x))
    return x


@dataclass(frozen=True, eq=False)
class Mixed:
    """Labels of images that are a mixture of two each: `share` (at least a half) of first's, the rest of second's."""

    first: Array
    second: Array
    share: float

    def __len__(self) -> int:
        """Number of images."""
        return len(self.first)

    def __getitem__(self, indices: Any) -> Mixed:
        """Those of some images."""
        return Mixed(self.first[indices], self.second[indices], self.share)


def mixed(inputs: Array, labels: Array, alpha: float, seed: int, epoch: int, batch: int) -> tuple[Array, Mixed]:
    """A batch of which each image is mixed with the one as far from the batch's other end."""
    drawn = float(generator(seed, "mixup", epoch, batch).beta(alpha, alpha))
    share = max(drawn, 1 - drawn)
    x = memory.empty_images(inputs.shape, inputs.dtype)
    x[...] = inputs.dtype.type(share) * inputs
    x += inputs.dtype.type(1 - share) * inputs[::-1]
    return x, Mixed(labels, labels[::-1].copy(), share)
