"""The digits of a scene: magnified and turned on patches of their own, then pasted onto canvases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pellucid.data.geometry import Affine, centred_affine, warp_images
from pellucid.ops.arrays import Array, Shape

_ROUNDED = 8  # sides of patches are multiples of it, so that many digits share one size


@dataclass(frozen=True, eq=False)
class Patches:
    """Digits on patches of one size: ink (n, S, S) uint8, and which of the digits asked for they are, rows (n,)."""

    ink: Array
    rows: Array

    @staticmethod
    def margin(scale: float, rotate: float, shape: Shape) -> int:
        """The most that a patch may stand over the canvas's edge while its ink is inside."""
        return int(_sides(np.array([max(shape) / 2]), np.array([scale]), np.array([np.radians(rotate)]), False)[0])


def reaches(images: Array) -> Array:
    """How far from the middle of each image (N, h, w), in pixels along an axis, its ink goes: (N,)."""
    _, h, w = images.shape
    far = np.zeros(len(images))
    for axis, size in ((2, h), (1, w)):
        from_middle = np.abs(np.arange(size) - (size - 1) / 2) + 0.5
        np.maximum(far, (images.any(axis=axis) * from_middle).max(axis=1), out=far)
    return far


def _sides(reach: Array, scale: Array, angle: Array, tight: bool = True) -> Array:
    """Sides of the square patches that hold digits of the given reach, one more pixel all around."""
    spread = np.abs(np.cos(angle)) + np.abs(np.sin(angle)) if tight else np.sqrt(2)
    needed = 2 * (np.ceil(reach * scale * spread) + 1)
    sides: Array = (np.ceil(needed / _ROUNDED) * _ROUNDED).astype(np.int64)
    return sides


def resampled(images: Array, which: Array, reach: Array, scale: Array, angle: Array) -> Iterator[Patches]:
    """The images of the given numbers (n,), magnified and turned about their middle, size of patch by size."""
    sides = _sides(reach[which], scale, angle)
    for side in np.unique(sides):
        rows = np.flatnonzero(sides == side)
        yield Patches(_warped(images[which[rows]], scale[rows], angle[rows], int(side)), rows)


def _warped(images: Array, scale: Array, angle: Array, side: int) -> Array:
    n, h, w = images.shape
    still = np.zeros(n)
    affine = centred_affine(np.zeros((n, 2)), angle, scale, still, (h, w))
    from_patch = np.array([h - side, w - side]) / 2  # the patch's middle is the image's
    affine = Affine(affine.matrix, affine.offset + affine.matrix @ from_patch)
    ink = warp_images(images[:, None], affine, (side, side))[:, 0]
    return np.rint(ink).astype(np.uint8)


def inked_boxes(ink: Array, threshold: float) -> tuple[Array, Array]:
    """Tight boxes around what reaches the threshold, (n, 4) y0, x0, y1, x1, ends exclusive; whether there is any."""
    inked = ink >= threshold
    edges = []
    for axis in (2, 1):
        line: Array = np.any(inked, axis=axis)
        edges += [line.argmax(axis=1), line.shape[1] - line[:, ::-1].argmax(axis=1)]
    found: Array = np.any(inked, axis=(1, 2))
    return np.stack([edges[0], edges[2], edges[1], edges[3]], axis=1), found


def paste(
    canvas: Array, owner: Array, ink: Array, scenes: Array, corners: Array, labels: Array, threshold: float
) -> None:
    """Put patches onto canvases (N, H, W) in place: the brighter of both; what reaches the threshold owns its pixel.

    scenes, corners, labels: of each patch its canvas, none twice, its upper left pixel (n, 2), its owner's number.
    """
    _, H, W = canvas.shape
    S = np.arange(ink.shape[1])
    first = (scenes * H + corners[:, 0]) * W + corners[:, 1]
    place = first[:, None, None] + (S[:, None] * W + S)
    flat, owners = canvas.reshape(-1), owner.reshape(-1)
    flat[place] = np.maximum(flat[place], ink)
    owned = ink >= threshold
    owners[place[owned]] = np.broadcast_to(labels[:, None, None], ink.shape)[owned]
