"""From a picture of any size to a network's input: the one way of training, evaluation and everything that answers.

Which way it is follows from the data, and stands in the model's file:

    stretch     brought to the network's size, its shape not kept: class folders, IDX sets
    crop        its middle, as large as can be in the network's shape, brought to its size: pretrained networks
    canvas      in the upper left corner of a black canvas, its shape kept: images with masks or boxes
    character   the character on it, found, centred and scaled as MNIST's are: MNIST and sets like it
    own         as it is, whatever its size: networks for any size that were trained on scenes
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from pellucid.data.pictures import flattened, open_picture
from pellucid.data.prepare import prepared_character
from pellucid.data.room import decoding
from pellucid.errors import InputError, PellucidError
from pellucid.ops import memory
from pellucid.ops.arrays import Array, Pair, Shape

if TYPE_CHECKING:
    from PIL.Image import Image

Rule = Literal["stretch", "crop", "canvas", "character", "own"]
Fit = Literal["stretch", "crop", "letterbox"]
"""How pictures that have a class are brought to one size; a letterbox is a canvas."""

_DARK = 0.25  # of white; the middle shade of the border of a picture that is light on dark


@dataclass(frozen=True, eq=False)
class Framed:
    """A picture as a network sees it.

    pixels: (C, H, W) uint8. size: (height, width) of the upright picture. part: (height, width) of the upper left
    part of the pixels that shows it, all of it; the rest is black.
    """

    pixels: Array
    size: Pair
    part: Pair


@dataclass(frozen=True)
class Framing:
    """How a picture becomes the input of a network for images of so many channels and this size (H, W).

    rule: see above. channels: 1, grey, or 3, colour. shrink: whether a picture larger than the canvas is made
    smaller; else the canvas grows, as the network saw all pictures at their own scale. white: value of white in
    pictures of more than 8 bits; None for each one's own, see `pictures.white_of`.
    """

    rule: Rule
    channels: int
    size: Pair
    shrink: bool = True
    white: float | None = None

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise PellucidError(f"framing {self.rule!r}: expected one of {', '.join(get_args(Rule))}")

    def open(self, path: str | Path) -> Image:
        """The picture of a file, upright, grey or in colour as the network sees it. Raises as `open_picture` does."""
        picture, mode = flattened(open_picture(path), self.white), "L" if self.channels == 1 else "RGB"
        return picture if picture.mode == mode else picture.convert(mode)

    def read(self, path: str | Path) -> Framed:
        """The picture of a file as the network sees it.

        Raises PellucidError, naming the file, where it is no picture, or has no character on it where one is needed.
        """
        least = self.size if self.rule in {"stretch", "crop"} else None
        with decoding() as take:
            return self.see(open_picture(path, least, take), str(path))

    def see(self, picture: Image, source: str) -> Framed:
        """As `read`, of an open picture of any mode. source: what messages call it."""
        picture = flattened(picture, self.white)
        if self.rule == "character" and not self._is_prepared(picture):
            # in colour, where it is: grey alone may lose the ink
            pixels = prepared_character(picture, source, self.size[0])
            return Framed(pixels, (picture.height, picture.width), self.size)
        mode = "L" if self.channels == 1 else "RGB"
        return self.frame(picture if picture.mode == mode else picture.convert(mode))

    def frame(self, picture: Image) -> Framed:
        """An open picture, of mode L or RGB as the network has channels, as the network sees it."""
        if self.channels not in {1, 3}:
            raise InputError(f"expected images of {self.channels} channels, got a picture, which has 1 or 3")
        size = picture.height, picture.width
        part, canvas = self.part(size), self.canvas(size)
        if self.rule == "crop":
            picture = picture.crop(middle(size, self.size))
        pixels = resized(picture, part).reshape(*part, self.channels).transpose(2, 0, 1)
        if part == canvas:
            return Framed(pixels, size, part)
        framed = memory.empty_images((1, self.channels, *canvas), np.uint8)[0]
        framed[...] = 0
        framed[:, : part[0], : part[1]] = pixels
        return Framed(framed, size, part)

    def part(self, size: Pair) -> Pair:
        """Height and width that a picture of size (H, W) has for the network."""
        if self.rule == "own" or (self.rule == "canvas" and not self.shrink):
            return size
        return fitted_size(size, self.size) if self.rule == "canvas" else self.size

    def canvas(self, size: Pair) -> Pair:
        """Height and width of the network's input for a picture of size (H, W)."""
        if self.rule != "canvas":
            return self.part(size)
        H, W = (max(side, own) for side, own in zip(self.size, self.part(size), strict=True))
        return H, W

    def of_all(self, sizes: Iterable[Pair]) -> Framing:
        """The framing by which pictures of these sizes (H, W) make one array: a growing canvas has room for all."""
        if self.rule != "own" and (self.rule != "canvas" or self.shrink):
            return self
        every = [*sizes, *([self.size] if self.rule == "canvas" else [])]
        largest = max(H for H, _ in every), max(W for _, W in every)
        return replace(self, rule="canvas", shrink=False, size=largest)

    def _is_prepared(self, picture: Image) -> bool:
        """Whether a picture has the size and the polarity, light on dark, of the network's characters already."""
        if (picture.height, picture.width) != self.size:
            return False
        pixels = np.asarray(picture.convert("L"), np.float32) / 255
        border = np.ones(pixels.shape, bool)
        border[1:-1, 1:-1] = False
        shade = float(np.median(pixels[border]))
        return shade <= _DARK and shade <= float(pixels.mean())


@dataclass(frozen=True, eq=False)
class FramedImages:
    """Images (N, C, H, W) uint8 as a model sees those of an array, were each a picture's file; made when asked for.

    images: (N, c, h, w) uint8 of grey or colour. framing: the model's, by which all have one size.
    """

    images: Array
    framing: Framing

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> Shape:
        """(N, C, H, W)."""
        return len(self.images), self.framing.channels, *self.framing.size

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, indices: Array) -> FramedImages:
        """The images of those indices, still to be made."""
        return replace(self, images=self.images[indices])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        """The pixels, stored channels last."""
        from PIL import Image

        framed = memory.empty_images(self.shape, self.dtype)
        for number, (row, image) in enumerate(zip(framed, self.images, strict=True)):
            pixels = np.ascontiguousarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
            row[...] = self.framing.see(Image.fromarray(pixels), f"image {number} of {len(self)}").pixels
        return framed if dtype is None else framed.astype(dtype, copy=False)

    def fingerprint(self) -> bytes:
        """Hash of the images, and of how they are seen."""
        return hashlib.sha256(repr((self.images.shape, self.framing)).encode() + self.images.tobytes()).digest()


def framed_arrays(images: Array, framing: Framing, own: Framing | None) -> Array | FramedImages:
    """Images (N, C, H, W) uint8 of grey or colour as a model sees them by its framing, were each a picture's file.

    own: how pictures become what these images are. Those that are as they should be are given back.
    """
    framing = framing.of_all([images.shape[2:4]])
    characters = framing.rule == "character" and (own is None or own.rule != "character")
    if images.shape[1:] == (framing.channels, *framing.size) and not characters:
        return images
    return FramedImages(images, framing)


def middle(size: Pair, shape: Pair) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the largest part in the middle of a picture (H, W) that has the shape (h, w)."""
    (H, W), (h, w) = size, shape
    high, wide = (H, min(W, max(1, round(H * w / h)))) if W * h > H * w else (min(H, max(1, round(W * h / w))), W)
    top, left = (H - high) // 2, (W - wide) // 2
    return left, top, left + wide, top + high


def fitted_size(size: Pair, canvas: Pair) -> Pair:
    """Height and width of a picture that is made smaller, if need be, its shape kept, to fit on a canvas."""
    shrink = min(1.0, canvas[0] / size[0], canvas[1] / size[1])
    return (size[0], size[1]) if shrink == 1 else (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))


def resized(picture: Image, size: Pair, *, sharp: bool = False) -> Array:
    """The pixels of a picture at size (H, W), by area where it shrinks. sharp: values are classes, none is mixed."""
    from PIL import Image

    if (picture.height, picture.width) != size:
        how = Image.Resampling.NEAREST if sharp else Image.Resampling.BILINEAR  # which widens as it shrinks
        picture = picture.resize((size[1], size[0]), how)
    return np.asarray(picture)


def enlarged_mask(mask: Array, size: Pair) -> Array:
    """A mask (h, w) at size (H, W): each pixel the class of the old pixel in which its middle lies."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for new, old in zip(size, mask.shape, strict=True)
    )
    return mask if mask.shape == size else mask[:, columns][rows]  # whole rows are copied faster than pixels
