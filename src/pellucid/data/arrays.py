"""Data that lie in arrays already: images or tables, with labels, masks or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pellucid.arguments import checked_but
from pellucid.data.dataset import Dataset
from pellucid.data.held_out import HeldOut
from pellucid.data.sources import Data, with_validation
from pellucid.errors import InputError
from pellucid.ops import memory
from pellucid.ops.arrays import Array

Layout = Literal["NCHW", "NHWC"]
CHANNELS = (1, 3)  # what an axis of that length is taken for, where only one can be it


@checked_but("X", "y", "test")
def arrays(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    layout: Layout | None = None,
    test: float | tuple[npt.ArrayLike, npt.ArrayLike] = 0.2,
    validation: float = 0,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> Data:
    """Images or rows of a table, and what is to be learnt of each.

    X: images, of uint8 (0 to 255) or floats (as they are, best 0 to 1): (N, C, H, W), (N, H, W, C), or (N, H, W) in
    grey; or rows (N, F) of numbers. layout: needed where both axes could be the channels.
    y: (N,) labels, whole numbers or names; floats (N,) or (N, M) are numbers to be learnt (regression); masks
    (N, H, W).
    test: fraction or number of samples that are drawn for the test, or (X, y) of it. validation: fraction or number
    of the others kept apart for choices. seed: of what is drawn. class_names: of the sorted labels; by default these.

    Raises PellucidError, a ValueError too, for arrays of another rank or of objects, NaN, numbers of samples that
    differ, and fewer samples than classes.

    >>> data = pl.data.arrays(np.zeros((10, 8, 8, 3), np.uint8), ["cat", "dog"] * 5)
    >>> data.shape, data.class_names, len(data.train), len(data.test)
    ((3, 8, 8), ('cat', 'dog'), 8, 2)
    >>> try:
    ...     pl.data.arrays(np.zeros((10, 4)), [0, 1])
    ... except ValueError as error:
    ...     print(error)
    X, y: expected one target a sample, got 10 samples and 2 targets
    """
    inputs, targets = checked_inputs(X, layout), _targets(y)
    if len(inputs) != len(targets):
        raise InputError(f"X, y: expected one target a sample, got {len(inputs)} samples and {len(targets)} targets")
    labels = _labels(targets)
    names = _names(targets, labels, class_names)
    whole = Dataset(inputs, _coded(targets, labels), names, "arrays")
    if isinstance(test, tuple):
        if len(test) != 2:
            raise InputError(f"test: expected a fraction, a number of samples, or (X, y), got {len(test)} parts")
        own = checked_inputs(test[0], layout), _targets(test[1])
        held = Dataset(own[0], _coded(own[1], labels), names, "test arrays")
        if held.shape != whole.shape:
            raise InputError(f"test: expected samples of shape {whole.shape}, got {held.shape}")
        data = Data(whole, None, held)
    else:
        rest, drawn = whole.split(test, seed)
        data = Data(rest, None, drawn)
    return with_validation(data, validation, HeldOut(seed))


def checked_inputs(X: npt.ArrayLike, layout: Layout | None = None, name: str = "X") -> Array:
    """Images as (N, C, H, W), stored channels last, or rows (N, F). Raises InputError for anything else."""
    given = numbers(X, name)
    if not given.shape or not len(given):
        raise InputError(f"{name}: expected at least one sample, got none")
    if given.ndim == 2:
        return given.astype(np.float32) if given.dtype.kind in "iub" else given
    if given.ndim == 3:
        given = given[:, None]
    elif given.ndim == 4 and _layout(given.shape, layout, name) == "NHWC":
        given = given.transpose(0, 3, 1, 2)
    if given.ndim != 4:
        raise InputError(
            f"{name}: expected images (N, C, H, W), (N, H, W, C) or (N, H, W), or rows (N, F), got {given.shape}"
        )
    given = bytes_of(given, name)
    images = memory.empty_images(given.shape, given.dtype)
    images[...] = given
    return images


def numbers(X: npt.ArrayLike, name: str) -> Array:
    """An array of finite numbers. Raises InputError for anything else."""
    try:
        given: Array = np.asarray(X)
    except ValueError as error:
        raise InputError(f"{name}: expected an array of numbers, got rows that differ in shape") from error
    if given.dtype.kind not in "iubf":
        raise InputError(f"{name}: expected numbers, got an array of {given.dtype}")
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise InputError(f"{name}: expected finite numbers, got NaN or infinity")
    return given


def _layout(shape: tuple[int, ...], layout: Layout | None, name: str) -> Layout:
    """Which axis is the channels'; the one that can be, where nobody says."""
    if layout is not None:
        return layout
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first == last:
        raise InputError(f'{name}: expected layout="NCHW" or "NHWC" to be given, as {shape} could be either')
    return "NCHW" if first else "NHWC"


def _targets(y: npt.ArrayLike) -> Array:
    """Labels, names, numbers or masks. Raises InputError for anything else."""
    try:
        given: Array = np.asarray(y)
    except ValueError as error:
        raise InputError("y: expected one target a sample, got rows that differ in shape") from error
    if given.dtype.kind == "O" and all(isinstance(value, str) for value in given.flat):
        given = given.astype(str)
    if given.dtype.kind == "U":
        if given.ndim != 1:
            raise InputError(f"y: expected names (N,), got shape {given.shape}")
        return given
    given = numbers(given, "y")
    most = 2 if given.dtype.kind == "f" else 3
    if given.ndim not in {1, most}:
        expected = "numbers (N,) or (N, M)" if most == 2 else "labels (N,) or masks (N, H, W)"
        raise InputError(f"y: expected {expected}, got {given.dtype} of shape {given.shape}")
    if 0 in given.shape[1:]:
        raise InputError(f"y: expected at least one number a sample, got shape {given.shape}")
    return given


def _labels(targets: Array) -> Array | None:
    """The labels that there are, sorted; None where targets are numbers or masks."""
    return np.unique(targets) if targets.ndim == 1 and targets.dtype.kind != "f" else None


def _coded(targets: Array, labels: Array | None) -> Array:
    """Labels as 0, 1, ...; floats and masks as they are."""
    if labels is None:
        return targets.astype(np.float32) if targets.dtype.kind == "f" else targets
    if targets.dtype.kind != labels.dtype.kind and not {targets.dtype.kind, labels.dtype.kind} <= set("iub"):
        raise InputError(f"y: expected labels of the type {labels.dtype}, got {targets.dtype}")
    known = np.isin(targets, labels)
    if not known.all():
        raise InputError(f"y: expected labels among {', '.join(map(str, labels))}, got {targets[~known][0]}")
    return np.searchsorted(labels, targets).astype(np.int64)


def _names(targets: Array, labels: Array | None, class_names: Sequence[str] | None) -> tuple[str, ...]:
    count: int | None
    if labels is not None:
        found, count = tuple(map(str, labels)), len(labels)
    elif targets.dtype.kind == "f":
        count = 1 if targets.ndim == 1 else targets.shape[1]
        found = ("y",) if count == 1 else tuple(f"y{i}" for i in range(count))
    else:
        count = int(targets.max()) + 1
        found = tuple(map(str, range(count)))
    given: Any = class_names if class_names is not None else found
    if len(given) < count or (labels is not None and len(given) != count):
        raise InputError(f"class_names: expected {count} names, got {len(given)}")
    return tuple(given)


def bytes_of(images: Array, name: str) -> Array:
    """Images of whole numbers of any type as bytes, floats as they are. Raises InputError beyond 0 to 255."""
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.kind not in "iu" or images.dtype == np.uint8:
        return images
    lowest, highest = images.min(initial=0), images.max(initial=0)
    if lowest < 0 or highest > 255:
        raise InputError(
            f"{name}: expected whole numbers from 0 to 255, or floats, got {images.dtype} from {lowest} to {highest}"
        )
    return images.astype(np.uint8)
