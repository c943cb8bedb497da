"""Affine maps of a batch of images: one map an image, everything on them moved alike.

A map is kept from the new image to the old one, because a warp asks for every new pixel where it came from.
Coordinates are (y, x) in pixels; the middle of the first pixel is (0, 0).
"""

from dataclasses import dataclass

import numpy as np

from pellucid.ops import memory
from pellucid.ops.arrays import Array, Pair


@dataclass(frozen=True, eq=False)
class Affine:
    """old = matrix @ new + offset, for each of n images: matrix (n, 2, 2), offset (n, 2), float64."""

    matrix: Array
    offset: Array

    def inverse(self) -> "Affine":
        """The map from the old image to the new: for points and boxes, which are asked where they went."""
        matrix = np.linalg.inv(self.matrix)
        return Affine(matrix, -np.einsum("nij,nj->ni", matrix, self.offset))

    def behind(self, first: "Affine") -> "Affine":
        """One map for two: the images are moved by `first`, then by this one."""
        matrix, offset = first.matrix @ self.matrix, np.einsum("nij,nj->ni", first.matrix, self.offset)
        return Affine(matrix, offset + first.offset)

    def sources(self, size: Pair) -> tuple[Array, Array]:
        """Where each pixel of new images came from: y and x, each (n, H, W) float32."""
        H, W = size
        matrix, offset = self.matrix.astype(np.float32), self.offset.astype(np.float32)
        rows, columns = np.arange(H, dtype=np.float32), np.arange(W, dtype=np.float32)
        coordinates = []
        for axis in range(2):
            down = matrix[:, axis, 0, None] * rows + offset[:, axis, None]
            along = matrix[:, axis, 1, None] * columns
            place = memory.empty((len(matrix), H, W), np.float32)
            coordinates.append(np.add(down[:, :, None], along[:, None, :], out=place))
        return coordinates[0], coordinates[1]


def centred_affine(shift: Array, angle: Array, scale: Array, shear: Array, size: Pair | Array) -> Affine:
    """Maps that shear, magnify, turn about the image's centre, then shift.

    shift: (n, 2) pixels, down and right. angle: (n,) radians, anticlockwise as seen. scale: (n,)
    magnification. shear: (n,) radians by which upright lines lean to the right. size: (H, W), or (n, 2) of
    each image, in the upper left corner of what is moved.
    """
    cosine, sine, slope = np.cos(angle), np.sin(angle), np.tan(shear)
    centre = (np.array(size, np.float64) - 1) / 2
    # The inverse of turn @ magnify @ shear, written out: y points down, so anticlockwise is -angle in (x, y).
    back = np.empty((len(angle), 2, 2))
    back[:, 0, 0], back[:, 0, 1] = cosine, sine
    back[:, 1, 0], back[:, 1, 1] = slope * cosine - sine, slope * sine + cosine
    back /= scale[:, None, None]
    return Affine(back, centre - np.einsum("nij,nj->ni", back, centre + shift))


def warp_images(images: Array, affine: Affine, size: Pair | None = None) -> Array:
    """The images (n, C, H, W) as the maps move them, between pixels bilinear, outside 0: float32, same units.

    size: (height, width) of the new images, that of the old ones unless given.
    """
    n, C, H, W = images.shape
    y, x = affine.sources(size or (H, W))
    np.clip(y, -2, H, out=y)  # beyond that, all is black anyway
    np.clip(x, -2, W, out=x)
    top, left = _floor(y), _floor(x)
    y -= top
    x -= left
    frame = memory.padded(images, 2)  # a black rim: what lies outside needs no condition
    height, width = H + 4, W + 4
    top *= width
    top += left
    corner = memory.empty(top.shape, np.intp)  # of the four pixels around a place, the first's index in the frame
    np.copyto(corner, top, casting="unsafe")
    corner += (np.arange(n) * (height * width) + 2 * width + 2)[:, None, None]
    pixels = frame.transpose(0, 2, 3, 1).reshape(-1, C)
    upper = _between(_taken(pixels, corner), _taken(pixels[1:], corner), x)
    lower = _between(_taken(pixels[width:], corner), _taken(pixels[width + 1 :], corner), x)
    return _between(upper, lower, y).transpose(0, 3, 1, 2)


def _floor(x: Array) -> Array:
    floor: Array = np.floor(x, out=memory.empty(x.shape, x.dtype))
    return floor


def _taken(pixels: Array, index: Array) -> Array:
    """Rows (C numbers) of the pixels as float32: (n, H, W, C)."""
    taken = memory.empty((*index.shape, pixels.shape[1]), pixels.dtype)
    pixels.take(index, axis=0, out=taken, mode="clip")  # every index is inside; this mode alone writes directly
    if taken.dtype == np.float32:
        return taken
    floats = memory.empty(taken.shape, np.float32)
    floats[...] = taken
    return floats


def _between(here: Array, there: Array, share: Array) -> Array:
    """here + share * (there - here), for each of C channels, in place of `here`."""
    there -= here
    there *= share[..., None]
    here += there
    return here


def warp_masks(masks: Array, affine: Affine, outside: int, size: Pair | None = None) -> Array:
    """The masks (n, H, W) as the maps move them: the nearest old pixel's class, `outside` beyond the edge.

    size: (height, width) of the new masks, that of the old ones unless given.
    """
    n, H, W = masks.shape
    y, x = (np.rint(place).astype(np.intp) for place in affine.sources(size or (H, W)))
    inside = (y >= 0) & (y < H) & (x >= 0) & (x < W)
    np.clip(y, 0, H - 1, out=y)
    np.clip(x, 0, W - 1, out=x)
    return np.where(inside, masks[np.arange(n)[:, None, None], y, x], masks.dtype.type(outside))
