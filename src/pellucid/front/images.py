"""Whatever people have an image in, as a model's pixels: a path, a picture, an array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data.arrays import Layout, bytes_of, numbers
from pellucid.data.framing import Framed
from pellucid.data.pictures import upright
from pellucid.errors import InputError
from pellucid.ops.arrays import Array, Shape
from pellucid.recipes.model import AnyModel


def is_single(given: Any, shape: Shape) -> bool:
    """Whether this is one image (or row), and no batch of them. shape: of the model's images."""
    if isinstance(given, str | Path) or hasattr(given, "convert"):
        return True
    if (
        isinstance(given, list | tuple)
        and given
        and (isinstance(given[0], str | Path) or hasattr(given[0], "convert"))
    ):
        return False
    try:
        ranks = np.ndim(given)
    except ValueError:  # rows that differ in shape, which `numbers` refuses
        return False
    if len(shape) == 1:
        return ranks == 1
    return ranks == 2 or (ranks == 3 and (shape[0] != 1 or 1 in {np.shape(given)[0], np.shape(given)[2]}))


def framed(model: AnyModel, given: Any, layout: Layout | None) -> list[Framed]:
    """Images as the model sees them. given: one, or several; see `Model.predict`."""
    if is_single(given, model.image_shape) and not isinstance(given, np.ndarray):
        given = [given]
    if not isinstance(given, np.ndarray) and isinstance(given, Sequence) and given and _is_picture(given[0]):
        if len(model.image_shape) == 1:
            raise InputError(f"predict: expected rows of {model.image_shape[0]} numbers, got pictures")
        return [_seen(model, one) for one in given]
    return [Framed(x, x.shape[1:3], x.shape[1:3]) for x in _arrays(given, model.image_shape, layout)]


def _is_picture(given: Any) -> bool:
    return isinstance(given, str | Path) or hasattr(given, "convert")


def _seen(model: AnyModel, picture: Any) -> Framed:
    if isinstance(picture, str | Path):
        return model.framing.read(picture)
    if not hasattr(picture, "convert"):
        raise InputError(f"predict: expected paths and pictures only, got {type(picture).__name__} among them")
    return model.framing.see(upright(picture), "picture")


def _arrays(given: Any, shape: Shape, layout: Layout | None) -> Array:
    """A batch (N, C, H, W), or (N, F), from one sample or several."""
    x = numbers(given, "predict")
    if is_single(x, shape):
        x = x[None]
    if len(shape) == 1:
        if x.ndim != 2 or x.shape[1] != shape[0]:
            raise InputError(f"predict: expected rows of {shape[0]} numbers, got shape {np.shape(given)}")
        return x
    C = shape[0]
    if x.ndim == 3 and C == 1:
        x = x[:, None]
    if x.ndim != 4 or C not in {x.shape[1], x.shape[3]}:
        raise InputError(f"predict: expected images of {C} channels, NCHW or NHWC, got shape {np.shape(given)}")
    if layout is None and x.shape[1] == x.shape[3] and x.shape[1:] != shape:
        raise InputError(f'predict: expected layout="NCHW" or "NHWC", as {np.shape(given)} could be either')
    x = bytes_of(x, "predict")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise InputError(f"predict: expected images of uint8 or floats, got {x.dtype}")
    last = layout == "NHWC" if layout is not None else x.shape[1] != C
    return x.transpose(0, 3, 1, 2) if last else x
