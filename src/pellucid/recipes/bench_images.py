"""Test images of a run beside its exported C, and what Python's integers say of them: for a program that measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid.data import normalized
from pellucid.errors import PellucidError
from pellucid.files import write_whole
from pellucid.ops.arrays import Array
from pellucid.plan import IntegerNetwork
from pellucid.plan.integer_network import images_shape
from pellucid.recipes.data import build_data
from pellucid.recipes.shrink import open_any

IMAGES, LOGITS = "test-images.bin", "test-logits.bin"
COUNT = 100


def write_bench_images(file: Path, folder: Path) -> int:
    """Write some test images of an integer network's file into a folder with its C; returns how many.

    They are spread over the test set: of images in order of their classes, some of each. IMAGES: plain pixels, as
    the C takes them. LOGITS: Python's, in the C's order, numbers of 32 bits. Raises PellucidError where there are no
    data, or their images aren't bytes of the network's size, and for a file IMAGES that somebody else put there.
    """
    model = open_any(file)
    assert isinstance(model.network, IntegerNetwork)
    test = build_data(model.recipe, model.held_out, model.framing).test
    pixels = np.asarray(test.inputs[np.unique(np.linspace(0, len(test) - 1, COUNT).round().astype(np.int64))])
    expected = images_shape(model.network.input_shape)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
        raise PellucidError(f"test images: expected bytes {expected}, got {pixels.dtype} {pixels.shape[1:]}")
    if (folder / IMAGES).exists() and not (folder / LOGITS).exists():
        raise PellucidError(f"{folder / IMAGES}: there is something that export didn't make; expected another place")
    settings = model.recipe.data
    logits = _logits(model.network, normalized(pixels, np.float32, 255, settings.mean or None, settings.std or None))
    write_whole(folder / LOGITS, logits.astype("<i4").tobytes())
    write_whole(folder / IMAGES, np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)).tobytes())
    return len(pixels)


def _logits(network: IntegerNetwork, x: Array) -> Array:
    """Whole numbers, of maps all classes of a place together."""
    logits = network.integer_logits(network.input_scale.quantize(x))
    return np.ascontiguousarray(logits.transpose(0, 2, 3, 1) if logits.ndim == 4 else logits)
